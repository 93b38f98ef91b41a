"""From a dark-field photograph to the share of the field that is defect. Knows the lens (its vignetting) and the grey
value of bare glass, as a laboratory does from a picture of a blank slide; of the film it knows nothing.

The lamp's unevenness is a plane fitted to whatever is neither glass nor bright, clipped until it settles. A pixel is
defect where it is darker than half-way to glass, or brighter than LEVEL of the way to the brightest pixel around it;
specks below SMALLEST pixels are noise. The standard uncertainty is what the answer moves by when that level is moved
within reason: edges are all there is to be unsure of in a picture that is sharp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivers.sim.ada.picture import AXIS, GLASS, VIGNETTING

LEVEL, LOWER, HIGHER = 0.58, 0.46, 0.70
HAZY = (0.17, 0.60)  # of the grey range: what may be film, under any lamp
CLEAR = 5.0  # standard deviations of the haze that a defect stands out by
SMALLEST = 4  # pixels
FAINT = 5e-4  # of the field: what is too small or too faint to be seen at all
GRAINIEST = 0.07  # relative sd of haze; where more is seen, something else is seen too
LEAST_FILM = 0.003  # of the field: less haze than this is no film


@dataclass(frozen=True, eq=False)
class Segmentation:
    """`mask` of the defects (True), their share of the field with its standard uncertainty, and how many there are."""

    mask: np.ndarray
    fraction: float
    sigma: float
    number: int


def segment(image: np.ndarray) -> Segmentation:
    """The defects in a photograph: uint8, of picture.PIXELS a side."""
    from scipy.ndimage import label, maximum_filter

    flat = image / 255 / VIGNETTING
    film = _film(flat)
    if film is None:
        mask = np.ones(image.shape, bool)
        return Segmentation(mask, 1.0, LEAST_FILM, 1)
    lamp, noise = film
    excess = flat / lamp - 1
    brightest = maximum_filter(excess, 5)
    dark = 1 - GLASS / lamp.mean()
    masks = {}
    for level in (LOWER, LEVEL, HIGHER):
        bright = (brightest > CLEAR * noise) & (excess > np.maximum(level * brightest, 2.5 * noise))
        masks[level] = _clean(bright | (-excess > (0.5 + level - LEVEL) * dark))
    fractions = {level: float(mask.mean()) for level, mask in masks.items()}
    edges = (fractions[LOWER] - fractions[HIGHER]) / 2
    _, number = label(masks[LEVEL], np.ones((3, 3)))
    return Segmentation(masks[LEVEL], fractions[LEVEL], math.hypot(edges, FAINT), int(number))


def _film(flat: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The grey value of sound film over the field and its relative sd, or None where there is none."""
    y, x = np.meshgrid(AXIS, AXIS, indexing="ij")
    columns = np.stack([np.ones_like(x), x, y], axis=-1).reshape(-1, 3)
    values = flat.reshape(-1)
    kept = (values > HAZY[0]) & (values < HAZY[1])
    lamp, noise = values, 0.0
    for _ in range(8):
        if kept.sum() < LEAST_FILM * values.size:
            return None
        plane, *_ = np.linalg.lstsq(columns[kept], values[kept], rcond=None)
        lamp = np.maximum(columns @ plane, HAZY[0])
        off = values / lamp - 1
        middle = np.median(off[kept])
        noise = min(float(1.4826 * np.median(np.abs(off[kept] - middle))), GRAINIEST)
        kept = np.abs(off - middle) < 3 * max(noise, 0.005)
    return lamp.reshape(flat.shape), noise


def _clean(mask: np.ndarray) -> np.ndarray:
    """Without specks; gaps of a pixel between rim and hole closed."""
    from scipy.ndimage import binary_closing, label

    padded = np.pad(mask, 1, mode="edge")
    closed = mask | binary_closing(padded, np.ones((2, 2)))[1:-1, 1:-1]
    labels, _ = label(closed, np.ones((3, 3)))
    large = np.bincount(labels.ravel()) >= SMALLEST
    large[0] = False
    cleaned: np.ndarray = large[labels]
    return cleaned
