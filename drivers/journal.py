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
from dataclasses import dataclass
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


def _records(data: bytes) -> tuple[list[dict[str, Any]], int, bool]:
    """The readable lines of `data`, the length of its whole lines, and whether one of these is damaged.

    What follows the last newline is a write that a kill has torn: nobody was told that it is on disk. A bad line that
    has its newline is another matter: it was written once, and what it said is not known any more.
    """
    whole = data.rfind(b"\n") + 1
    records, damaged = [], False
    for line in data[:whole].split(b"\n")[:-1]:
        checksum, _, text = line.partition(b" ")
        if checksum == b"%08x" % zlib.crc32(text):
            records.append(json.loads(text))
        else:
            damaged = True
    return records, whole, damaged


@dataclass(frozen=True)
class _Entry:
    """A line on its way to the disk, and what is remembered once it is there."""

    line: bytes
    done: asyncio.Future[None]
    ended: tuple[str, Outcome] | None


class Journal:
    """Begun and ended actions and the fence of one host. One process at a time, held by an exclusive lock."""

    def __init__(self, path: Path) -> None:
        """Open or create the journal at `path`; raises `JournalHeld` where another process has it open."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = -1
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalHeld(f"{path} is held by another host") from error
        self.epoch = 0
        self._begun: set[str] = set()
        self._ended: dict[str, Outcome] = {}
        self._waiting: list[_Entry] = []
        self._flusher: asyncio.Task[None] | None = None
        self._disk = asyncio.Lock()  # one writer to the file: a flush, or the fence that replaces the file
        self._rewriting = False
        self._lost: OSError | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        os.ftruncate(self._lock, 0)
        os.write(self._lock, b"%d\n" % os.getpid())
        data = self.path.read_bytes() if self.path.exists() else b""
        records, whole, self._damaged = _records(data)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if whole < len(data):
            os.ftruncate(self._file, whole)
        for record in records:
            self._remember(record)

    def _remember(self, record: Mapping[str, Any]) -> None:
        match record["fact"]:
            case "fence":
                self.epoch = max(self.epoch, record["epoch"])
            case "begun":
                self._begun.add(record["id"])
            case "ended":
                self._ended[record["id"]] = Outcome.model_validate(record["outcome"])

    def state(self, action_id: str) -> State:
        """What this journal knows of an action. Where a line is damaged, nothing is said to have never begun."""
        if action_id in self._ended:
            return "ended"
        return "begun, no end" if action_id in self._begun or self._damaged else "never begun"

    def outcome(self, action_id: str) -> Outcome | None:
        """The recorded end of an action, or None while it has none."""
        return self._ended.get(action_id)

    async def fence(self, epoch: int, keep: Iterable[str]) -> None:
        """Refuse from now on every act of an older epoch; forget actions the engine no longer asks about.

        The epoch counts at once, before anything is awaited, and never goes back: where a newer fence came in between,
        this one changes nothing. `keep` is read when the file is written. The file is rewritten in whole (temporary
        name, fsync, rename), so a campaign of weeks keeps it small. Raises `JournalLost`.
        """
        self.epoch = max(self.epoch, epoch)
        async with self._disk:
            self._refuse_when_lost()
            if epoch < self.epoch:
                return
            wanted = set(keep)
            if self._damaged:
                self._begun |= wanted - self._ended.keys()  # the damaged line may have been any of theirs
                self._damaged = False
            self._begun &= wanted
            self._ended = {i: outcome for i, outcome in self._ended.items() if i in wanted}
            lines = [_line({"fact": "fence", "epoch": epoch})]
            lines += [_line({"fact": "begun", "id": i}) for i in sorted(self._begun)]
            lines += [_line(_end(i, outcome)) for i, outcome in self._ended.items()]
            self._rewriting = True
            try:
                fresh = await asyncio.to_thread(self._rewrite, b"".join(lines))
            except OSError as error:
                raise self._lose(error) from error
            except (
                asyncio.CancelledError
            ):  # the thread goes on: which file is the journal is not known any more
                self._lose(OSError("broken off while the file was being replaced"))
                raise
            finally:
                self._rewriting = False
            os.close(self._file)
            self._file = fresh

    def _rewrite(self, data: bytes) -> int:
        """Put a new file in the journal's place, and return it open."""
        temporary = self.path.with_suffix(".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        fresh = os.open(temporary, flags, 0o600)
        try:
            _write_all(fresh, data)
            os.fsync(fresh)
            temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            os.close(fresh)
            raise
        return fresh

    async def begun(self, action_id: str, *, durable: bool) -> None:
        """Record, before the device is touched, that `action_id` begins. On disk on return where `durable`."""
        self._begun.add(action_id)
        await self._append(_line({"fact": "begun", "id": action_id}), durable, None)

    async def ended(self, action_id: str, outcome: Outcome, *, durable: bool) -> None:
        """Record how `action_id` ended. On disk on return where `durable`.

        A repeatable act need not be durable: lost, it is simply done again.
        """
        await self._append(_line(_end(action_id, outcome)), durable, (action_id, outcome))

    async def _append(self, line: bytes, durable: bool, ended: tuple[str, Outcome] | None) -> None:
        self._refuse_when_lost()
        if not durable and not self._rewriting:
            try:
                _write_all(self._file, line)
            except OSError as error:
                raise self._lose(error) from error
            if ended is not None:
                self._ended[ended[0]] = ended[1]
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(line, done, ended))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        """Write and fsync whatever is waiting, all of it together: many devices share one fsync."""
        try:
            while self._waiting:
                async with self._disk:
                    batch, self._waiting = self._waiting, []
                    if not batch:
                        return  # lost, and said so to all of them, while this waited for its turn
                    try:
                        await asyncio.to_thread(self._sync, b"".join(entry.line for entry in batch))
                    except OSError as error:
                        self._waiting = batch + self._waiting
                        self._lose(error)
                        return
                    for entry in batch:
                        # Here, and not where it is awaited: no fence may come in between and forget it.
                        if entry.ended is not None:
                            self._ended[entry.ended[0]] = entry.ended[1]
                        if not entry.done.done():
                            entry.done.set_result(None)
        finally:
            self._flusher = None

    def _sync(self, data: bytes) -> None:
        _write_all(self._file, data)
        os.fdatasync(self._file)

    def _lose(self, error: OSError) -> JournalLost:
        """For ever: after a failed fsync a second one may succeed and have written nothing."""
        self._lost = self._lost or error
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            if not entry.done.done():
                entry.done.set_exception(JournalLost(f"{self.path}: {error}"))
        return JournalLost(f"{self.path}: {error}")

    def _refuse_when_lost(self) -> None:
        if self._lost is not None:
            raise JournalLost(f"{self.path}: {self._lost}")

    def close(self) -> None:
        """Let go of the file and of its lock. Idempotent."""
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1


def _end(action_id: str, outcome: Outcome) -> dict[str, Any]:
    return {"fact": "ended", "id": action_id, "outcome": outcome.model_dump(mode="json")}


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
