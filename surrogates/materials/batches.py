"""Many graphs as one: packed once into flat tensors, a batch gathered from them by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from surrogates.materials.graph import Array, Graph


@dataclass(frozen=True)
class Batch:
    """Graphs side by side: g graphs, n nodes, e edges that differ (`Graph.merged`), sorted by receiver.

    numbers, weights, graph: (n,) atomic numbers, shares in their graph's mean, places of their graph
    receivers, senders: (e,) nodes; distances: (e,) angstrom; counts: (e,) how many edges each stands for; units:
    (e, 3) sum of their unit vectors
    volumes: (g,) angstrom^3 per atom, NaN for compositions
    """

    numbers: Tensor
    weights: Tensor
    graph: Tensor
    receivers: Tensor
    senders: Tensor
    distances: Tensor
    counts: Tensor
    units: Tensor
    volumes: Tensor

    def __len__(self) -> int:
        return len(self.volumes)


class Packed:
    """Graphs as flat tensors on one device."""

    def __init__(self, graphs: Sequence[Graph], device: torch.device | str = "cpu") -> None:
        nodes = np.array([len(graph.numbers) for graph in graphs], dtype=np.int64)
        merged = [graph.merged for graph in graphs]
        edges = np.array([len(each.counts) for each in merged], dtype=np.int64)

        def tensor(parts: Sequence[Array]) -> Tensor:
            return torch.from_numpy(np.concatenate(parts)).to(device)

        self.device = torch.device(device)
        self.numbers = tensor([graph.numbers for graph in graphs])
        self.weights = tensor([graph.weights for graph in graphs])
        self.receivers = tensor([each.edges[0] for each in merged])  # counted within their graph
        self.senders = tensor([each.edges[1] for each in merged])
        self.distances = tensor([each.distances for each in merged])
        self.counts = tensor([each.counts for each in merged])
        self.units = tensor([each.units for each in merged])
        self.volumes = torch.tensor([graph.volume for graph in graphs], dtype=torch.float32, device=device)
        self.nodes, self.edges = tensor([nodes]), tensor([edges])
        self._first_node = self.nodes.cumsum(0) - self.nodes
        self._first_edge = self.edges.cumsum(0) - self.edges

    def __len__(self) -> int:
        return len(self.nodes)

    def rows(self, chosen: Tensor) -> Tensor:
        """Places of the chosen graphs' nodes among all nodes, in the order in which `batch` has them."""
        return _ranges(self._first_node[chosen], self.nodes[chosen])

    def batch(self, chosen: Tensor) -> Batch:
        """The graphs at places `chosen` (g,)."""
        nodes, edges = self.nodes[chosen], self.edges[chosen]
        rows = self.rows(chosen)
        links = _ranges(self._first_edge[chosen], edges)
        shift = torch.repeat_interleave(nodes.cumsum(0) - nodes, edges)
        places = torch.arange(len(chosen), device=self.device)
        return Batch(
            numbers=self.numbers[rows],
            weights=self.weights[rows],
            graph=torch.repeat_interleave(places, nodes),
            receivers=self.receivers[links] + shift,
            senders=self.senders[links] + shift,
            distances=self.distances[links],
            counts=self.counts[links],
            units=self.units[links],
            volumes=self.volumes[chosen],
        )


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch on another device."""
    return Batch(**{field.name: getattr(batch, field.name).to(device) for field in fields(batch)})


def _ranges(first: Tensor, length: Tensor) -> Tensor:
    """first[0], first[0] + 1, ... (length[0] of them), first[1], ..."""
    ends = length.cumsum(0)
    steps = torch.arange(int(ends[-1]), device=first.device)
    return steps + torch.repeat_interleave(first - (ends - length), length)
