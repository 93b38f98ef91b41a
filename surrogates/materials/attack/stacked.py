"""M networks of one shape as one, so that an ensemble costs one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class StackedMLP(nn.Module):
    """M perceptrons, each with weights of its own: (1 or M, n, sizes[0]) -> (M, n, sizes[-1])."""

    def __init__(
        self,
        members: int,
        sizes: Sequence[int],
        generator: torch.Generator,
        activation: Callable[[Tensor], Tensor] = nn.functional.softplus,
        *,
        glorot: bool = False,
    ) -> None:
        """`glorot`: first weights as of Glorot and Bengio (AISTATS 2010), biases 0; else as torch's own."""
        super().__init__()
        self.activation = activation
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inside, out in pairwise(sizes):
            bound = (6.0 / (inside + out)) ** 0.5 if glorot else inside**-0.5
            draw = torch.rand(members, inside + 1, out, generator=generator, dtype=torch.float64)
            drawn = bound * (2.0 * draw - 1.0)
            self.weights.append(nn.Parameter(drawn[:, :inside].contiguous()))
            bias = drawn[:, inside:].contiguous()
            self.biases.append(nn.Parameter(torch.zeros_like(bias) if glorot else bias))

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.matmul(x, weight) + bias
            if k < last:
                x = self.activation(x)
        return x
