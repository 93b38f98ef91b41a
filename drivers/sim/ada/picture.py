"""A dark-field photograph of a film: what scatters is bright. Sound film is hazy, bare glass nearly black; the rims
of holes, cracks and clusters are bright. The lamp lights the field unevenly, differently from picture to picture, and
the camera has shot noise, read noise, a point spread and 8 bits.
"""

from __future__ import annotations

import io

import numpy as np

from drivers.sim.ada.defects import FINE, Defects
from drivers.sim.ada.slide import Coat

PIXELS = 256  # a side
GLASS, HAZE, CRYSTALLINE, RIM, CRACK, CLUSTER = 0.06, 0.28, 0.10, 0.75, 0.80, 0.90
GRAINY, GRAIN_PX = 0.04, 1.5  # of the haze: relative sd, correlation length in pixels
VIGNETTE, UNEVEN = 0.25, 0.12  # at the corner; sd of the tilt from edge to middle, along each axis
SPREAD_PX, FULL_WELL, READ_NOISE = 0.6, 10000.0, 0.004
AXIS = np.linspace(-1, 1, PIXELS)
VIGNETTING = 1 - VIGNETTE * (AXIS[:, None] ** 2 + AXIS[None, :] ** 2) / 2


def photograph(coat: Coat, there: Defects, seed: int, noise: float) -> np.ndarray:
    """Grey values, uint8 of shape (PIXELS, PIXELS). `seed`: of this picture; `noise`: of camera and lamp, 1 is
    typical.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    draw = np.random.default_rng(seed)
    haze = HAZE + CRYSTALLINE * coat.crystallinity
    grain = gaussian_filter(
        np.random.default_rng([coat.grain, 4]).standard_normal((PIXELS, PIXELS)), GRAIN_PX
    )
    fine = np.full((FINE, FINE), haze)
    fine[there.clusters] = CLUSTER
    fine[there.cracks] = CRACK
    fine[there.holes] = GLASS
    fine[there.holes & ~binary_erosion(there.holes, border_value=1, iterations=2)] = RIM
    scene = fine.reshape(PIXELS, FINE // PIXELS, PIXELS, FINE // PIXELS).mean(axis=(1, 3))
    scene = gaussian_filter(scene * (1 + GRAINY * grain / grain.std()), SPREAD_PX)
    tilt = noise * UNEVEN * draw.standard_normal(2)
    light = scene * VIGNETTING * (1 + tilt[0] * AXIS[:, None] + tilt[1] * AXIS[None, :])
    light = np.clip(light, 0.0, None)
    shot = np.sqrt(light / FULL_WELL) * draw.standard_normal(light.shape)
    read = READ_NOISE * draw.standard_normal(light.shape)
    return np.rint(255 * np.clip(light + noise * (shot + read), 0, 1)).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """The file of a grey or colour picture: the same bytes for the same values."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()
