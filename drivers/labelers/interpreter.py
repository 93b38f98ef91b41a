"""Programs that labelers use and do not import: where they are, which version they have, what to do without them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from drivers.errors import SettingsError

ASKING_S = 60.0


def program(named: str, cure: str) -> Path:
    """The program at a path, or of a name on the PATH. Raises SettingsError naming the cure."""
    found = shutil.which(Path(named).expanduser())
    if found is None:
        raise SettingsError(f"there is no program {named!r}: {cure}")
    return Path(found).absolute()  # not resolved: the interpreter of a virtual environment is a link


def answer(command: tuple[str, ...], cure: str, *, ended_well: bool = True) -> str:
    """What a program prints, asked once per process for each version of its file.

    Raises SettingsError where it cannot be run, hangs, or (`ended_well`) ends with an error.
    """
    return _answer(command, cure, ended_well, Path(command[0]).stat().st_mtime_ns)


@cache
def _answer(command: tuple[str, ...], cure: str, ended_well: bool, changed_ns: int) -> str:
    try:
        with tempfile.TemporaryDirectory() as folder:  # some programs leave files where they are asked
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=ASKING_S,
            )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{command[0]} cannot be asked for its version: {error}; {cure}") from error
    if ended_well and done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SettingsError(f"{command[0]} does not have what is needed: {last[:200]}; {cure}")
    return done.stdout + done.stderr
