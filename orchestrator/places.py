"""Where a store keeps things, and where its sockets are: beside the log, but for sockets, whose paths must be short."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from orchestrator.errors import Refused

SCHEME = "sqlite:///"


def log_path(store: str) -> Path:
    """The log file of a store URL (`sqlite:///runs/demo/log.db`). Raises `Refused` for any other kind."""
    if not store.startswith(SCHEME) or len(store) == len(SCHEME):
        raise Refused(
            "E501",
            f"{store!r} is no store that this version opens",
            cure="write sqlite:///PATH, as in sqlite:///runs/a/log.db",
        )
    return Path(store.removeprefix(SCHEME)).expanduser().absolute()


def store_url(path: Path) -> str:
    """The URL of a log file."""
    return f"{SCHEME}{path}"


def sockets(log: Path) -> Path:
    """A directory for the sockets of a store, for this user alone. The path is short: a socket's may have 107 bytes."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    directory = (
        base / f"alquimia-{os.getuid()}" / hashlib.sha256(str(log.resolve()).encode()).hexdigest()[:16]
    )
    for folder in (directory.parent, directory):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
        except OSError as error:
            raise Refused(
                "E514",
                f"{folder} cannot be made: {error}",
                cure="set XDG_RUNTIME_DIR to a folder of your own",
            ) from error
        # In /tmp anybody may have been there first: a link to elsewhere is not a folder of ours.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Refused(
                "E514",
                f"{folder} is open to others",
                cure="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
            )
    return directory


def runs() -> list[Path]:
    """The logs below ./runs, the one last written to last."""
    return sorted(Path("runs").glob("*/log.db"), key=lambda path: path.stat().st_mtime)
