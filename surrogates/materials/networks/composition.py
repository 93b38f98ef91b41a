"""For candidates without a structure: elements weighted by their fractions, all joined."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from surrogates.materials.batches import Batch
from surrogates.materials.elements import physical_features
from surrogates.materials.networks.base import Network
from surrogates.materials.networks.edge_gated import EdgeGated
from surrogates.materials.networks.settings import NetworkSettings


class CompositionNetwork(Network):
    """Messages between the elements of a formula, each sender weighted by its fraction, as in Roost (Goodall and Lee,
    Nat. Commun. 11, 6280, 2020); the graph is that of Merchant et al. (Nature 624, 80, 2023)."""

    features: Tensor

    def __init__(self, settings: NetworkSettings, targets: int, per_atom: int = 0, vectors: int = 0) -> None:
        if vectors:
            raise ValueError("a composition has no directions: wanted vectors 0, use a network of structures")
        super().__init__(settings, targets, per_atom, vectors)
        width = settings.width
        self.register_buffer("features", torch.tensor(physical_features()), persistent=False)
        self.embed = nn.Linear(self.features.shape[1] + 1, width)
        self.layers = nn.ModuleList(
            EdgeGated(width, False, self.place, self.norm) for _ in range(settings.layers)
        )
        self.hidden = nn.Linear(width, width)

    def steps(self, batch: Batch) -> Iterator[Tensor]:
        known = torch.cat([self.features[batch.numbers], batch.weights[:, None]], dim=1)
        nodes: Tensor = nn.functional.silu(self.embed(known))
        yield nodes
        for layer in self.layers:
            nodes, _ = layer(nodes, None, batch)
            yield nodes

    def read(self, pooled: Tensor, batch: Batch) -> Tensor:
        return nn.functional.silu(self.hidden(pooled))
