"""Training of one member: what it learns, what it must not learn from, that it is the same twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice
from pymatgen.core import Structure as Crystal

from surrogates.materials.batches import Packed
from surrogates.materials.graph import composition_graph, structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.training import Training, heteroscedastic, masked, predict, train

from .test_graph import record

SMALL = NetworkSettings(width=24, layers=2, cutoff=6.0)
SHORT = Training(epochs=25, batch=16, rate=5e-3)
LONG = replace(SHORT, epochs=80)
CATIONS, ANIONS = ("Li", "Na", "K", "Mg", "Ca", "Ti", "Mn", "Fe", "Ni", "Zn"), ("O", "S", "F", "Cl")


def crystals(n, seed=0):
    """Two-atom cells of many elements and sizes, the second atom off its centre."""
    rng = np.random.default_rng([seed, 7])
    return [
        Crystal(
            Lattice.cubic(rng.uniform(3.2, 4.2)),
            [rng.choice(CATIONS), rng.choice(ANIONS)],
            [[0, 0, 0], 0.5 + rng.uniform(-0.08, 0.08, 3)],
        )
        for _ in range(n)
    ]


def graphs_of(made):
    return [structure_graph(record(one), cutoff=6.0) for one in made]


@pytest.fixture(scope="module")
def made():
    return crystals(96)


@pytest.fixture(scope="module")
def graphs(made):
    return graphs_of(made)


@pytest.fixture(scope="module")
def targets(made):
    """Volume, and electronegativity difference: one of the lattice, one of the elements."""
    values = np.array([[c.volume, c[1].specie.X - c[0].specie.X] for c in made])
    return (values - values.mean(0)) / values.std(0)


def trained(graphs, targets, seed=0, network=SMALL, training=SHORT, **arguments):
    out = build(network, targets.shape[1], seed=seed)
    train(out, graphs, targets, training=training, seed=seed, **arguments)
    return out


def equal(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", ["cgcnn", "edge_gated"])
def test_several_targets_are_learned_and_hold_for_new_crystals(graphs, targets, name):
    network = trained(graphs[:72], targets[:72], network=replace(SMALL, network=name))
    error = np.abs(predict(network, graphs[72:]).mean - targets[72:]).mean(0)
    assert np.all(error < 0.4 * np.abs(targets[72:]).mean(0))


def test_a_composition_is_learned_without_a_structure():
    rng = np.random.default_rng([2, 3])
    formulas = [
        {c: int(rng.integers(1, 4)), a: int(rng.integers(1, 4))}
        for c, a in zip(rng.choice(CATIONS, 90), rng.choice(ANIONS, 90), strict=True)
    ]
    share = np.array([[next(iter(f.values())) / sum(f.values())] for f in formulas])
    wanted = (share - share.mean()) / share.std()
    graphs = [composition_graph(f) for f in formulas]
    network = trained(graphs[:70], wanted[:70], network=replace(SMALL, network="composition"))
    error = np.abs(predict(network, graphs[70:]).mean - wanted[70:]).mean()
    assert error < 0.3 * np.abs(wanted[70:]).mean()


def test_the_same_seed_gives_the_same_network_and_another_gives_another(graphs, targets):
    brief = replace(SHORT, epochs=2)
    torch.manual_seed(1)
    first = trained(graphs, targets, seed=3, training=brief, network=replace(SMALL, dropout=0.2))
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    again = trained(graphs, targets, seed=3, training=brief, network=replace(SMALL, dropout=0.2))
    assert torch.equal(torch.random.get_rng_state(), state)
    other = trained(graphs, targets, seed=4, training=brief, network=replace(SMALL, dropout=0.2))
    assert equal(first, again) and not equal(first, other)


def test_a_missing_label_has_no_gradient():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(4, 2, generator=generator, requires_grad=True)
    doubt = torch.randn(4, 2, generator=generator, requires_grad=True)
    wanted = torch.randn(4, 2, generator=generator)
    wanted[1, 0] = wanted[2] = torch.nan
    heteroscedastic(mean, doubt, wanted, torch.ones(4, 1)).backward()
    missing = torch.isnan(wanted)
    for gradient in (mean.grad, doubt.grad):
        assert torch.isfinite(gradient).all()
        assert torch.equal(gradient == 0, missing)
    nothing = masked(
        torch.nn.functional.smooth_l1_loss, mean, torch.full((4, 2), torch.nan), torch.ones(4, 1)
    )
    assert float(nothing.detach()) == 0


def test_a_target_is_learned_from_the_crystals_that_have_it(graphs, targets):
    sparse = targets[:72].copy()
    sparse[::3, 0], sparse[1::3, 1] = np.nan, np.nan
    network = trained(graphs[:72], sparse, training=LONG)
    error = np.abs(predict(network, graphs[72:]).mean - targets[72:]).mean(0)
    assert np.all(error < 0.5 * np.abs(targets[72:]).mean(0))


def test_a_weight_of_zero_leaves_a_crystal_out(graphs, targets):
    brief, weights = replace(SHORT, epochs=2), np.ones(len(graphs))
    weights[::4] = 0
    absurd = targets.copy()
    absurd[::4] = 1e3
    assert equal(
        trained(graphs, targets, training=brief, weights=weights),
        trained(graphs, absurd, training=brief, weights=weights),
    )


def test_a_heavier_crystal_is_fitted_more_closely(graphs, targets):
    noisy = targets[:, :1] + np.random.default_rng([8, 1]).standard_normal((len(graphs), 1))
    heavy = np.where(np.arange(len(graphs)) % 8 == 0, 20.0, 1.0)
    brief = replace(SHORT, epochs=12)
    errors = [
        np.abs(predict(trained(graphs, noisy, training=brief, weights=w), graphs).mean - noisy)[::8].mean()
        for w in (None, heavy)
    ]
    assert errors[1] < 0.8 * errors[0]


def test_the_log_variance_knows_where_the_noise_is(graphs):
    rng = np.random.default_rng([9, 1])
    oxide = np.array([8 in graph.numbers for graph in graphs])
    noise = rng.standard_normal((len(graphs), 1)) * np.where(oxide, 1.5, 0.1)[:, None]
    network = trained(graphs, noise, training=replace(SHORT, epochs=40))
    spread = np.exp(0.5 * predict(network, graphs).log_variance[:, 0])
    assert np.median(spread[oxide]) > 2 * np.median(spread[~oxide])


def test_scalars_per_atom_are_learned(made, graphs):
    """Distance to the nearest neighbour, times 1 for cations and -1 for anions, against their means alone."""
    own = [
        np.array([[g.distances[g.edges[0] == i].min() * (1 - 2 * i)] for i in range(2)]) / 2 for g in graphs
    ]
    own[5][0] = np.nan
    network = build(SMALL, 1, per_atom=1, seed=0)
    train(network, graphs[:72], np.full((72, 1), np.nan), per_atom=own[:72], training=LONG, seed=0)
    out, wanted = predict(network, graphs[72:]), np.concatenate(own[72:])
    sign = np.sign(wanted)
    assert np.abs(out.atoms - wanted).mean() < 0.5 * np.abs(wanted - sign * np.abs(wanted).mean()).mean()
    assert out.atoms_log_variance.shape == out.atoms.shape


def test_vectors_per_atom_are_learned(graphs):
    """Forces of a repulsion between all neighbours, falling as exp(-d)."""
    forces = []
    for graph in graphs:
        force = np.zeros((2, 1, 3))
        pulls = -8 * np.exp(-graph.distances)[:, None] * graph.vectors / graph.distances[:, None]
        np.add.at(force[:, 0], graph.edges[0], pulls)
        forces.append(force)
    network = build(SMALL, 1, vectors=1, seed=0)
    train(network, graphs[:72], np.full((72, 1), np.nan), vectors=forces[:72], training=SHORT, seed=0)
    wanted = np.concatenate(forces[72:])
    assert np.abs(predict(network, graphs[72:]).vectors - wanted).mean() < 0.3 * np.abs(wanted).mean()


def test_going_on_from_weights_is_shorter_and_forgets_little(graphs, targets):
    network = trained(graphs[:72], targets[:72])
    before = np.abs(predict(network, graphs[:72]).mean - targets[:72]).mean()
    seen = []
    train(
        network,
        graphs,
        targets,
        training=replace(SHORT, warm_epochs=3),
        seed=1,
        warm=True,
        progress=lambda epoch, epochs, loss: seen.append((epoch, epochs, np.isfinite(loss))),
    )
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, True)]
    assert np.abs(predict(network, graphs[:72]).mean - targets[:72]).mean() < 1.5 * before + 0.05


def test_packed_graphs_are_gathered_as_they_were(graphs):
    packed = Packed(graphs)
    chosen = [7, 0, 3]
    batch = packed.batch(torch.tensor(chosen))
    at = 0
    for place, graph in enumerate(graphs[i] for i in chosen):
        mine = batch.graph == place
        links = mine[batch.receivers]
        assert batch.numbers[mine].tolist() == graph.numbers.tolist()
        merged = graph.merged
        assert (
            torch.stack([batch.receivers, batch.senders])[:, links].tolist() == (merged.edges + at).tolist()
        )
        for ours, wanted in ((batch.distances, merged.distances), (batch.counts, merged.counts)):
            assert torch.equal(ours[links], torch.from_numpy(wanted))
        at += len(graph.numbers)
    assert batch.volumes.tolist() == pytest.approx([graphs[i].volume for i in chosen])


def test_what_cannot_be_trained_on_is_refused(graphs, targets):
    network = build(SMALL, 2, seed=0)
    with pytest.raises(ValueError, match=r"targets: wanted the shape \(96, 2\), got \(96, 1\)"):
        train(network, graphs, targets[:, :1], training=SHORT, seed=0)
    with pytest.raises(ValueError, match="two graphs at least"):
        train(network, graphs, targets, training=SHORT, seed=0, weights=np.zeros(len(graphs)))
    with pytest.raises(ValueError, match="wanted graphs of kind structure, got some of kind composition"):
        predict(network, [graphs[0], composition_graph({"Fe": 1, "O": 1})])
    with pytest.raises(ValueError, match="wanted graphs of kind composition"):
        predict(build(replace(SMALL, network="composition"), 1), graphs[:2])
