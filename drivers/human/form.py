"""The form of a task: its fields, and what is wrong with an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from drivers.configured import BoundedEntry
from drivers.protocol import ResultSpec

LONGEST_TEXT = 10_000
LARGEST_FILE = 100 * 1024 * 1024  # bytes
NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?", re.DOTALL)

Convert = Callable[[float, str, str], float]  # (value, unit, to) -> value; raises ValueError


class FieldEntry(BoundedEntry):
    """One field. `choices` is a list, or a mapping to the number that each choice means as a reading."""

    kind: Literal["number", "choice", "text", "file"] = "number"
    choices: Annotated[tuple[str, ...], Field(strict=False)] | Mapping[str, float] = ()
    optional: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> FieldEntry:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices belong to kind 'choice', which needs some")
        if self.kind != "number" and (self.unit or self.at_least is not None or self.at_most is not None):
            raise ValueError(f"a {self.kind} has neither unit nor bounds")
        return self

    def result(self) -> ResultSpec | None:
        """What the action gives by this field; None for one that is optional or no number: it goes in the record."""
        if self.optional:
            return None
        if self.kind == "number":
            return ResultSpec(unit=self.unit, at_least=self.at_least, at_most=self.at_most, doc=self.doc)
        if isinstance(self.choices, Mapping):
            numbers = self.choices.values()
            # By number: a laboratory read back from a log has its keys in another order.
            ordered = sorted(self.choices.items(), key=lambda one: (-one[1], one[0]))
            meaning = ", ".join(f"{choice} is {number:g}" for choice, number in ordered)
            return ResultSpec(
                at_least=min(numbers), at_most=max(numbers), doc=f"{self.doc} ({meaning})".strip()
            )
        return None


def checked(
    form: Mapping[str, FieldEntry], answers: Mapping[str, Any], convert: Convert | None = None
) -> tuple[dict[str, Any], list[str]]:
    """(the values in the form's units, everything that is wrong). Files stay paths. Empty texts are no answer."""
    values: dict[str, Any] = {}
    faults = [
        f"{name}: there is no such field; it has {', '.join(form)}" for name in answers if name not in form
    ]
    for name, field in form.items():
        given = answers.get(name)
        if given is None or (isinstance(given, str) and not given.strip()):
            if not field.optional:
                faults.append(f"{name}: it is missing")
            continue
        try:
            values[name] = _value(field, given, convert)
        except ValueError as error:
            faults.append(f"{name}: {error}")
    return values, faults


def _value(field: FieldEntry, given: Any, convert: Convert | None) -> Any:
    if field.kind == "number":
        return _number(field, given, convert)
    if not isinstance(given, str | Path):
        raise ValueError(f"wanted a text, got {given!r}"[:200])
    if field.kind == "choice":
        if given not in field.choices:
            raise ValueError(f"wanted one of {', '.join(field.choices)}, got {str(given)[:80]!r}")
        return given
    if field.kind == "text":
        if len(str(given)) > LONGEST_TEXT:
            raise ValueError(f"wanted at most {LONGEST_TEXT} characters, got {len(str(given))}")
        return str(given)
    return _file(Path(given))


def _number(field: FieldEntry, given: Any, convert: Convert | None) -> float:
    """A number in the field's unit, or a text with a unit behind it."""
    unit = f" {field.unit}" if field.unit else ""
    written = field.unit
    if isinstance(given, str):
        found = NUMBER.fullmatch(given.strip()) if len(given) <= 100 else None
        if found is None:
            raise ValueError(f"wanted a number{unit}, got {given[:80]!r}")
        given, written = float(found[1]), (found[2] or field.unit).strip()
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"wanted a finite number{unit}, got {given!r}"[:200])
    value = float(given)
    if written != field.unit:
        if convert is None:
            raise ValueError(f"wanted a number in {field.unit or 'no unit'}, got one in {written[:40]}")
        value = convert(value, written, field.unit)
    if field.at_least is not None and value < field.at_least:
        raise ValueError(f"{value:g}{unit} given, at least {field.at_least:g}{unit} is allowed")
    if field.at_most is not None and value > field.at_most:
        raise ValueError(f"{value:g}{unit} given, at most {field.at_most:g}{unit} is allowed")
    return value


def _file(path: Path) -> Path:
    try:
        if not path.expanduser().is_file():
            raise ValueError(f"wanted a file, there is none at {path}")
        size = path.expanduser().stat().st_size
    except OSError as error:
        raise ValueError(f"{path}: {error}") from error
    if size > LARGEST_FILE:
        raise ValueError(f"{path} has {size} bytes, at most {LARGEST_FILE} are kept")
    return path.expanduser()
