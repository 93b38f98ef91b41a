"""Norms before, after, at both places or nowhere, over the batch or the channels."""

from dataclasses import asdict
from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.materials.batches import Packed
from surrogates.materials.graph import structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.networks.cgcnn import Convolution
from surrogates.materials.networks.edge_gated import EdgeGated
from surrogates.materials.networks.normalisation import CountedBatchNorm, Norm, Place
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import predict

from .test_graph import low_symmetry, record, rock_salt
from .test_networks import batch_of, drawn, moved

ALL = list(product(("cgcnn", "edge_gated"), get_args(Place), get_args(Norm)))


def test_a_counted_norm_is_that_of_the_rows_written_out():
    (rows,) = drawn(4, (7, 3))
    counts = torch.tensor([1, 4, 1, 2, 3, 1, 12])
    ours, theirs = CountedBatchNorm(3), nn.BatchNorm1d(3)
    whole = theirs(rows.repeat_interleave(counts, dim=0))
    assert torch.allclose(ours.counted(rows, counts).repeat_interleave(counts, dim=0), whole, atol=1e-5)
    assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var, atol=1e-6)
    assert torch.allclose(ours.eval().counted(rows, counts), theirs.eval()(rows), atol=1e-6)
    with pytest.raises(ValueError, match="two edges at least"):
        CountedBatchNorm(3).counted(rows[:1], counts[:1])


@pytest.mark.parametrize("norm, axis", [("layer", 1), ("batch", 0)])
def test_after_means_that_what_is_added_is_normalised(norm, axis):
    """Mean 0 and variance 1 of what a step adds; before the non-linearity they are not."""
    batch = batch_of(low_symmetry(), rock_salt())
    v, edges = drawn(5, (len(batch.numbers), 8), (len(batch.receivers), 8))
    for place in get_args(Place):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            layer = EdgeGated(8, True, place, norm)
        nodes, e = layer(v, edges, batch)
        counts = batch.counts.long()
        for added in (nodes - v, (e - edges).repeat_interleave(counts, dim=0)):
            flat = bool((added.mean(axis).abs() < 1e-4).all())
            one = torch.allclose(added.var(axis, unbiased=False), torch.ones(1), atol=2e-2)
            assert (flat and one) == (place in ("after", "both")), place


def test_after_in_cgcnn_is_the_sum_of_messages():
    batch = batch_of(low_symmetry(), rock_salt())
    nodes, edges = drawn(6, (len(batch.numbers), 8), (len(batch.receivers), 5))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for norm, axis in (("layer", 1), ("batch", 0)):
            out = Convolution(8, 5, "after", norm)(nodes, edges, batch)
            total = torch.log(torch.expm1(out.double())) - nodes  # what stands within the last softplus
            assert torch.allclose(total.mean(axis), torch.zeros(1).double(), atol=1e-4)


@pytest.mark.parametrize("name, place, norm", ALL)
def test_every_choice_trains_and_sees_the_crystal_not_its_cell(name, place, norm):
    network = build(NetworkSettings(name, width=8, layers=2, normalise=place, norm=norm), 1, seed=1)
    network.train()(batch_of(low_symmetry(), rock_salt())).mean.sum().backward()
    gradients = [p.grad for part, p in network.named_parameters() if part.startswith("layers.0")]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    moved(network)
    crystal = low_symmetry()
    a, b, other = predict(
        network, [structure_graph(record(one)) for one in (crystal, crystal * (2, 1, 1), low_symmetry(1))]
    ).mean
    assert a == pytest.approx(b, abs=2e-4)
    assert abs(a - other) > 1e-4


def test_choices_differ_and_the_networks_own_are_the_published_ones():
    graphs = Packed([structure_graph(record(one)) for one in (low_symmetry(), rock_salt())])

    def said(name, place, norm):
        network = build(NetworkSettings(name, width=8, layers=1, normalise=place, norm=norm), 1, seed=1)
        network.train()(graphs.batch(torch.arange(2)))  # running statistics of their own
        return float(predict(network, graphs).mean[0, 0])

    for name, own in (("cgcnn", ("both", "batch")), ("edge_gated", ("before", "layer"))):
        values = {(place, norm): said(name, place, norm) for n, place, norm in ALL if n == name}
        assert said(name, None, None) == values[own]
        rounded = {round(v, 6) for (place, _), v in values.items() if place != "none"}
        assert len(rounded) == 6, values
        assert values["none", "batch"] == values["none", "layer"]


def test_steps_are_the_nodes_after_each_layer():
    batch = batch_of(low_symmetry())
    for name in ("cgcnn", "edge_gated"):
        network = moved(build(NetworkSettings(name, width=8, layers=3), 1, seed=1))
        steps = list(network.steps(batch))
        assert [tuple(each.shape) for each in steps] == [(5, 8)] * 4
        assert torch.equal(steps[-1], network.nodes(batch))
        assert not np.allclose(steps[1].detach(), steps[2].detach(), atol=1e-3)


def test_settings_are_kept_and_older_ones_are_read():
    settings = EnsembleSettings(network=NetworkSettings(normalise="after", norm="batch", layers=7))
    assert EnsembleSettings.from_json(settings.to_json()) == settings
    older = EnsembleSettings().to_json()
    for name in ("normalise", "norm", "falloff"):
        del older["network"][name]
    assert EnsembleSettings.from_json(older) == EnsembleSettings(network=NetworkSettings(falloff=0.0))
    assert asdict(NetworkSettings())["normalise"] is None


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match=r"wanted normalise none, before.*got 'sometimes'"):
        build(NetworkSettings(normalise="sometimes"), 1)
    with pytest.raises(ValueError, match=r"wanted norm batch, layer.*got 'instance'"):
        build(NetworkSettings(norm="instance"), 1)
