"""A pool of structures in one file that is called after its content, so that a run, its log and its models mean the
same structures for ever. Plain Python: the engine may read it.

JSON lines sorted by id; keys sorted, no spaces, shortest exact numbers; its SHA-256 is its name.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, overload

from campaigns.errors import shown
from campaigns.structure import Structure, StructureError
from surrogates.materials.errors import ModelFileError, SourceError

DIGEST = re.compile("[0-9a-f]{64}")


class Row(Protocol):
    """What a pool is made of: `sources.PoolRow` is one."""

    @property
    def id(self) -> str: ...
    @property
    def structure(self) -> Structure: ...
    @property
    def values(self) -> Mapping[str, float]: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class PoolFile:
    """Where a pool is, the SHA-256 of its bytes in hex, and how many structures it holds."""

    path: Path
    digest: str
    n: int


class Structures(Sequence[Structure]):
    """The structures of a pool, each made when it is asked for the first time."""

    def __init__(self, records: Sequence[Mapping[str, Any]], path: Path) -> None:
        self._records, self._path = records, path
        self._made: dict[int, Structure] = {}

    @overload
    def __getitem__(self, at: int) -> Structure: ...
    @overload
    def __getitem__(self, at: slice) -> list[Structure]: ...
    def __getitem__(self, at: int | slice) -> Structure | list[Structure]:
        """Raises SourceError for a record that is no structure: then the file was not made by `write_pool`."""
        if isinstance(at, slice):
            return [self[k] for k in range(*at.indices(len(self)))]
        k = range(len(self))[at]
        if k not in self._made:
            try:
                self._made[k] = Structure.from_json(self._records[k])
            except StructureError as fault:
                raise SourceError(f"{self._path}:{k + 1}: {fault}") from fault
        return self._made[k]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Structure]:
        return (self[k] for k in range(len(self)))


@dataclass(frozen=True)
class Pool:
    """Rows in the order of their ids; `values` (reading -> number) and `sources` run parallel to `ids`."""

    ids: tuple[str, ...]
    structures: Structures
    values: tuple[Mapping[str, float], ...]
    sources: tuple[str, ...]
    digest: str

    @cached_property
    def place(self) -> Mapping[str, int]:
        """id -> its row."""
        return {name: k for k, name in enumerate(self.ids)}

    def structure(self, name: str) -> Structure:
        """Of this id. Raises KeyError."""
        return self.structures[self.place[name]]

    def known(self, reading: str) -> dict[str, float]:
        """id -> value, for the rows that have it."""
        return {name: row[reading] for name, row in zip(self.ids, self.values, strict=True) if reading in row}

    def __len__(self) -> int:
        return len(self.ids)


def write_pool(rows: Iterable[Row], directory: Path) -> PoolFile:
    """Writes the rows to `directory`/<digest>.jsonl, whole or not at all; the same rows in any order give the same
    file. Raises SourceError: no rows, an id twice, a value that is not finite."""
    lines: dict[str, str] = {}
    for row in rows:
        if row.id in lines:
            raise SourceError(f"{row.id}: wanted an id for each structure, got this one twice")
        lines[row.id] = _line(row)
    if not lines:
        raise SourceError("wanted at least one structure, got none")
    data = "".join(f"{lines[name]}\n" for name in sorted(lines)).encode()
    digest = hashlib.sha256(data).hexdigest()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{digest}.jsonl"
    if not _is_there(path, digest):
        _write(path, data)
    return PoolFile(path, digest, len(lines))


def _line(row: Row) -> str:
    values = {name: float(value) + 0.0 for name, value in row.values.items()}
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise SourceError(f"{row.id}: {bad[0]}: wanted a finite number, got {values[bad[0]]}")
    record: dict[str, Any] = {"id": row.id, **row.structure.to_json()}
    for key in ("lattice", "frac"):  # -0.0 and 0.0 are one place
        record[key] = [[x + 0.0 for x in vector] for vector in record[key]]
    if values:
        record["values"] = values
    if row.source:
        record["source"] = row.source
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _is_there(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    """Whole on disk before it has its name: a crash leaves a file of another name or none."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".pool-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_pool(path: Path, digest: str | None = None) -> Pool:
    """The pool in a file that `write_pool` made. Raises ModelFileError where its bytes are not those of `digest` (where
    None, of its name if that is one), SourceError where it is not there or is no pool."""
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise SourceError(f"{path}: wanted a pool file: {fault.strerror or fault}") from fault
    found = hashlib.sha256(data).hexdigest()
    wanted = digest or (path.stem if DIGEST.fullmatch(path.stem) else found)
    if found != wanted:
        raise ModelFileError(
            f"{path}: wanted the content {shown(wanted)}, got {found}: the file was changed or damaged. "
            "Cure: bind the source again."
        )
    try:
        records = [json.loads(line) for line in data.splitlines()]
        ids = tuple(record["id"] for record in records)
        values = tuple(record.get("values", {}) for record in records)
        sources = tuple(record.get("source", "") for record in records)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise SourceError(f"{path}: no pool file: {fault}") from fault
    return Pool(ids, Structures(records, path), values, sources, found)
