"""Powder patterns: lines as pymatgen computes them, widths as Scherrer says, texture as March and Dollase say."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.sim.synthesis.diffraction import (
    ANGLES,
    INSTRUMENT_DEG,
    WAVELENGTH,
    Lines,
    profile,
    reflections,
    texture,
)
from drivers.sim.synthesis.phases import Phase, System


@pytest.mark.parametrize("formula", ["Fe2O3", "Li2O", "LiFePO4", "Li3PO4", "LiFeO2"])
def test_lines_are_those_of_pymatgen(fe_li_o_p: System, formula: str) -> None:
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core import Structure

    phase = fe_li_o_p.phase(formula)
    crystal = Structure(phase.lattice, phase.species, phase.frac)
    theirs = XRDCalculator(WAVELENGTH).get_pattern(crystal, two_theta_range=(10, 100), scaled=True)
    lines = reflections(phase, debye_waller=0.0)

    def near(angles: np.ndarray, heights: np.ndarray, angle: float) -> float:
        return float(heights[np.abs(angles - angle) < 0.02].sum())  # a distorted cell splits its lines

    ours, top = lines.angles(), theirs.x[theirs.y.argmax()]
    unit = near(theirs.x, theirs.y, top) / near(ours, lines.intensity, top)
    assert len(theirs.x) > 7
    for angle in theirs.x[theirs.y > 1]:
        height = unit * near(ours, lines.intensity, angle)
        assert height == pytest.approx(near(theirs.x, theirs.y, angle), rel=0.02, abs=0.1), angle


def test_a_line_is_as_wide_as_scherrer_says() -> None:
    line = Lines(np.array([2.0]), np.array([1.0]), np.array([0.5]))
    angle = line.angles()[0]
    assert np.sin(np.radians(angle / 2)) == pytest.approx(WAVELENGTH / 4)

    def width(size: float) -> float:
        shape = profile(line, size=size)
        half = np.flatnonzero(shape >= shape.max() / 2)
        return (half[-1] - half[0] + 1) * (ANGLES[1] - ANGLES[0])

    scherrer = np.degrees(0.9 * WAVELENGTH / 10 / (10 * np.cos(np.radians(angle / 2))))
    assert width(10) == pytest.approx(np.hypot(scherrer, INSTRUMENT_DEG), abs=0.06)
    assert width(10) > width(30) > width(1000)
    assert width(1000) == pytest.approx(INSTRUMENT_DEG, abs=0.06)
    assert line.angles(0.01)[0] < angle
    assert np.argmax(profile(line, shift=0.2)) > np.argmax(profile(line))
    assert profile(line).sum() == pytest.approx(profile(line, size=20).sum(), rel=0.03)


def test_texture_favours_its_axis_and_keeps_the_whole() -> None:
    # Over all directions the March function has mean 1.
    cosine = (np.arange(100000) + 0.5) / 100000
    sphere = Lines(np.ones_like(cosine), np.ones_like(cosine), cosine**2)
    for r in (0.5, 0.8, 1.0, 1.5):
        assert texture(sphere, r).mean() == pytest.approx(1, rel=1e-3)
    platy = texture(sphere, 0.5)
    assert platy[-1] == pytest.approx(8, rel=1e-3) and platy[0] < 1


def test_weights_count_as_reference_intensity_ratios_say() -> None:
    # I/Ic of halite 4.4, of rutile 3.4: the strongest line against that of corundum, one to one by weight. One B for
    # all phases is worth some per cent.
    from pymatgen.core import Lattice, Structure

    def strongest(group: str, lattice: Lattice, species: list[str], sites: list[list[float]]) -> float:
        crystal = Structure.from_spacegroup(group, lattice, species, sites)
        symbols = tuple(site.specie.symbol for site in crystal)
        lines = reflections(Phase("x", 0.0, 0.0, lattice.matrix, symbols, crystal.frac_coords))
        angles = lines.angles()
        return max(float(lines.intensity[np.abs(angles - angle) < 0.05].sum()) for angle in angles)

    corundum = strongest(
        "R-3c", Lattice.hexagonal(4.7587, 12.9929), ["Al", "O"], [[0, 0, 0.3522], [0.3062, 0, 0.25]]
    )
    halite = strongest("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rutile = strongest(
        "P4_2/mnm", Lattice.tetragonal(4.5937, 2.9587), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    ratios = [one / corundum for one in (halite, rutile)]
    assert ratios == pytest.approx([4.4, 3.4], rel=0.15)
