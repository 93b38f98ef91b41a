"""Other ways to choose rows, beside the campaign's own. Their libraries are loaded only where one is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from orchestrator.backtest.peers.rows import Array, Rows
from orchestrator.errors import Refused

__all__ = ["PEERS", "Kind", "Peer", "Rows", "make", "require"]


class Peer(Protocol):
    """Ask and tell over the rows of a table."""

    def ask(self, open_rows: Array) -> int:
        """The next row; `open_rows` (n,) says which may be asked for, at least one."""

    def tell(self, row: int, gain: float | None) -> None:
        """What was measured at a row, larger is better; None where it failed."""


@dataclass(frozen=True)
class Kind:
    """A peer's module (its class is `Chooser`), the package that it needs, and under which name that is imported."""

    module: str
    package: str
    imports: str


PEERS: dict[str, Kind] = {
    "ax": Kind("ax_client", "ax-platform", "ax"),
    "baybe": Kind("baybe_campaign", "baybe", "baybe"),
    "optuna": Kind("optuna_study", "optuna", "optuna"),
}


def require(name: str) -> None:
    """Raises `Refused` (E524) where a peer's package is not installed."""
    kind = PEERS[name]
    if find_spec(kind.imports) is None:
        raise Refused(
            "E524",
            f"{name} needs the package {kind.package}, which is not installed here",
            cure=f"pip install {kind.package}",
        )


def make(name: str, rows: Rows, seed: int) -> Peer:
    """A peer that has been told nothing yet; all its chance comes from `seed`."""
    module = importlib.import_module(f"{__name__}.{PEERS[name].module}")
    peer: Peer = module.Chooser(rows, seed)
    return peer
