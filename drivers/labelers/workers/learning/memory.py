"""Calculations that a potential learned from, kept in one file that several worker processes share."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Memory:
    """A JSON-lines file, only added to; each process reads on from where it was.

    A line is added whole or, by a process that is killed, in part: a part is skipped, and the next line begins anew.
    Nothing is fsynced: what a power cut takes is calculated again.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where its folder cannot be made."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._at = 0

    def news(self) -> Iterator[dict[str, Any]]:
        """Lines that were added since the last call, by this process and others, in their order."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # somebody is writing it
                self._at += len(line)
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict):
                    yield found

    def add(self, line: Mapping[str, Any]) -> None:
        """Raises OSError."""
        text = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    text = b"\n" + text
            file.write(text)
