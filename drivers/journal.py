"""The host's own memory of what it did: an append-only file, one checked line per fact, on disk before the act.

`begun` is written before a device is touched and `ended` after it came to rest. The engine asks this file,
never the device's good faith, what became of an action whose reply it did not hear.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from drivers.protocol import Outcome

State = Literal["never begun", "begun, no end", "ended"]


class JournalHeld(Exception):
    """Another live host holds this journal: two hands on one device are refused."""


class JournalLost(Exception):
    """A write or an fsync failed. The disk's word is final: nothing may act any more."""


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _records(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of `data` and the length of that good prefix: a kill may have torn the last line."""
    records, good = [], 0
    for line in data.splitlines(keepends=True):
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            break
        records.append(json.loads(text))
        good += len(line)
    return records, good


class Journal:
    """Begun and ended actions and the fence of one host. One process at a time, held by an exclusive lock."""

    def __init__(self, path: Path) -> None:
        """Open or create the journal at `path`; raises `JournalHeld` where another process has it open."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalHeld(f"{path} is held by another host") from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, b"%d\n" % os.getpid())
        self.epoch = 0
        self._begun: set[str] = set()
        self._ended: dict[str, Outcome] = {}
        data = path.read_bytes() if path.exists() else b""
        records, good = _records(data)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if good < len(data):
            os.ftruncate(self._file, good)
        for record in records:
            self._remember(record)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None

    def _remember(self, record: Mapping[str, Any]) -> None:
        match record["fact"]:
            case "fence":
                self.epoch = max(self.epoch, record["epoch"])
            case "begun":
                self._begun.add(record["id"])
            case "ended":
                self._ended[record["id"]] = Outcome.model_validate(record["outcome"])

    def state(self, action_id: str) -> State:
        """What this journal knows of an action."""
        if action_id in self._ended:
            return "ended"
        return "begun, no end" if action_id in self._begun else "never begun"

    def outcome(self, action_id: str) -> Outcome | None:
        """The recorded end of an action, or None while it has none."""
        return self._ended.get(action_id)

    async def fence(self, epoch: int, keep: Iterable[str]) -> None:
        """Refuse from now on every act of an older epoch; forget actions the engine no longer asks about.

        The file is rewritten in whole (temporary name, fsync, rename), so a campaign of weeks keeps it small.
        """
        if self._flusher is not None:
            await self._flusher
        wanted = set(keep)
        self._begun &= wanted
        self._ended = {i: outcome for i, outcome in self._ended.items() if i in wanted}
        self.epoch = epoch
        lines = [_line({"fact": "fence", "epoch": epoch})]
        lines += [_line({"fact": "begun", "id": i}) for i in sorted(self._begun)]
        lines += [
            _line({"fact": "ended", "id": i, "outcome": o.model_dump(mode="json")})
            for i, o in self._ended.items()
        ]
        await asyncio.to_thread(self._rewrite, b"".join(lines))

    def _rewrite(self, data: bytes) -> None:
        temporary = self.path.with_suffix(".new")
        try:
            fresh = os.open(
                temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            _write_all(fresh, data)
            os.fsync(fresh)
            temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            raise JournalLost(f"{self.path}: {error}") from error
        os.close(self._file)
        self._file = fresh

    async def begun(self, action_id: str, *, durable: bool) -> None:
        """Record, before the device is touched, that `action_id` begins. On disk on return where `durable`."""
        self._begun.add(action_id)
        await self._append({"fact": "begun", "id": action_id}, durable)

    async def ended(self, action_id: str, outcome: Outcome, *, durable: bool) -> None:
        """Record how `action_id` ended. On disk on return where `durable`.

        A repeatable act need not be durable: lost, it is simply done again.
        """
        await self._append(
            {"fact": "ended", "id": action_id, "outcome": outcome.model_dump(mode="json")}, durable
        )
        self._ended[action_id] = outcome

    async def _append(self, record: Mapping[str, Any], durable: bool) -> None:
        line = _line(record)
        if not durable:
            _write_all(self._file, line)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        """Write and fsync whatever is waiting, all of it together: many devices share one fsync."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await asyncio.to_thread(self._sync, b"".join(line for line, _ in batch))
                except OSError as error:
                    for _, done in batch:
                        if not done.done():
                            done.set_exception(JournalLost(f"{self.path}: {error}"))
                    return
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
        finally:
            self._flusher = None

    def _sync(self, data: bytes) -> None:
        _write_all(self._file, data)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of the file and of its lock."""
        os.close(self._file)
        os.close(self._lock)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
