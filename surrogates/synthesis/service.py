"""What the brain answers where routes are chosen: `surrogates.service`, with the chemistry handed over."""

from __future__ import annotations

import json
from typing import Any

from campaigns.aim import Aim
from surrogates.service import answer
from surrogates.synthesis.chemistry import Chemistry
from surrogates.synthesis.planner import RoutePlanner, Seen


def handle(request: dict[str, Any], chemistry: Chemistry) -> dict[str, Any]:
    """Answer {"op": "propose", ...} as `surrogates.service.handle` does, for an aim with a synthesis.

    records    [{"candidate", "phases": {formula: weight fraction}}]: what was seen of earlier experiments
    Each proposal has "reasons", in words. Raises KeyError or ValueError for a request that is not one, and the errors
    of `surrogates.errors`.
    """
    if request["op"] != "propose":
        raise ValueError(f"op: wanted 'propose', got {request['op']!r}")
    # Strict models take lists for tuples only when they come as JSON.
    aim = Aim.model_validate_json(json.dumps(request["aim"], allow_nan=False))
    seen = [Seen(row["candidate"], row["phases"]) for row in request["records"]]
    planner = RoutePlanner(aim, chemistry, seen, seed=int(request["seed"]), index=int(request["index"]))
    return answer(planner, request)
