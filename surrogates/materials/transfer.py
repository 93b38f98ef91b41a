"""How a network that has learned other targets learns new ones: its heads are new, the rest, its body, is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from surrogates.materials.networks import Network

Frozen = Literal["nothing", "layers", "body"]
HEADS = ("mean.", "log_variance.", "atom_mean.", "atom_log_variance.")
READ_OUT = ("hidden.",)


@dataclass(frozen=True)
class Transfer:
    """frozen: what of the body stays as it was. layers: elements, bonds and message passing, so that read-out and heads
    learn alone; body: all of it, so that the heads are a linear model of what the earlier ones saw.
    rate: of what learns of the body, as a share of the heads' learning rate.
    epochs: as many as from nothing where None."""

    frozen: Frozen = "nothing"
    rate: float = 1.0
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.frozen not in ("nothing", "layers", "body"):
            raise ValueError(f"wanted nothing, layers or body to be frozen, got {self.frozen!r}")
        if not 0.0 < self.rate <= 1.0:
            raise ValueError(f"wanted a share of the learning rate above 0 and at most 1, got {self.rate:g}")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"wanted one epoch at least, got {self.epochs}")

    def share(self, parameter: str) -> float:
        """Of the learning rate that a parameter of this name has; 0 where it is frozen."""
        if parameter.startswith(HEADS):
            return 1.0
        kept = self.frozen == "body" or (self.frozen == "layers" and not parameter.startswith(READ_OUT))
        return 0.0 if kept else self.rate


def still(network: Network, transfer: Transfer) -> list[nn.Module]:
    """The innermost modules of which nothing learns: their running statistics are not to move either."""
    return [
        module
        for name, module in network.named_modules()
        if name and not any(module.children()) and transfer.share(f"{name}.") == 0.0
    ]
