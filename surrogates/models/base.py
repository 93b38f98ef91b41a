"""What every fitted model offers, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

from surrogates.acquisition.base import Belief
from surrogates.encode import Array


class Model(Belief, Protocol):
    """A belief about one quantity, fitted to results; everything in standardised units, larger is better.

    name     what it is, for the record
    U, z     (n, d) and (n,): what it was fitted to
    noise    variance of one measurement
    lengths  (n_lengths,) length scale of each free parameter, None where the model has none
    """

    @property
    def name(self) -> str: ...

    @property
    def U(self) -> Array: ...

    @property
    def z(self) -> Array: ...

    @property
    def noise(self) -> float: ...

    @property
    def lengths(self) -> Array | None: ...

    def importance(self) -> Array:
        """(n_lengths,) not negative, summing to 1: how much each free parameter matters."""

    def condition(self, U: Array, z: Array | None = None) -> Model:
        """The same model told more points, hyper-parameters kept; without z they are believed to give what is
        expected (kriging believer)."""

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and sd (n,) of each observation, noise included, predicted from the others."""

    def noise_at(self, X: Array) -> Array:
        """Variance (m,) of one measurement at X (m, d)."""
