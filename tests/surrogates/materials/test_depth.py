"""How alike atoms become with depth, and what small changes of a crystal do to what a network says of it."""

from itertools import combinations

import numpy as np
import pytest
import torch
from pymatgen.core import Structure as Crystal

from surrogates.materials.batches import Packed
from surrogates.materials.graph import structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.oversmoothing import alikeness, unlike_pairs
from surrogates.materials.perturbations import perturbed, same_neighbours
from surrogates.materials.training import predict

from .test_graph import low_symmetry, record, rock_salt
from .test_networks import moved


def test_pairs_are_those_of_unlike_atoms_in_one_crystal():
    numbers, graph = torch.tensor([8, 26, 8, 3, 3, 8, 11]), torch.tensor([0, 0, 0, 1, 1, 2, 2])
    first, second = unlike_pairs(numbers, graph)
    wanted = [
        (a, b) for a, b in combinations(range(7), 2) if graph[a] == graph[b] and numbers[a] != numbers[b]
    ]
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == wanted == [(0, 1), (1, 2), (5, 6)]


def test_alikeness_is_its_formula():
    crystals = [record(low_symmetry()), record(rock_salt()), record(low_symmetry(1))]
    graphs = [structure_graph(one) for one in crystals]
    network = moved(build(NetworkSettings("edge_gated", width=8, layers=2), 1, seed=1))
    packed = Packed(graphs)
    features = list(network.steps(packed.batch(torch.arange(3))))
    for found, nodes in zip(alikeness(network, graphs), features, strict=True):
        each = np.split(nodes.detach().double().numpy(), np.cumsum([len(g.numbers) for g in graphs])[:-1])
        middle = np.mean([rows.mean(axis=0) for rows in each], axis=0)
        distances = []
        for rows, crystal in zip(each, crystals, strict=True):
            unit = (rows - middle) / np.linalg.norm(rows - middle, axis=1, keepdims=True)
            pairs = [
                1.0 - unit[a] @ unit[b]
                for a, b in combinations(range(len(rows)), 2)
                if crystal.species[a] != crystal.species[b]
            ]
            distances.append(np.mean(pairs))
        assert found.distance == pytest.approx(np.mean(distances), abs=1e-4)
        whole = np.mean([((rows - middle) ** 2).sum(axis=1).mean() for rows in each])
        inside = np.mean([((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean() for rows in each])
        assert found.within == pytest.approx(inside / whole, abs=1e-4)


def test_atoms_become_alike_with_depth_and_more_where_messages_are_added():
    graphs = [structure_graph(record(one)) for one in (low_symmetry(), rock_salt(), low_symmetry(1))]
    last = {}
    for name in ("cgcnn", "edge_gated"):
        steps = alikeness(build(NetworkSettings(name, width=32, layers=8), 1, seed=2), graphs)
        assert len(steps) == 9 and steps[0].distance > 0.7
        last[name] = steps[-1].distance
    assert last["cgcnn"] < 0.5 * last["edge_gated"]
    with pytest.raises(ValueError, match="two elements"):
        copper = record(Crystal(3.6 * np.eye(3), ["Cu"], [[0, 0, 0]]))
        alikeness(build(NetworkSettings(width=8), 1), [structure_graph(copper)])


def test_perturbations_are_as_large_as_they_say():
    one, rng = record(low_symmetry()), np.random.default_rng(0)
    longer = perturbed(one, "volume", 0.01, rng)
    assert longer.volume == pytest.approx(one.volume * 1.01**3, rel=1e-6)
    assert np.array(longer.frac) == pytest.approx(np.array(one.frac), abs=1e-7)
    sheared = np.linalg.solve(np.array(one.lattice), np.array(perturbed(one, "shear", 0.01, rng).lattice))
    strain = sheared - np.eye(3)
    assert strain == pytest.approx(strain.T, abs=1e-6) and np.trace(strain) == pytest.approx(0.0, abs=1e-6)
    assert np.abs(np.linalg.eigvalsh(strain)).max() == pytest.approx(0.01, abs=1e-6)
    moved_ = perturbed(one, "displacement", 0.02, rng)
    steps = (np.array(moved_.frac) - np.array(one.frac) + 0.5) % 1.0 - 0.5
    steps = steps @ np.array(one.lattice)
    assert np.array(moved_.lattice) == pytest.approx(np.array(one.lattice), abs=1e-7)
    assert steps.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert np.sqrt((steps**2).sum(axis=1).mean()) == pytest.approx(0.02, abs=1e-6)


def test_the_least_strain_changes_nearest_neighbours_and_what_is_said_but_not_where_they_fade():
    """Rock salt has 6 neighbours and then 12 at one distance: of the 12 nearest any strain takes 6 of these away."""
    one, rng = record(rock_salt()), np.random.default_rng(1)
    graph = structure_graph(one, neighbours=12)
    strained = [perturbed(one, "shear", size, rng) for size in (1e-3, 1e-2)]
    assert same_neighbours(graph, structure_graph(perturbed(one, "volume", 0.01, rng), neighbours=12))
    assert not same_neighbours(graph, structure_graph(strained[0], neighbours=12))
    changes = {}
    for falloff in (0.0, 0.3):
        network = moved(build(NetworkSettings("edge_gated", width=16, layers=2, falloff=falloff), 1, seed=1))
        graphs = [structure_graph(s, neighbours=12, falloff=falloff) for s in (one, *strained)]
        said = predict(network, graphs).mean[:, 0]
        changes[falloff] = np.abs(said[1:] - said[0])
    assert changes[0.0][0] > 0.5 * changes[0.0][1] > 0.0  # a jump, whatever the size
    assert changes[0.3][0] < 0.2 * changes[0.3][1]
    assert changes[0.3][0] < 0.1 * changes[0.0][0]
