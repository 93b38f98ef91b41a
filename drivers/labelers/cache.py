"""Labels on disk under the address of what was asked: the same question is never calculated twice."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.labelers.job import Ended, Method


def structure_key(structure: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of lattice, sites and species, numbers rounded to 6 decimals (-0.0 is 0.0)."""
    rows = [*structure["lattice"], *structure["frac"]]
    rounded = [[round(float(x), 6) + 0.0 for x in row] for row in rows]
    text = json.dumps([rounded, list(structure["species"])], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def label_key(
    structure: Mapping[str, Any], verb: str, arguments: Mapping[str, Any], method: Method, labeler: str
) -> str:
    """SHA-256 of all that a label depends on: crystal, moments, verb, its arguments, code, settings, versions."""
    moments = structure.get("magmoms")
    asked = {
        "structure": structure_key(structure),
        "magmoms": None if moments is None else [round(float(one), 6) for one in moments],
        "verb": verb,
        "arguments": dict(arguments),
        "code": method.code,
        "version": method.version,
        "settings": dict(method.settings),
        "labeler": labeler,
    }
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class CorruptEntry(Exception):
    """A cache entry that does not hold what was written: it is to be calculated anew, and said so."""


class LabelCache:
    """A folder of ended jobs, one file a key, shared by any number of processes.

    A file appears whole or not at all (temporary name, rename); one that a failing disk or a hand has changed is
    found out by its checksum. Nothing is fsynced: what a power cut takes is calculated again.
    """

    def __init__(self, directory: Path) -> None:
        """Raises OSError where the folder can be neither made nor written to."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(f"{directory} cannot be written to")

    def path(self, key: str) -> Path:
        """Where the entry of `key` is or would be."""
        return self.directory / key[:2] / f"{key}.json"

    def get(self, key: str) -> Ended | None:
        """The ended job of `key`, None where there is none. Raises CorruptEntry."""
        try:
            checksum, _, text = self.path(key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if checksum != hashlib.sha256(text).hexdigest().encode():
            raise CorruptEntry(f"the cached label {key[:12]} does not have its checksum")
        return Ended.from_json(json.loads(text))

    def put(self, key: str, ended: Ended) -> None:
        """Keep `ended` under `key`, in place of what was there. Raises OSError."""
        path = self.path(key)
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(ended.to_json(), allow_nan=False, separators=(",", ":")).encode()
        temporary = path.with_name(f".{key}.{uuid.uuid4().hex}")
        try:
            temporary.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
