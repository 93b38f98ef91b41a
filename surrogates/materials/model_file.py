"""One file for a fitted ensemble: a line with its kind, version and checksum, then arrays and a JSON document in
numpy's .npz, never a pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.encode import Array
from surrogates.materials.errors import ModelFileError

FORMAT, VERSION = b"alquimia materials ensemble", 1
DOCUMENT = "document"
CURE = "fit the ensemble again, or take another copy of the file"


@cache
def code_fingerprint() -> str:
    """SHA-256 (hex) of the sources that decide what weights mean: graphs, elements, networks and training."""
    here = Path(__file__).resolve().parent
    whole = ("elements", "graph", "batches", "training", "transfer")
    files = [*(here / f"{name}.py" for name in whole), *(here / "networks").glob("*.py")]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda f: f.relative_to(here).as_posix()):
        digest.update(file.relative_to(here).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def data_fingerprint(keys: list[str], values: Array, targets: tuple[str, ...]) -> str:
    """SHA-256 (hex) of n structures' keys in their order, their values (n, t), missing ones included, and the targets'
    names."""
    digest = hashlib.sha256(json.dumps([keys, targets], separators=(",", ":")).encode())
    numbers = np.asarray(values, dtype="<f8")
    numbers = np.where(np.isnan(numbers), np.nan, numbers)  # one NaN of the many there are
    digest.update(np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()


def write(path: Path, document: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Whole or not at all: written beside `path`, then moved there. The same content gives the same bytes. Raises
    OSError, and ValueError for a document that JSON cannot hold."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    archive = io.BytesIO()
    document_bytes = {DOCUMENT: np.frombuffer(text, dtype=np.uint8)}
    np.savez(archive, allow_pickle=False, **document_bytes, **arrays)
    content = archive.getvalue()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(b"%s %d %s\n" % (FORMAT, VERSION, _checksum(content)) + content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The document and arrays that `write` was given. Raises FileNotFoundError, and ModelFileError for a file that is
    of another kind or version, or damaged: the checksum is compared before anything is read. Nothing is executed."""
    head, _, content = path.read_bytes().partition(b"\n")
    if not head.startswith(FORMAT + b" "):
        raise ModelFileError(f"{path}: wanted a file of a materials ensemble, got something else; {CURE}")
    version, _, checksum = head.removeprefix(FORMAT + b" ").partition(b" ")
    if version != b"%d" % VERSION:
        got = version.decode("ascii", "replace")[:20]
        raise ModelFileError(
            f"{path}: wanted version {VERSION} of the format, got {got}; load it with the release that wrote "
            "it, or fit the ensemble again"
        )
    if checksum != _checksum(content):
        raise ModelFileError(f"{path} is damaged: it does not have the checksum it was written with; {CURE}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return json.loads(arrays.pop(DOCUMENT).tobytes()), arrays
    except (KeyError, ValueError, zipfile.BadZipFile) as fault:  # a checksum says nothing of who wrote it
        raise ModelFileError(f"{path}: wanted arrays and a document, got {fault}; {CURE}") from fault


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
