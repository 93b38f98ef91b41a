"""One request, one reply, both JSON: what the child process that holds the models answers. Pure: what it keeps of
one request, the encoded table, changes no later reply."""

from __future__ import annotations

import hashlib
import json
import marshal
from dataclasses import asdict, replace
from typing import Any

from campaigns.aim import Aim
from campaigns.space import Space
from surrogates.errors import SpaceExhausted
from surrogates.planner import Diagnostics, Planner
from surrogates.proposal import Method, Proposal
from surrogates.sampling import Sampler
from surrogates.search import Search

# Of fewer results, 90 % intervals are not expected to miss even one: their coverage says nothing yet.
FEWEST_FOR_COVERAGE = 10

_tables: dict[bytes, Search] = {}  # by content hash of the space; one at most, a million rows being 0.4 GiB


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer {"op": "propose", "aim", "observations", "pending", "n", "method", "gate", "outlook", "seed", "index"}.

    aim           `campaigns.aim.Aim` as JSON
    observations  [{"candidate", "values": {reading: {"value", "sigma"}}, "failed"}], in order; values may be partial
    pending       candidates being measured
    gate          {"low", "high"} or None: while the coverage of 90 % intervals is outside, `method` is not used but
                  integrated variance
    outlook       whether to say also what the next experiment is expected to bring
    index         number of proposals made before; with `seed` it fixes every random number

    The reply holds "proposals" (each a `Proposal`, fewer than `n` where a finite space has no more), "diagnostics"
    (a `Diagnostics`, or None where nothing was measured) and "gated" (why the gate is shut, or None).
    Raises KeyError or ValueError for a request that is not one, and the errors of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    if "materials" in request:
        return _about_materials(request)
    return answer(_planner(request), request)


def answer(planner: Planner, request: dict[str, Any]) -> dict[str, Any]:
    """The reply of a planner that has been told nothing yet."""
    for row in request["observations"]:
        values = {name: found["value"] for name, found in row["values"].items()}
        sigmas = {name: found["sigma"] for name, found in row["values"].items()}
        planner.tell(row["candidate"], values, sigma=sigmas, failed=bool(row["failed"]))
    for candidate in request["pending"]:
        planner.expect(candidate)
    how = request["method"]
    method = Method(**{**how, "share": tuple(how.get("share", ()))})
    diagnostics, gated = None, None
    if planner.observations.measured:
        diagnostics = planner.diagnose(improvement=bool(request.get("outlook")))
        gated = _gated(request.get("gate"), diagnostics)
    if gated is not None:
        method = replace(method, mode="learn", name="integrated_variance")
    proposals = _as_many_as_are_left(planner, int(request["n"]), method)
    return {
        "proposals": [proposal.to_json() for proposal in proposals],
        "diagnostics": None if diagnostics is None else asdict(diagnostics),
        "gated": gated,
    }


def _about_materials(request: dict[str, Any]) -> dict[str, Any]:
    """The answer about a space with a crystal in it; only then are graph networks loaded."""
    if request["aim"]["goal"] == "hull":
        from surrogates.materials.discovery import service as discovery

        return discovery.handle(request)
    from surrogates.joint import service as joint

    return joint.handle(request)


def _gated(gate: dict[str, float] | None, found: Diagnostics) -> str | None:
    """Why the model may not optimise now, or None. Too few results to say are not held against it."""
    if gate is None or found.coverage_90 is None or found.n < FEWEST_FOR_COVERAGE:
        return None
    if gate["low"] <= found.coverage_90 <= gate["high"]:
        return None
    return (
        f"90 % intervals cover {100 * found.coverage_90:.1f} % leave-one-out, outside "
        f"{100 * gate['low']:g} to {100 * gate['high']:g} %"
    )


def _planner(request: dict[str, Any]) -> Planner:
    seed, index = int(request["seed"]), int(request["index"])
    data = dict(request["aim"])
    search = _search(data["space"])
    if search is None:
        return Planner.after(Aim.model_validate_json(_json(data)), seed=seed, index=index)
    rest = {name: part for name, part in data.items() if name != "space"}
    small = Space.model_validate({"parameters": search.sampler.space.parameters})
    aim = Aim.model_validate_json(_json(rest | {"space": small.model_dump(mode="json")}))
    return Planner.after(
        aim.model_copy(update={"space": search.sampler.space}), seed=seed, index=index, search=search
    )


def _as_many_as_are_left(planner: Planner, n: int, method: Method) -> list[Proposal]:
    """`n` proposals, or the last few of a finite space. Raises SpaceExhausted where there is none."""
    while True:
        try:
            return planner.ask(n, method)
        except SpaceExhausted:
            if n == 1:
                raise
            n -= 1


def _search(space: Any) -> Search | None:
    """The search over a table given as JSON data, kept because parsing and encoding it takes seconds; None without one:
    a search is then quick to make, and one through constraints remembers what it met."""
    if not (isinstance(space, dict) and space.get("allowed")):
        return None
    # Version 2 of marshal writes values only; later ones write which objects are the same one.
    content = hashlib.blake2b(marshal.dumps(space, 2)).digest()
    if content not in _tables:
        _tables.clear()
        _tables[content] = Search(Sampler(Space.model_validate(_tuples(space))))
    return _tables[content]


def _tuples(value: Any) -> Any:
    """Data as strict models take it without a detour through text; rows of a table stay lists, as they may."""
    if isinstance(value, dict):
        return {name: part if name == "rows" else _tuples(part) for name, part in value.items()}
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _json(value: Any) -> str:
    # Strict models take lists for tuples only when they come as JSON.
    return json.dumps(value, allow_nan=False)
