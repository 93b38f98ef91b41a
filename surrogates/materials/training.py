"""One member: trained from a seed, asked for predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.materials.batches import Packed
from surrogates.materials.graph import Array, Graph
from surrogates.materials.networks import Network
from surrogates.materials.transfer import Transfer, still

CACHED_EDGES = 3000  # of some 64 to 128 channels, measured

Progress = Callable[[int, int, float], None]  # epoch, epochs, mean loss of that epoch


@dataclass(frozen=True)
class Training:
    """epochs, batch (graphs), rate: largest learning rate of a one-cycle schedule (Smith and Topin, 2019); decay: of
    weights (AdamW); clip: largest norm of the gradient; average: memory of the moving average of the weights, 0 for
    none; warm_epochs, warm_rate: when training goes on from given weights."""

    epochs: int = 30
    batch: int = 32
    rate: float = 3e-3
    decay: float = 1e-2
    clip: float = 2.0
    average: float = 0.99
    warm_epochs: int = 10
    warm_rate: float = 1e-3


class Outputs(NamedTuple):
    """m graphs, n nodes of all of them. mean, log_variance: (m, t); embedding: (m, k); atoms, atoms_log_variance:
    (n, p) or None; vectors: (n, v, 3) or None; nodes: (m,), how many of the n are each graph's."""

    mean: Array
    log_variance: Array
    embedding: Array
    atoms: Array | None
    atoms_log_variance: Array | None
    vectors: Array | None
    nodes: Array


class Labels:
    """Targets and weights of graphs as tensors; NaN is a missing label."""

    def __init__(
        self,
        network: Network,
        packed: Packed,
        targets: Array,
        weights: Array | None,
        per_atom: Sequence[Array] | None,
        vectors: Sequence[Array] | None,
    ) -> None:
        n, nodes = len(packed), int(packed.nodes.sum())
        device = packed.device
        self.packed = packed
        self.targets = _tensor(targets, (n, network.targets), "targets", device)
        self.weights = _tensor(np.ones(n) if weights is None else weights, (n,), "weights", device)
        self.per_atom = self.vectors = None
        if per_atom is not None:
            flat = np.concatenate([np.reshape(rows, (len(rows), -1)) for rows in per_atom])
            self.per_atom = _tensor(flat, (nodes, network.per_atom), "per_atom", device)
        if vectors is not None:
            flat = np.concatenate([np.reshape(rows, (len(rows), -1, 3)) for rows in vectors])
            self.vectors = _tensor(flat, (nodes, network.n_vectors, 3), "vectors", device)

    def loss(self, network: Network, chosen: Tensor) -> Tensor:
        batch = self.packed.batch(chosen)
        out = network(batch)
        weights = self.weights[chosen]
        loss = heteroscedastic(out.mean, out.log_variance, self.targets[chosen], weights[:, None])
        rows = self.packed.rows(chosen)
        own = (
            weights[batch.graph] * batch.weights
        )  # a large cell's atoms count as much as a small one's, together
        if self.per_atom is not None:
            loss = loss + heteroscedastic(
                out.atoms, out.atoms_log_variance, self.per_atom[rows], own[:, None]
            )
        if self.vectors is not None:
            sizes = own[:, None, None]
            loss = loss + masked(nn.functional.smooth_l1_loss, out.vectors, self.vectors[rows], sizes)
        return loss


def masked(loss: Callable[..., Tensor], predicted: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of an elementwise loss over the labels that are there; 0 where there are none. A missing label has
    no gradient."""
    present = torch.isfinite(wanted)
    share = present * weights
    terms = loss(predicted, torch.where(present, wanted, predicted.detach()), reduction="none")
    return (share * terms).sum() / share.sum().clamp_min(1e-12)


def heteroscedastic(mean: Tensor, log_variance: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Smooth L1 of the mean plus the negative log-likelihood of its error, which moves the variance alone."""
    level = masked(nn.functional.smooth_l1_loss, mean, wanted, weights)

    def likelihood(fixed: Tensor, target: Tensor, reduction: str) -> Tensor:
        return 0.5 * (log_variance + (target - fixed) ** 2 * torch.exp(-log_variance))

    return level + masked(likelihood, mean.detach(), wanted, weights)


def train(
    network: Network,
    graphs: Sequence[Graph] | Packed,
    targets: Array,
    *,
    training: Training,
    seed: int,
    weights: Array | None = None,
    per_atom: Sequence[Array] | None = None,
    vectors: Sequence[Array] | None = None,
    warm: bool = False,
    transfer: Transfer | None = None,
    progress: Progress | None = None,
) -> None:
    """Fits the network in place, on the device that it is on.

    targets: (n, t), standardised, NaN where missing; weights: (n,), how much each graph counts, 0 leaves it out;
    per_atom: n arrays (atoms, p); vectors: n arrays (atoms, v, 3), both in units of about 1, NaN where missing. `warm`:
    goes on from the network's weights with the warm epochs and rate. `transfer`: the network's body has learned other
    targets. Everything random comes from `seed`.
    """
    device = next(network.parameters()).device
    packed = _packed(network, graphs, device)
    labels = Labels(network, packed, targets, weights, per_atom, vectors)
    used = np.flatnonzero(np.ones(len(packed)) if weights is None else np.asarray(weights) > 0)
    if len(used) < 2:
        raise ValueError(f"wanted two graphs at least to train on, got {len(used)}")
    epochs, rate = (training.warm_epochs, training.warm_rate) if warm else (training.epochs, training.rate)
    if transfer is not None and transfer.epochs is not None and not warm:
        epochs = transfer.epochs
    steps = epochs * max(1, round(len(used) / training.batch))
    groups = _groups(network, training.decay, rate, transfer)
    optimiser = torch.optim.AdamW(groups, fused=True)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rates, total_steps=steps + 1)
    mean = Average(network, training.average) if training.average > 0 else None
    rng = np.random.default_rng([seed, 1])
    network.train()
    for module in () if transfer is None else still(network, transfer):
        module.eval()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for epoch in range(epochs):
            losses = []
            for part in np.array_split(rng.permutation(used), max(1, round(len(used) / training.batch))):
                loss = labels.loss(network, torch.from_numpy(part).to(device))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), training.clip, foreach=True)
                optimiser.step()
                schedule.step()
                if mean is not None:
                    mean.update()
                losses.append(loss.detach())
            if progress is not None:
                progress(epoch + 1, epochs, float(torch.stack(losses).mean()))
    if mean is not None:
        mean.install()
    network.eval()


class Average:
    """Exponential moving average of weights and running statistics; the memory is short at first."""

    def __init__(self, network: Network, memory: float) -> None:
        self.network, self.memory, self.steps = network, memory, 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        keep = min(self.memory, self.steps / (self.steps + 9.0))
        now = self.network.state_dict()
        floats = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in floats], [now[n] for n in floats], 1.0 - keep)

    def install(self) -> None:
        whole = {n: v for n, v in self.network.state_dict().items() if not v.is_floating_point()}
        self.network.load_state_dict(self.state | whole)


@torch.inference_mode()
def predict(network: Network, graphs: Sequence[Graph] | Packed, batch: int = 256) -> Outputs:
    """Every output of the network for the graphs, in their order, float32; at most `batch` graphs at once."""
    device = next(network.parameters()).device
    packed = _packed(network, graphs, device)
    network.eval()
    places = torch.arange(len(packed), device=device)
    parts = [network(packed.batch(places[a:b])) for a, b in _spans(packed, batch)]

    def joined(name: str) -> Array:
        return torch.cat([getattr(part, name) for part in parts]).cpu().numpy()

    return Outputs(
        mean=joined("mean"),
        log_variance=joined("log_variance"),
        embedding=joined("embedding"),
        atoms=joined("atoms") if network.per_atom else None,
        atoms_log_variance=joined("atoms_log_variance") if network.per_atom else None,
        vectors=joined("vectors") if network.n_vectors else None,
        nodes=packed.nodes.cpu().numpy(),
    )


def _packed(network: Network, graphs: Sequence[Graph] | Packed, device: torch.device) -> Packed:
    packed = graphs if isinstance(graphs, Packed) else Packed(graphs, device)
    wanted = network.settings.kind
    compositions = torch.isnan(packed.volumes)
    if bool((compositions if wanted == "structure" else ~compositions).any()):
        got = "composition" if wanted == "structure" else "structure"
        raise ValueError(
            f"{network.settings.network}: wanted graphs of kind {wanted}, got some of kind {got}"
        )
    return packed


def _spans(packed: Packed, batch: int) -> list[tuple[int, int]]:
    """Runs of graphs, of few enough edges each that a processor's cache holds what is computed of them."""
    most = CACHED_EDGES if packed.device.type == "cpu" else 1000 * CACHED_EDGES
    ends, spans, start = packed.edges.cumsum(0).tolist(), [], 0
    for place in range(1, len(ends) + 1):
        before = ends[start - 1] if start else 0
        last = place == len(ends)
        if last or place - start >= batch or ends[place] - before > most:
            spans.append((start, place))
            start = place
    return spans


def _groups(network: Network, decay: float, rate: float, transfer: Transfer | None) -> list[dict[str, Any]]:
    """Biases and norms do not decay. What is frozen learns nothing, and nothing is computed for it."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        share = 1.0 if transfer is None else transfer.share(name)
        parameter.requires_grad_(share > 0.0)
        if share > 0.0:
            groups.setdefault((share, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": own, "lr": rate * share, "weight_decay": decay if matrix else 0.0}
        for (share, matrix), own in groups.items()
    ]


def _tensor(values: Array, shape: tuple[int, ...], name: str, device: torch.device) -> Tensor:
    out = torch.as_tensor(np.asarray(values, dtype=np.float32), device=device)
    if tuple(out.shape) != shape:
        raise ValueError(f"{name}: wanted the shape {shape}, got {tuple(out.shape)}")
    return out
