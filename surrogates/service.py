"""One request, one reply, both JSON: what the child process that holds the models answers. Pure: what it keeps of
one request, the encoded table, changes no later reply."""

from __future__ import annotations

import hashlib
import json
import marshal
from typing import Any

from campaigns.objective import Objective
from campaigns.space import Space
from surrogates.errors import SpaceExhausted
from surrogates.planner import Planner
from surrogates.proposal import Method, Proposal
from surrogates.sampling import Sampler
from surrogates.search import Search

_tables: dict[bytes, Search] = {}  # by content hash of the space; one at most, a million rows being 0.4 GiB


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer {"op": "propose", "space", "objectives", "observations", "pending", "n", "method", "seed", "index"}.

    `index` is the number of proposals made before; with `seed` it fixes every random number. The reply holds
    "proposals" (each a `Proposal`, fewer than `n` where a finite space has no more) and "diagnostics" (a
    `Diagnostics`, or None where nothing was measured).
    Raises KeyError or ValueError for a request that is not one, and the errors of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    search = _search(request["space"])
    objectives = [Objective.model_validate_json(_json(o)) for o in request["objectives"]]
    planner = Planner(
        search.sampler.space,
        objectives,
        seed=int(request["seed"]),
        index=int(request["index"]),
        search=search,
    )
    for row in request["observations"]:
        planner.tell(
            row["candidate"], row["value"], sigma=row.get("sigma"), failed=bool(row.get("failed", False))
        )
    for candidate in request["pending"]:
        planner.expect(candidate)
    proposals = _as_many_as_are_left(planner, int(request["n"]), Method(**request["method"]))
    diagnostics = planner.diagnose().to_json() if planner.observations.measured else None
    return {"proposals": [proposal.to_json() for proposal in proposals], "diagnostics": diagnostics}


def _as_many_as_are_left(planner: Planner, n: int, method: Method) -> list[Proposal]:
    """`n` proposals, or the last few of a finite space. Raises SpaceExhausted where there is none."""
    while True:
        try:
            return planner.ask(n, method)
        except SpaceExhausted:
            if n == 1:
                raise
            n -= 1


def _search(space: Any) -> Search:
    """The search over a space given as JSON data; one with a table is kept, parsing and encoding it taking seconds.

    Without a table a search is made anew: it is quick, and a search through constraints remembers what it met.
    """
    if not (isinstance(space, dict) and space.get("allowed")):
        return Search(Sampler(Space.model_validate_json(_json(space))))
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
