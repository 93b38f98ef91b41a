"""One job after the other: the code made or found, its ladder climbed, the end told with what it cost."""

from __future__ import annotations

import importlib
import json
import math
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from ase import Atoms
from ase.calculators.calculator import CalculatorError, SCFError

from drivers.labelers.job import Ended
from drivers.labelers.workers.code import Code
from drivers.labelers.workers.crystals import atoms_of
from drivers.labelers.workers.energy import Label, Progress, energy
from drivers.labelers.workers.errors import Broken, NotConverged, NotReached, NotTreatable
from drivers.protocol import Attribution

Verb = Callable[[Atoms, Mapping[str, Any], Progress], Label]
MODULES = {
    "relax": "relaxation", "equation_of_state": "equation_of_state", "elastic": "elasticity", "thermal": "thermal",
    "dynamics": "dynamics", "propensity": "propensity",
}  # fmt: skip


def _verb(name: str) -> Verb:
    """The function of a verb; what it needs is imported when it is asked for."""
    if name == "energy":
        return energy
    module = MODULES[name]
    verb: Verb = getattr(importlib.import_module(f"drivers.labelers.workers.{module}"), name)
    return verb


class Bench:
    """What a worker process keeps: the codes it has loaded."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}

    def carry_out(self, job: Mapping[str, Any], say: Progress) -> Ended:
        """The end of a job. Errors that no code is known to raise are not caught."""
        began, cpu_began, partial = time.perf_counter(), _cpu_s(), dict[str, Any]()

        def progress(seen: Mapping[str, Any]) -> None:
            partial.update(_finite(seen))
            say(partial)

        code: Code | None = None
        attempts: list[dict[str, Any]] = []
        record: dict[str, Any] = {}
        readings: Mapping[str, float] = {}
        attribution, reason, lasting = None, "", True
        own = 0.0
        try:
            atoms = atoms_of(job["structure"])
            code = self._code(job["worker"], job["settings"])
            own = code.cpu_s()
            if (refusal := code.refusal(atoms)) is not None:
                raise NotTreatable(refusal)
            label, extra = _climb(code, atoms, _verb(job["verb"]), job["arguments"], progress, attempts)
            readings = label.readings
            record = {**_finite(label.record), **_finite(extra)}
            lasting = all(map(math.isfinite, readings.values()))
        except NotTreatable as failure:
            attribution, reason = Attribution.INFEASIBLE, str(failure)
        except NotConverged as failure:
            attribution, reason = (
                Attribution.INSTRUMENT,
                f"not converged on any rung of the ladder: {failure}",
            )
        except NotReached as failure:
            attribution, reason = Attribution.INSTRUMENT, str(failure)
        except (Broken, CalculatorError) as failure:
            attribution, reason, lasting = Attribution.INSTRUMENT, str(failure) or repr(failure), False
        if attribution is not None and partial:
            record = {"partial": partial}
        if attempts:
            record["attempts"] = attempts
            record["rung"] = attempts[-1]["rung"] if attribution is None else None
        running = 0.0 if code is None else code.cpu_s() - own
        cost = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu_s() - cpu_began + running}
        return Ended(readings, {**record, **cost}, attribution, reason, lasting)

    def _code(self, path: str, settings: Mapping[str, Any]) -> Code:
        key = json.dumps([path, settings], sort_keys=True)
        if key not in self._codes:
            module, _, name = path.partition(":")
            self._codes.clear()  # what a code has loaded is large
            self._codes[key] = getattr(importlib.import_module(module), name)(settings)
        return self._codes[key]


def _climb(
    code: Code,
    atoms: Atoms,
    verb: Verb,
    arguments: Mapping[str, Any],
    progress: Progress,
    attempts: list[dict[str, Any]],
) -> tuple[Label, dict[str, Any]]:
    """The label at the first rung that converges throughout: energies of two rungs are never mixed.

    A rung goes on from the geometry that the one before reached. Raises NotConverged after the last.
    """
    last: NotConverged | None = None
    for rung in code.rungs:
        began = time.perf_counter()
        attempt: dict[str, Any] = {
            "rung": rung["name"],
            "settings": {k: v for k, v in rung.items() if k != "name"},
        }
        attempts.append(attempt)
        atoms.set_constraint()
        atoms.calc = calculator = code.calculator(atoms, rung)
        try:
            label = verb(atoms, arguments, progress)
            attempt["converged"] = True
            return label, code.details(calculator)
        except (NotConverged, SCFError) as failure:
            attempt["converged"] = False
            attempt["reason"] = str(failure)[:300]
            last = failure if isinstance(failure, NotConverged) else NotConverged(str(failure))
        finally:
            attempt["wall_s"] = time.perf_counter() - began
    assert last is not None
    raise last


def _finite(value: Any) -> Any:
    """`value` with None for every number that is none: a record has no NaN."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cpu_s() -> float:
    """Of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
