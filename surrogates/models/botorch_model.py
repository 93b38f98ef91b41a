"""A fitted process as a botorch SingleTaskGP: same kernel, priors, bounds, likelihood and hyper-parameters.

The only module of the planner that loads torch (two seconds), so import it where it is needed. For everything that
botorch offers on a model: Monte-Carlo acquisitions, joint optimisation of a batch, sampling.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from botorch.models import SingleTaskGP
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import Kernel, MaternKernel, RBFKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood, GaussianLikelihood, Likelihood
from gpytorch.priors import GammaPrior, LogNormalPrior
from gpytorch.priors import Prior as TorchPrior
from torch.distributions.constraints import Constraint, positive

from surrogates.encode import Array
from surrogates.models import kernels
from surrogates.models.gp import GP
from surrogates.models.kernels import MIN_LENGTH, MIN_NOISE

FLOAT = torch.float64


def load(gp: GP) -> SingleTaskGP:
    """The model of `gp`, in evaluation mode: inputs are unit columns (n, d), outcomes standardised and larger is
    better (n, 1). Its posterior equals `gp.posterior` to rounding."""
    known = torch.as_tensor(gp.variance, dtype=FLOAT)
    model = SingleTaskGP(
        torch.as_tensor(gp.U, dtype=FLOAT),
        torch.as_tensor(gp.z, dtype=FLOAT)[:, None],
        train_Yvar=known[:, None] if bool((known > 0).any()) else None,
        likelihood=_likelihood(gp, known),
        covar_module=_covariance(gp),
        outcome_transform=None,
    )
    model.mean_module.initialize(constant=torch.tensor(gp.mean, dtype=FLOAT))
    model.to(FLOAT)
    return model.eval()


class ExchangeablePrior(TorchPrior):
    """`kernels.Exchangeable` for gpytorch: the density of the logarithms of its argument (..., d)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support = positive

    def __init__(self, prior: kernels.Exchangeable) -> None:
        super().__init__(validate_args=False)
        self.loc = torch.as_tensor(prior.loc, dtype=FLOAT)
        self.common, self.apart = prior.common, prior.apart

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.log_prob(x)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        t, q = x.log() - self.loc, x.shape[-1]
        shift, whole = t.mean(-1), self.apart**2 + q * self.common**2
        quadratic = ((t - shift[..., None]) ** 2).sum(-1) / self.apart**2 + q * shift**2 / whole
        determinant = 2 * (q - 1) * math.log(self.apart) + math.log(whole)
        return -0.5 * (quadratic + determinant + q * math.log(2 * math.pi))


def _covariance(gp: GP) -> Kernel:
    numeric = np.flatnonzero(gp.columns.numeric)
    other = np.flatnonzero(~gp.columns.numeric)
    parts = []
    if len(numeric):
        kind = {"rbf": RBFKernel, "matern52": MaternKernel}[gp.recipe.kernel.name]
        parts.append(_part(gp, kind, numeric))
    if len(other):
        parts.append(_part(gp, RBFKernel, other))
    return parts[0] if len(parts) == 1 else parts[0] * parts[1]


def _part(gp: GP, kind: type[Kernel], columns: Array) -> Kernel:
    kernel = kind(
        ard_num_dims=len(columns),
        active_dims=tuple(columns.tolist()),
        lengthscale_prior=_prior(gp.recipe.lengths(gp.columns.n_lengths)),
        lengthscale_constraint=GreaterThan(MIN_LENGTH, transform=None),
    )
    return kernel.to(FLOAT).initialize(
        lengthscale=torch.as_tensor(gp.lengths[gp.columns.group[columns]], dtype=FLOAT)
    )


def _likelihood(gp: GP, known: torch.Tensor) -> Likelihood:
    noise = torch.tensor([gp.noise], dtype=FLOAT)
    settings = {
        "noise_prior": _prior(gp.recipe.noise()),
        "noise_constraint": GreaterThan(MIN_NOISE, transform=None),
    }
    if bool((known > 0).any()):
        fixed = FixedNoiseGaussianLikelihood(known.clamp_min(1e-10), learn_additional_noise=True, **settings)
        return fixed.to(FLOAT).initialize(second_noise=noise)
    return GaussianLikelihood(**settings).to(FLOAT).initialize(noise=noise)


def _prior(prior: kernels.Prior) -> TorchPrior:
    if isinstance(prior, kernels.Gamma):
        return GammaPrior(prior.concentration, prior.rate)
    if isinstance(prior, kernels.LogNormal):
        return LogNormalPrior(prior.loc, prior.scale)
    if isinstance(prior, kernels.Exchangeable):
        return ExchangeablePrior(prior)
    raise TypeError(f"no botorch counterpart of {type(prior).__name__}")
