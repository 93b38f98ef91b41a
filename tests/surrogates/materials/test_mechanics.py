"""Hardness, toughness and thermal expansion against values of exact arithmetic and published tables."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.materials import mechanics
from surrogates.materials.mechanics import (
    averages,
    chen_hardness,
    chi,
    expansion_factor,
    fracture_toughness,
    hardness,
    linear_hardness,
    most_expansion,
    niu_toughness,
    poisson_ratio,
    teter_hardness,
    young_modulus,
    zeta,
)

# Name: B, G (GPa), volume per atom (A^3), nu, H (GPa), K_IC (MPa m^1/2); DFT moduli of the Materials Project.
TABLE = {
    "diamond": (432.6, 520.1, 5.70, 0.071, 98.7, 6.17),
    "w-BN": (373.5, 383.4, 5.969, 0.119, 69.8, 4.73),
    "B4C": (226.4, 176.5, 7.420, 0.191, 23.9, 2.93),
    "3C-SiC": (212.7, 187.2, 10.500, 0.160, 30.2, 3.06),
    "TiN": (278.5, 191.6, 9.620, 0.220, 22.2, 3.85),
    "TiC": (251.5, 172.4, 10.188, 0.221, 19.9, 3.33),
    "WC": (380.2, 263.2, 10.593, 0.219, 30.6, 6.26),
    "TiB2": (254.2, 257.5, 8.571, 0.121, 46.5, 2.85),
    "ReB2": (337.7, 276.9, 9.215, 0.178, 40.5, 5.77),
    "Al2O3": (231.0, 128.6, 8.742, 0.265, 15.6, 2.60),
    "MgO": (151.5, 118.8, 9.640, 0.189, 16.2, 1.68),
    "Si3N4": (234.6, 122.4, 10.618, 0.278, 15.5, 2.67),
    "ZrC": (219.1, 159.3, 13.181, 0.207, 19.4, 2.92),
    "GaAs": (60.7, 40.7, 23.766, 0.226, 4.65, 0.45),
    "B6O": (228.7, 207.7, 7.389, 0.151, 34.6, 3.12),
}


def cubic(c11, c12, c44):
    tensor = np.zeros((6, 6))
    tensor[:3, :3] = c12
    tensor[range(3), range(3)] = c11
    tensor[range(3, 6), range(3, 6)] = c44
    return tensor


def test_the_reference_table():
    """The table's moduli have one decimal, so that the last digit of what follows from them may be one off."""
    bulk, shear, volume, nu, vickers, toughness = np.array(list(TABLE.values())).T
    found = hardness(bulk, shear)
    assert np.all(np.abs(found.value - vickers) <= 0.0605) and np.all(found.inside)
    tough = fracture_toughness(bulk, shear, volume)
    assert np.all(np.abs(tough.value - toughness) <= 0.0055) and np.all(tough.inside)
    assert np.all(np.abs(poisson_ratio(bulk, shear) - nu) <= 0.0015)
    named = dict(zip(TABLE, tough.sensitive.tolist(), strict=True))
    assert {name for name, flag in named.items() if flag} == {"3C-SiC", "TiB2", "B6O"}


def test_the_functions_of_the_poisson_ratio():
    nu = np.array([0, 0.07, 0.1, 0.139, 0.2, 0.25, 0.3])
    assert chi(nu) == pytest.approx([1, 0.92437, 0.88100, 0.79421, 0.55249, 0.48387, 0.54348], abs=6e-6)
    assert zeta(nu) == pytest.approx([1, 1.10759, 1.15423, 1.40738, 1.75862, 1.95025, 2.26726], abs=6e-6)
    fine = np.linspace(0, 0.4999, 50_000)
    least = int(np.argmin(chi(fine)))
    assert fine[least] == pytest.approx(0.2382, abs=1e-4) and chi(fine[least]) == pytest.approx(
        0.4789, abs=1e-4
    )
    assert np.all(chi(fine) > 0) and np.all(zeta(fine) > 0)


def test_the_other_formulas_on_mob2_and_diamond():
    """As MechElastic prints them for MoB2 (mp-2331) and diamond."""
    assert float(young_modulus(298.573, 213.674)) == pytest.approx(517.558, abs=1e-3)
    assert float(poisson_ratio(298.573, 213.674)) == pytest.approx(0.211, abs=5e-4)
    for moduli, printed, chen in (
        ((298.573, 213.674), (31.52, 31.41, 34.90, 32.84, 23.74), 28.18),
        ((432.6, 520.130), (76.72, 67.59, 89.11, 70.68, 57.79), 93.30),
    ):
        assert [float(x) for x in linear_hardness(*moduli).values()] == pytest.approx(printed, abs=0.0075)
        assert float(chen_hardness(*moduli)) == pytest.approx(chen, abs=0.01)
    assert float(teter_hardness(520.1)) == pytest.approx(0.151 * 520.1)
    # V^(1/6) G (B/G)^(1/2) with V = 5.70e-30 m^3: 0.01337 m^(1/2) * 474.3 GPa.
    assert float(niu_toughness(432.6, 520.1, 5.70)) == pytest.approx(
        1000 * (5.70e-30) ** (1 / 6) * (432.6 * 520.1) ** 0.5
    )


def test_metals_have_another_constant():
    both = fracture_toughness(180.0, 80.0, 11.8, [False, True]).value
    assert both[1] / both[0] == pytest.approx((8840 / 2) ** 0.5)


def test_outside_the_domain_is_flagged():
    auxetic = hardness(20.0, 60.0)
    assert not auxetic.inside and float(poisson_ratio(20.0, 60.0)) < 0
    assert float(auxetic.value) == pytest.approx(0.096 * float(young_modulus(20.0, 60.0)))
    tough = fracture_toughness(20.0, 60.0, 10.0)
    assert not tough.inside and np.isfinite(tough.value)
    for bulk, shear in ((-10.0, 20.0), (100.0, 0.0), (100.0, -5.0), (np.nan, 50.0)):
        found = hardness(bulk, shear)
        assert np.isnan(found.value) and not found.inside
        assert np.isnan(fracture_toughness(bulk, shear, 10.0).value) and np.isnan(chen_hardness(bulk, shear))
    assert np.isnan(fracture_toughness(100.0, 50.0, 0.0).value)


def test_shapes_broadcast():
    found = fracture_toughness(np.full((3, 1), 200.0), 100.0, np.array([8.0, 9.0]))
    assert found.value.shape == found.inside.shape == found.sensitive.shape == (3, 2)


def test_the_bound_on_thermal_expansion():
    nu = np.linspace(0.0, 0.499, 200_000)
    values = expansion_factor(nu)
    best = int(np.argmax(values))
    most = mechanics.EXPANSION_MOST
    assert most == pytest.approx(2 * (11 - 2 * 10**0.5) / 9, abs=1e-15)
    assert (
        values[best] == pytest.approx(mechanics.EXPANSION_MOST, abs=1e-10)
        and round(values[best], 4) == 1.0390
    )
    assert nu[best] == pytest.approx(mechanics.EXPANSION_POISSON, abs=1e-5) and round(nu[best], 2) == 0.14
    # Copper: 138 and 48 GPa, 385 J/(kg K), 8960 kg/m^3; measured 16.7e-6 1/K, and the bound is above it.
    bound = float(most_expansion(138.0, 48.0, 385.0, 8960.0))
    poisson, young = float(poisson_ratio(138.0, 48.0)), float(young_modulus(138.0, 48.0))
    assert bound == pytest.approx(float(expansion_factor(poisson)) * 385 * 8960 / (young * 1e9))
    assert 16.7e-6 < bound < 40e-6
    assert float(mechanics.expansion(138.0, 48.0, 385.0, 8960.0, 2.0)) == pytest.approx(
        2.0 * 385 * 8960 * (1 - 2 * poisson) / (young * 1e9)
    )


def test_averages_of_a_cubic_tensor():
    """The closed forms of cubic crystals (Hill 1952)."""
    c11, c12, c44 = 1050.8, 123.8, 560.0
    found = averages(cubic(c11, c12, c44))
    assert [found.bulk, found.bulk_reuss] == pytest.approx([(c11 + 2 * c12) / 3] * 2)
    assert found.shear_voigt == pytest.approx((c11 - c12 + 3 * c44) / 5)
    assert found.shear_reuss == pytest.approx(5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12)))
    assert found.shear == pytest.approx((found.shear_voigt + found.shear_reuss) / 2)
    # Diamond as MechElastic prints it, from unrounded constants.
    assert found[3:] == pytest.approx((522.343, 517.916, 520.130), rel=2e-3)


def test_averages_do_not_depend_on_the_axes():
    tensor = cubic(1050.8, 123.8, 560.0)
    tensor[2, 2], tensor[0, 2], tensor[2, 0], tensor[5, 5] = 900.0, 150.0, 150.0, 500.0
    order = [2, 0, 1, 5, 3, 4]
    assert averages(tensor[np.ix_(order, order)]) == pytest.approx(averages(tensor))
    assert averages(tensor).shear_reuss < averages(tensor).shear_voigt


def test_bad_tensors_are_refused():
    lopsided = cubic(1050.8, 123.8, 560.0)
    lopsided[0, 1] += 30.0
    for bad, what in (
        (np.eye(3), "6 x 6"),
        (np.full((6, 6), np.nan), "6 x 6"),
        (lopsided, "symmetric"),
        (cubic(100.0, 120.0, 50.0), "stable"),
    ):
        with pytest.raises(ValueError, match=what):
            averages(bad)
