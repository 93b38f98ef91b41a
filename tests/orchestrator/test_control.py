"""Commands from another terminal: through the running engine, or on the log alone; for one user, and never harmful."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import control, places
from orchestrator.commands import Command, obey
from orchestrator.control import control_socket, send, serve
from orchestrator.errors import Refused
from orchestrator.events import Event, Numbering
from orchestrator.lab import fold
from orchestrator.log import sqlite
from orchestrator.log.sqlite import LogReader, SqliteLog
from orchestrator.places import sockets


@pytest.fixture(autouse=True)
def own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "run").mkdir(mode=0o700)
    short = Path(
        tempfile.mkdtemp(prefix="alq-", dir="/tmp")
    )  # a socket's path may have 107 bytes, pytest's are longer
    monkeypatch.setattr(places, "SOCKETS", short)
    monkeypatch.setattr(sqlite, "LEAVING_S", 0.0)
    monkeypatch.setattr(control, "STARTING_S", 0.0)
    yield
    shutil.rmtree(short)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with an open campaign."""
    path = tmp_path / "log.db"
    store = SqliteLog(path, reality="simulated")
    numbering = Numbering(0, store.take_over(), {})
    store.append([numbering.place(Event("campaign", "campaign.opened", {"reason": ""}))])
    store.close()
    return path


class Engine:
    """What an engine is to a command: it obeys on its own log, or refuses."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteLog(path, reality="simulated")
        self.state = fold(self.store.events())
        self.numbering = Numbering(self.state.seq, self.store.take_over(), self.state.versions)
        self.posted: list[Command] = []

    async def post(self, command: Command) -> None:
        self.posted.append(command)
        records = [self.numbering.place(event) for event in obey(self.state, command)]
        for record in records:
            self.state.apply(record)
        self.store.append(records)


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[Engine]:
    engine = Engine(path)
    server = await serve(path, engine.post)
    try:
        yield engine
    finally:
        server.close()
        control_socket(path).unlink(missing_ok=True)
        engine.store.close()


def command(key: str = "k", kind: Any = "pause", **arguments: str) -> Command:
    return Command(key, kind, "ana", arguments)


def kinds(path: Path) -> list[str]:
    with LogReader(path) as reader:
        return [event.kind for event in reader.events()]


async def sent(path: Path, *commands: Command) -> list[bool]:
    return [await asyncio.to_thread(send, path, one) for one in commands]


# -- through the engine ---------------------------------------------------------------------------------------
async def test_a_command_goes_through_the_running_engine(log: Path) -> None:
    async with running(log) as engine:
        assert await sent(log, command("1"), command("2", "continue")) == [True, True]
        assert [one.key for one in engine.posted] == ["1", "2"]
        assert kinds(log)[1:] == [
            "command.received", "campaign.paused", "command.received", "campaign.continued",
        ]  # fmt: skip
        assert engine.posted[0] == command("1")


async def test_the_answer_comes_when_the_consequences_are_on_disk(log: Path) -> None:
    async with running(log) as engine:
        go = asyncio.Event()
        append = engine.post

        async def slow(command: Command) -> None:
            await go.wait()
            await append(command)

        engine.post = slow  # type: ignore[method-assign]
        server = await serve(log, slow)
        sending = asyncio.create_task(asyncio.to_thread(send, log, command()))
        await asyncio.wait([sending], timeout=0.1)
        assert not sending.done()
        assert kinds(log) == ["campaign.opened"]
        go.set()
        assert await sending
        assert kinds(log)[-1] == "campaign.paused"
        server.close()


async def test_the_same_key_twice_is_one_command(log: Path) -> None:
    async with running(log):
        assert await sent(log, command(), command(), command("other")) == [True] * 3
    assert kinds(log).count("campaign.paused") == 1
    assert kinds(log).count("command.received") == 2
    assert await sent(log, command()) == [False]  # nor with the engine gone
    assert kinds(log).count("command.received") == 2


async def test_what_the_engine_refuses_is_told(log: Path) -> None:
    async with running(log):
        with pytest.raises(Refused, match="the open doubts are: none") as refused:
            await sent(log, command("1", "settle", action="a", verdict="done", note="seen"))
        assert refused.value.code == "E505"
        with pytest.raises(Refused, match="cannot be continued"):
            await sent(log, command("2", "abort"), command("3", "continue"))
    assert kinds(log)[1:] == ["command.received", "campaign.ending"]


async def test_an_engine_that_ends_first_gives_no_answer(log: Path) -> None:
    async with running(log):

        async def die(command: Command) -> None:
            raise asyncio.CancelledError

        server = await serve(log, die)
        with pytest.raises(Refused) as refused:
            await sent(log, command())
        assert refused.value.code == "E504"
        server.close()


async def test_a_mute_engine_is_not_waited_for_for_ever(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_S", 0.05)
    async with running(log):
        stuck = asyncio.Event()

        async def never(command: Command) -> None:
            await stuck.wait()

        server = await serve(log, never)
        with pytest.raises(Refused, match="may still obey") as refused:
            await sent(log, command())
        assert refused.value.code == "E504"
        stuck.set()
        server.close()


# -- on the log alone -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("stale_socket", [False, True])
async def test_without_an_engine_it_is_obeyed_on_the_log(log: Path, stale_socket: bool) -> None:
    if stale_socket:  # a killed engine leaves its socket behind
        async with running(log):
            os.link(control_socket(log), control_socket(log).with_name("kept"))
        control_socket(log).with_name("kept").rename(control_socket(log))
    assert await sent(log, command()) == [False]
    assert kinds(log)[1:] == ["command.received", "campaign.paused"]
    with LogReader(log) as reader:
        assert reader.head()[1] > 1  # under an epoch of its own
    with pytest.raises(Refused):
        await sent(log, command("2", "settle", action="a", verdict="done", note=""))
    SqliteLog(log, reality="simulated").close()  # and lets go of it


async def test_an_engine_that_does_not_listen_keeps_its_log(log: Path) -> None:
    store = SqliteLog(log, reality="simulated")
    with pytest.raises(Refused) as refused:
        await sent(log, command())
    assert refused.value.code == "E512"
    store.close()
    assert kinds(log) == ["campaign.opened"]


async def test_an_engine_that_is_just_starting_is_waited_for(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "STARTING_S", 30.0)
    engine = Engine(log)
    tried: list[Path] = []
    on_log = control._on_log

    def noted(path: Path, command: Command) -> None:
        tried.append(path)
        on_log(path, command)

    monkeypatch.setattr(control, "_on_log", noted)
    sending = asyncio.create_task(asyncio.to_thread(send, log, command()))
    while not tried:
        await asyncio.sleep(0.002)
    server = await serve(log, engine.post)
    assert await sending
    server.close()
    engine.store.close()
    assert kinds(log)[-1] == "campaign.paused"


async def test_there_is_nothing_to_command(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        await sent(tmp_path / "none.db", command())
    assert refused.value.code == "E510"


# -- what is no command ---------------------------------------------------------------------------------------
GOOD = {"key": "k", "kind": "pause", "by": "ana", "arguments": {}}
SETTLE = {"action": "a", "verdict": "done", "note": "n"}
BAD: list[Any] = [
    None, [], 3, "pause", {}, {**GOOD, "kind": "explode"}, {**GOOD, "kind": ["pause"]}, {**GOOD, "kind": None},
    {**GOOD, "kind": "timer"}, {**GOOD, "key": ["k"]}, {**GOOD, "key": None}, {**GOOD, "key": ""}, {**GOOD, "by": 3},
    {**GOOD, "arguments": []}, {**GOOD, "arguments": None}, {**GOOD, "arguments": {"x": float("nan")}},
    {**GOOD, "more": 1},
    {**GOOD, "kind": "settle"}, {**GOOD, "kind": "settle", "arguments": {"action": "a", "verdict": "done"}},
    {**GOOD, "kind": "settle", "arguments": {**SETTLE, "note": float("nan")}},
    {**GOOD, "kind": "settle", "arguments": {**SETTLE, "action": ["a"]}},
    {**GOOD, "kind": "stop"}, {**GOOD, "kind": "stop", "arguments": {"note": 3}}, {**GOOD, "kind": "release"},
    {**GOOD, "kind": "device", "arguments": {"device": ["d"], "to": "out", "note": ""}},
    {**GOOD, "arguments": {"experiment": 3}}, {**GOOD, "arguments": {"now": True}},
    {**GOOD, "arguments": {"x": "\ud800"}}, {**GOOD, "by": "\udcff"}, {**GOOD, "key": "\udcff"},
]  # fmt: skip


async def answers(log: Path, *lines: bytes) -> list[dict[str, str]]:
    got = []
    for line in lines:
        reader, writer = await asyncio.open_unix_connection(control_socket(log))
        writer.write(line)
        if not line.endswith(b"\n"):
            writer.write_eof()
        got.append(json.loads(await asyncio.wait_for(reader.read(), 30)))
        writer.close()
    return got


async def test_garbage_reaches_no_engine(log: Path) -> None:
    dice = random.Random(3)
    lines = [json.dumps(bad).encode() + b"\n" for bad in BAD]
    lines += [b"\n", b"{\n", b"half", b"", b"\xff\xfe\n", b"[" * 60_000 + b"\n", b"x" * 200_000 + b"\n"]
    lines += [dice.randbytes(dice.randrange(1, 300)).replace(b"\n", b"") + b"\n" for _ in range(100)]
    async with running(log) as engine:
        for line, answer in zip(lines, await answers(log, *lines), strict=True):
            assert answer["code"] == "E505", line[:100]
        assert engine.posted == []
        assert await sent(log, command()) == [True]
    assert kinds(log)[-1] == "campaign.paused"


async def test_control_what_is_kept_out_would_break_the_engine(log: Path) -> None:
    """Each of these, posted as it came, ends an engine: by an exception that is no refusal."""
    broken = 0
    for n, bad in enumerate(BAD):
        if isinstance(bad, dict) and set(bad) == set(GOOD):
            if bad["key"] == "k":
                bad = {**bad, "key": f"k{n}"}
            engine = Engine(log)
            with contextlib.suppress(Refused):
                try:
                    await engine.post(Command(**bad))
                except (ValueError, sqlite3.Error):
                    broken += 1
            engine.store.close()
    assert broken == 4


async def test_a_caller_that_goes_away_harms_nobody(log: Path) -> None:
    async with running(log) as engine:
        for line in (b"", json.dumps(GOOD).encode() + b"\n", b'{"half'):
            _, writer = await asyncio.open_unix_connection(control_socket(log))
            writer.write(line)
            writer.transport.abort()
        assert await sent(log, command("2", "abort")) == [True]
        assert engine.posted[-1].kind == "abort"


async def test_words_that_cannot_be_stored_are_refused_without_an_engine_too(log: Path) -> None:
    with pytest.raises(Refused) as refused:
        await sent(log, Command("k", "pause", "\udcff", {}))
    assert refused.value.code == "E505"
    assert kinds(log) == ["campaign.opened"]


# -- for one user ---------------------------------------------------------------------------------------------
async def test_socket_and_folders_are_for_this_user_alone(log: Path) -> None:
    before = os.umask(0)
    try:
        async with running(log):
            socket = control_socket(log)
            assert socket.stat().st_mode & 0o777 == 0o600
            for folder in (socket.parent, socket.parent.parent):
                assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert len(bytes(socket)) < 200


@pytest.mark.parametrize("trap", ["open folder", "link", "file", "nothing there"])
def test_a_folder_that_is_not_ours_alone_is_refused(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    folder = places.SOCKETS / f"alquimia-{os.getuid()}"
    match trap:
        case "open folder":
            folder.mkdir()
            folder.chmod(0o755)
        case "link":
            (tmp_path / "mine").mkdir(mode=0o700)
            folder.symlink_to(tmp_path / "mine")
        case "file":
            folder.touch(mode=0o600)
        case "nothing there":
            monkeypatch.setattr(places, "SOCKETS", tmp_path / "missing")
    with pytest.raises(Refused) as refused:
        sockets(log)
    assert refused.value.code == "E514"
    if trap == "link":
        assert not any((tmp_path / "mine").iterdir())


def test_the_path_of_a_socket_is_short_however_long_that_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SOCKETS", Path("/tmp"))
    deep = tmp_path.joinpath(*["x" * 50] * 6) / "log.db"
    monkeypatch.setattr(places.Path, "mkdir", lambda self, **kwargs: None)
    monkeypatch.setattr(places.Path, "lstat", lambda self: os.lstat(tmp_path / "run"))
    assert len(bytes(control_socket(deep))) <= 107
