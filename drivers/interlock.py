"""What a lab file says of signals: where they are read, which actions they forbid, and when they suspend a laboratory.

Data only: quantities stay texts here ("400 degC"); the orchestrator knows units and binds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_NAME = r"[a-z][a-z0-9_]*"
SIGNAL = rf"^{_NAME}(\.{_NAME})?$"
COMPARISON = re.compile(rf"\s*(?P<signal>{_NAME}(?:\.{_NAME})?)\s*(?P<sense><=|>=|<|>)\s*(?P<bound>\S.*?)\s*")
IN_HAND = re.compile(rf"\s*(?P<device>{_NAME})(?:\.(?P<verb>{_NAME}))?\s+in\s+hand\s*")
FORBIDDEN = re.compile(rf"\s*(?P<device>{_NAME})\.(?P<verb>{_NAME}|\*)\s*")

Scalar = bool | int | float | str
Seconds = float | str  # a bare number is in seconds, a text has its unit


class InterlockModel(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True
    )


class SourceEntry(InterlockModel):
    """Where a signal is read: a repeatable action of a device, one of its readings, how often.

    Older than `stale_after` (default: three times `every`), what was read last counts as not known.
    """

    device: str
    action: str
    reading: str
    every: Seconds = "5 s"
    stale_after: Seconds | None = None
    arguments: Mapping[str, Scalar] = Field(default_factory=dict, alias="with")


class RuleEntry(InterlockModel):
    """While every condition of `when` holds, the action is forbidden.

    A condition is `SIGNAL > 400 degC` (or <, <=, >=), `DEVICE in hand` or `DEVICE.VERB in hand`. A signal is a name
    from `signals`, or DEVICE.READING as an action of the device measured it last. What is not known forbids, unless
    `unknown: pass`.
    """

    when: str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    forbid: str
    arguments: Mapping[str, Scalar] = Field(default_factory=dict, alias="with")
    then: Literal["wait", "refuse"] = "wait"
    unknown: Literal["forbid", "pass"] = "forbid"
    why: str = Field(default="", max_length=300)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, one or several."""
        return (self.when,) if isinstance(self.when, str) else self.when

    @field_validator("forbid")
    @classmethod
    def _an_action(cls, forbid: str) -> str:
        if not FORBIDDEN.fullmatch(forbid):
            raise ValueError(f"wanted device.verb (arm.enter) or device.*, not {forbid!r}")
        return forbid

    @model_validator(mode="after")
    def _conditions(self) -> Self:
        for text in self.conditions:
            if not (COMPARISON.fullmatch(text) or IN_HAND.fullmatch(text)):
                raise ValueError(
                    f"{text!r} is no condition: wanted 'furnace.temperature > 400 degC', 'furnace in hand' or "
                    "'furnace.heat in hand'"
                )
        return self


End = float | str | None


class SuspenderEntry(InterlockModel):
    """A signal that must stay within a band: out of it no action begins, back in it for `resume_after` they do.

    A bare end of the band is in the unit of the other end, or in the reading's. `devices` (default: all) are those
    that wait.
    """

    signal: str = Field(pattern=SIGNAL)
    source: SourceEntry | None = None
    band: Annotated[tuple[End, End], Field(strict=False)]
    resume_after: Seconds = "60 s"
    devices: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("band")
    @classmethod
    def _an_end(cls, band: tuple[End, End]) -> tuple[End, End]:
        if band == (None, None):
            raise ValueError("a band needs an end: [0, 10 ppm], [null, 25 degC]")
        return band
