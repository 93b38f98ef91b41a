"""Volumes: copies to learn from, and candidates asked at several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials import members
from surrogates.materials.augmentation import GPA, Volumes, lowest_inside, perturbed, strain_energy
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.graph import structure_graph
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training
from surrogates.materials.volume_scan import scan_volumes

SETTINGS = EnsembleSettings(
    members=2,
    network=NetworkSettings(network="cgcnn", width=16, layers=2),
    training=Training(epochs=25, batch=16, rate=5e-3, warm_epochs=2),
    held_out=0.0,
)
CATIONS = {
    "Li": 4.1,
    "Na": 4.7,
    "K": 5.3,
    "Mg": 4.2,
    "Ca": 4.8,
    "Sr": 5.1,
    "Ba": 5.5,
    "Mn": 4.4,
    "Fe": 4.3,
    "Ni": 4.2,
}


def rock_salt(cation: str, share: float = 1.0) -> Structure:
    h = CATIONS[cation] * share ** (1 / 3) / 2
    lattice = ((0.0, h, h), (h, 0.0, h), (h, h, 0.0))
    return Structure(lattice=lattice, species=(cation, "O"), frac=((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)))


def test_the_reference_volume_is_asked_first() -> None:
    factors = Volumes().factors
    assert len(factors) == 21 and factors[0] == 1.0
    assert factors[1] == 0.8 and factors[-1] == 1.2 and np.allclose(np.diff(factors[1:]), 0.4 / 19)


@pytest.mark.parametrize(
    "wrong", [{"lowest": 1.0}, {"highest": 0.9}, {"lowest": 0.0}, {"count": 2}, {"copies": -1}]
)
def test_volumes_are_about_the_reference(wrong) -> None:
    with pytest.raises(ValueError, match="wanted"):
        Volumes(**wrong)


def test_a_minimum_at_the_edge_is_rejected() -> None:
    """Curves over the reference and five volumes: inside, at either end, lowest at the reference, flat."""
    curves = np.array([
        [0.0, 0.0, 0.0, -2.0, 1.0],
        [1.0, -1.0, 2.0, 1.0, 1.0],
        [-1.0, 0.0, 1.0, -1.0, 1.0],
        [0.5, 0.0, 0.5, -1.5, 1.0],
        [1.0, 1.0, 0.0, 0.0, 1.0],
        [2.0, 2.0, -1.0, 1.0, 1.0],
    ])  # fmt: skip
    sure = lowest_inside(curves)
    assert sure.place.tolist() == [2, 0, 0, 0, 0] and sure.edge.tolist() == [False, True, True, False, True]
    published = lowest_inside(curves, reject=False)
    assert published.place.tolist() == [2, 1, 5, 0, 0] and np.array_equal(published.edge, sure.edge)


def test_copies_are_the_crystal_at_other_volumes() -> None:
    graphs = [structure_graph(rock_salt(x)) for x in ("Li", "Sr")]
    copies, shares = perturbed(graphs, Volumes(copies=3), np.random.default_rng(0))
    assert len(copies) == 6 and shares.min() >= 0.8 and shares.max() <= 1.2 and len(set(shares)) == 6
    for k, (copy, share) in enumerate(zip(copies, shares, strict=True)):
        again = structure_graph(rock_salt(("Li", "Sr")[k // 3], share), cutoff=8.0 * share ** (1 / 3))
        assert np.array_equal(copy.numbers, again.numbers) and copy.volume == pytest.approx(again.volume)
        assert np.allclose(np.sort(copy.distances), np.sort(again.distances), atol=1e-4)


def test_strain_energy_has_the_bulk_modulus_as_curvature() -> None:
    """V d2E/dV2 = K at the minimum, which is at the reference volume; MgO (160 GPa, 9.4 A^3 per atom) at 80 %."""
    step = 1e-3
    volume, modulus = np.array([9.4]), np.array([160.0])
    low, middle, high = (strain_energy(np.array([s]), volume, modulus) for s in (1 - step, 1.0, 1 + step))
    assert middle == 0.0
    assert (low + high) / step**2 / volume == pytest.approx(160.0 * GPA, rel=1e-3)
    assert strain_energy(np.array([0.8]), volume, modulus) == pytest.approx(
        9 / 8 * 160 / 160.21766 * 9.4 * 0.025728, 1e-3
    )


def test_copies_are_learned_from_with_their_labels(monkeypatch) -> None:
    """A copy's energy is that of the relaxed cell, or risen by the strain where the modulus is known; other targets
    stay as they are; where the modulus is not known a copy has no energy."""
    told = []
    monkeypatch.setattr(members, "train", lambda net, graphs, y, **k: told.append((graphs, y)))
    structures = [rock_salt(x) for x in CATIONS]
    values = np.stack([np.arange(10.0), 5.0 * np.arange(10.0)], axis=1)
    settings = replace(SETTINGS, members=1, volumes=Volumes(copies=2))
    modulus = np.where(np.arange(10) == 4, np.nan, 100.0)
    for more in ({}, {"modulus": modulus, "energies": ["energy"]}):
        found = MaterialsEnsemble.fit(
            structures, values, ["energy", "gap"], settings=settings, seed=1, **more
        )
        graphs, y = told.pop()
        y = y * found.scales.scale + found.scales.location
        assert len(graphs) == 30 and np.allclose(y[:10], values)
        assert np.allclose(y[10:, 1], np.repeat(values[:, 1], 2))
        rise = y[10:, 0] - np.repeat(values[:, 0], 2)
        if not more:
            assert np.allclose(rise, 0.0)
            continue
        shares = np.array([g.volume for g in graphs[10:]]) / np.repeat([s.volume / 2 for s in structures], 2)
        volume = np.repeat([s.volume / 2 for s in structures], 2)
        assert np.array_equal(np.isnan(rise), np.repeat(np.isnan(modulus), 2))
        assert np.allclose(
            rise, strain_energy(shares, volume, np.repeat(modulus, 2)), equal_nan=True, atol=1e-5
        )
        assert np.nanmax(rise) > 0.01


@pytest.fixture(scope="module")
def stiff():
    """Taught by Birch and Murnaghan: the energy of an oxide is lowest at its relaxed volume."""
    structures = [rock_salt(x) for x in CATIONS]
    settings = replace(SETTINGS, volumes=Volumes(copies=8))
    return MaterialsEnsemble.fit(
        structures, np.linspace(-3.0, -2.5, 10)[:, None], ["energy"], settings=settings, seed=2,
        modulus=np.full(10, 400.0), energies=["energy"],
    )  # fmt: skip


def test_a_scan_finds_the_relaxed_volume(stiff) -> None:
    """Cells 10 % too small and too large are taken back, most of the way, and their energies with them."""
    cells = [rock_salt(x, share) for share in (0.9, 1.1) for x in CATIONS]
    found = scan_volumes(stiff, cells, "energy")
    away = np.repeat([0.9, 1.1], 10)
    assert np.abs(found.share * away - 1.0).mean() < 0.06
    relaxed = np.tile(np.linspace(-3.0, -2.5, 10), 2)
    given = np.abs(stiff.predict(cells).mean[:, 0] - relaxed).mean()
    assert np.abs(found.prediction.mean[:, 0] - relaxed).mean() < 0.6 * given
    single = scan_volumes(stiff, cells[3:4], "energy")
    scaled = rock_salt(tuple(CATIONS)[3], 0.9 * float(single.share[0]))
    assert np.allclose(single.prediction.members, stiff.predict([scaled]).members, atol=1e-4)
    assert np.allclose(single.prediction.sd, stiff.predict([scaled]).sd, atol=1e-4)


def test_a_scan_says_where_it_ran_into_the_edge(stiff) -> None:
    """Cells so large that the least volume asked is still too large."""
    cells = [rock_salt(x, 1.6) for x in CATIONS]
    found = scan_volumes(stiff, cells, "energy")
    assert found.edge.sum() >= 4
    assert (found.share[found.edge] == 1.0).all()
    assert np.allclose(found.prediction.mean[found.edge], stiff.predict(cells).mean[found.edge])
    published = scan_volumes(stiff, cells, "energy", reject=False)
    assert (published.share[found.edge] != 1.0).mean() > 0.8


def test_scans_that_mean_nothing_are_refused(stiff) -> None:
    with pytest.raises(ValueError, match="wanted a target of energy, got 'gap'"):
        scan_volumes(stiff, [rock_salt("Li")], "gap")


def test_a_cutoff_is_searched_again_at_each_volume() -> None:
    """All neighbours within a cutoff are others in a larger cell."""
    network = replace(SETTINGS.network, neighbours=None, cutoff=4.0)
    structures = [rock_salt(x) for x in CATIONS]
    settings = replace(SETTINGS, network=network, training=replace(SETTINGS.training, epochs=2))
    found = MaterialsEnsemble.fit(structures, np.arange(10.0)[:, None], ["energy"], settings=settings, seed=3)
    scan = scan_volumes(found, structures, "energy", reject=False)
    cells = [rock_salt(x, float(share)) for x, share in zip(CATIONS, scan.share, strict=True)]
    assert np.allclose(scan.prediction.mean, found.predict(cells).mean, atol=1e-4)
