"""Captures: JSON lines, a heading and then one line for every message, opening and closing, in order of time.

    {"alquimia_capture": 1, "dialect": "modbus", "to": "127.0.0.1:5020"}
    {"connection": 1, "s": 0.01, "what": "to device", "bytes": "AAEAAAAGAQMAAAAU", "note": ""}

`s`: seconds since the start of the recording; `what`: opened, to device, to driver, closed; `bytes`: base64; `note`:
for people, such as who closed.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from drivers.instruments.wire.dialects import DIALECTS

What = Literal["opened", "to device", "to driver", "closed"]
FORMAT = 1
BY_DEVICE = "by the device"


class CaptureError(ValueError):
    """A file that is no capture, with its place and what is wrong."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `line`: where it stands in the file, counted from 1."""

    connection: int
    s: float
    what: What
    data: bytes = b""
    note: str = ""
    line: int = 0


@dataclass(frozen=True)
class Capture:
    """All that was recorded; `connections` in the order in which they were opened."""

    dialect: str
    entries: tuple[Entry, ...]

    def connections(self) -> list[list[Entry]]:
        """The entries of each connection."""
        apart: dict[int, list[Entry]] = {}
        for entry in self.entries:
            apart.setdefault(entry.connection, []).append(entry)
        return list(apart.values())


class CaptureWriter:
    """Writes a capture as it comes; what was written is there even if the recorder is killed."""

    def __init__(self, path: Path, dialect: str, to: str) -> None:
        self._file: IO[str] = path.open("x", encoding="utf-8")
        path.chmod(0o600)  # what goes over a wire is nobody else's business
        self._put({"alquimia_capture": FORMAT, "dialect": dialect, "to": to})

    def add(self, entry: Entry) -> None:
        line: dict[str, Any] = {"connection": entry.connection, "s": round(entry.s, 6), "what": entry.what}
        if entry.data:
            line["bytes"] = base64.b64encode(entry.data).decode()
        if entry.note:
            line["note"] = entry.note
        self._put(line)

    def close(self) -> None:
        self._file.close()

    def _put(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_capture(path: Path) -> Capture:
    """The capture in a file. Raises CaptureError naming the line; OSError where it cannot be read."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heading = _line(path, 1, lines[0]) if lines else {}
    if heading.get("alquimia_capture") != FORMAT:
        raise CaptureError(f"{path}:1: wanted the heading of a capture of format {FORMAT}")
    dialect = str(heading.get("dialect"))
    if dialect not in DIALECTS:
        raise CaptureError(f"{path}:1: wanted a dialect, one of {', '.join(DIALECTS)}, got {dialect!r}")
    entries = []
    for number, text in enumerate(lines[1:], start=2):
        line = _line(path, number, text)
        what, connection = _what(line), line.get("connection")
        if what is None or not isinstance(connection, int):
            raise CaptureError(
                f"{path}:{number}: wanted an entry with connection and what, got {text[:100]!r}"
            )
        try:
            data = base64.b64decode(line.get("bytes", ""), validate=True)
            seconds = float(line.get("s", 0.0))
        except (TypeError, ValueError, binascii.Error) as error:
            raise CaptureError(f"{path}:{number}: {error}") from error
        entries.append(Entry(connection, seconds, what, data, str(line.get("note", "")), number))
    return Capture(dialect, tuple(entries))


def _what(line: dict[str, Any]) -> What | None:
    known: tuple[What, ...] = get_args(What)
    return next((what for what in known if what == line.get("what")), None)


def _line(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise CaptureError(f"{path}:{number}: no JSON: {error}") from error
    if not isinstance(line, dict):
        raise CaptureError(f"{path}:{number}: wanted a JSON object, got {text[:100]!r}")
    return line
