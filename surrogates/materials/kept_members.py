"""Fitted members kept in a folder: a fit that was broken off goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surrogates.materials import model_file
from surrogates.materials.errors import ModelFileError
from surrogates.materials.members import Fitted, Task, fit_members


def fit_kept(tasks: Sequence[Task], workers: int, folder: Path) -> list[Fitted]:
    """As `fit_members`; each member is written when it is fitted, and read where it was. The folder is of these very
    tasks alone: whoever names it names it after their content. Raises OSError."""
    found = {k: kept for k in range(len(tasks)) if (kept := _read(_path(folder, k))) is not None}
    folder.mkdir(parents=True, exist_ok=True)
    left = [k for k in range(len(tasks)) if k not in found]
    at_once = max(1, workers)
    for first in range(0, len(left), at_once):
        some = left[first : first + at_once]
        for k, fitted in zip(some, fit_members([tasks[k] for k in some], workers), strict=True):
            _write(_path(folder, k), fitted)
            found[k] = fitted
    return [found[k] for k in range(len(tasks))]


def _path(folder: Path, k: int) -> Path:
    return folder / f"{k}.member"


def _write(path: Path, fitted: Fitted) -> None:
    arrays = {"said/mean": fitted.mean, "said/variance": fitted.variance}
    for part, state in (("state", fitted.state), ("before", fitted.before or {})):
        arrays |= {f"{part}/{name}": value for name, value in state.items()}
    model_file.write(path, {"seconds": fitted.seconds, "finished": fitted.before is not None}, arrays)


def _read(path: Path) -> Fitted | None:
    """None where there is none, or only a damaged one: it is fitted again."""
    try:
        document, arrays = model_file.read(path)
        parts = {
            part: {n.removeprefix(part): v for n, v in arrays.items() if n.startswith(part)}
            for part in ("state/", "before/")
        }
        before = parts["before/"] if document["finished"] else None
        return Fitted(
            parts["state/"], before, arrays["said/mean"], arrays["said/variance"], document["seconds"]
        )
    except (FileNotFoundError, ModelFileError, KeyError):
        return None
