"""`python -m drivers.labelers.workers`: one worker. A job a line on stdin; on stdout what it finds and how it ends.

Whatever the codes print goes to stderr. When stdin closes, the parent is gone: this process and all its children end.
An error that is nobody's in particular is not caught: the process dies with its traceback, and the parent tells.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import IO

from drivers.labelers.workers.bench import Bench


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Serve jobs until killed."""
    out: IO[str] = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # codes print where they like
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    bench = Bench()

    def say(what: dict[str, object]) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    while True:
        job = json.loads(lines.get())
        ended = bench.carry_out(job, lambda partial: say({"partial": dict(partial)}))
        say({"ended": ended.to_json()})


if __name__ == "__main__":
    main()
