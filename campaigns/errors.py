"""What is wrong with a file, said so that the reader can cure it: stable code, place, wanted, got, cure.

Codes: E1xx the YAML text, E2xx the campaign document, E3xx a campaign against its laboratory, E4xx a laboratory
file, E5xx the command line and the store. A code never changes its meaning; `CODES` lists those of this house.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]

CODES: dict[str, str] = {
    "E100": "the file cannot be read, or there is no campaign of this name",
    "E101": "the text is too long",
    "E102": "the text is not UTF-8",
    "E103": "a control character in the text",
    "E104": "YAML syntax",
    "E105": "a YAML tag",
    "E106": "a YAML anchor or alias",
    "E107": "a YAML merge key",
    "E108": "a key written twice in one mapping",
    "E109": "a key that is not text",
    "E110": "more than one YAML document",
    "E111": "no document at all",
    "E112": "nested too deep",
    "E113": "too many values",
    "E114": "a number that is not finite or too large",
    "E115": "a YAML directive",
    "E201": "unknown key",
    "E202": "a key is missing",
    "E203": "a value of the wrong type",
    "E204": "a value that is not allowed",
    "E205": "a version of the language that this Alquimia does not read",
    "E206": "exactly one of several keys is wanted",
    "E207": "too many or too few entries",
    "E210": "a reference to a parameter that is not in the space",
    "E211": "a name used twice",
    "E212": "a lower bound that is not below the upper bound",
    "E213": "a logarithmic scale over values that are not positive",
    "E214": "an unknown unit",
    "E215": "a unit of the wrong dimension",
    "E216": "text with a unit where no unit is declared",
    "E217": "levels that do not increase",
    "E218": "a logit scale over values that are not between 0 and 1",
    "E219": "descriptors that do not describe every choice, or stand beside a learned kernel",
    "E220": "a mixture that cannot reach its total",
    "E221": "linear constraints that no candidate can meet",
    "E222": "a constraint on something that is not a free number",
    "E223": "a constraint without bounds, or with bounds that exclude each other",
    "E224": "nothing in the space is free to vary",
    "E225": "two choices with the same descriptors",
    "E226": "a condition on something that cannot carry one, or that can never hold",
    "E227": "a value for an inactive parameter that it cannot have",
    "E228": "a measured or conditional parameter tied to others",
    "E229": "parts or thresholds of a mixture that no composition can meet",
    "E230": "a table of allowed rows with the wrong columns",
    "E231": "a table that is named but not bound to a file",
    "E232": "a table file that cannot be read",
    "E233": "a cell or row of a table that is not in the space",
    "E234": "a table without a single usable row",
    "E235": "a constraint that is not installed here",
    "E240": "an objective that no step of the recipe gives",
    "E241": "several objectives without a goal",
    "E242": "a parameter that no step of the recipe uses",
    "E243": "a goal with a single objective",
    "E244": "an objective without what its direction or the goal needs",
    "E245": "a setting of an objective that its direction or the goal has no use for",
    "E246": "a best value that is not better than the worst",
    "E247": "a constraint on an outcome that no step of the recipe gives",
    "E248": "a cost that does not fit its parameter",
    "E249": "a fidelity that is no number, or a target that it cannot have",
    "E250": "a method that the mode does not have",
    "E251": "a phase that can never be reached",
    "E252": "a plan that does not begin with exploring",
    "E253": "settings of a phase that exclude each other",
    "E254": "a budget smaller than the plan needs",
    "E255": "a method without the setting that it needs",
    "E256": "a method or rule that does not fit the goal",
    "E258": "a turn that cannot stand where it does",
    "E260": "a limit on a device or verb that the recipe does not use",
    "E261": "a recipe that asks for more than a limit allows",
    "E262": "a history with the wrong columns or results",
    "E263": "a result in a history that is not a number",
    "E264": "a context that no step of the recipe gives",
    "E265": "a reference to a context, which is measured and not chosen",
    "E270": "a date without time zone, or not a date",
    "E271": "an unknown time zone",
    "E272": "quiet hours that never begin or never end",
    "E280": "data that is no crystal structure",
    "E281": "a pool of structures that is neither bound nor shipped",
    "E282": "a goal, method or section that needs a material, or that a material cannot have",
    "E283": "a loop that chooses nothing, or what it may not choose",
    "E284": "a synthesis that its parameters, its powders or its recipe do not fit",
    "E285": "a funnel whose stages do not fit each other or the campaign",
    "E286": "a value to learn from that its pool does not have, or that is named twice",
    "E290": "an override that cannot be read",
    "E291": "an override of a path that is not there",
}


@dataclass(frozen=True)
class Problem:
    """A fault before it has a place in a file: `at` is the path below the thing that has it.

    `key` is true where the key itself is at fault rather than its value.
    """

    code: str
    at: Path = ()
    message: str = ""
    wanted: str = ""
    got: str = ""
    cure: str = ""
    key: bool = False


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where. `line` and `column` count from 1; None where the place has none."""

    code: str
    message: str = ""
    wanted: str = ""
    got: str = ""
    cure: str = ""
    file: str = ""
    line: int | None = None
    column: int | None = None
    path: str = ""

    def render(self) -> str:
        """One line: `thin.yaml:12:5 E204 plan[1].until.calibrated: wanted …, got …. Cure: …`."""
        place = self.file
        if self.line is not None:
            place += f":{self.line}:{self.column if self.column is not None else 1}"
        wanted = ", ".join(
            part
            for part in (
                f"wanted {self.wanted}" if self.wanted else "",
                f"got {self.got}" if self.got else "",
            )
            if part
        )
        said = "; ".join(part for part in (self.message, wanted) if part)
        text = " ".join(part for part in (place, self.code) if part)
        text += f" {self.path}: {said}" if self.path else f": {said}"
        return sentence(text) + (f" Cure: {sentence(self.cure)}" if self.cure else "")


def sentence(text: str) -> str:
    """The text with the full stop that it needs."""
    return text if text.endswith("?") else text.rstrip(".") + "."


class CampaignError(Exception):
    """A campaign (or other YAML file) is refused. `faults` holds everything that is wrong with it, in file order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(fault.render() for fault in self.faults))


def dotted(path: Sequence[str | int]) -> str:
    """`("plan", 1, "until")` as `plan[1].until`."""
    text = ""
    for part in path:
        text += (
            f"[{part}]" if isinstance(part, int) else f".{_on_one_line(part)}" if text else _on_one_line(part)
        )
    return text


def _on_one_line(name: str) -> str:
    """A key as it is; one with line breaks or the like as its escapes."""
    return name if name.isprintable() else repr(name)[1:-1]


def shown(value: object, *, longest: int = 60) -> str:
    """A value as a message shows it: short, on one line, text in quotes, YAML's own words for the rest."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping" if not value else "a mapping with " + shown_list(list(value)[:4])
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if len(value) > 6 else "[" + ", ".join(map(shown, value)) + "]"
    text = (
        repr(value) if isinstance(value, str) else f"{value:.12g}" if isinstance(value, float) else str(value)
    )
    return text if len(text) <= longest else text[: longest - 1] + "…"


def shown_list(names: Iterable[object], *, most: int = 12) -> str:
    """Names joined by commas, cut off after `most`."""
    texts = [_on_one_line(str(name)) for name in names]
    all_names = [text if len(text) <= 40 else text[:39] + "…" for text in texts]
    return ", ".join(all_names[:most]) + (", …" if len(all_names) > most else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"did you mean 'budget'?"` for a near miss, else the known names, else nothing."""
    candidates = list(known)
    near = difflib.get_close_matches(name[:80], candidates, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known here: {shown_list(candidates)}" if candidates else ""
