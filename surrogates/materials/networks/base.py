"""What every network has: element features and bond expansion at the start, pooling and heads at the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from surrogates.materials.batches import Batch
from surrogates.materials.networks.normalisation import Norm, Place
from surrogates.materials.networks.settings import NetworkSettings

LARGEST = (
    50.0  # exp(-50) is nothing, exp(-90) is a denormal number, with which processors are many times slower
)
LEAST, MOST = -10.0, 5.0  # of a log-variance, in units of the standardised target


class Output(NamedTuple):
    """g graphs, n nodes. mean, log_variance: (g, t); embedding: (g, k * width), what the heads see; atoms,
    atoms_log_variance: (n, p) or None; vectors: (n, v, 3) or None."""

    mean: Tensor
    log_variance: Tensor
    embedding: Tensor
    atoms: Tensor | None
    atoms_log_variance: Tensor | None
    vectors: Tensor | None


class GaussianExpansion(nn.Module):
    """exp(-((d - mu) / step)^2) for `filters` centres mu from 0 to the cutoff: (e,) -> (e, filters)."""

    centres: Tensor

    def __init__(self, cutoff: float, filters: int) -> None:
        super().__init__()
        self.step = cutoff / (filters - 1)
        self.register_buffer("centres", torch.linspace(0.0, cutoff, filters), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        squares = ((distances[:, None] - self.centres) / self.step).square_()
        return squares.clamp_(max=LARGEST).neg_().exp_()


class Network(nn.Module):
    """Message passing, a weighted mean over each graph's nodes, heads.

    A log-variance is read from a representation that it does not shape, so that doubt about some targets costs no
    accuracy of the mean (compare Seitzer et al., ICLR 2022). Vectors per atom, forces for instance, are sums over
    an atom's edges of a learned scalar times the edge's unit vector: they turn with the crystal, but are not the
    gradient of an energy.
    """

    embedding = 1  # length of what the heads see, in widths
    own_place: Place = "before"  # what the settings leave open
    own_norm: Norm = "layer"

    def __init__(self, settings: NetworkSettings, targets: int, per_atom: int = 0, vectors: int = 0) -> None:
        """`targets`: values per graph; `per_atom`: values per node; `vectors`: vectors per node."""
        super().__init__()
        self.settings, self.targets, self.per_atom, self.n_vectors = settings, targets, per_atom, vectors
        self.place, self.norm = settings.normalise or self.own_place, settings.norm or self.own_norm
        width, read = settings.width, settings.width * self.embedding
        self.expansion = GaussianExpansion(settings.cutoff, settings.filters)
        self.dropout = nn.Dropout(settings.dropout)
        self.mean = nn.Linear(read, targets)
        self.log_variance = spread(read, targets)
        if per_atom:
            self.atom_mean = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, per_atom))
            self.atom_log_variance = spread(width, per_atom)
        if vectors:
            self.to_receiver = nn.Linear(width, width)
            self.to_sender = nn.Linear(width, width, bias=False)
            self.to_edge = nn.Linear(settings.filters, width, bias=False)
            self.along = nn.Linear(width, vectors)

    @abstractmethod
    def steps(self, batch: Batch) -> Iterator[Tensor]:
        """(n, width) each: the nodes before message passing and after each step of it."""

    def nodes(self, batch: Batch) -> Tensor:
        """(n, width): each node after message passing."""
        for nodes in self.steps(batch):
            last = nodes
        return last

    @abstractmethod
    def read(self, pooled: Tensor, batch: Batch) -> Tensor:
        """(g, embedding * width): what the heads see, from the mean over each graph's nodes (g, width)."""

    def forward(self, batch: Batch) -> Output:
        nodes = self.nodes(batch)
        pooled = nodes.new_zeros(len(batch), nodes.shape[1])
        pooled = pooled.index_add(0, batch.graph, nodes * batch.weights[:, None])
        embedding = self.dropout(self.read(pooled, batch))
        atoms = self.atom_mean(nodes) if self.per_atom else None
        doubt = bounded(self.atom_log_variance(nodes.detach())) if self.per_atom else None
        return Output(
            mean=self.mean(embedding),
            log_variance=bounded(self.log_variance(embedding.detach())),
            embedding=embedding,
            atoms=atoms,
            atoms_log_variance=doubt,
            vectors=self._vectors(nodes, batch) if self.n_vectors else None,
        )

    def _vectors(self, nodes: Tensor, batch: Batch) -> Tensor:
        edge = self.to_edge(self.expansion(batch.distances))
        edge = edge + self.to_receiver(nodes).index_select(0, batch.receivers)
        edge = edge + self.to_sender(nodes).index_select(0, batch.senders)
        sizes = self.along(nn.functional.silu(edge))
        out = nodes.new_zeros(len(nodes), self.n_vectors, 3)
        return out.index_add(0, batch.receivers, sizes[:, :, None] * batch.units[:, None, :])


def spread(width: int, targets: int) -> nn.Module:
    """A head for log-variances, (.., width) -> (.., targets)."""
    return nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, targets))


def bounded(log_variance: Tensor) -> Tensor:
    """Within bounds that no standardised target leaves, with a gradient everywhere."""
    middle, reach = (LEAST + MOST) / 2, (MOST - LEAST) / 2
    return middle + reach * torch.tanh((log_variance - middle) / reach)
