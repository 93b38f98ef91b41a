"""The part of CGCNN that works on edges, forward and backward written out: on a processor its cost is that of memory
passed through, and autograd passes through it three times as often."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from surrogates.materials.batches import Batch


def gated_sum(
    to: Tensor, of: Tensor, edges: Tensor, weight: Tensor, norm: nn.BatchNorm1d, batch: Batch
) -> Tensor:
    """sum over the edges of each receiver of sigmoid(f) * softplus(c), [f, c] = norm(to[receivers] + of[senders] +
    edges weight^T); an edge that stands for several counts as many times, in the norm too.

    to, of: (n, 2w), parts of the product that belong to nodes; edges: (e, k); weight: (2w, k); `norm`: of 2w channels,
    with running statistics. Returns (n, w). There is no gradient for `edges`.
    """
    statistics = (norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.momentum)
    mean_so_far, variance_so_far, batches, momentum = statistics
    assert (
        mean_so_far is not None
        and variance_so_far is not None
        and batches is not None
        and momentum is not None
    )
    if not norm.training:
        scale = norm.weight * torch.rsqrt(variance_so_far + norm.eps)
        shift = norm.bias - mean_so_far * scale
        folded = (to * scale + shift, of * scale, edges, weight * scale[:, None])
        gate, core = _products(*folded, batch.receivers, batch.senders)
        messages = torch.sigmoid(gate) * nn.functional.softplus(core) * batch.counts[:, None]
        return to.new_zeros(len(to), core.shape[1]).index_add(0, batch.receivers, messages)
    counts = batch.counts.to(to.dtype)
    e = counts.sum()
    if e < 2:
        raise ValueError("wanted two edges at least to normalise over, got fewer")
    out, mean, variance = _GatedSum.apply(
        to, of, edges, weight, norm.weight, norm.bias, batch.receivers, batch.senders, counts, norm.eps
    )
    with torch.no_grad():
        batches.add_(1)
        mean_so_far.lerp_(mean, momentum)
        variance_so_far.lerp_(variance * (e / (e - 1)), momentum)
    return out


def plain_gated_sum(
    to: Tensor, of: Tensor, edges: Tensor, weight: Tensor, norm: nn.Module, batch: Batch
) -> Tensor:
    """The same with a norm that looks at one edge at a time (or none, the identity), by autograd."""
    z = to.index_select(0, batch.receivers) + of.index_select(0, batch.senders) + edges @ weight.t()
    gate, core = norm(z).chunk(2, 1)
    messages = torch.sigmoid(gate) * nn.functional.softplus(core) * batch.counts[:, None]
    return to.new_zeros(len(to), core.shape[1]).index_add(0, batch.receivers, messages)


class _GatedSum(torch.autograd.Function):
    """z is kept less its mean. With u = z / sd and y = gamma u + beta, dz = gamma / sd (dy - mean(dy) - u mean(u dy)),
    means over edges (Ioffe and Szegedy, ICML 2015)."""

    @staticmethod
    def forward(
        ctx: Any, to: Tensor, of: Tensor, edges: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor,
        receivers: Tensor, senders: Tensor, counts: Tensor, eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        z = _products(to, of, edges, weight, receivers, senders)
        shares = counts / counts.sum()
        means = [_sum(shares, half) for half in z]
        variances = [_sum(shares, half.sub_(mean).square()) for half, mean in zip(z, means, strict=True)]
        mean, variance = torch.cat(means), torch.cat(variances)
        inverse = torch.rsqrt(variance + eps)
        (scale_f, scale_c), (beta_f, beta_c) = (gamma * inverse).chunk(2), beta.chunk(2)
        gate = torch.addcmul(beta_f, z[0], scale_f).sigmoid_()
        level = torch.addcmul(beta_c, z[1], scale_c)
        core = nn.functional.softplus(level)
        counted = gate * counts[:, None]
        out = to.new_zeros(len(to), core.shape[1]).index_add_(0, receivers, counted * core)
        ctx.save_for_backward(
            edges, gamma, *z, inverse, gate, counted, core, level.sigmoid_(), receivers, senders, counts
        )
        ctx.nodes = len(to)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        edges, gamma, z_f, z_c, inverse, gate, counted, core, slope, receivers, senders, counts = (
            ctx.saved_tensors
        )
        sent = grad.index_select(0, receivers).mul_(counted)
        dy_c = sent * slope
        dy_f = sent.mul_(core).addcmul_(sent, gate, value=-1.0)
        parts = [
            _normalised_gradient(z, dy, a, b, counts)
            for z, dy, a, b in zip((z_f, z_c), (dy_f, dy_c), gamma.chunk(2), inverse.chunk(2), strict=True)
        ]
        halves = [dz for dz, _, _ in parts]
        d_to, d_of = (
            torch.cat([grad.new_zeros(ctx.nodes, dz.shape[1]).index_add_(0, rows, dz) for dz in halves], 1)
            for rows in (receivers, senders)
        )
        d_weight = torch.cat([(edges.t() @ dz).t() for dz in halves])
        d_gamma, d_beta = (torch.cat([part[k] for part in parts]) for k in (1, 2))
        return d_to, d_of, None, d_weight, d_gamma, d_beta, None, None, None, None


def _products(
    to: Tensor, of: Tensor, edges: Tensor, weight: Tensor, receivers: Tensor, senders: Tensor
) -> list[Tensor]:
    """Gates and cores before the norm, each (e, w) and contiguous: strided halves of one array take twice as long."""
    return [
        a.contiguous().index_select(0, receivers)
        .add_(b.contiguous().index_select(0, senders))
        .addmm_(edges, w.t())
        for a, b, w in zip(to.chunk(2, 1), of.chunk(2, 1), weight.chunk(2), strict=True)
    ]  # fmt: skip


def _normalised_gradient(
    z: Tensor, dy: Tensor, gamma: Tensor, inverse: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """dz, in the place of dy; d gamma; d beta."""
    total, along = dy.sum(0), (z * dy).sum(0) * inverse
    scale, shares = gamma * inverse, (counts / counts.sum())[:, None]
    dz = dy.mul_(scale).addmm_(shares, -(scale * total)[None]).addcmul_(z * shares, -scale * inverse * along)
    return dz, along, total


def _sum(weights: Tensor, rows: Tensor) -> Tensor:
    """Weighted by (e,), of rows (e, w)."""
    return torch.mm(weights[None], rows)[0]
