"""Tasks of people: what is open in a run, and the door by which answers come in.

Answers come from the command line, the web or a script; each is checked here before anything is recorded. Files that
belong to an answer lie in `tasks/files/ID/`.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.human.folder import Closed, Escalation, Task, TaskClosed, TaskError, TaskFolder, TaskNotFound
from drivers.human.form import Convert, checked
from drivers.protocol import Attribution, storable

__all__ = [
    "AnswerRejected",
    "Closed",
    "Escalation",
    "Task",
    "TaskClosed",
    "TaskError",
    "TaskFolder",
    "TaskNotFound",
    "answer",
    "fail",
    "open_tasks",
]

LONGEST_NAME = 100


class AnswerRejected(TaskError, ValueError):
    """An answer that the form does not allow, all faults at once. The task stays open."""

    def __init__(self, action: str, faults: list[str]) -> None:
        self.action, self.faults = action, tuple(faults)
        super().__init__(f"{action}: {'; '.join(faults)}. Nothing was recorded.")


def folders(directory: Path) -> list[TaskFolder]:
    """The task folders of a run folder, or of one host's directory."""
    hosts = [directory, *sorted((directory / "hosts").glob("*"))]
    return [TaskFolder(host) for host in hosts if (host / "tasks").is_dir()]


def open_tasks(run_folder: Path) -> list[Task]:
    """Every task of a run that waits for an answer, oldest first."""
    return sorted(
        (task for one in folders(run_folder) for task in one.open()), key=lambda task: task.asked_at
    )


def answer(
    directory: Path, action_id: str, fields: Mapping[str, Any], *, by: str, convert: Convert | None = None
) -> Closed:
    """Answer the task of an action of a run (or of one host): numbers in the form's units, or texts with a unit.

    `convert(value, unit, to)` converts other units; without it they are refused. Files are given by their paths and
    copied. Raises TaskNotFound, TaskClosed, AnswerRejected with every fault; nothing is recorded then.
    """
    folder, task = _open_one(directory, action_id)
    values, faults = checked(task.form, fields, convert)
    faults += _name_faults(by)
    if faults:
        raise AnswerRejected(action_id, faults)
    kept = folder.files(action_id) / secrets.token_hex(
        4
    )  # of this answer alone: another may be given meanwhile
    try:
        files = {
            name: _copied(values.pop(name), kept, name, folder.path)
            for name, field in task.form.items()
            if field.kind == "file" and name in values
        }
        closed = Closed(how="answered", by=by.strip(), at=time.time(), values=storable(values), files=files)
        folder.close(action_id, closed)
    except BaseException:
        shutil.rmtree(kept, ignore_errors=True)
        raise
    return closed


def fail(
    directory: Path, action_id: str, reason: str, *, by: str, attribution: Attribution = Attribution.LOGISTICS
) -> Closed:
    """Say that a task cannot be done, and why. Raises TaskNotFound, TaskClosed, AnswerRejected without a reason."""
    folder, _ = _open_one(directory, action_id)
    faults = _name_faults(by)
    if not reason.strip():
        faults.append("reason: it is missing")
    if faults:
        raise AnswerRejected(action_id, faults)
    told = str(storable(reason.strip()[:2000]))
    closed = Closed(how="failed", by=by.strip(), at=time.time(), attribution=attribution, reason=told)
    folder.close(action_id, closed)
    return closed


def _open_one(directory: Path, action_id: str) -> tuple[TaskFolder, Task]:
    for folder in folders(directory):
        if (task := folder.task(action_id)) is not None:
            if (ended := folder.closed(action_id)) is not None:
                raise TaskClosed(f"{action_id} was {ended.how} by {ended.by}")
            return folder, task
    waiting = ", ".join(task.action for task in open_tasks(directory)) or "none"
    raise TaskNotFound(f"there is no task {action_id!r} in {directory}; open are: {waiting}")


def _name_faults(by: str) -> list[str]:
    if not by.strip():
        return ["by: say who answers"]
    return [] if len(by) <= LONGEST_NAME and by.isprintable() else ["by: wanted a name in one line"]


def _copied(source: Path, folder: Path, field: str, below: Path) -> dict[str, Any]:
    """Copy a file and hash what was copied."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = source.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", source.suffix) else ""
    target = folder / f"{field}{suffix}"
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while block := reading.read(1 << 20):
            digest.update(block)
            size += writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    return {
        "name": str(storable(source.name)),
        "sha256": digest.hexdigest(),
        "bytes": size,
        "kept": str(target.relative_to(below)),
    }
