"""How alike the atoms of a crystal become to a network, step by step of message passing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from surrogates.materials.batches import Packed
from surrogates.materials.graph import Graph
from surrogates.materials.networks import Network


class Alikeness(NamedTuple):
    """distance: mean of 1 - cosine between two atoms of different elements in one crystal, features less their mean
    over all atoms (Chen et al., AAAI 34, 3438, 2020, with the mean taken out: features of one sign are alike anyhow);
    within: share of the features' variance that is within crystals. Both are 0 where the atoms of a crystal are alike.
    """

    distance: float
    within: float


@torch.inference_mode()
def alikeness(network: Network, graphs: Sequence[Graph] | Packed) -> list[Alikeness]:
    """Before message passing and after each step of it, over all graphs at once; each crystal counts the same. Raises
    ValueError where no crystal has two elements."""
    network.eval()
    device = next(network.parameters()).device
    packed = graphs if isinstance(graphs, Packed) else Packed(graphs, device)
    batch = packed.batch(torch.arange(len(packed), device=device))
    first, second = unlike_pairs(batch.numbers, batch.graph)
    if not len(first):
        raise ValueError("wanted a crystal of two elements at least, got elements alone")
    own = batch.graph[first]
    pairs = torch.bincount(own, minlength=len(packed)).to(torch.float32)
    share = 1.0 / (pairs[own] * (pairs > 0).sum())
    weights = (batch.weights / len(packed))[:, None]
    out = []
    for nodes in network.steps(batch):
        centred = nodes - (weights * nodes).sum(0)
        unit = torch.nn.functional.normalize(centred, dim=1, eps=1e-12)
        distance = (share * (1.0 - (unit[first] * unit[second]).sum(1))).sum()
        means = torch.zeros(len(packed), nodes.shape[1], device=device)
        means = means.index_add(0, batch.graph, centred * batch.weights[:, None])
        whole = (weights * centred.square()).sum()
        inside = (weights * (centred - means[batch.graph]).square()).sum()
        out.append(Alikeness(float(distance), float(inside / whole.clamp_min(1e-30))))
    return out


def unlike_pairs(numbers: Tensor, graph: Tensor) -> tuple[Tensor, Tensor]:
    """(p,) and (p,) nodes of one graph whose elements differ, each pair once. `numbers`, `graph`: (n,)."""
    sizes = torch.bincount(graph)
    ends = sizes.cumsum(0)
    left = torch.arange(len(graph), device=graph.device)
    after = ends[graph] - left - 1  # nodes of the same graph that come later
    first = torch.repeat_interleave(left, after)
    starts = torch.repeat_interleave(after.cumsum(0) - after, after)
    second = first + 1 + torch.arange(len(first), device=graph.device) - starts
    differ = numbers[first] != numbers[second]
    return first[differ], second[differ]
