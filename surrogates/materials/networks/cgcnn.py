"""The crystal graph convolutional network as published (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018; the
formula is that of the authors' code)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surrogates.materials.batches import Batch
from surrogates.materials.elements import one_hot_features
from surrogates.materials.networks.base import Network
from surrogates.materials.networks.gated_sum import gated_sum
from surrogates.materials.networks.settings import NetworkSettings


class Convolution(nn.Module):
    """v_i' = softplus(v_i + BN2(sum_j sigmoid(f_ij) * softplus(c_ij))), [f, c]_ij = BN1([v_i, v_j, u_ij] W + b).

    W is held in three parts, of which two act on nodes: a twelfth of the products that edges would need.
    """

    def __init__(self, width: int, filters: int) -> None:
        super().__init__()
        self.receiver = nn.Linear(width, 2 * width)
        self.sender = nn.Linear(width, 2 * width, bias=False)
        self.edge = nn.Linear(filters, 2 * width, bias=False)
        bound = (2 * width + filters) ** -0.5  # of the one layer that the three parts are
        for part in (self.receiver, self.sender, self.edge):
            nn.init.uniform_(part.weight, -bound, bound)
        self.norm_edges, self.norm_nodes = nn.BatchNorm1d(2 * width), nn.BatchNorm1d(width)

    def forward(self, nodes: Tensor, edges: Tensor, batch: Batch) -> Tensor:
        """Nodes (n, width), expanded distances (e, filters) -> (n, width)."""
        total = gated_sum(
            self.receiver(nodes),
            self.sender(nodes),
            edges,
            self.edge.weight,
            self.norm_edges,
            batch,
        )
        return nn.functional.softplus(nodes + self.norm_nodes(total))


class CGCNN(Network):
    """Property bins of the elements, convolutions, mean over atoms, one hidden layer of twice the width."""

    embedding = 2
    features: Tensor

    def __init__(self, settings: NetworkSettings, targets: int, per_atom: int = 0, vectors: int = 0) -> None:
        super().__init__(settings, targets, per_atom, vectors)
        width = settings.width
        self.register_buffer("features", torch.tensor(one_hot_features()), persistent=False)
        self.embed = nn.Linear(self.features.shape[1], width)
        self.layers = nn.ModuleList(Convolution(width, settings.filters) for _ in range(settings.layers))
        self.hidden = nn.Linear(width, 2 * width)

    def nodes(self, batch: Batch) -> Tensor:
        nodes: Tensor = self.embed(self.features).index_select(0, batch.numbers)
        edges = self.expansion(batch.distances)
        for layer in self.layers:
            nodes = layer(nodes, edges, batch)
        return nodes

    def read(self, pooled: Tensor, batch: Batch) -> Tensor:
        return nn.functional.softplus(self.hidden(nn.functional.softplus(pooled)))
