"""Collects every fault of a document: pydantic's errors and the language's own problems, each put on its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from campaigns.errors import Fault, Path, Problem, did_you_mean, shown
from campaigns.surface.entry import Entry
from campaigns.units import UnitError, begins_with_number, convert, known, parse_quantity, unknown_unit
from campaigns.yaml_reader import Document

MOST_FAULTS = 200
M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=Entry)

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "finite_number": "a finite number",
}
_SIZES = {"too_short": "at least {min_length}", "too_long": "at most {max_length}"}
_BOUNDS = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
}


class Collector:
    """The faults found so far, and the ways to find more. One per load."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._faults: dict[tuple[Path, str, str], Fault] = {}
        self._empty: set[Path] = set()
        self._moved: dict[Path, Path] = {}
        self.find_empty_values()

    @property
    def faults(self) -> list[Fault]:
        """Everything found, in the order of the file; overrides first."""
        found = sorted(self._faults.values(), key=lambda fault: (fault.line or 0, fault.column or 0))
        return found[:MOST_FAULTS]

    def move(self, made: Path, written: Path) -> None:
        """What stands at `made` was made of what is written at `written`: faults of the one are told of the other."""
        self._moved[made] = written

    def add(self, problem: Problem, base: Path = ()) -> None:
        """Puts a problem on its place, `base` being where the thing that has it stands."""
        path = self._written(base + problem.at)
        if path in self._empty:
            return
        fault = self.document.fault(
            problem.code,
            path,
            message=problem.message,
            wanted=problem.wanted,
            got=problem.got,
            cure=problem.cure,
            key=problem.key,
        )
        self._faults.setdefault((path, problem.code, problem.wanted), fault)

    def _written(self, path: Path) -> Path:
        for length in range(len(path), 0, -1):
            if path[:length] in self._moved:
                return self._moved[path[:length]] + path[length:]
        return path

    def add_all(self, problems: Iterable[Problem], base: Path = ()) -> None:
        for problem in problems:
            self.add(problem, base)

    def add_elsewhere(self, faults: Iterable[Fault]) -> None:
        """Faults that have their place already, in a table for instance."""
        for fault in faults:
            self._faults[((fault.file, fault.line or 0, fault.column or 0), fault.code, fault.wanted)] = fault

    def find_empty_values(self) -> None:
        """`seed:` with nothing behind it means something nowhere in the language."""
        todo: list[tuple[Path, Any]] = [((), self.document.data)]
        while todo:
            path, value = todo.pop()
            if isinstance(value, dict):
                todo += [((*path, key), inner) for key, inner in value.items()]
            elif isinstance(value, list):
                todo += [((*path, index), inner) for index, inner in enumerate(value)]
            elif value is None:
                self.add(
                    Problem("E203", wanted="a value", got="nothing", cure="write one, or leave the key out"),
                    path,
                )
                self._empty.add(path)

    def mapping(self, value: Any, path: Path) -> dict[str, Any] | None:
        """The value if it is a mapping, else a fault."""
        if isinstance(value, dict):
            return value
        self.add(Problem("E203", wanted="a mapping of names to values", got=shown(value)), path)
        return None

    def sequence(self, value: Any, path: Path) -> list[Any] | None:
        """The value if it is a list, else a fault."""
        if isinstance(value, list):
            return value
        self.add(Problem("E203", wanted="a list", got=shown(value), cure="begin each entry with '- '"), path)
        return None

    def kind(self, raw: Any, kinds: Sequence[str], path: Path) -> str | None:
        """Which one of `kinds` an entry has as key; a fault where there is none or more than one."""
        entry = self.mapping(raw, path)
        if entry is None:
            return None
        found = [key for key in entry if key in kinds]
        if len(found) == 1:
            return found[0]
        if found:
            self.add(Problem("E206", wanted=f"one of {', '.join(kinds)}", got=" and ".join(found)), path)
            return None
        stranger = next((key for key in entry if "did you mean" in did_you_mean(key, kinds)), None)
        wanted = f"one of {', '.join(kinds)}"
        if stranger is None:
            self.add(Problem("E206", wanted=wanted, got=shown(entry)), path)
        else:
            cure = did_you_mean(stranger, kinds)
            self.add(
                Problem("E201", (stranger,), wanted=wanted, got=shown(stranger), cure=cure, key=True), path
            )
        return None

    def entry(self, model: type[E], raw: Any, path: Path) -> E | None:
        """The entry as its surface model, or None and its faults."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self.add_all(_problems(error, model), path)
            return None

    def make(self, model: type[M], path: Path, /, **fields: Any) -> M | None:
        """A value of the language, or None and its problems; `path` is the entry it was written as."""
        try:
            return model(**fields)
        except ValidationError as error:
            self.add_all(_problems(error, model), path)
            return None

    def unit(self, unit: str, path: Path) -> bool:
        """Whether the unit is known; a fault at `path` where it is not."""
        if known(unit):
            return True
        self.add(unknown_unit(unit, ()), path)
        return False

    def number(self, raw: Any, unit: str, path: Path) -> float | None:
        """A number in `unit`: as it stands, or converted from text with a unit; None and a fault otherwise."""
        if not isinstance(raw, str):
            return float(raw)
        found = self.quantity(raw, path)
        if found is None:
            return None
        value, own = found
        if not unit:
            cure = f"add 'unit: {own}'"
            self.add(
                Problem("E216", wanted="a plain number, as no unit is declared", got=shown(raw), cure=cure),
                path,
            )
            return None
        try:
            return convert(value, own, unit)
        except UnitError:
            self.add(Problem("E215", wanted=f"a unit that converts to {unit}", got=shown(raw)), path)
            return None

    def distance(self, raw: Any, unit: str, path: Path) -> float | None:
        """As `number`, of a difference: 20 degC are 20 K, and not 293.15 K."""
        number = self.number(raw, unit, path)
        if number is None or not isinstance(raw, str):
            return number
        own = parse_quantity(raw)[1]
        # On a scale with an offset the difference of two conversions has rounding errors of the offset.
        offset = convert(0.0, own, unit)
        return number if offset == 0 else float(f"{number - offset:.12g}")

    def quantity(self, raw: str, path: Path) -> tuple[float, str] | None:
        """Text as a number with a unit, or None and a fault."""
        try:
            value, unit = parse_quantity(raw)
        except UnitError as error:
            code = "E214" if begins_with_number(raw) else "E203"
            cure = str(error).partition("; ")[2]
            self.add(
                Problem(
                    code, wanted="a number with a known unit, as in '80 degC'", got=shown(raw), cure=cure
                ),
                path,
            )
            return None
        if not unit:
            self.add(
                Problem("E203", wanted="a number", got=f"the text {shown(raw)}", cure="take off the quotes"),
                path,
            )
            return None
        return value, unit


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterable[Problem]:
    for detail in error.errors(include_url=False):
        location, context = tuple(detail["loc"]), detail.get("ctx", {})
        if detail["type"] == "campaign":
            for problem in context["problems"]:
                yield Problem(**{**problem.__dict__, "at": location + problem.at})
            continue
        yield _translated(detail["type"], location, detail["input"], context, model, str(detail["msg"]))


def _translated(
    kind: str, location: Path, given: Any, context: Mapping[str, Any], model: type[BaseModel], said: str
) -> Problem:
    """One pydantic error in the language's words."""
    if kind == "extra_forbidden":
        name = str(location[-1])
        known_keys = _keys(model, location[:-1])
        return Problem(
            "E201",
            location,
            wanted="a key of the language",
            got=shown(name),
            cure=did_you_mean(name, known_keys),
            key=True,
        )
    if kind == "missing":
        return Problem(
            "E202", location[:-1], wanted=f"the key '{location[-1]}'", got=shown(given), cure="add it"
        )
    if location and location[-1] == "[key]":
        wanted = "a name of letters, digits and _, at most 64"
        return Problem("E204", location[:-1], wanted=wanted, got=shown(given), key=True)
    if kind in _WANTED:
        cure = (
            "put it in quotes to make it text"
            if kind == "string_type" and not isinstance(given, dict | list)
            else ""
        )
        return Problem("E203", location, wanted=_WANTED[kind], got=shown(given), cure=cure)
    if kind in _SIZES:
        wanted = _SIZES[kind].format(**context) + " entries"
        return Problem("E207", location, wanted=wanted, got=str(context.get("actual_length", shown(given))))
    if kind in _BOUNDS:
        return Problem("E204", location, wanted=_BOUNDS[kind].format(**context), got=shown(given))
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        cure = did_you_mean(str(given), choices)
        return Problem("E204", location, wanted=f"one of {', '.join(choices)}", got=shown(given), cure=cure)
    if kind == "string_pattern_mismatch":
        last = str(location[-1]) if location else ""
        return Problem("E204", location, wanted=_PATTERNS.get(last, _PATTERNS[""]), got=shown(given))
    if kind == "string_too_long":
        return Problem(
            "E204", location, wanted=f"at most {context['max_length']} characters", got=str(len(given))
        )
    return Problem("E204", location, wanted=said, got=shown(given))


_PATTERNS = {
    "": "a name of letters, digits and _, that begins with a letter",
    "do": "device.verb, as in 'furnace.heat'",
    "lab": "the name of a laboratory, as in 'simulated/thin_film' (never a path)",
    "campaign": "a name of letters, digits, '-', '_' and '.'",
    "table": "the name of a table, bound with --table NAME=PATH (never a path)",
}


def _keys(model: type[BaseModel], inside: Path) -> list[str]:
    """The keys a mapping at `inside` of an entry may have."""
    for part in inside:
        field = next((f for n, f in model.model_fields.items() if (f.alias or n) == part), None)
        inner = None if field is None else _model_of(field.annotation)
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
