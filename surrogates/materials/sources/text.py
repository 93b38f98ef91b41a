"""Text files of limited size, zipped or not. Whether a file is zipped is read off its first bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, Literal

from surrogates.materials.errors import SourceError

MOST_BYTES = 2**30  # unzipped
MAGIC = b"\x1f\x8b"


def text_of(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> str:
    """The whole file, decoded as UTF-8. Raises SourceError: not there, not readable, damaged, too long, not UTF-8."""
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == MAGIC
            plain.seek(0)
            data = _limited(gzip.GzipFile(fileobj=plain) if zipped else plain, path)
    except FileNotFoundError as fault:
        raise SourceError(f"{path}: wanted a file or folder, got nothing of this name") from fault
    except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
        raise SourceError(
            f"{path}: a damaged gzip file: {fault}. Cure: copy or download it again."
        ) from fault
    except OSError as fault:
        raise SourceError(f"{path}: cannot be read: {fault.strerror or fault}") from fault
    try:
        return data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise SourceError(
            f"{path}:{line}: wanted UTF-8 text, got the byte 0x{data[fault.start]:02x}"
        ) from fault


def _limited(file: IO[bytes] | gzip.GzipFile, path: Path) -> bytes:
    data: bytes = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SourceError(f"{path}: wanted at most {MOST_BYTES >> 20} MiB of text. Cure: split the file.")
    return data


def stem(path: Path) -> str:
    """The file's name without what says its format."""
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name
