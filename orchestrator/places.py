"""Where a store keeps things, and where its sockets are: beside the log, but for sockets, whose paths must be short."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from orchestrator.errors import Refused

SCHEME = "sqlite:///"
# One place whatever the environment says: an engine started by a service and a command typed in a terminal must meet.
SOCKETS = Path("/tmp")


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
    directory = (
        SOCKETS / f"alquimia-{os.getuid()}" / hashlib.sha256(str(log.resolve()).encode()).hexdigest()[:16]
    )
    for folder in (directory.parent, directory):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
        except OSError as error:
            raise Refused(
                "E514",
                f"{folder} cannot be made: {error}",
                cure=f"make {SOCKETS} writable",
            ) from error
        # In /tmp anybody may have been there first: a link to elsewhere is not a folder of ours.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Refused(
                "E514",
                f"{folder} is open to others",
                cure="remove it, if it is not somebody else's doing",
            )
    return directory


def runs() -> list[Path]:
    """The logs below ./runs, the one last written to last."""
    return sorted(Path("runs").glob("*/log.db"), key=lambda path: path.stat().st_mtime)
