"""Where a step of message passing normalises (before the non-linearity, after it, both or nowhere), and over what: the
batch (Ioffe and Szegedy, ICML 2015) or the channels (Ba, Kiros and Hinton, arXiv 1607.06450, 2016)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Place = Literal["none", "before", "after", "both"]
Norm = Literal["batch", "layer"]


class CountedBatchNorm(nn.BatchNorm1d):
    """Over rows of which some stand for several: what torch's norm says of all of them written out."""

    def counted(self, rows: Tensor, counts: Tensor) -> Tensor:
        """Rows (e, c), counts (e,) -> (e, c)."""
        if not self.training or self.running_mean is None or self.running_var is None:
            out: Tensor = self(rows)
            return out
        whole = counts.sum()
        if whole < 2:
            raise ValueError("wanted two edges at least to normalise over, got fewer")
        shares = (counts / whole)[:, None]
        mean = (shares * rows).sum(0)
        centred = rows - mean
        variance = (shares * centred.square()).sum(0)
        with torch.no_grad():
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * (whole / (whole - 1)), self.momentum or 0.0)
        return centred * (self.weight * torch.rsqrt(variance + self.eps)) + self.bias


def norm_of(norm: Norm, width: int, present: bool) -> nn.Module:
    """The norm of `width` channels, or what leaves them as they are."""
    if not present:
        return nn.Identity()
    return CountedBatchNorm(width) if norm == "batch" else nn.LayerNorm(width)


def normalised(norm: nn.Module, rows: Tensor, counts: Tensor) -> Tensor:
    """Rows (e, c) by a norm of `norm_of`, each counted (e,) times where it is over rows."""
    out: Tensor = norm.counted(rows, counts) if isinstance(norm, CountedBatchNorm) else norm(rows)
    return out


def before(place: Place) -> bool:
    """Whether there is a norm before the non-linearity."""
    return place in ("before", "both")


def after(place: Place) -> bool:
    """Whether there is a norm after the non-linearity."""
    return place in ("after", "both")


def check(place: str | None, norm: str | None) -> None:
    """Raises ValueError for words that are neither None nor known."""
    if place is not None and place not in get_args(Place):
        raise ValueError(f"wanted normalise {', '.join(get_args(Place))} or None, got {place!r}")
    if norm is not None and norm not in get_args(Norm):
        raise ValueError(f"wanted norm {', '.join(get_args(Norm))} or None, got {norm!r}")
