"""Photographs and spectra: what is read out of them, against what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.sim.ada.defects import FINE, Defects, defects
from drivers.sim.ada.picture import PIXELS, photograph, png
from drivers.sim.ada.segmentation import segment
from drivers.sim.ada.slide import POSITIONS, Coat
from drivers.sim.ada.spectra import NOISE, absorbance, layer
from tests.drivers.ada.laboratory import random_films

FILMS = list(random_films(60, seed=40_000))


def test_the_defects_drawn_are_those_that_the_film_says() -> None:
    there = [defects(coat) for coat in FILMS]
    for drawn, said in (
        ([one.holes.mean() for one in there], [1 - coat.coverage for coat in FILMS]),
        ([one.cracks.mean() for one in there], [coat.crack_fraction for coat in FILMS]),
        ([one.clusters.mean() for one in there], [coat.cluster_fraction for coat in FILMS]),
        ([one.fraction for one in there], [coat.defect_fraction for coat in FILMS]),
    ):
        assert max(said) > 0.02
        assert np.mean(drawn) == pytest.approx(np.mean(said), rel=0.1)
        assert np.abs(np.subtract(drawn, said)).max() < 0.1


def test_a_film_annealed_on_keeps_its_holes() -> None:
    coat = next(one for one in FILMS if 0.02 < 1 - one.coverage < 0.5)
    before = defects(coat).holes
    after = defects(replace(coat, dewetting_exponent=1.3 * coat.dewetting_exponent)).holes
    assert after.sum() > before.sum() and not (before & ~after).any()


def test_the_share_of_defects_in_a_picture_is_the_share_that_is_there() -> None:
    """Sixty films that nothing was settled on: error, and whether the uncertainties that are said hold."""
    true, read, sigma = [], [], []
    for k, coat in enumerate(FILMS):
        there = defects(coat)
        found = segment(photograph(coat, there, seed=k, noise=1.0))
        assert 0 <= found.fraction <= 1 and found.number >= (found.fraction > 0)
        true.append(there.fraction)
        read.append(found.fraction)
        sigma.append(found.sigma)
    error = np.subtract(read, true)
    print(f"rms error {np.sqrt(np.mean(error**2)):.4f}, max {np.abs(error).max():.4f}")  # noqa: T201
    light = np.array(true) < 0.3
    assert sum(np.array(true) > 0.02) >= 15 and light.sum() >= 30
    assert np.sqrt(np.mean(error**2)) < 0.02 and np.sqrt(np.mean(error[light] ** 2)) < 0.008
    assert np.mean(np.abs(error) < 2 * np.array(sigma)) > 0.85


def test_a_whole_film_shows_none_and_a_lost_one_nothing_else() -> None:
    coat = FILMS[0]
    none = np.zeros((FINE, FINE), bool)
    found = segment(photograph(coat, Defects(none, none, none), seed=1, noise=1.0))
    assert found.fraction < 5e-4
    lost = segment(photograph(coat, Defects(~none, none, none), seed=1, noise=1.0))
    assert lost.fraction == 1.0


def test_an_analysis_that_knows_nothing_of_the_lamp_would_be_caught() -> None:
    """The control of the test above: one fixed threshold for all pictures errs more than is let through there."""
    errors = []
    for k, coat in enumerate(FILMS):
        there = defects(coat)
        if there.fraction < 0.3:
            image = photograph(coat, there, seed=k, noise=1.0) / 255
            errors.append(np.mean((image > 0.5) | (image < 0.15)) - there.fraction)
    assert np.sqrt(np.mean(np.square(errors))) > 0.016


def test_a_picture_is_the_same_again_and_another_with_another_seed() -> None:
    coat = FILMS[1]
    there = defects(coat)
    one, again, other = (photograph(coat, there, seed, 1.0) for seed in (5, 5, 6))
    assert one.dtype == np.uint8 and one.shape == (PIXELS, PIXELS)
    assert png(one) == png(again) != png(other)


def sound() -> list[Coat]:
    return [coat for coat in FILMS if coat.coverage > 0.99 and coat.active_dopant > 0.03]


def test_thickness_and_carriers_are_read_from_a_spectrum() -> None:
    dice = np.random.default_rng(3)
    pulls = []
    for coat in sound():
        for place in POSITIONS[::5]:
            here = coat.at(*place)
            spectrum = absorbance(here)
            read = layer(spectrum + 0.004 + NOISE * dice.standard_normal(len(spectrum)))
            # A share that is hole takes from both, and no analysis of one spectrum can tell.
            assert read.thickness_nm == pytest.approx(here.thickness_nm * here.coverage, rel=0.03)
            pulls.append((read.thickness_nm - here.thickness_nm * here.coverage) / read.thickness_sigma)
            pulls.append((read.carriers_cm2 - here.carriers_cm2 * here.coverage) / read.carriers_sigma)
    assert len(pulls) > 50 and 0.6 < np.sqrt(np.median(np.square(pulls))) / 0.6745 < 1.6


def test_a_film_that_scatters_is_not_taken_for_a_thick_one() -> None:
    coat = replace(sound()[0], hottest_K=700.0)
    assert coat.crack_fraction > 0.1
    assert layer(absorbance(coat)).thickness_nm == pytest.approx(coat.thickness_nm * coat.coverage, rel=1e-2)
