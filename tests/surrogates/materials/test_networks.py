"""Networks: the published formula, and what a crystal's prediction must not depend on."""

import numpy as np
import pytest
import torch
from pymatgen.core import Structure as Crystal
from torch import nn

from surrogates.materials.batches import Batch, Packed
from surrogates.materials.graph import composition_graph, structure_graph
from surrogates.materials.networks import NETWORKS, NetworkSettings, build
from surrogates.materials.networks.cgcnn import Convolution
from surrogates.materials.networks.edge_gated import EdgeGated
from surrogates.materials.networks.gated_sum import gated_sum
from surrogates.materials.networks.normalisation import CountedBatchNorm
from surrogates.materials.training import predict

from .test_graph import low_symmetry, record, rock_salt

STRUCTURAL = sorted(set(NETWORKS) - {"composition"})


def settings(name, **changes):
    return NetworkSettings(network=name, **{"width": 16, "layers": 2, **changes})


def moved(network, seed=3):
    """Weights away from where they start, where symmetries could hold by chance (zeros, ones)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(0.2 * torch.rand(value.shape, generator=generator) - 0.1)
    return network.eval()


def batch_of(*crystals):
    packed = Packed([structure_graph(record(crystal)) for crystal in crystals])
    return packed.batch(torch.arange(len(packed)))


def every_edge(batch, values):
    """Receivers, senders and `values` (e, ..) of all edges, those that the batch holds as one written out."""
    times = batch.counts.long()
    return [x.repeat_interleave(times, dim=0) for x in (batch.receivers, batch.senders, values)]


def without_norm(width):
    norm = CountedBatchNorm(width).eval()
    norm.running_var.fill_(1 - norm.eps)
    return norm


def drawn(seed, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def test_cgcnn_is_the_published_formula():
    """Written out edge by edge over concatenated vectors, with the one matrix that the three parts are."""
    batch = batch_of(low_symmetry(), rock_salt())
    assert batch.counts.max() > 1
    with torch.random.fork_rng():
        layer = moved(Convolution(8, 5)).train()
    nodes, edges = drawn(0, (len(batch.numbers), 8), (len(batch.receivers), 5))
    matrix = torch.cat([layer.receiver.weight, layer.sender.weight, layer.edge.weight], dim=1)
    receivers, senders, u = every_edge(batch, edges)
    z = torch.stack(
        [
            matrix @ torch.cat([nodes[i], nodes[j], u_ij]) + layer.receiver.bias
            for i, j, u_ij in zip(receivers, senders, u, strict=True)
        ]
    )

    def normalised(x, norm):
        return (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + norm.eps) * norm.weight + norm.bias

    f, c = normalised(z, layer.norm_edges).split(8, dim=1)
    total = torch.zeros(len(nodes), 8)
    for place, i in enumerate(receivers):
        total[i] += torch.sigmoid(f[place]) * torch.log1p(torch.exp(c[place]))
    wanted = torch.log1p(torch.exp(nodes + normalised(total, layer.norm_nodes)))
    assert torch.allclose(layer(nodes, edges, batch), wanted, atol=2e-5)


@pytest.mark.parametrize("place", ["none", "before"])
def test_cgcnn_without_norms_is_the_layer_of_torch_geometric(place):
    """CGConv has no norm within, and adds where the published code takes a softplus."""
    from torch_geometric.nn import CGConv

    batch = batch_of(low_symmetry(), rock_salt())
    with torch.random.fork_rng():
        layer, theirs = Convolution(8, 5, place), CGConv(8, dim=5)
    if place == "before":
        layer.norm_edges = without_norm(16)
    with torch.no_grad():
        matrix = torch.cat([theirs.lin_f.weight, theirs.lin_s.weight])
        parts = (layer.receiver, layer.sender, layer.edge)
        for part, columns in zip(parts, matrix.split([8, 8, 5], 1), strict=True):
            part.weight.copy_(columns)
        layer.receiver.bias.copy_(torch.cat([theirs.lin_f.bias, theirs.lin_s.bias]))
    nodes, edges = drawn(1, (len(batch.numbers), 8), (len(batch.receivers), 5))
    receivers, senders, u = every_edge(batch, edges)
    wanted = nn.functional.softplus(theirs(nodes, torch.stack([senders, receivers]), u))
    assert torch.allclose(layer(nodes, edges, batch), wanted, atol=1e-5)


def test_edge_gated_is_its_formula():
    batch = batch_of(low_symmetry(), rock_salt())
    with torch.random.fork_rng():
        layer = moved(EdgeGated(8, edges=True))
    v, edges = drawn(2, (len(batch.numbers), 8), (len(batch.receivers), 8))
    (a, b, u, w), bias = layer.nodes.weight.chunk(4), layer.nodes.bias.chunk(4)
    tops, gates, after = torch.zeros_like(v), torch.zeros_like(v), []
    receivers, senders, e = every_edge(batch, edges)
    for place, (i, j) in enumerate(zip(receivers, senders, strict=True)):
        z = a @ v[i] + bias[0] + b @ v[j] + bias[1] + layer.edges.weight @ e[place]
        after.append(e[place] + nn.functional.silu(layer.norm_edges(z)))
        tops[i] += torch.sigmoid(z) * (w @ v[j] + bias[3])
        gates[i] += torch.sigmoid(z)
    nodes = v + nn.functional.silu(layer.norm_nodes(v @ u.T + bias[2] + tops / gates))
    ours = layer(v, edges, batch)
    assert torch.allclose(ours[0], nodes, atol=2e-5)
    assert torch.allclose(every_edge(batch, ours[1])[2], torch.stack(after), atol=2e-5)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_outputs_are_those_of_the_crystal_not_of_how_it_is_written(name):
    crystal = low_symmetry()
    order = [3, 0, 4, 2, 1]
    skewed = Crystal(
        np.array([[1, 0, 0], [1, 1, 0], [-2, 1, 1]]) @ crystal.lattice.matrix,
        crystal.species,
        crystal.cart_coords,
        coords_are_cartesian=True,
    )
    shifted = crystal.copy()
    shifted.translate_sites(range(5), [0.4, 0.7, -1.2], to_unit_cell=False)
    same = [crystal, Crystal.from_sites([crystal[i] for i in order]), shifted, skewed, crystal * (2, 1, 1)]
    other = low_symmetry(seed=1)
    network = moved(build(settings(name), 2, per_atom=1, vectors=1, seed=1))
    out = predict(network, [structure_graph(record(one)) for one in (*same, other)])
    for rows in (out.mean, out.log_variance, out.embedding):
        assert rows[:5] == pytest.approx(np.tile(rows[0], (5, 1)), abs=2e-4)
        assert not np.allclose(rows[5], rows[0], atol=2e-3)
    atoms, vectors = (
        np.split(out.atoms, out.nodes.cumsum()[:-1]),
        np.split(out.vectors, out.nodes.cumsum()[:-1]),
    )
    assert atoms[1] == pytest.approx(atoms[0][order], abs=2e-4)
    assert vectors[1] == pytest.approx(vectors[0][order], abs=2e-4)
    assert np.abs(vectors[0]).max() > 0.05


@pytest.mark.parametrize("name", STRUCTURAL)
def test_vectors_turn_with_the_crystal(name):
    crystal = low_symmetry()
    turn, _ = np.linalg.qr(np.random.default_rng([5, 6]).standard_normal((3, 3)))
    turned = Crystal(crystal.lattice.matrix @ turn, crystal.species, crystal.frac_coords)
    network = moved(build(settings(name), 1, vectors=2, seed=1))
    straight, round_ = (predict(network, [structure_graph(record(one))]).vectors for one in (crystal, turned))
    assert round_ == pytest.approx(straight @ turn, abs=2e-4)
    centred = predict(network, [structure_graph(record(rock_salt()))]).vectors
    assert centred == pytest.approx(np.zeros((2, 2, 3)), abs=1e-4)  # every site is a centre of inversion


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_does_not_see_its_neighbours_in_the_batch(name):
    crystals = [record(low_symmetry()), record(rock_salt()), record(low_symmetry(1))]
    graphs = [
        composition_graph(one.counts) if name == "composition" else structure_graph(one) for one in crystals
    ]
    network = moved(build(settings(name), 2, per_atom=1, seed=1))
    together, turned = predict(network, graphs), predict(network, graphs[::-1], batch=2)
    alone = np.concatenate([predict(network, [graph]).mean for graph in graphs])
    assert together.mean == pytest.approx(alone, abs=1e-5)
    assert turned.mean[::-1] == pytest.approx(alone, abs=1e-5)
    assert together.atoms.shape == (together.nodes.sum(), 1)


def test_a_composition_counts_fractions_not_atoms_and_takes_an_element_alone():
    network = moved(build(settings("composition"), 1, seed=1))
    graphs = [
        composition_graph(c) for c in ({"Fe": 2, "O": 3}, {"O": 6, "Fe": 4}, {"Fe": 1, "O": 1}, {"Fe": 1})
    ]
    a, b, other, alone = predict(network, graphs).mean[:, 0]
    assert a == pytest.approx(b, abs=1e-5)
    assert abs(a - other) > 1e-3
    assert np.isfinite(alone)


def test_the_log_variance_does_not_shape_what_it_is_read_from():
    network = build(settings("edge_gated"), 2, seed=0)
    network(batch_of(low_symmetry())).log_variance.sum().backward()
    moved_by_it = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert moved_by_it == {"log_variance"}


def test_first_weights_come_from_the_seed_and_the_global_generator_stays():
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    first, again, other = (build(settings("edge_gated"), 1, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.rand(3), wanted)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.embed.weight, other.embed.weight)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"wanted a network of cgcnn.*got 'schnet'"):
        build(settings("schnet"), 1)
    with pytest.raises(ValueError, match="no directions"):
        build(settings("composition"), 1, vectors=1)


def test_the_written_out_gradient_is_that_of_autograd():
    """Against torch's own batch norm over all edges, one by one, in double precision, and its running statistics."""
    generator = torch.Generator().manual_seed(3)
    n, e, width, filters = 6, 40, 4, 5

    def doubles(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    to, of, weight = doubles(n, 2 * width), doubles(n, 2 * width), doubles(2 * width, filters)
    edges, pull = doubles(e, filters).detach(), doubles(n, width).detach()
    receivers, senders = torch.randint(n, (2, e), generator=generator)
    counts = torch.randint(1, 5, (e,), generator=generator)
    nothing = torch.empty(0)
    batch = Batch(nothing, nothing, nothing, receivers, senders, nothing, counts, nothing, nothing)
    to_all, of_all, edges_all = (x.repeat_interleave(counts, dim=0) for x in (receivers, senders, edges))
    norms = [kind(2 * width, dtype=torch.float64) for kind in (CountedBatchNorm, nn.BatchNorm1d)]
    gamma, beta = doubles(2 * width).detach(), doubles(2 * width).detach()

    def plain(norm):
        f, c = norm(to[to_all] + of[of_all] + edges_all @ weight.T).chunk(2, dim=1)
        total = torch.zeros(n, width, dtype=torch.float64)
        return total.index_add(0, to_all, torch.sigmoid(f) * nn.functional.softplus(c))

    def written_out(norm):
        return gated_sum(to, of, edges, weight, norm, batch)

    for training in (True, False):
        results = []
        for norm, compute in zip(norms, (written_out, plain), strict=True):
            norm.train(training)
            with torch.no_grad():
                norm.weight.copy_(gamma)
                norm.bias.copy_(beta)
            out = compute(norm)
            leaves = (to, of, weight, norm.weight, norm.bias)
            gradients = torch.autograd.grad((out * pull).sum(), leaves)
            results.append((out, *gradients, norm.running_mean, norm.running_var))
        for ours, theirs in zip(*results, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-9)
