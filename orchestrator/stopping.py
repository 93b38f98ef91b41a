"""The way to stop a laboratory that needs no engine: to every live host at once, over its own socket.

An engine may hang, be dead or be busy; hosts outlive it and listen for themselves. What cannot be written to the log
now, because a hung engine holds it, waits in a file beside it until the next engine reads it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.commands import Command
from orchestrator.errors import Refused
from orchestrator.places import sockets

CONFIRM_S = 10.0  # what a host may take to halt its devices
FILE = "stop.json"
CONTROL = "control.sock"


@dataclass(frozen=True)
class Halted:
    """One host's answer. `begun_s`: when its halt began, on the machine's monotonic clock; None: it did not confirm."""

    host: str
    begun_s: float | None
    in_hand: tuple[str, ...] = ()
    silence: str = ""


async def halt_hosts(log: Path) -> list[Halted]:
    """Halt every host of a log that is alive; those that are not have nothing to halt."""
    found = sorted(path for path in sockets(log).glob("*.sock") if path.name != CONTROL)
    answers = await asyncio.gather(*map(_halt, found))
    return [answer for answer in answers if answer is not None]


async def _halt(socket: Path) -> Halted | None:
    host = socket.stem
    try:
        async with asyncio.timeout(CONFIRM_S):
            try:
                reader, writer = await asyncio.open_unix_connection(socket)
            except (ConnectionError, FileNotFoundError):
                return None  # a socket that its host left behind
            try:
                writer.write(b'{"op": "halt", "rid": 1}\n')
                reply: dict[str, Any] = json.loads(await reader.readline())
                return Halted(host, float(reply["begun_s"]), tuple(reply["in_hand"]))
            finally:
                writer.close()
    except TimeoutError:
        return Halted(host, None, silence=f"no answer within {CONFIRM_S:g} s")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Halted(host, None, silence=f"no halt: {error!r}"[:200])


def leave_word(log: Path, command: Command) -> None:
    """Keep a stop where the next engine finds it, on disk when this returns. Raises `Refused` (E514)."""
    path = log.parent / FILE
    body = {"key": command.key, "by": command.by, "arguments": dict(command.arguments)}
    fresh = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        with fresh.open("w") as file:
            json.dump(body, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Refused(
            "E514", f"{path} cannot be written: {error}", cure="make room, and stop again"
        ) from error


def word_left(log: Path) -> Command | None:
    """The stop that waits beside a log, or None. One that cannot be read is a stop all the same."""
    path = log.parent / FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        text = str(error)
    try:
        said = json.loads(text)
        return Command(said["key"], "stop", said["by"], said["arguments"])
    except (ValueError, KeyError, TypeError, Refused):
        return Command(f"stop-file-{time.time_ns()}", "stop", "somebody", {"note": f"{FILE} cannot be read"})


def take_word(log: Path) -> None:
    """The stop is in the log: the file is not needed any more."""
    (log.parent / FILE).unlink(missing_ok=True)
