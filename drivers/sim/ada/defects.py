"""Where the defects of a film are: a mask of a square field in the middle of the slide, drawn by the film's grain.

Holes are discs of one age: they open together and grow. Overlapping discs of number n and radius r per area leave
exp(-n pi r^2) (Boolean model), so that r follows from the share that is covered. Cracks are cuts of one width,
slightly bent, in random directions; clusters are small discs. Numbers are Poisson's. The mask is a film's own: the
same whenever it is looked at, and a film annealed on has its old holes, wider.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivers.sim.ada.slide import CRACK_LENGTH_MM, CRACK_MM, FIELD_MM, Coat

FINE = 512  # pixels a side, four to one of the camera's
HOLES_MM2 = 2.5  # opened per area
CLUSTER_MM = 0.06  # radius
MARGIN_MM = 1.5  # around the field, from which defects reach into it
BOWED = 0.15  # rad: sd of the bend of a crack from its beginning to its end


@dataclass(frozen=True, eq=False)
class Defects:
    """Boolean masks of FINE x FINE over FIELD_MM x FIELD_MM."""

    holes: np.ndarray
    cracks: np.ndarray
    clusters: np.ndarray

    @property
    def any(self) -> np.ndarray:
        mask: np.ndarray = self.holes | self.cracks | self.clusters
        return mask

    @property
    def fraction(self) -> float:
        """Share of the field that is defect."""
        return float(self.any.mean())


@lru_cache(maxsize=8)
def defects(coat: Coat) -> Defects:
    """The defects in the field. The middle of the slide has the film's own thickness to 1 %."""
    covered = max(coat.coverage, 1e-6)
    radius = math.sqrt(-math.log(covered) / (math.pi * HOLES_MM2)) if covered < 1 else 0.0
    holes = _discs(np.random.default_rng([coat.grain, 1]), HOLES_MM2, radius)
    per_mm2 = -math.log(1 - coat.cluster_fraction) / (math.pi * CLUSTER_MM**2)
    clusters = _discs(np.random.default_rng([coat.grain, 2]), per_mm2, CLUSTER_MM)
    return Defects(holes, _cracks(np.random.default_rng([coat.grain, 3]), coat.crack_density), clusters)


def _discs(draw: np.random.Generator, per_mm2: float, radius: float) -> np.ndarray:
    side = FIELD_MM + 2 * MARGIN_MM
    mask = np.zeros((FINE, FINE), bool)
    n = draw.poisson(per_mm2 * side**2)
    middles = draw.uniform(-MARGIN_MM, FIELD_MM + MARGIN_MM, (n, 2))
    sizes = draw.uniform(0.8, 1.2, n) / math.sqrt(1 + 0.4**2 / 12)  # the mean square is 1
    if radius <= 0:
        return mask
    for (x, y), size in zip(middles * FINE / FIELD_MM, sizes * radius * FINE / FIELD_MM, strict=True):
        left, right = max(0, math.floor(x - size)), min(FINE, math.ceil(x + size) + 1)
        low, high = max(0, math.floor(y - size)), min(FINE, math.ceil(y + size) + 1)
        if left < right and low < high:
            across, down = np.arange(left, right) + 0.5 - x, np.arange(low, high) + 0.5 - y
            mask[low:high, left:right] |= across[None, :] ** 2 + down[:, None] ** 2 <= size**2
    return mask


def _cracks(draw: np.random.Generator, per_mm: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    middle = np.zeros((FINE, FINE), bool)
    side = FIELD_MM + 2 * MARGIN_MM
    n = draw.poisson(per_mm * side**2 / CRACK_LENGTH_MM)
    if not n:
        return middle
    step = FIELD_MM / FINE / 2
    along = np.arange(-CRACK_LENGTH_MM / 2, CRACK_LENGTH_MM / 2, step)
    centres = draw.uniform(-MARGIN_MM, FIELD_MM + MARGIN_MM, (n, 2))
    angles = (
        draw.uniform(0, math.pi, n)[:, None] + draw.normal(0, BOWED, n)[:, None] * along / CRACK_LENGTH_MM
    )
    points = np.stack([np.cos(angles), np.sin(angles)]) * step
    walked = np.cumsum(points, axis=2) - points.sum(axis=2, keepdims=True) / 2 + centres.T[:, :, None]
    x, y = np.floor(walked.reshape(2, -1) * FINE / FIELD_MM).astype(int)
    inside = (x >= 0) & (x < FINE) & (y >= 0) & (y < FINE)
    middle[y[inside], x[inside]] = True
    if not middle.any():
        return middle
    wide: np.ndarray = distance_transform_edt(~middle) <= CRACK_MM / 2 * FINE / FIELD_MM - 0.3
    return wide
