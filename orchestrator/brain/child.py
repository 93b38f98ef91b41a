"""`python -m orchestrator.brain.child`: a JSON request a line in, a JSON reply a line out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any


def answer(line: str) -> dict[str, Any]:
    """The reply to one request: a proposal, "exhausted" where no candidate is left, or "error" with the traceback."""
    from surrogates.errors import SpaceExhausted
    from surrogates.service import handle

    try:
        request = json.loads(line)
        if "energies" in request:  # only who chooses routes loads the chemistry
            from orchestrator.brain import routes

            return routes.handle(request)
        return handle(request)
    except SpaceExhausted as error:
        return {"exhausted": str(error)}
    except Exception:  # noqa: BLE001  whatever went wrong, the engine falls back and the log tells
        return {"error": traceback.format_exc()}


def main() -> None:
    """Serve until standard input ends."""
    # What libraries print must not be read as a reply.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(1)  # small models are fastest on one thread, and the engine wants its core
    import surrogates.service  # noqa: F401  loaded now, so that the first question is not the one that waits

    for line in sys.stdin:
        replies.write(json.dumps(answer(line), allow_nan=False) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
