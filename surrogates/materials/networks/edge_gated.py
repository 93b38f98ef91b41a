"""Nodes and edges that update each other, both with skip connections: the edge-gated convolution of ALIGNN without its
line graph (Choudhary and DeCost, npj Comput. Mater. 7, 185, 2021; Dwivedi et al., JMLR 24, 43, 2023), on nearest
neighbours as in coGN (Ruff et al., Digital Discovery 3, 594, 2024)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from surrogates.materials.batches import Batch
from surrogates.materials.elements import physical_features
from surrogates.materials.networks.base import Network
from surrogates.materials.networks.normalisation import Norm, Place, after, before, norm_of, normalised
from surrogates.materials.networks.settings import NetworkSettings

FEW = 1e-6  # of a sum of gates, which is far larger where there is an edge


class EdgeGated(nn.Module):
    """z_ij = A v_i + B v_j + C e_ij;  e_ij' = e_ij + silu(LN(z_ij));
    v_i' = v_i + silu(LN(U v_i + sum_j s_ij W v_j / sum_j s_ij)), s_ij = sigmoid(z_ij), times the sender's share if
    nodes are shares of a composition. LN stands before the non-linearity; it may stand after it, at both places or at
    none, and be a norm over the batch."""

    def __init__(self, width: int, edges: bool, place: Place = "before", norm: Norm = "layer") -> None:
        super().__init__()
        self.nodes = nn.Linear(width, 4 * width)  # A, B, U and W at once
        self.norm_nodes = norm_of(norm, width, before(place))
        self.after_nodes = norm_of(norm, width, after(place))
        if edges:
            self.edges = nn.Linear(width, width, bias=False)
            self.norm_edges = norm_of(norm, width, before(place))
            self.after_edges = norm_of(norm, width, after(place))

    def forward(self, nodes: Tensor, edges: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Nodes (n, width), edges (e, width) or None -> both after the step."""
        to, of, own, sent = self.nodes(nodes).chunk(4, dim=1)
        z = to.index_select(0, batch.receivers) + of.index_select(0, batch.senders)
        if edges is not None:
            z = z + self.edges(edges)
            change = nn.functional.silu(normalised(self.norm_edges, z, batch.counts))
            edges = edges + normalised(self.after_edges, change, batch.counts)
        share = batch.counts if edges is not None else batch.counts * batch.weights[batch.senders]
        gate = torch.sigmoid(z) * share[:, None]
        total = torch.zeros_like(nodes).index_add(
            0, batch.receivers, gate * sent.index_select(0, batch.senders)
        )
        gates = torch.full_like(nodes, FEW).index_add(0, batch.receivers, gate)
        return nodes + self.after_nodes(nn.functional.silu(self.norm_nodes(own + total / gates))), edges


class EdgeGatedNetwork(Network):
    """Physical features and a learned embedding of the elements; log volume per atom joins at the read-out."""

    features: Tensor

    def __init__(self, settings: NetworkSettings, targets: int, per_atom: int = 0, vectors: int = 0) -> None:
        super().__init__(settings, targets, per_atom, vectors)
        width = settings.width
        self.register_buffer("features", torch.tensor(physical_features()), persistent=False)
        self.embed = nn.Linear(self.features.shape[1], width)
        self.expand = nn.Linear(settings.filters, width)
        self.layers = nn.ModuleList(
            EdgeGated(width, True, self.place, self.norm) for _ in range(settings.layers)
        )
        self.hidden = nn.Linear(width + 1, width)

    def steps(self, batch: Batch) -> Iterator[Tensor]:
        nodes: Tensor = nn.functional.silu(self.embed(self.features)).index_select(0, batch.numbers)
        edges = nn.functional.silu(self.expand(self.expansion(batch.distances)))
        yield nodes
        for layer in self.layers:
            nodes, edges = layer(nodes, edges, batch)
            yield nodes

    def read(self, pooled: Tensor, batch: Batch) -> Tensor:
        pooled = torch.cat([pooled, (batch.volumes / 20.0).log()[:, None]], dim=1)
        return nn.functional.silu(self.hidden(pooled))
