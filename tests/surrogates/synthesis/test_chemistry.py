"""Formulas, balances and driving forces of route choice."""

from __future__ import annotations

import pytest

from surrogates.synthesis.chemistry import Chemistry, counts_of, target_units, units_of

ENERGIES = {"Fe2O3": -8.0, "Li2O": -6.0, "LiFeO2": -8.0, "FeO": -2.5, "Li2O2": -6.2}
AIR = Chemistry(lambda formula, T: ENERGIES[formula])
ARGON = Chemistry(lambda formula, T: ENERGIES[formula], supplied=False)


def test_formulas_are_read_with_their_brackets() -> None:
    assert counts_of("Fe(PO3)3") == {"Fe": 1, "P": 3, "O": 9}
    assert counts_of("Li3Fe2(PO4)3") == {"Li": 3, "Fe": 2, "P": 3, "O": 12}
    assert counts_of("Ca2(Al(OH)4)2") == {"Ca": 2, "Al": 2, "O": 8, "H": 8}
    for wrong in ("", "fe", "Fe(O", "Fe)O", "Fe O", "2FeO"):
        with pytest.raises(ValueError):
            counts_of(wrong)


def test_balances_are_balanced_and_the_gas_gives_what_it_can() -> None:
    assert AIR.balance({"LiFeO2": 1.0}, ["Fe2O3", "Li2O"]) == pytest.approx({"Fe2O3": 0.5, "Li2O": 0.5})
    assert AIR.balance({"LiFeO2": 1.0}, ["FeO", "Li2O"]) == pytest.approx({"FeO": 1.0, "Li2O": 0.5})
    assert ARGON.balance({"LiFeO2": 1.0}, ["FeO", "Li2O"]) is None  # it lacks oxygen
    assert ARGON.balance({"LiFeO2": 1.0}, ["Fe2O3", "Li2O2"]) is not None  # it has some left
    assert AIR.balance({"LiFeO2": 1.0}, ["Fe2O3", "FeO"]) is None
    assert AIR.balance({"LiFeO2": 1.0}, ["Fe2O3"]) is None


def test_driving_forces_are_those_of_the_balanced_reaction() -> None:
    # Fe2O3 + Li2O -> 2 LiFeO2: -14 to -16 eV over 8 atoms.
    assert AIR.driving({"Fe2O3": 1.0, "Li2O": 1.0}, "LiFeO2", 1000.0) == pytest.approx(2.0 / 8)
    assert AIR.driving({"Fe2O3": 0.5, "Li2O": 0.5}, "LiFeO2", 1000.0) == pytest.approx(2.0 / 8)
    assert AIR.driving({"LiFeO2": 3.0}, "LiFeO2", 1000.0) == pytest.approx(0)
    assert target_units({"Fe2O3": 1.0, "Li2O": 1.0}, "LiFeO2", "O") == pytest.approx(2.0)


def test_weights_become_moles() -> None:
    units = units_of({"Fe2O3": 0.5, "Li2O": 0.5})
    assert units == pytest.approx({"Fe2O3": 0.5 / 159.69, "Li2O": 0.5 / 29.88}, rel=1e-3)
