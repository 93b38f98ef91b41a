"""Generators by name: what packages name in the entry-point group `alquimia.generators`. Their arguments are checked
before they run, what they give afterwards; a fault of theirs ends nothing but themselves."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from campaigns.errors import did_you_mean, shown
from campaigns.structure import Structure
from surrogates.errors import SurrogateError
from surrogates.materials.crystals import check
from surrogates.materials.errors import StructureRejected
from surrogates.materials.generators.protocol import Generated, Generator, Known

GROUP = "alquimia.generators"
_HOME = "surrogates.materials.generators"
BUILT_IN = MappingProxyType(
    {
        "adversarial": f"{_HOME}.adversarial:adversarial",
        "compositions": f"{_HOME}.compositions:compositions",
        "file": f"{_HOME}.from_file:from_file",
        "partial_substitution": f"{_HOME}.partial_substitution:partial_substitution",
        "random_symmetric": f"{_HOME}.random_symmetric:random_symmetric",
        "rattled": f"{_HOME}.rattled:rattled",
        "substitution": f"{_HOME}.substitution:substitution",
    }
)
_GIVEN = ("known", "limit", "rng")


class GeneratorRefused(SurrogateError, ValueError):
    """A generator that is not there, cannot be loaded, or was given arguments that it does not take."""


class Fault(NamedTuple):
    """What a generator did wrong. `code`: raised (it ended there), no-structure, or a code of StructureRejected."""

    generator: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"generator {self.generator}: {self.code}: {self.reason}"


@cache
def generators() -> MappingProxyType[str, str]:
    """Name -> "module:function" of every generator, built in or installed, sorted; nothing is imported."""
    found = {**BUILT_IN, **{entry.name: entry.value for entry in sorted(entry_points(group=GROUP))}}
    return MappingProxyType(dict(sorted(found.items())))


def generator(name: str) -> Generator:
    """The generator called `name`. Raises GeneratorRefused with the known names, or why it cannot be loaded."""
    if name not in generators():
        known = list(generators())
        raise GeneratorRefused(
            f"wanted a generator ({', '.join(known)}), got {shown(name)}; {did_you_mean(name, known)}"
        )
    module, _, attribute = generators()[name].partition(":")
    try:
        found: Generator = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as fault:
        raise GeneratorRefused(
            f"generator {name} ({module}:{attribute}) cannot be loaded: {fault}"
        ) from fault
    if not callable(found):
        raise GeneratorRefused(f"generator {name} ({module}:{attribute}) is no function")
    return found


def arguments_of(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the generator's annotations want them. Raises GeneratorRefused: one that it does not take, one
    missing, or of another type (JSON types, lists for tuples; nothing is converted but whole numbers to fractions)."""
    model = _model(name)
    names = list(model.model_fields)
    for each in arguments:
        if each not in names:
            raise GeneratorRefused(
                f"generator {name}: wanted one of {', '.join(names)}, got {shown(each)}; {did_you_mean(each, names)}"
            )
    try:
        text = json.dumps(dict(arguments), allow_nan=False)
        checked = model.model_validate_json(text, strict=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"]))
        got = "" if first["type"] == "missing" else f", got {shown(first['input'])}"
        raise GeneratorRefused(f"generator {name}: {where}: {first['msg'].lower()}{got}") from fault
    except (TypeError, ValueError) as fault:
        raise GeneratorRefused(f"generator {name}: wanted arguments of JSON types: {fault}") from fault
    return {each: getattr(checked, each) for each in names}


@cache
def _model(name: str) -> type[BaseModel]:
    """The parameters of a generator that a campaign may set, as a pydantic model."""
    function = generator(name)
    target = function if inspect.isroutine(function) else type(function).__call__
    hints, fields = get_type_hints(target, include_extras=True), {}
    for each in inspect.signature(function).parameters.values():
        if each.name in _GIVEN or each.kind is each.VAR_KEYWORD:
            continue
        default = ... if each.default is each.empty else each.default
        fields[each.name] = (hints.get(each.name, Any), default)
    made: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    return made


def drawn(
    name: str,
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    arguments: Mapping[str, Any] | None = None,
    max_atoms: int | None = None,
) -> Iterator[Generated | Fault]:
    """At most `limit` sound structures of a generator, and a Fault for each that is not one: overlapping or isolated
    atoms, more than `max_atoms` of them, anything else than a structure, or an exception, which ends it. After `limit`
    faults it is ended too. Raises GeneratorRefused, before anything runs."""
    function, checked = generator(name), arguments_of(name, arguments or {})
    return _drawn(name, function, checked, known, limit, rng, max_atoms)


def _drawn(
    name: str,
    function: Generator,
    arguments: Mapping[str, Any],
    known: Sequence[Known],
    limit: int,
    rng: np.random.Generator,
    max_atoms: int | None,
) -> Iterator[Generated | Fault]:
    sound = faulty = 0
    try:
        given: Iterator[Any] = iter(function(known, limit=limit, rng=rng, **arguments))
    except Exception as fault:  # noqa: BLE001  a plug-in may raise anything; the others go on
        yield _raised(name, fault)
        return
    while sound < limit and faulty < limit:
        try:
            item = next(given)
        except StopIteration:
            return
        except Exception as fault:  # noqa: BLE001  as above
            yield _raised(name, fault)
            return
        checked = _checked(name, item, max_atoms)
        sound, faulty = (sound, faulty + 1) if isinstance(checked, Fault) else (sound + 1, faulty)
        yield checked


def _raised(name: str, fault: Exception) -> Fault:
    return Fault(name, "raised", f"{type(fault).__name__}: {fault}")


def _checked(name: str, item: Any, max_atoms: int | None) -> Generated | Fault:
    if not (isinstance(item, tuple) and len(item) == 3 and isinstance(item[0], Structure)):
        return Fault(
            name, "no-structure", f"wanted Generated(structure, parents, how), got {type(item).__name__}"
        )
    structure, parents, how = item
    if not (
        isinstance(how, str)
        and isinstance(parents, tuple | list)
        and all(isinstance(p, str) for p in parents)
    ):
        return Fault(name, "no-structure", "wanted ids of parents and a sentence beside the structure")
    try:
        check(structure, max_atoms=max_atoms)
    except StructureRejected as fault:
        return Fault(name, fault.code, fault.reason)
    return Generated(structure, tuple(parents), how)
