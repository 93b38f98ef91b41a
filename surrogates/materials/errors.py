"""What the materials surrogate refuses, by name."""

from __future__ import annotations

from surrogates.errors import SurrogateError


class StructureRejected(SurrogateError, ValueError):
    """A structure that no model or calculator can treat. `code` is a stable word: unknown-element, overlap, isolated,
    empty, too-large, partial-occupancy, unreadable."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class SourceError(SurrogateError, ValueError):
    """A source of structures that cannot be read: what, where, wanted, got, cure."""


class ModelFileError(SurrogateError, ValueError):
    """A model file that is damaged, of another version, or was fitted to other data."""
