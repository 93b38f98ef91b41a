"""What a request says: which crystals there are, whose energies are known, which are not to be asked for again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns.errors import shown
from campaigns.material import Material
from campaigns.objective import Objective
from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.errors import InvalidObservation, UnsupportedObjectives
from surrogates.materials.discovery.pool import rows

MADE = "g-"  # ids of generated crystals; the rest is the content's own address
DIGITS = 12


@dataclass(frozen=True)
class Label:
    """An energy that is known, eV per atom."""

    id: str
    energy: float


@dataclass(frozen=True)
class State:
    """What the log and the pool hold, as far as the energies go.

    structures  every crystal that has a name: the pool's in its order, then those generated and met before
    relaxed     what the labeler made of some of these, whose energy is the one that was measured: what more are
                made of, and not made again
    seeds       known beforehand: the pool's values and the campaign's history
    told        measured by the loop that asks, in order; the same crystal may be there twice
    elsewhere   measured by the campaign's other loops
    taken       not to be asked for (again): measured, being measured, or failed
    failed      of those, the ones that came to no result
    met         generated crystals that the log has met
    arrays      what readings said of each atom: {id: {reading: (n,) or (n, components)}}, the last of several
    """

    parameter: Material
    reading: str
    structures: Mapping[str, Structure]
    relaxed: Mapping[str, Structure]
    sources: Mapping[str, str]
    seeds: tuple[Label, ...]
    told: tuple[Label, ...]
    elsewhere: tuple[Label, ...]
    taken: frozenset[str]
    failed: frozenset[str]
    pending: tuple[str, ...]
    met: frozenset[str]
    arrays: Mapping[str, Mapping[str, Array]]

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> State:
        """Raises UnsupportedObjectives for what is no search for a hull, InvalidObservation for a crystal that neither
        the pool nor the log knows, OSError for a pool that cannot be read."""
        parameter, objective = _parameter(request["aim"]), _objective(request["aim"])
        pool = rows(request["materials"].get("pool"), parameter.digest)
        structures = {row.id: row.structure for row in pool}
        sources = {row.id: row.source for row in pool}
        for id, record in request["materials"].get("structures", {}).items():
            if id not in structures:
                structures[id] = Structure.from_json(record)
                sources[id] = str(record.get("source", "generated"))
        relaxed = {
            id: Structure.from_json(record) for id, record in request["materials"].get("relaxed", {}).items()
        }
        reading = objective.name
        seeds = [
            Label(row.id, float(row.values[reading]))
            for row in pool
            if reading in parameter.knows(row.values)
        ]
        seeds += _history(request["aim"], parameter.name, reading)
        told, failed, met = _rows(request["observations"], parameter.name, reading)
        elsewhere: list[Label] = []
        for theirs in request.get("others", {}).values():
            more, worse, other = _rows(theirs, parameter.name, reading)
            elsewhere += more
            failed |= worse
            # What another loop measured of other things is still open here.
            met |= {label.id for label in more} | (other & worse)
        pending = tuple(str(candidate[parameter.name]) for candidate in request["pending"])
        known = {label.id for label in (*seeds, *told, *elsewhere)}
        for id in sorted(known - structures.keys()):
            raise InvalidObservation(
                f"{parameter.name}: {shown(id)} has an energy but no structure: wanted an id of the pool "
                f"'{parameter.pool}' or of a generated crystal"
            )
        return cls(
            parameter, reading, structures, relaxed, sources, tuple(seeds), tuple(told), tuple(elsewhere),
            frozenset(known | met | set(pending)), frozenset(failed - known), pending,
            frozenset(structures) - {row.id for row in pool},
            _arrays((request["observations"], *request.get("others", {}).values()), parameter.name),
        )  # fmt: skip

    @property
    def labels(self) -> tuple[Label, ...]:
        """All that is known, each crystal once: of several energies the mean."""
        return averaged((*self.seeds, *self.told, *self.elsewhere))


def averaged(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Each crystal once, in order of first meeting, with the mean of its energies."""
    of: dict[str, list[float]] = {}
    for label in labels:
        of.setdefault(label.id, []).append(label.energy)
    return tuple(Label(id, sum(found) / len(found)) for id, found in of.items())


def made_id(structure: Structure) -> str:
    """The name of a generated crystal: its content's own address, so that the same one has one name in every run."""
    return MADE + structure.key[:DIGITS]


def _parameter(aim: Mapping[str, Any]) -> Material:
    parameters = aim["space"]["parameters"]
    found = [data for data in parameters if data["kind"] == "material"]
    if len(found) != 1 or len(parameters) != 1:
        names = ", ".join(str(data["name"]) for data in parameters)
        raise UnsupportedObjectives(
            f"goal hull: wanted a space of one material and nothing else, got {names}; "
            "give the process to another loop of the campaign"
        )
    # Strict models take lists for tuples only when they come as JSON.
    return Material.model_validate_json(json.dumps(found[0]))


def _objective(aim: Mapping[str, Any]) -> Objective:
    objectives = [Objective.model_validate_json(json.dumps(data)) for data in aim["objectives"]]
    if len(objectives) != 1 or objectives[0].direction != "minimise":
        got = ", ".join(f"{o.direction} {o.name}" for o in objectives)
        raise UnsupportedObjectives(f"goal hull: wanted one energy per atom to minimise, got {got}")
    return objectives[0]


def _history(aim: Mapping[str, Any], name: str, reading: str) -> list[Label]:
    """What was measured before the campaign with the same set-up; of another set-up nothing is taken over."""
    out = []
    for part in aim.get("history", ()):
        if part["related"] or name not in part["columns"] or reading not in part["results"]:
            continue
        at, of = part["columns"].index(name), part["results"].index(reading)
        for row, values in zip(part["rows"], part["values"], strict=True):
            if values[of] is not None:
                out.append(Label(str(row[at]), float(values[of])))
    return out


def _arrays(parts: Iterable[Iterable[Mapping[str, Any]]], name: str) -> Mapping[str, Mapping[str, Array]]:
    out: dict[str, dict[str, Array]] = defaultdict(dict)
    for rows_ in parts:
        for row in rows_:
            for reading, told in row.get("arrays", {}).items():
                if name in row["candidate"]:
                    out[str(row["candidate"][name])][reading] = np.array(told["values"], float)
    return dict(out)


def _rows(
    observations: Iterable[Mapping[str, Any]], name: str, reading: str
) -> tuple[list[Label], set[str], set[str]]:
    """Energies in order, ids that failed, ids of all rows that name a crystal."""
    labels, failed, met = [], set(), set()
    for row in observations:
        if name not in row["candidate"]:
            continue
        id = str(row["candidate"][name])
        met.add(id)
        if row["failed"]:
            failed.add(id)
        elif reading in row["values"]:
            labels.append(Label(id, float(row["values"][reading]["value"])))
    return labels, failed, met
