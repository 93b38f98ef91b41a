"""What an attack makes large: the probability of a geometry times the disagreement about its forces."""

from __future__ import annotations

import torch
from torch import Tensor


def log_partition(energies: Tensor, kT: float) -> Tensor:
    """log of the mean of exp(-E/kT) over the training data (n,): the normalisation of the authors' code. The paper's is
    the sum; the constant factor moves no maximum."""
    return torch.logsumexp(-energies / kT, dim=0) - torch.log(torch.tensor(float(len(energies))))


def force_variance(forces: Tensor) -> Tensor:
    """(M, n, d) -> (n,): the members' unbiased variance (M - 1), mean over the d components."""
    return forces.var(dim=0, unbiased=True).mean(dim=-1)


def likelihood(energies: Tensor, kT: float, log_q: Tensor) -> Tensor:
    """p of geometries with the members' energies (M, n): exp(-mean E / kT) / Q, (n,)."""
    return torch.exp(-energies.mean(dim=0) / kT - log_q)
