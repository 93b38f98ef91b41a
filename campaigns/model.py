"""The base of every value of the language: frozen, strict, and sound from the moment it exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from campaigns.errors import Problem

Value = bool | int | float | str
NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]


class BaseCampaignModel(BaseModel):
    """Frozen, no unknown fields, no coercion, no NaN. `problems` is what a subclass knows to be wrong with itself.

    Raises pydantic.ValidationError (a ValueError) with every problem; its context holds the `Problem`s so that
    the loader can put each on its line of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # pydantic runs this check again wherever a value becomes part of another, and a table may be long.
    _checked: bool = PrivateAttr(default=False)

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong with this value although each field has the right type."""
        return iter(())

    @model_validator(mode="after")
    def _sound(self) -> Self:
        found = () if self._checked else tuple(self.problems())
        if found:
            text = "; ".join(f"{p.message or 'wanted ' + p.wanted}, got {p.got} ({p.code})" for p in found)
            raise PydanticCustomError("campaign", "{text}", {"text": text, "problems": found})
        self._checked = True
        return self
