"""Where samples are, as the log says it: in one place, or in doubt between several, which are then all taken. Pure.

The same rules serve the fold of the log and the tables of the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

GONE = "gone"
CARRIED_IN_VAIN = 3  # failures to carry a sample after which only a person can help


@dataclass
class SampleState:
    """A sample in the laboratory. `home` is kept for it; `maybe` are the positions where it can be while `at` is None.

    `bound_for` is a position that is kept for it beyond the next stop of its way; `since_s` the lab time of
    its arrival.
    """

    name: str
    home: str
    at: str | None
    maybe: tuple[str, ...] = ()
    bound_for: str | None = None
    mover: str = ""  # the action that carries it, or that carried it last
    since_s: float | None = None
    failures: int = 0  # of carrying it, since it was last carried or a person said where it is

    @property
    def claims(self) -> frozenset[str]:
        """The positions that no other sample may have."""
        kept = {self.home, *self.maybe}
        kept |= {place for place in (self.at, self.bound_for) if place is not None}
        return frozenset(kept)

    def may_be_in(self, positions: Collection[str]) -> bool:
        """Whether it is in one of these, as far as anybody knows."""
        return self.at in positions or (self.at is None and not set(self.maybe).isdisjoint(positions))


@dataclass
class Samples:
    """All samples of a laboratory, by name."""

    here: dict[str, SampleState] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)  # those that are done with -> where they were put

    def claimed(self) -> dict[str, str]:
        """Position -> the sample that has it, may be there, or has it kept."""
        return {position: sample.name for sample in self.here.values() for position in sample.claims}

    def lost(self, moving: Iterable[str]) -> list[SampleState]:
        """Those whose place is not known, but for those that actions of `moving` carry."""
        under_way = set(moving)
        return [one for one in self.here.values() if one.at is None and one.mover not in under_way]

    def enter(self, name: str, position: str) -> None:
        """A new sample stands at its home."""
        self.here[name] = SampleState(name, position, position)

    def carry(self, action: str, name: str, moves: Mapping[str, Any]) -> None:
        """An action that carries it was intended: from here on it may be at any stop of the way."""
        sample = self.here[name]
        sample.at, sample.mover = None, action
        sample.maybe = stops(moves)
        sample.bound_for = moves.get("for")

    def put(
        self,
        name: str,
        position: str,
        at_s: float | None = None,
        *,
        bound_for: str | None = None,
        last: bool = False,
        many: bool = False,
        failures: int = 0,
    ) -> None:
        """It stands there for sure, on its way to `bound_for`. `last`: it is done with, and its home is free; a place
        for `many` need not be remembered then."""
        sample = self.here[name]
        sample.at, sample.maybe, sample.bound_for, sample.since_s = position, (), bound_for, at_s
        sample.failures = failures
        if last and many:
            self.left[name] = position
            del self.here[name]
        elif last:
            sample.home = position

    def remove(self, name: str) -> None:
        """It is in the laboratory no more."""
        if self.here.pop(name, None) is not None:
            self.left[name] = GONE


def stops(moves: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a sample can be while it is carried."""
    every = (moves["from"], moves.get("via"), moves["to"])
    return tuple(dict.fromkeys(place for place in every if place is not None))


def after(kind: str, body: Mapping[str, Any], moves: Mapping[str, Any]) -> str | None:
    """Where a sample is after the action that carried it ended by an event of this kind; None: nobody knows.

    A device that failed in a way it knows may say where the sample is (`sample_at` of its record).
    """
    match kind.removeprefix("action."):
        case "succeeded":
            return str(moves["to"])
        case "refused" | "not_done":
            return str(moves["from"])
        case "failed" if body.get("attribution") == "busy":
            return str(moves["from"])
        case "failed":
            said = body.get("record", {}).get("sample_at")
            return said if said in stops(moves) else None
    return None
