"""What a lab file says of consumables: how much there is, when that is low, and which actions take how much of it.

Data only: quantities stay texts here ("50 g"); the orchestrator knows units and binds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from drivers.interlock import InterlockModel, Scalar

CONSUMABLE = r"^[A-Za-z][A-Za-z0-9_]*$"
LONGEST_NAME = 48
ARGUMENT = re.compile(r"\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
USER = re.compile(r"(?P<device>[a-z][a-z0-9_]*)\.(?P<verb>[A-Za-z_][A-Za-z0-9_]*)")

Amount = float | str  # a bare number counts pieces; a text has its unit


class UseEntry(InterlockModel):
    """What one action takes: `takes` times `per`, while the action has the arguments of `when`.

    `takes` is an amount ("0.5 L/min", 4) or `$argument`, a number that the action is given, in the unit that its device
    declares; `per` is such an argument.
    """

    takes: Amount
    per: str | None = None
    when: Mapping[str, Scalar] = Field(default_factory=dict)

    @field_validator("per")
    @classmethod
    def _an_argument(cls, per: str | None) -> str | None:
        if per is not None and not ARGUMENT.fullmatch(per):
            raise ValueError(f"wanted an argument of the action, as in $hold, not {per!r}")
        return per


class ConsumableEntry(InterlockModel):
    """Something that is used up: `amount` there is when a campaign begins, and from where on it is `low`.

    `uses`: "device.verb" -> what the action takes; several entries of one action add up.
    """

    amount: Amount
    low: Amount | None = None
    uses: Mapping[str, UseEntry | Annotated[tuple[UseEntry, ...], Field(strict=False, min_length=1)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _users(self) -> ConsumableEntry:
        for user in self.uses:
            if not USER.fullmatch(user):
                raise ValueError(f"wanted device.verb (doser.dose), not {user!r}")
        return self

    def entries(self, user: str) -> tuple[UseEntry, ...]:
        """What an action takes, one entry or several."""
        use = self.uses[user]
        return (use,) if isinstance(use, UseEntry) else use
