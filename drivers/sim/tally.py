"""The tally: an append-only file of what physically happened, one JSON line a fact. It outlives its process.

Each fact is one `write` to a file opened for appending, so that a killed process leaves a whole line or none.
Power loss is not survived: nothing is fsynced, because a simulated world loses nothing real.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drivers.errors import WorldCorrupt, WorldInUse


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that physically happened. `args` is what was asked, `effect` what came about."""

    n: int  # 1, 2, 3, ... without gaps
    action: str
    device: str
    verb: str
    sample: str | None
    at_s: float
    args: Mapping[str, Any]
    effect: Mapping[str, Any]


_FIELDS = tuple(field.name for field in fields(Fact))


def read_facts(path: Path) -> tuple[Fact, ...]:
    """The facts of a tally, also of one in use; a torn last line is not there. Raises WorldCorrupt."""
    if not path.exists():
        return ()
    facts, _ = _parse(path.read_bytes(), path)
    return facts


class Tally:
    """The tally as its single writer has it. Raises WorldInUse where another process is the writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self.facts: list[Fact] = list(self._take_over())
        except BaseException:
            os.close(self._file)
            raise

    def _take_over(self) -> Iterator[Fact]:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorldInUse(
                f"{self.path} is being written by another process; devices of one world must share one host"
            ) from None
        data = self.path.read_bytes()
        facts, whole = _parse(data, self.path)
        if whole < len(data):
            os.ftruncate(self._file, whole)
        if whole and data[whole - 1 : whole] != b"\n":
            self._write(b"\n")
        return iter(facts)

    def append(
        self,
        *,
        action: str,
        device: str,
        verb: str,
        sample: str | None,
        at_s: float,
        args: Mapping[str, Any],
        effect: Mapping[str, Any],
    ) -> Fact:
        """Write one fact down and return it. On an error (a full disk) the file is as it was before."""
        fact = Fact(len(self.facts) + 1, action, device, verb, sample, at_s, args, effect)
        line = {name: getattr(fact, name) for name in _FIELDS}
        self._write(json.dumps(line, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        self.facts.append(fact)
        return fact

    def close(self) -> None:
        """Let the world go. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file).st_size
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, before)
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written; is the disk full?")


def _parse(data: bytes, path: Path) -> tuple[tuple[Fact, ...], int]:
    """The facts in `data` and how many of its bytes they take; what follows them is one torn line."""
    facts: list[Fact] = []
    whole = 0
    for line in io.BytesIO(data):
        fact = _fact(line)
        last = whole + len(line) == len(data)
        if fact is None and last and not line.endswith(b"\n"):
            break
        if fact is None or fact.n != len(facts) + 1:
            n = len(facts) + 1
            raise WorldCorrupt(f"{path}:{n}: this line is not fact {n}; nothing was changed")
        facts.append(fact)
        whole += len(line)
    return tuple(facts), whole


def _fact(line: bytes) -> Fact | None:
    try:
        fields_of_it = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields_of_it, dict) or set(fields_of_it) != set(_FIELDS):
        return None
    return Fact(**fields_of_it)
