"""Adversarial attacks: the analytic surfaces of the source, and real cells under a classical potential."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list

from campaigns.structure import Structure
from surrogates.materials.attack.attacks import (
    CLOSEST,
    AttackSettings,
    attack,
    stress_variances,
    variances,
    worth_a_label,
)
from surrogates.materials.attack.cells import Cells, displacement
from surrogates.materials.attack.objective import force_variance, likelihood, log_partition
from surrogates.materials.attack.potential import Frame, PotentialEnsemble, PotentialSettings
from surrogates.materials.attack.selection import apart
from surrogates.materials.attack.surfaces import (
    Labelled,
    SurfaceEnsemble,
    attack_surface,
    double_well_1d,
    double_well_2d,
)
from surrogates.materials.attack.unlikeness import spread_out, unlikeness
from surrogates.materials.crystals import structure_of

SMALL = PotentialSettings(members=3, width=12, radial=5, cutoff=4.2, steps=80)


def test_the_objective_is_the_members_variance_times_boltzmann_over_the_mean_of_the_training_data() -> None:
    forces = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]], [[5.0, 3.0]]], dtype=torch.float64)
    assert float(force_variance(forces)[0]) == pytest.approx(
        (4.0 + 3.0) / 2.0
    )  # unbiased: 4 and 3, mean of the two
    data = torch.tensor([-6.0, -4.0], dtype=torch.float64)
    q = (np.exp(6.0 / 5.0) + np.exp(4.0 / 5.0)) / 2.0
    said = torch.tensor([[-3.0], [-5.0]], dtype=torch.float64)
    found = float(likelihood(said, 5.0, log_partition(data, 5.0))[0])
    assert found == pytest.approx(np.exp(4.0 / 5.0) / q)


def test_the_surfaces_are_those_of_the_source() -> None:
    x = torch.linspace(-1.65, 1.65, 3301, dtype=torch.float64)[:, None]
    energies = double_well_1d(x)
    assert float(x[energies.argmin()]) == pytest.approx(-1.035, abs=2e-3)
    right = energies[x[:, 0] > 0.5].min()
    assert float(energies.min()) == pytest.approx(-6.53, abs=0.01) and float(right) == pytest.approx(
        -3.53, abs=0.01
    )
    assert bool((x[energies < -5.5] < 0).all())  # only the left well is trained on
    assert float(double_well_2d(torch.tensor([[1.0, 2.0]], dtype=torch.float64))[0]) == pytest.approx(18.0)
    data = Labelled.of(double_well_1d, torch.tensor([[0.5]], dtype=torch.float64))
    assert float(data.forces[0, 0]) == pytest.approx(-(20 * 0.125 - 20 * 0.5 + 1.5))


def test_attacks_leave_the_well_for_the_barrier_and_the_variance_falls() -> None:
    x = torch.linspace(-1.65, 1.65, 500, dtype=torch.float64)[:, None]
    grid = torch.linspace(-1.65, 1.65, 120, dtype=torch.float64)[:, None]
    start = x[double_well_1d(x) < -5.5][::2]
    done, data = attack_surface(
        double_well_1d, start, grid, generations=5, attack_rate=1e-2, attack_steps=100, fit_steps=500, width=32,
        closest=0.05, seed=2,
    )  # fmt: skip
    assert float(start.max()) < -0.7
    assert float(data.points.max()) > 0.0  # the top of the barrier is at 0.075
    assert done[-1].grid_variance < 0.3 * done[0].grid_variance
    top = torch.tensor([[0.075]], dtype=torch.float64)
    errors = [
        abs(float((g.ensemble(top)[0].mean() - double_well_1d(top)).squeeze())) for g in (done[0], done[-1])
    ]
    assert errors[1] < 0.8 * errors[0]
    # Nothing twice: every new point has its distance from those that were there.
    assert float(torch.cdist(done[0].found, start).min()) > 0.05


def test_attacks_find_the_second_basin_in_two_dimensions() -> None:
    generator = torch.Generator().manual_seed(1)
    x = (2 * torch.rand(800, 2, generator=generator, dtype=torch.float64) - 1) * 1.2
    axis = torch.linspace(-1.2, 1.2, 20, dtype=torch.float64)
    start = x[double_well_2d(x) < -2.0][::2]
    done, data = attack_surface(
        double_well_2d, start, torch.cartesian_prod(axis, axis), generations=4, attack_rate=1e-2, attack_steps=100,
        fit_steps=400, width=32, seed=1,
    )  # fmt: skip
    assert float(start[:, 0].max()) < -0.2
    basin = data.points[(data.points[:, 0] - 0.65).abs() < 0.35]  # the minimum of -1.2 is in the middle
    assert len(basin) and float(double_well_2d(basin).min()) < 0.5
    assert done[-1].grid_variance < 0.5 * done[0].grid_variance


def test_an_attack_climbs() -> None:
    points = torch.linspace(-1.25, -0.8, 12, dtype=torch.float64)[:, None]
    data = Labelled.of(double_well_1d, points)
    ensemble = SurfaceEnsemble(1, width=16, seed=1)
    ensemble.fit(data, steps=120)
    found = ensemble.attack(points, data.energies, kT=5.0, rate=5e-3, steps=60)

    def value(at: torch.Tensor) -> torch.Tensor:
        said, forces = ensemble(at)
        return force_variance(forces) * likelihood(said, 5.0, log_partition(data.energies, 5.0))

    moved = (found - points).abs()
    against = points + moved * torch.sign(points - found)
    assert float(value(found).mean()) > 2.0 * float(value(against).mean())
    assert bool((value(found) > value(points)).all())


def test_apart_keeps_the_best_of_each_cluster_and_nothing_that_is_known() -> None:
    points = np.array([0.0, 0.01, 1.0, 1.02, 5.0])
    among = np.abs(points[:, None] - points)
    known = np.abs(points[:, None] - np.array([5.05]))
    assert apart(among, known, 0.1, 0.1, np.array([1.0, 2.0, 4.0, 3.0, 9.0])) == [1, 2]
    assert apart(among[:1, :1], known[:1], 0.1, 0.1) == [0]


# -- cells ---------------------------------------------------------------------
SITES = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def cell(rng: np.random.Generator, amplitude: float, species: str = "Cu3Au") -> Structure:
    atoms = Atoms(species, scaled_positions=SITES[: len(Atoms(species))], cell=[3.75] * 3, pbc=True)
    atoms.positions += rng.normal(0.0, amplitude, atoms.positions.shape)
    return structure_of(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions())


def label(one: Structure) -> Frame:
    atoms = Atoms(one.species, cell=one.lattice, scaled_positions=one.frac, pbc=True, calculator=EMT())
    return Frame(one, float(atoms.get_potential_energy()), atoms.get_forces())


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    rng = np.random.default_rng(0)
    return [label(cell(rng, 0.05)) for _ in range(10)] + [label(cell(rng, 0.05, "CuAu")) for _ in range(2)]


@pytest.fixture(scope="module")
def ensemble(frames: list[Frame]) -> PotentialEnsemble:
    return PotentialEnsemble(frames, SMALL, seed=0)


def test_forces_and_stresses_are_the_energys_derivatives(ensemble: PotentialEnsemble) -> None:
    rng = np.random.default_rng(3)
    cells = ensemble.cells([cell(rng, 0.1), cell(rng, 0.1, "CuAu")])
    said, h = ensemble(cells), 1e-4
    for atom, axis in ((1, 2), (5, 0)):  # of the first cell and of the second
        shift = torch.zeros_like(cells.positions)
        shift[atom, axis] = h
        up, down = (ensemble(cells, cells.positions + s * shift).energies.sum(dim=1) for s in (1, -1))
        assert said.forces[:, atom, axis].numpy() == pytest.approx(((down - up) / (2 * h)).numpy(), abs=1e-5)
    strain = torch.zeros(2, 3, 3, dtype=torch.float64)
    strain[0, 0, 0] = h
    up, down = (ensemble(cells, strain=s * strain).energies[:, 0] for s in (1, -1))
    volume = float(torch.linalg.det(cells.lattices[0]))
    assert said.stresses[:, 0, 0, 0].numpy() == pytest.approx(
        ((up - down) / (2 * h * volume)).numpy(), abs=1e-6
    )


def test_energies_do_not_depend_on_how_a_crystal_is_written(ensemble: PotentialEnsemble) -> None:
    one = cell(np.random.default_rng(4), 0.1)
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    order = [0, 2, 1, 3]
    turned = structure_of(np.array(one.lattice) @ turn, [one.species[k] for k in order],
                          np.array(one.frac)[order] + 0.37)  # fmt: skip
    twice = structure_of(np.array(one.lattice) * [[1.0], [1.0], [2.0]], one.species * 2,
                         np.concatenate([np.array(one.frac) * [1, 1, 0.5] + [0, 0, z] for z in (0, 0.5)]))  # fmt: skip
    energies = ensemble(ensemble.cells([one, turned, twice])).energies
    assert energies[:, 1].numpy() == pytest.approx(
        energies[:, 0].numpy(), abs=1e-5
    )  # coordinates have 8 decimals
    assert energies[:, 2].numpy() == pytest.approx(2 * energies[:, 0].numpy(), abs=1e-5)


def test_the_ensemble_learns_and_doubts_more_where_it_was_not_taught(
    ensemble: PotentialEnsemble, frames: list[Frame]
) -> None:
    rng = np.random.default_rng(8)
    near, far = ([label(cell(rng, a)) for _ in range(6)] for a in (0.05, 0.25))
    errors, doubts = [], []
    for some in (near, far):
        cells = ensemble.cells([f.structure for f in some])
        said = ensemble(cells)
        true = np.concatenate([f.forces for f in some if f.forces is not None])
        errors.append(float(np.abs(said.forces.mean(dim=0).numpy() - true).mean()))
        doubts.append(float(variances(said, cells).mean()))
    assert errors[0] < 0.25 * float(np.mean([np.abs(f.forces).mean() for f in near if f.forces is not None]))
    assert doubts[1] > 10 * doubts[0]


def test_attacked_cells_are_doubted_plausible_and_different(
    ensemble: PotentialEnsemble, frames: list[Frame]
) -> None:
    settings = AttackSettings(kT=0.2, steps=60)
    starts = [0, 1, 2, 10, 11, 3]
    found = attack(ensemble, frames, starts, settings, np.random.default_rng(0))
    cells = ensemble.cells([f.structure for f in frames])
    taught = variances(ensemble(cells), cells)
    assert len(found) == len(starts)
    assert min(a.variance for a in found) > 3 * float(taught.median())
    again = ensemble.cells([a.structure for a in found])
    said = variances(ensemble(again), again)
    assert said.numpy() == pytest.approx(
        [a.variance for a in found], rel=1e-3
    )  # the neighbours are the right ones
    chosen = worth_a_label(found, ensemble, frames, settings.kT, 3)
    assert 1 <= len(chosen) <= 3
    for k, one in enumerate(chosen):
        for other in [*chosen[:k], *frames]:
            if other.structure.species == one.structure.species:
                lattice = np.array(one.structure.lattice)
                a, b = (np.array(s.frac) @ lattice for s in (one.structure, other.structure))
                assert displacement(a, b, lattice) > CLOSEST
    low = worth_a_label(found, ensemble, frames, 1e-6, 3)
    assert low == []  # nothing is that close to the lowest frame


def test_the_shape_of_the_cell_is_attacked_too(ensemble: PotentialEnsemble, frames: list[Frame]) -> None:
    rng = np.random.default_rng(1)
    with_cell = attack(ensemble, frames, [0, 1], AttackSettings(kT=0.2, steps=15, cell=True), rng)
    for one in with_cell:
        change = np.abs(np.array(one.structure.lattice) - np.array(frames[one.start].structure.lattice)).max()
        assert 0.02 < change < 0.8
    cells = ensemble.cells([a.structure for a in with_cell])
    before = ensemble.cells([frames[a.start].structure for a in with_cell])
    after, first = (stress_variances(ensemble(c), c) for c in (cells, before))
    assert bool((after > first).all())
    again = variances(ensemble(cells), cells)
    assert again.numpy() == pytest.approx([a.variance for a in with_cell], rel=1e-3)


def test_energies_alone_are_enough_to_learn_from(frames: list[Frame]) -> None:
    only = [f._replace(forces=None) for f in frames]
    taught = PotentialEnsemble(only, replace(SMALL, steps=300), seed=0)
    cells = taught.cells([f.structure for f in only])
    said = taught(cells).energies.mean(dim=0).numpy()
    true = np.array([f.energy for f in only])
    assert np.abs(said - true)[:10].mean() < 0.3 * true[:10].std()
    with pytest.raises(ValueError, match="wanted labelled cells"):
        PotentialEnsemble([], SMALL)


def test_neighbours_are_right_outside_the_cell() -> None:
    lattice = np.diag([3.0, 4.0, 5.0])
    inside = np.array([[0.1, 0.2, 0.3], [1.5, 2.0, 2.5]])
    outside = inside + np.array([[3.0, -4.0, 10.0], [-6.0, 0.0, 5.0]])
    still = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    lengths_of = []
    for where in (inside, outside):
        cells = Cells.at([np.array([29, 79])], [where], lattice[None], 4.5)
        lengths = torch.linalg.norm(cells.vectors(cells.positions[None], still)[0], dim=-1)
        assert float(lengths.max()) <= 4.5
        lengths_of.append(sorted(lengths.tolist()))
    assert lengths_of[1] == pytest.approx(lengths_of[0])
    atoms = Atoms("CuAu", positions=inside, cell=lattice, pbc=True)
    assert lengths_of[0] == pytest.approx(sorted(neighbor_list("d", atoms, 4.5)))


def test_arrangements_that_symmetry_takes_into_each_other_are_not_unlike(ensemble: PotentialEnsemble) -> None:
    one, other = (cell(np.random.default_rng(seed), 0.15) for seed in (11, 12))
    lattice, frac = np.array(one.lattice), np.array(one.frac)
    swapped = structure_of(lattice, one.species, frac[[1, 2, 0, 3]])  # copper atoms, under other numbers
    mirrored = structure_of(lattice, one.species, -frac)
    distances = unlikeness(
        ensemble, [one, swapped, mirrored, other, cell(np.random.default_rng(1), 0.1, "CuAu")]
    )
    assert distances[:3, :3] == pytest.approx(np.zeros((3, 3)), abs=1e-5)
    assert displacement(np.array(swapped.frac) @ lattice, frac @ lattice, lattice) > CLOSEST
    assert distances[0, 3] > 0.3 and np.isinf(distances[0, 4])
    assert distances == pytest.approx(distances.T)


def test_a_batch_is_spread_over_maxima() -> None:
    """Three ends of attacks at one maximum and one at a lower one: the second label is the other maximum's."""
    points = np.array([0.0, 0.01, 0.02, 1.0])
    values, distances = np.array([5.0, 6.0, 5.5, 2.0]), np.abs(points[:, None] - points)
    assert spread_out(values, distances, 2) == [1, 3]
    assert sorted(spread_out(values, distances, 9)) == [0, 1, 2, 3]
    assert (
        spread_out(values[:1], distances[:1, :1], 2) == [0]
        and spread_out(values[:0], distances[:0, :0], 2) == []
    )


def test_networks_as_published_begin_and_learn_as_those_of_the_source() -> None:
    points = torch.linspace(-1.2, -0.8, 12, dtype=torch.float64)[:, None]
    data = Labelled.of(double_well_1d, points) + Labelled.of(double_well_1d, points[:1] + 0.7, 4.0)
    ensemble = SurfaceEnsemble(1, width=24, seed=1, published=True)
    sizes = [tuple(w.shape[1:]) for w in ensemble.net.weights]
    assert sizes == [(1, 24), (24, 24), (24, 24), (24, 1)]
    for weight, bias in zip(ensemble.net.weights, ensemble.net.biases, strict=True):
        bound = (6.0 / sum(weight.shape[1:])) ** 0.5
        assert 0.8 * bound < float(weight.detach().abs().max()) <= bound and not bias.detach().any()

    def miss() -> float:
        energies, forces = ensemble(data.points)
        return float((energies - data.energies).abs().mean() + (forces - data.forces).abs().mean())

    before = miss()
    ensemble.fit_in_batches(data, epochs=40, batch=8, rate=1e-2)
    assert miss() < 0.5 * before
    done, after = attack_surface(
        double_well_1d, points, points, generations=2, attack_rate=1e-2, attack_steps=20, fit_steps=10, width=8,
        closest=0.05, published=True,
    )  # fmt: skip
    assert len(done) == 2 and len(after.points) == 12 + sum(len(g.found) for g in done)
