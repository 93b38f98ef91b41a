"""Networks by their names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch

from surrogates.materials.networks.base import Network
from surrogates.materials.networks.cgcnn import CGCNN
from surrogates.materials.networks.composition import CompositionNetwork
from surrogates.materials.networks.edge_gated import EdgeGatedNetwork
from surrogates.materials.networks.normalisation import check
from surrogates.materials.networks.settings import NetworkSettings

NETWORKS: dict[str, type[Network]] = {
    "cgcnn": CGCNN,
    "edge_gated": EdgeGatedNetwork,
    "composition": CompositionNetwork,
}


# Each with as many steps as it has use for: docs/depth.md.
DEFAULTS: Mapping[str, NetworkSettings] = MappingProxyType(
    {
        name: NetworkSettings(name, layers=2 if name == "cgcnn" else NetworkSettings.layers)
        for name in NETWORKS
    }
)


def build(
    settings: NetworkSettings, targets: int, *, per_atom: int = 0, vectors: int = 0, seed: int = 0
) -> Network:
    """A network with first weights drawn from `seed`; torch's global generator is left as it was. Raises ValueError for
    a name that is not in `NETWORKS`, for a norm that there is not and for a falloff out of range."""
    if settings.network not in NETWORKS:
        raise ValueError(f"wanted a network of {', '.join(NETWORKS)}, got {settings.network!r}")
    check(settings.normalise, settings.norm)
    if not 0.0 <= settings.falloff <= 1.0:
        raise ValueError(f"wanted a falloff from 0 to 1, got {settings.falloff!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[settings.network](settings, targets, per_atom, vectors)
