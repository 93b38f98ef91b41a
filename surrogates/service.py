"""One request, one reply, both JSON: what the child process that holds the models answers. Pure: it keeps nothing."""

from __future__ import annotations

import json
from typing import Any

from campaigns.objective import Objective
from campaigns.space import Space
from surrogates.errors import SpaceExhausted
from surrogates.planner import Planner
from surrogates.proposal import Method, Proposal


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer {"op": "propose", "space", "objectives", "observations", "pending", "n", "method", "seed", "index"}.

    `index` is the number of proposals made before; with `seed` it fixes every random number. The reply holds
    "proposals" (each a `Proposal`, fewer than `n` where a finite space has no more) and "diagnostics" (a
    `Diagnostics`, or None where nothing was measured).
    Raises KeyError or ValueError for a request that is not one, and the errors of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    space = Space.model_validate_json(_json(request["space"]))
    objectives = [Objective.model_validate_json(_json(o)) for o in request["objectives"]]
    planner = Planner(space, objectives, seed=int(request["seed"]), index=int(request["index"]))
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


def _json(value: Any) -> str:
    # Strict models take lists for tuples only when they come as JSON.
    return json.dumps(value, allow_nan=False)
