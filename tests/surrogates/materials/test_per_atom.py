"""Targets of atoms: networks with a head per node, radial order parameters and the ridge on them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials.atom_descriptors import RadialParameters, RidgePerAtom
from surrogates.materials.crystals import neighbours
from surrogates.materials.errors import ModelFileError
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.per_atom import ByElement, PerAtomEnsemble
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training

SIGMA = 2.2183
SETTINGS = EnsembleSettings(
    members=2,
    network=NetworkSettings("cgcnn", width=16, layers=1, cutoff=1.6 * SIGMA, neighbours=None, filters=16),
    training=Training(epochs=8, batch=1, rate=2e-2, average=0.8, warm_epochs=3),
)


@cache
def glass(seed: int, n: int = 64) -> Structure:
    """Nickel with a fifth of phosphorus, in a box: sites of a lattice, shaken."""
    rng = np.random.default_rng(seed)
    side = round(n ** (1 / 3))
    sites = np.stack(np.unravel_index(np.arange(n), (side,) * 3), axis=1) / side
    frac = (sites + rng.normal(0, 0.02, (n, 3))) % 1.0
    species = np.where(rng.permutation(n) < n // 5, "P", "Ni")
    edge = (n / 1.2) ** (1 / 3) * SIGMA
    return Structure.from_json(
        {"lattice": (np.eye(3) * edge).tolist(), "species": species.tolist(), "frac": frac.tolist()}
    )


def crowding(structure: Structure) -> np.ndarray:
    """(n, 2): how near phosphorus is, and how far nickel, on scales of their own for the two elements."""
    i, j, r = neighbours(structure, 1.6 * SIGMA)
    symbols = np.array(structure.species)
    out = np.zeros((structure.n_atoms, 2))
    phosphorus = symbols[j] == "P"
    np.add.at(out[:, 0], i[phosphorus], np.exp(-r[phosphorus] / SIGMA))
    np.add.at(out[:, 1], i[~phosphorus], -np.exp(-r[~phosphorus] / SIGMA))
    return np.where(symbols[:, None] == "P", 100.0 + 10.0 * out, out)


def parameters(steps: int = 1) -> RadialParameters:
    return RadialParameters.in_units(SIGMA, ("Ni", "P"), steps)


def test_radial_parameters_are_what_their_formula_says() -> None:
    edge = 30.0
    pair = Structure.from_json(
        {"lattice": (np.eye(3) * edge).tolist(), "species": ["Ni", "P"], "frac": [[0, 0, 0], [0.08, 0, 0]]}
    )
    wanted, p = 0.08 * edge, parameters()
    rows, k = p(pair), len(p.radii)
    g = np.exp(-(((wanted - p.radii) / p.widths) ** 2) / 2)
    assert rows.shape == (2, 4 * k)
    assert rows[0, :k] == pytest.approx(np.zeros(k)) and rows[0, k : 2 * k] == pytest.approx(g)
    assert rows[1, :k] == pytest.approx(g) and rows[1, k : 2 * k] == pytest.approx(np.zeros(k))
    share = np.exp(-wanted / p.length) / (1 + np.exp(-wanted / p.length))
    assert rows[0, 2 * k : 3 * k] == pytest.approx(share * g)
    assert rows[0, 3 * k :] == pytest.approx((1 - share) * g)


def test_radial_parameters_do_not_depend_on_how_a_configuration_is_written() -> None:
    one = glass(0)
    order = np.random.default_rng(1).permutation(one.n_atoms)
    frac = (np.array(one.frac) + [0.3, 0.1, 0.7])[order][:, [1, 2, 0]]  # moved, renumbered, turned
    other = one.model_copy(
        update={
            "frac": tuple(map(tuple, frac % 1.0)), "species": tuple(np.array(one.species)[order]),
        }
    )  # fmt: skip
    assert parameters()(other) == pytest.approx(parameters()(one)[order], abs=1e-9)


def test_the_ridge_finds_what_is_linear_in_the_parameters_and_nothing_in_noise() -> None:
    structures = [glass(k) for k in range(4)]
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(parameters()(structures[0]).shape[1], 1))
    for values, low, high in (
        ([parameters()(s) @ direction for s in structures], 0.9, 1.0),
        ([rng.normal(size=(64, 1)) for _ in structures], -0.35, 0.35),
    ):
        (said,) = RidgePerAtom(parameters()).fit(structures[:3], values[:3]).predict(structures[3:])
        assert said.shape == (64, 1)
        found = np.corrcoef(said[:, 0], values[3][:, 0])[0, 1] if np.ptp(said) > 0 else 0.0
        assert low <= found <= high
    with pytest.raises(ValueError, match="wanted two structures"):
        RidgePerAtom(parameters()).fit(structures[:1], values[:1])


def test_networks_learn_atoms_of_configurations_they_have_not_seen(tmp_path: Path) -> None:
    structures = [glass(k) for k in range(8)]
    tables = [crowding(s) for s in structures]
    fitted = PerAtomEnsemble.fit(
        structures[:6], tables[:6], ["near", "far"], settings=SETTINGS, seed=1, held_out=1
    )
    said = fitted.predict(structures[6:])
    assert [rows.shape for rows in said.mean] == [(64, 2), (64, 2)] and fitted.targets == ("near", "far")
    for structure, got, sd, true in zip(structures[6:], said.mean, said.epistemic, tables[6:], strict=True):
        nickel = np.array(structure.species) == "Ni"
        for k in range(2):
            assert np.corrcoef(got[nickel, k], true[nickel, k])[0, 1] > 0.85
        assert got[~nickel, 0].min() > 50 > got[nickel, 0].max()
        assert (sd > 0).all()
    assert said.half_widths is not None
    errors = np.concatenate([abs(a - b) for a, b in zip(said.mean, tables[6:], strict=True)])
    widths = np.concatenate(said.half_widths)
    # 90 % of atoms like those held out, and more: the networks have learned from those since.
    assert (errors <= widths).mean() > 0.8
    assert (errors <= widths / 4).mean() < 0.8
    fitted.save(tmp_path / "kept")
    again = PerAtomEnsemble.load(tmp_path / "kept").predict(structures[6:])
    assert all(np.array_equal(a, b) for a, b in zip(again.mean, said.mean, strict=True))
    assert again.half_widths is not None and np.array_equal(again.half_widths[1], said.half_widths[1])
    other = tmp_path / "kept.json"
    other.write_text(other.read_text().replace(fitted.ensemble.fingerprint, "0" * 64))
    with pytest.raises(ModelFileError, match="got that of another ensemble"):
        PerAtomEnsemble.load(tmp_path / "kept")


def test_each_element_has_its_own_scale_and_missing_labels_are_left_out() -> None:
    structures = [glass(k) for k in range(2)]
    tables = [crowding(s) for s in structures]
    tables[0][3] = np.nan
    scales = ByElement.of(structures, tables)
    standard = [scales.standard(s, rows) for s, rows in zip(structures, tables, strict=True)]
    for symbol in ("Ni", "P"):
        own = np.concatenate(
            [z[np.array(s.species) == symbol] for s, z in zip(structures, standard, strict=True)]
        )
        assert np.nanmean(own) == pytest.approx(0, abs=1e-9) and np.nanstd(own) == pytest.approx(1)
    assert scales.restored(structures[1], standard[1]) == pytest.approx(tables[1])
    stranger = structures[0].model_copy(update={"species": ("Cu",) * 64})
    with pytest.raises(ValueError, match="wanted atoms of Ni, P"):
        scales.standard(stranger, tables[0])
