"""What describes a network, in JSON types."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.materials.graph import CUTOFF, Kind
from surrogates.materials.networks.normalisation import Norm, Place


@dataclass(frozen=True)
class NetworkSettings:
    """network: name in `NETWORKS`; width: channels of nodes and edges; layers: message passing steps; cutoff:
    angstrom; neighbours: nearest ones kept of each atom, None for all within the cutoff; falloff: share of the farthest
    one's distance over which those beyond it come to count nothing, 0 for none of them; filters: Gaussians of the
    bond expansion; dropout: share of the pooled representation left out in training; normalise, norm: where a step of
    message passing normalises and over what, None for where the network of that name does."""

    network: str = "edge_gated"
    width: int = 96
    layers: int = 4
    cutoff: float = CUTOFF
    neighbours: int | None = 16
    falloff: float = 0.0
    filters: int = 41
    dropout: float = 0.0
    normalise: Place | None = None
    norm: Norm | None = None

    @property
    def kind(self) -> Kind:
        """What its graphs are made of."""
        return "composition" if self.network == "composition" else "structure"
