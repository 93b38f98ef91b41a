"""Structures as graphs: the same crystal gives the same graph however it is written."""

import numpy as np
import pytest
from pymatgen.core import Lattice
from pymatgen.core import Structure as Crystal

from campaigns.structure import Structure
from surrogates.materials.elements import HEAVIEST, one_hot_features, physical_features
from surrogates.materials.errors import StructureRejected
from surrogates.materials.graph import GraphCache, composition_graph, structure_graph


def record(crystal):
    return Structure.from_json(
        {
            "lattice": crystal.lattice.matrix.tolist(),
            "species": [site.specie.symbol for site in crystal],
            "frac": crystal.frac_coords.tolist(),
        }
    )


def rock_salt():
    return Crystal.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure()


def low_symmetry(seed=0):
    rng = np.random.default_rng([seed, 4])
    lattice = Lattice.from_parameters(5.1, 6.3, 7.2, 71, 83, 108)
    grid = np.array([[0.1, 0.1, 0.1], [0.6, 0.1, 0.2], [0.1, 0.6, 0.5], [0.6, 0.6, 0.6], [0.3, 0.35, 0.85]])
    return Crystal(lattice, ["Li", "O", "Fe", "P", "O"], grid + rng.uniform(-0.03, 0.03, grid.shape))


CRYSTALS = {"rock salt": rock_salt, "low symmetry": low_symmetry}


def surroundings(graph):
    """What each atom sees, without order: its number, and its neighbours' numbers and distances."""
    to, of = graph.edges
    return sorted(
        (
            int(graph.numbers[i]),
            *sorted(
                (round(float(d), 3), int(graph.numbers[j]))
                for d, j in zip(graph.distances[to == i], of[to == i], strict=True)
            ),
        )
        for i in range(len(graph.numbers))
    )


@pytest.mark.parametrize("make", CRYSTALS.values(), ids=CRYSTALS)
@pytest.mark.parametrize("cutoff", [4.0, 8.0])
def test_all_within_the_cutoff_are_those_of_pymatgen(make, cutoff):
    crystal = make()
    graph = structure_graph(record(crystal), cutoff=cutoff, neighbours=None)
    to, of, images, distances = crystal.get_neighbor_list(cutoff)
    vectors = crystal.cart_coords[of] + images @ crystal.lattice.matrix - crystal.cart_coords[to]
    ours = np.column_stack([*graph.edges, graph.distances, graph.vectors])
    theirs = np.column_stack([to, of, distances, vectors])
    assert len(ours) == len(theirs)
    assert sorted(map(tuple, ours.round(3) + 0.0)) == sorted(map(tuple, theirs.round(3) + 0.0))


def test_the_nearest_are_kept_and_only_they():
    crystal = low_symmetry()
    near = structure_graph(record(crystal), cutoff=8.0, neighbours=12)
    every = structure_graph(record(crystal), cutoff=8.0, neighbours=None)
    for site in range(len(crystal)):
        kept, all_of_them = (np.sort(g.distances[g.edges[0] == site]) for g in (near, every))
        kth = all_of_them[11]
        assert np.array_equal(kept, all_of_them[: len(kept)])
        assert len(kept) == np.count_nonzero(all_of_them <= kth + 1e-3) >= 12


def test_a_tied_shell_is_kept_whole():
    graph = structure_graph(record(rock_salt()), neighbours=12)  # shells of 6 and 12
    assert np.array_equal(np.bincount(graph.edges[0]), [18, 18])
    graph = structure_graph(record(rock_salt()), neighbours=6)
    assert np.array_equal(np.bincount(graph.edges[0]), [6, 6])
    assert graph.distances == pytest.approx(5.64 / 2)


def test_fewer_than_k_within_the_cutoff_are_kept():
    graph = structure_graph(record(rock_salt()), cutoff=3.0, neighbours=12)
    assert np.array_equal(np.bincount(graph.edges[0]), [6, 6])


@pytest.mark.parametrize("make", CRYSTALS.values(), ids=CRYSTALS)
@pytest.mark.parametrize("neighbours", [12, 14, None])
def test_the_same_crystal_written_otherwise_gives_the_same_graph(make, neighbours):
    crystal = make()
    wanted = surroundings(structure_graph(record(crystal), neighbours=neighbours, cutoff=6.0))
    order = np.random.default_rng([1, 2]).permutation(len(crystal))
    shifted = crystal.copy()
    shifted.translate_sites(range(len(crystal)), [0.37, -0.81, 2.13], to_unit_cell=False)
    skewed = Crystal(
        np.array([[1, 0, 0], [1, 1, 0], [-2, 1, 1]]) @ crystal.lattice.matrix,
        crystal.species,
        crystal.cart_coords,
        coords_are_cartesian=True,
    )
    for other in (Crystal.from_sites([crystal[i] for i in order]), shifted, skewed):
        graph = structure_graph(record(other), neighbours=neighbours, cutoff=6.0)
        assert surroundings(graph) == wanted
    double = structure_graph(record(crystal * (2, 1, 1)), neighbours=neighbours, cutoff=6.0)
    assert surroundings(double) == sorted(wanted * 2)
    assert double.volume == pytest.approx(crystal.volume / len(crystal), rel=1e-6)


def test_edges_are_sorted_by_receiver_and_weights_sum_to_one():
    graph = structure_graph(record(low_symmetry()))
    assert np.all(np.diff(graph.edges[0]) >= 0)
    assert graph.weights.sum() == pytest.approx(1)
    assert (graph.weights.dtype, graph.distances.dtype, graph.edges.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )


@pytest.mark.parametrize("make", CRYSTALS.values(), ids=CRYSTALS)
def test_edges_merged_are_the_same_edges_counted(make):
    graph = structure_graph(record(make()), cutoff=6.0, neighbours=None)
    merged, n = graph.merged, len(graph.numbers)
    assert np.all(np.diff(merged.edges[0]) >= 0)
    for power in (0, 1, 2):
        sums = np.zeros((2, n, n))
        np.add.at(sums[0], tuple(graph.edges), graph.distances.astype(float) ** power)
        np.add.at(sums[1], tuple(merged.edges), merged.counts * merged.distances.astype(float) ** power)
        assert sums[1] == pytest.approx(sums[0], rel=1e-5)
    pulls = np.zeros((2, n, 3))
    np.add.at(
        pulls[0], graph.edges[0], graph.vectors / graph.distances[:, None] * np.exp(-graph.distances)[:, None]
    )
    np.add.at(pulls[1], merged.edges[0], merged.units * np.exp(-merged.distances)[:, None])
    assert pulls[1] == pytest.approx(pulls[0], abs=1e-5)


def test_a_symmetric_crystal_has_few_edges_that_differ():
    graph = structure_graph(record(rock_salt()))  # shells of 6 and of 12, of one sender each
    assert graph.merged.counts.tolist() == [12, 6, 6, 12]
    merged = structure_graph(record(low_symmetry())).merged
    itself = merged.edges[0] == merged.edges[1]
    assert np.all(merged.counts[itself] == 2)  # one image ahead, one behind
    assert np.all(merged.counts[~itself] == 1)


def test_a_scaled_graph_is_that_of_the_scaled_cell():
    crystal = low_symmetry()
    larger = crystal.copy()
    larger.scale_lattice(crystal.volume * 1.05**3)
    graph, wanted = structure_graph(record(crystal)).scaled(1.05), structure_graph(record(larger))
    assert np.array_equal(graph.edges, wanted.edges)
    assert graph.distances == pytest.approx(wanted.distances, abs=1e-4)
    assert graph.volume == pytest.approx(wanted.volume, rel=1e-5)


def test_an_isolated_atom_is_refused():
    lonely = Crystal(Lattice.cubic(20.0), ["Na", "Cl", "Ar"], [[0, 0, 0], [0.1, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureRejected, match=r"Ar \(site 2\) has no neighbour within 8 A") as fault:
        structure_graph(record(lonely))
    assert fault.value.code == "isolated"


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_atoms_on_top_of_each_other_are_refused(apart):
    close = Crystal(Lattice.cubic(5.0), ["Na", "Cl"], [[0, 0, 0], [apart / 5, 0, 0]])
    with pytest.raises(StructureRejected, match=r"site 0.*site 1") as fault:
        structure_graph(record(close))
    assert fault.value.code == "overlap"


def test_an_element_nothing_is_known_of_is_refused():
    crystal = Crystal(Lattice.cubic(3.0), ["Og"], [[0, 0, 0]])
    with pytest.raises(StructureRejected, match="Og") as fault:
        structure_graph(record(crystal))
    assert fault.value.code == "unknown-element"
    with pytest.raises(StructureRejected, match="Xx"):
        composition_graph({"Xx": 1})


def test_a_composition_joins_every_pair_of_elements():
    graph = composition_graph({"O": 4, "Fe": 2, "Li": 0})
    assert graph.numbers.tolist() == [8, 26]
    assert graph.weights == pytest.approx([2 / 3, 1 / 3])
    assert graph.edges.tolist() == [[0, 1], [1, 0]]
    assert composition_graph({"Fe": 3}).edges.shape == (2, 0)
    with pytest.raises(StructureRejected, match="without atoms"):
        composition_graph({})


def test_the_cache_builds_once_and_forgets_what_was_asked_for_longest_ago():
    structures = [record(low_symmetry(seed)) for seed in range(3)]
    size = structure_graph(structures[0]).nbytes
    cache = GraphCache(limit=int(2.5 * size))
    first, second = cache(structures[:2])
    assert cache([structures[0]])[0] is first
    cache([structures[2]])
    assert len(cache) == 2 and cache.nbytes <= cache.limit
    assert cache([structures[0]])[0] is first
    assert cache([structures[1]])[0] is not second


def test_the_cache_tells_which_structure_was_refused():
    lonely = record(Crystal(Lattice.cubic(20.0), ["Ar"], [[0, 0, 0]]))
    told = []
    graphs = GraphCache()(
        [record(rock_salt()), lonely], lambda place, fault: told.append((place, fault.code))
    )
    assert (len(graphs), told) == (1, [(1, "isolated")])
    with pytest.raises(StructureRejected):
        GraphCache()([lonely])


def test_element_features_are_complete_and_tell_elements_apart():
    table, bins = physical_features(), one_hot_features()
    assert np.isfinite(table).all() and len(table) == HEAVIEST + 1
    assert len(np.unique(table[1:], axis=0)) == HEAVIEST
    assert np.all(bins[1:].sum(axis=1) == 9)  # a bin of each of nine properties


SHELL = float(np.linalg.norm(rock_salt().lattice.matrix[0]))  # between two of the same element


def moved_a_little(crystal, size, seed=0):
    out = crystal.copy()
    for site, step in enumerate(np.random.default_rng(seed).standard_normal((len(out), 3))):
        out.translate_sites([site], size * step, frac_coords=False)
    return out


@pytest.mark.parametrize("neighbours, cutoff", [(12, 8.0), (None, SHELL), (12, SHELL)])
def test_with_a_falloff_a_graph_changes_as_little_as_the_crystal(neighbours, cutoff):
    """What each atom sees, as a sum over its edges of a smooth function of their vectors: the step shrinks with the
    displacement; without a falloff, shells that break leave a jump."""

    def seen(crystal, falloff):
        graph = structure_graph(record(crystal), cutoff=cutoff, neighbours=neighbours, falloff=falloff)
        rows = np.cos(graph.vectors @ np.array([0.3, 0.7, 1.1])) + graph.distances
        fade = np.ones(len(rows)) if graph.fade is None else graph.fade
        out = np.zeros(len(graph.numbers))
        np.add.at(out, graph.edges[0], fade * rows)
        return out

    crystal = rock_salt() * (2, 2, 1)
    for falloff, sizes in ((0.3, (1e-2, 1e-3)), (0.0, (1e-2, 3e-3))):
        steps = [
            np.abs(seen(moved_a_little(crystal, s), falloff) - seen(crystal, falloff)).max() for s in sizes
        ]
        if falloff:
            assert steps[1] < 0.2 * steps[0] < 0.2 * 1.5, steps
        else:
            assert min(steps) > 3.0, steps


def test_a_falloff_of_nothing_beyond_leaves_the_graph_as_it_was():
    """Rock salt has shells at 1, 1.41 and 1.73 of the first: six neighbours and a tenth beyond are six."""
    plain = structure_graph(record(rock_salt()), neighbours=6)
    soft = structure_graph(record(rock_salt()), neighbours=6, falloff=0.1)
    assert soft.edges.tolist() == plain.edges.tolist() and soft.fade.tolist() == [1.0] * 12
    for a, b in zip(soft.merged, plain.merged, strict=True):
        assert a == pytest.approx(b, abs=1e-6)
    wide = structure_graph(record(rock_salt()), neighbours=6, falloff=0.6)  # half a cosine at 0.414 of 0.6
    assert sorted(set(np.round(wide.fade, 4))) == pytest.approx([0.2185, 1.0], abs=1e-4)
    assert wide.merged.counts.sum() == pytest.approx(12 * (1 + 2 * 0.2185), abs=1e-2)


def test_a_faded_graph_is_that_of_the_crystal_and_scales_with_it():
    crystal = low_symmetry()
    graph = structure_graph(record(crystal), falloff=0.2)
    double = structure_graph(record(crystal * (2, 1, 1)), falloff=0.2)
    assert 2 * graph.merged.counts.sum() == pytest.approx(double.merged.counts.sum(), abs=1e-3)
    larger = crystal.copy()
    larger.scale_lattice(crystal.volume * 1.05**3)
    wanted, got = structure_graph(record(larger), falloff=0.2).merged, graph.scaled(1.05).merged
    assert got.edges.tolist() == wanted.edges.tolist()
    assert got.counts == pytest.approx(wanted.counts, abs=1e-4)
    assert got.distances == pytest.approx(wanted.distances, abs=1e-4)
    with pytest.raises(StructureRejected, match="no neighbour within"):
        structure_graph(record(crystal), cutoff=1.0, falloff=0.2)
