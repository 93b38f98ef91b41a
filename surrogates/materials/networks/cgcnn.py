"""The crystal graph convolutional network as published (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018; the
formula is that of the authors' code)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from surrogates.materials.batches import Batch
from surrogates.materials.elements import one_hot_features
from surrogates.materials.networks.base import Network
from surrogates.materials.networks.gated_sum import gated_sum, plain_gated_sum
from surrogates.materials.networks.normalisation import CountedBatchNorm, Norm, Place, after, before, norm_of
from surrogates.materials.networks.settings import NetworkSettings


class Convolution(nn.Module):
    """v_i' = softplus(v_i + BN2(sum_j sigmoid(f_ij) * softplus(c_ij))), [f, c]_ij = BN1([v_i, v_j, u_ij] W + b).

    W is held in three parts, of which two act on nodes: a twelfth of the products that edges would need. BN1 is
    the norm before the non-linearities of a message, BN2 the one after them; either may be left out or be another one.
    """

    def __init__(self, width: int, filters: int, place: Place = "both", norm: Norm = "batch") -> None:
        super().__init__()
        self.receiver = nn.Linear(width, 2 * width)
        self.sender = nn.Linear(width, 2 * width, bias=False)
        self.edge = nn.Linear(filters, 2 * width, bias=False)
        bound = (2 * width + filters) ** -0.5  # of the one layer that the three parts are
        for part in (self.receiver, self.sender, self.edge):
            nn.init.uniform_(part.weight, -bound, bound)
        self.norm_edges = norm_of(norm, 2 * width, before(place))
        self.norm_nodes = norm_of(norm, width, after(place))

    def forward(self, nodes: Tensor, edges: Tensor, batch: Batch) -> Tensor:
        """Nodes (n, width), expanded distances (e, filters) -> (n, width)."""
        parts = (self.receiver(nodes), self.sender(nodes), edges, self.edge.weight)
        if isinstance(self.norm_edges, CountedBatchNorm):
            total = gated_sum(*parts, self.norm_edges, batch)
        else:
            total = plain_gated_sum(*parts, self.norm_edges, batch)
        return nn.functional.softplus(nodes + self.norm_nodes(total))


class CGCNN(Network):
    """Property bins of the elements, convolutions, mean over atoms, one hidden layer of twice the width."""

    embedding = 2
    own_place: Place = "both"
    own_norm: Norm = "batch"
    features: Tensor

    def __init__(self, settings: NetworkSettings, targets: int, per_atom: int = 0, vectors: int = 0) -> None:
        super().__init__(settings, targets, per_atom, vectors)
        width = settings.width
        self.register_buffer("features", torch.tensor(one_hot_features()), persistent=False)
        self.embed = nn.Linear(self.features.shape[1], width)
        self.layers = nn.ModuleList(
            Convolution(width, settings.filters, self.place, self.norm) for _ in range(settings.layers)
        )
        self.hidden = nn.Linear(width, 2 * width)

    def steps(self, batch: Batch) -> Iterator[Tensor]:
        nodes: Tensor = self.embed(self.features).index_select(0, batch.numbers)
        edges = self.expansion(batch.distances)
        yield nodes
        for layer in self.layers:
            nodes = layer(nodes, edges, batch)
            yield nodes

    def read(self, pooled: Tensor, batch: Batch) -> Tensor:
        return nn.functional.softplus(self.hidden(nn.functional.softplus(pooled)))
