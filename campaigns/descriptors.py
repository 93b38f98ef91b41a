"""What is known of the choices of a categorical parameter, in numbers: boiling points, sizes, polarities."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.errors import Problem, shown, shown_list
from campaigns.model import BaseCampaignModel, Name


class Descriptors(BaseCampaignModel):
    """`values` hold one row per choice, in the order of the choices, and in it one number per name."""

    names: tuple[Name, ...]
    values: tuple[tuple[float, ...], ...]

    def problems(self) -> Iterator[Problem]:
        if not self.names:
            yield Problem("E219", (), wanted="at least one descriptor", got="none")
        if len(set(self.names)) < len(self.names):
            yield Problem("E211", (), wanted="each descriptor once", got=shown_list(self.names))
        for row in self.values:
            if len(row) != len(self.names):
                yield Problem("E219", (), wanted=f"{len(self.names)} numbers per choice", got=str(len(row)))

    def of(self, choices: tuple[str, ...]) -> Iterator[Problem]:
        """Whether they describe these choices, and tell each from the others."""
        if len(self.values) != len(choices):
            wanted = f"a row for each of the {len(choices)} choices"
            yield Problem("E219", ("descriptors",), wanted=wanted, got=str(len(self.values)))
            return
        seen: dict[tuple[float, ...], str] = {}
        for choice, row in zip(choices, self.values, strict=True):
            if row in seen:
                yield Problem(
                    "E225",
                    ("descriptors",),
                    message=f"'{seen[row]}' and '{choice}' are described alike, so no model could tell them apart",
                    wanted="descriptors that differ between any two choices",
                    got=shown(list(row)),
                    cure="add a descriptor in which they differ, or leave descriptors out",
                )
            seen.setdefault(row, choice)
