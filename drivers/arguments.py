"""Is a value what the declaration allows? Is what came back what was declared? The device's own last look."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from drivers.errors import ArgumentRejected
from drivers.protocol import (
    LARGEST_RECORD,
    Action,
    ActionFailed,
    ActionSpec,
    ArraySpec,
    Attribution,
    ParameterSpec,
    Reading,
    ResultSpec,
    storable,
)

SYMBOL = re.compile(r"[A-Z][a-z]?")
MOST_ATOMS = 1000
FLATTEST = 1e-3  # A^3 per atom: below it three vectors span no cell


def fault(spec: ParameterSpec, value: object) -> str | None:
    """Why `value` may not be this argument ("wanted ..., got ..."), or None."""
    if spec.kind == "flag":
        return None if isinstance(value, bool) else f"wanted true or false, got {value!r}"
    if spec.kind == "text":
        return None if isinstance(value, str) else f"wanted a text, got {value!r}"
    if spec.kind == "choice":
        return None if value in spec.choices else f"wanted one of {', '.join(spec.choices)}, got {value!r}"
    if spec.kind == "structure":
        return _structure_fault(value)
    unit = f" {spec.unit}" if spec.unit else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"wanted a number{unit}, got {value!r}"
    if not math.isfinite(value):
        return f"wanted a finite number{unit}, got {value!r}"
    if spec.kind == "integer" and value != int(value):
        return f"wanted a whole number{unit}, got {value!r}"
    if spec.at_least is not None and value < spec.at_least:
        return f"{value!r}{unit} asked, at least {spec.at_least:g}{unit} is allowed"
    if spec.at_most is not None and value > spec.at_most:
        return f"{value!r}{unit} asked, at most {spec.at_most:g}{unit} is allowed"
    return None


def _structure_fault(value: object) -> str | None:
    """What keeps `value` from being the record of a crystal; whether it makes chemical sense, the driver says."""
    if not isinstance(value, Mapping):
        return f"wanted a structure (lattice, species, frac), got {value!r}"[:200]
    if strangers := [key for key in value if key not in ("lattice", "species", "frac", "magmoms")]:
        return f"wanted a structure of lattice, species, frac and magmoms, got {strangers[0]!r} as well"[:200]
    if missing := [key for key in ("lattice", "species", "frac") if key not in value]:
        return f"wanted a structure of lattice, species and frac, got none of its {', '.join(missing)}"
    lattice, species, frac = value["lattice"], value["species"], value["frac"]
    if not _is_list(lattice) or len(lattice) != 3 or not all(map(_is_vector, lattice)):
        return f"wanted three row vectors of three finite numbers as lattice, got {lattice!r}"[:200]
    if not _is_list(species) or not all(isinstance(one, str) and SYMBOL.fullmatch(one) for one in species):
        return f"wanted a list of element symbols as species, got {species!r}"[:200]
    if not species:
        return "wanted at least one atom, got an empty cell"
    if len(species) > MOST_ATOMS:
        return f"wanted at most {MOST_ATOMS} atoms, got {len(species)}"
    if not _is_list(frac) or len(frac) != len(species) or not all(map(_is_vector, frac)):
        return f"wanted three finite numbers for each of {len(species)} species as frac, got {frac!r}"[:200]
    if not FLATTEST * len(species) <= (volume := _volume(lattice)) < math.inf:
        return f"wanted a cell with a volume, got {volume:.3g} A^3 for {len(species)} atoms"
    magmoms = value.get("magmoms")
    if magmoms is not None and not (
        _is_list(magmoms) and len(magmoms) == len(species) and all(map(_is_finite, magmoms))
    ):
        return f"wanted a finite number for each of {len(species)} species as magmoms, got {magmoms!r}"[:200]
    return None


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _is_vector(value: Any) -> bool:
    return _is_list(value) and len(value) == 3 and all(map(_is_finite, value))


def _volume(lattice: Any) -> float:
    """Of the cell that three row vectors span, in the cube of their unit."""
    (a, b, c), (d, e, f), (g, h, i) = lattice
    return abs(float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)))


def checked_arguments(device: str, action: Action, spec: ActionSpec) -> dict[str, Any]:
    """The arguments of `action`, defaults filled in, numbers as float and integers as int.

    Raises ArgumentRejected with every fault: unknown or missing names, wrong types, values beyond the bounds.
    """
    faults = [f"it has no argument {name!r}" for name in action.args if name not in spec.parameters]
    arguments: dict[str, Any] = {}
    for name, parameter in spec.parameters.items():
        value = action.args.get(name, parameter.default)
        if value is None:
            faults.append(f"argument {name!r} is missing")
        elif (complaint := fault(parameter, value)) is not None:
            faults.append(f"{name}: {complaint}")
        else:
            convert = {"number": float, "integer": int}.get(parameter.kind)
            arguments[name] = value if convert is None else convert(value)
    if faults:
        raise ArgumentRejected(device, action.verb, faults)
    return arguments


def checked_record(where: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in plain JSON types. One that JSON cannot hold, or no line can, is a failed action (bad reading)."""
    try:
        kept: dict[str, Any] = storable(record)
    except ValueError as error:
        complaint = f"{where}: its record cannot be kept: {error}: the driver is at fault"
        raise ActionFailed(Attribution.BAD_READING, complaint) from error
    if (size := len(json.dumps(kept))) > LARGEST_RECORD:
        complaint = f"{where} gave a record of {size} bytes, at most {LARGEST_RECORD} can be kept"
        raise ActionFailed(Attribution.BAD_READING, complaint)
    return kept


def checked_readings(
    where: str, returned: Mapping[str, Any] | None, results: Mapping[str, ResultSpec]
) -> dict[str, Reading]:
    """What a method returned, as readings in the declared order; plain numbers get the declared unit.

    Values pass as they are, NaN and out-of-range included: rejecting them is the engine's task, and it must
    see them to say so. Names and types are the driver's promise: a broken one is a failed action (bad
    reading).
    """
    got = {} if returned is None else returned
    if not isinstance(got, Mapping) or set(got) != set(results):
        names = ", ".join(map(str, got)) if isinstance(got, Mapping) else repr(got)
        raise ActionFailed(
            Attribution.BAD_READING,
            f"{where} gave [{names}] and declares [{', '.join(results)}]: the driver is at fault",
        )
    readings: dict[str, Reading] = {}
    for name, declared in results.items():
        value = got[name]
        if isinstance(value, Reading):
            readings[name] = value if value.unit else value.model_copy(update={"unit": declared.unit})
        elif isinstance(value, bool) or not hasattr(value, "__float__"):
            raise ActionFailed(Attribution.BAD_READING, f"{where} gave {name} = {value!r}, wanted a number")
        else:
            readings[name] = Reading(value=float(value), unit=declared.unit)
    return readings


def array_fault(spec: ArraySpec, value: object, n_atoms: int) -> str | None:
    """What keeps `value` from being the declared array of a structure of `n_atoms`; None where nothing does."""
    wanted = f"wanted {n_atoms} finite numbers, one for each atom"
    if spec.components > 1:
        wanted = f"wanted {spec.components} finite numbers for each of {n_atoms} atoms"
    if value is None:
        return f"{wanted}, got none"
    if not isinstance(value, list | tuple) or len(value) != n_atoms:
        length = len(value) if isinstance(value, list | tuple) else type(value).__name__
        return f"{wanted}, got {length}"
    rows = value if spec.components > 1 else [[one] for one in value]
    for atom, row in enumerate(rows):
        if not (_is_list(row) and len(row) == spec.components and all(map(_is_finite, row))):
            return f"{wanted}, got {value[atom]!r} for atom {atom}"[:200]
    return None


def n_atoms(spec: ActionSpec, args: Mapping[str, Any]) -> int:
    """Of the structure among the arguments, 0 where there is none."""
    for name, one in spec.parameters.items():
        if one.kind == "structure" and isinstance(args.get(name), Mapping):
            return len(args[name]["species"])
    return 0


def checked_arrays(
    where: str, record: Mapping[str, Any], spec: ActionSpec, arguments: Mapping[str, Any]
) -> None:
    """What is declared per atom is the driver's promise: a broken one is a failed action (bad reading)."""
    for name, declared in spec.arrays.items():
        if (wrong := array_fault(declared, record.get(name), n_atoms(spec, arguments))) is not None:
            complaint = f"{where}: {name} in its record: {wrong}: the driver is at fault"
            raise ActionFailed(Attribution.BAD_READING, complaint, record)


def told_use(used: object) -> dict[str, Reading]:
    """What a driver says it used, as readings. What is no number passes as NaN: the act is over, and rejecting the word
    is the engine's task."""
    if not isinstance(used, Mapping):
        return {"used": Reading(value=math.nan)}
    told: dict[str, Reading] = {}
    for name, value in used.items():
        if isinstance(value, Reading):
            told[str(storable(str(name)))] = value
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            told[str(storable(str(name)))] = Reading(value=float(value) if number else math.nan)
    return told
