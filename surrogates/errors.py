"""What the planner refuses, by name. Everything else ends in a proposal, if need be a marked fall-back."""

from __future__ import annotations


class SurrogateError(Exception):
    """Base of every refusal of this package."""


class InvalidObservation(SurrogateError, ValueError):
    """A told value is not a finite number, its sigma is negative, or its candidate lies outside the space."""


class InfeasibleSpace(SurrogateError, ValueError):
    """No candidate satisfies the bounds, mixtures and constraints of the space together."""


class SpaceExhausted(SurrogateError):
    """Every candidate of a finite space (a table, or a small discrete space) is measured, pending or failed."""


class UnsupportedMethod(SurrogateError, ValueError):
    """The method cannot be used with what is sought or with the model that is believed in."""


class UnsupportedObjectives(SurrogateError, ValueError):
    """An objective lacks a number that its goal needs, or contradicts itself."""
