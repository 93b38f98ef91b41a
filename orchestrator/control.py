"""How another terminal reaches a running engine: a socket for this user alone; without an engine, the log itself.

Only the engine writes the log. A command therefore goes through it, or, where none is running, takes the log over for
the moment it needs.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from orchestrator.commands import Command, obey
from orchestrator.errors import Refused
from orchestrator.events import Numbering
from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader, SqliteLog
from orchestrator.places import sockets
from orchestrator.stopping import Halted, halt_hosts, leave_word, take_word

STARTING_S = 10.0  # how long an engine may hold the log before it listens
ANSWER_S = 30.0
STOP_ANSWER_S = 3.0  # an engine that does not answer a stop by then is said to hang; the hosts stand already


def control_socket(log: Path) -> Path:
    """The socket of the engine that runs on a log."""
    return sockets(log) / "control.sock"


async def serve(log: Path, post: Callable[[Command], Awaitable[None]]) -> asyncio.Server:
    """Listen for commands; each is answered when its consequences are on disk."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reply: dict[str, str] = {}
        try:
            try:
                await post(_command(await reader.readline()))
            except Refused as refused:
                reply = {"code": refused.code, "message": refused.message, "cure": refused.cure}
            except (ValueError, ConnectionError, RecursionError) as error:
                reply = {"code": "E505", "message": f"not a command: {error}", "cure": ""}
            writer.write(json.dumps(reply).encode() + b"\n")
        finally:
            writer.close()  # without an answer where the engine ended first: the sender sees that

    path = control_socket(log)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(connection, path)
    path.chmod(0o600)
    return server


def _command(line: bytes) -> Command:
    """What a line asks for. Raises ValueError or `Refused` for anything that a person's command is not.

    All of it ends up in the log, and an event that cannot be obeyed or written would end the engine.
    """
    request = json.loads(line)
    if not isinstance(request, dict) or set(request) != {"key", "kind", "by", "arguments"}:
        raise ValueError("wanted key, kind, by and arguments")
    if request["kind"] == "timer":
        raise ValueError("a timer is no person's command")
    # NaN and half a surrogate pair can be said in JSON, and not be stored.
    json.dumps(request, allow_nan=False, ensure_ascii=False).encode()
    return Command(**request)


def _line(command: Command) -> bytes:
    body = {"key": command.key, "kind": command.kind, "by": command.by, "arguments": dict(command.arguments)}
    return json.dumps(body).encode() + b"\n"


async def stop_laboratory(log: Path, command: Command) -> tuple[list[Halted], str]:
    """Stop a laboratory, whatever its engine does: (what each live host answered, why the log does not know it or '').

    First every host, each over its own socket and all at once; then a file beside the log, which outlives whatever
    breaks from here on; then the log, through the engine or without one. Raises `Refused` where that file cannot be
    written.
    """
    hosts = await halt_hosts(log)
    said = {
        "halted": ", ".join(h.host for h in hosts if h.begun_s is not None),
        "silent": ", ".join(h.host for h in hosts if h.begun_s is None),
    }
    command = Command(command.key, "stop", command.by, {**command.arguments, **said})
    leave_word(log, command)
    try:
        await asyncio.to_thread(send, log, command, answer_s=STOP_ANSWER_S, starting_s=STOP_ANSWER_S)
    except Refused as refused:
        return hosts, refused.message
    take_word(log)
    return hosts, ""


def send(
    log: Path, command: Command, *, answer_s: float | None = None, starting_s: float | None = None
) -> bool:
    """Have a command obeyed: by the running engine (True), or on the log itself (False). Raises `Refused`."""
    try:
        _command(_line(command))
    except ValueError as error:
        raise Refused("E505", f"not a command: {error}", cure="write plain text") from error
    deadline = time.monotonic() + (STARTING_S if starting_s is None else starting_s)
    answer_s = ANSWER_S if answer_s is None else answer_s
    while True:
        try:
            reply = asyncio.run(_through_engine(log, command, answer_s))
            break
        except (ConnectionError, FileNotFoundError):
            try:
                _on_log(log, command)
                return False
            except Refused as refused:
                # Somebody holds the log and does not listen: an engine that is just starting, or just ending.
                if refused.code != "E512" or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    if reply:
        raise Refused(reply["code"], reply["message"], cure=reply["cure"])
    return True


async def _through_engine(log: Path, command: Command, answer_s: float) -> dict[str, str]:
    reader, writer = await asyncio.open_unix_connection(control_socket(log))
    try:
        writer.write(_line(command))
        line = await asyncio.wait_for(reader.readline(), answer_s)
    except TimeoutError as error:
        raise Refused(
            "E504",
            f"the engine did not answer within {answer_s:g} s and may still obey",
            cure="look at `alquimia status` before asking again",
        ) from error
    finally:
        writer.close()
    if not line:
        raise Refused("E504", "the engine ended before it answered", cure="look at `alquimia status`")
    reply: dict[str, str] = json.loads(line)
    return reply


def _on_log(path: Path, command: Command) -> None:
    with LogReader(path) as reader:
        reality = reader.reality
    store = SqliteLog(path, reality=reality)
    try:
        state = fold(store.events())
        events = obey(state, command)
        numbering = Numbering(state.seq, store.take_over(), state.versions)
        store.append([numbering.place(event) for event in events])
    finally:
        store.close()
