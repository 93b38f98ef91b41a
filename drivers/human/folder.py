"""The files of tasks: `tasks/ID.json` is a task, `tasks/closed/ID.json` says how it ended.

The second is made once, whoever comes first: an answer and a withdrawal can never both count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.errors import DriverError
from drivers.human.form import FieldEntry
from drivers.protocol import Argument, Attribution


class TaskError(DriverError):
    """A task that cannot be answered."""


class TaskNotFound(TaskError, LookupError):
    """There is no such task."""


class TaskClosed(TaskError):
    """The task has ended: it was answered already, or withdrawn."""


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Escalation(Value):
    """Who is told when nobody has answered by `due_at`, and when that was (`at`). Times are s since 1970."""

    to: str
    due_at: float
    at: float | None = None
    trouble: str = ""


class Task(Value):
    """What a person is asked to do. Times are s since 1970."""

    action: str
    device: str
    verb: str
    instruction: str
    sample: str | None = None
    arguments: Mapping[str, Argument] = Field(default_factory=dict)
    form: Mapping[str, FieldEntry] = Field(default_factory=dict)
    asked_at: float
    deadline_at: float
    escalation: Escalation | None = None


class Closed(Value):
    """How a task ended. `files` are by field: name, SHA-256, bytes, and where it is kept, below the task's folder."""

    how: Literal["answered", "failed", "withdrawn"]
    by: str
    at: float
    values: Mapping[str, Any] = Field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    attribution: Attribution | None = None
    reason: str = ""


class TaskFolder:
    """The tasks of one host: `HOST/tasks`."""

    def __init__(self, host: Path) -> None:
        self.path = host / "tasks"

    def ask(self, task: Task) -> Task:
        """Write a task down, unless it is: then the one that is there, with its own deadline."""
        there = self.task(task.action)
        if there is None:
            self.rewrite(task)
        return there or task

    def rewrite(self, task: Task) -> None:
        """Replace a task's file, atomically."""
        fresh = self._fresh(task.model_dump_json(indent=1))
        fresh.replace(self.file(task.action))
        _sync(self.path)

    def task(self, action: str) -> Task | None:
        """The task of an action, ended or not."""
        return _read(Task, self.file(action))

    def closed(self, action: str) -> Closed | None:
        """How the task of an action ended, None while it is open."""
        return _read(Closed, self._closed_file(action))

    def close(self, action: str, closed: Closed) -> None:
        """End a task. Raises TaskClosed where it has ended already."""
        fresh = self._fresh(closed.model_dump_json(indent=1))
        self._closed_file(action).parent.mkdir(exist_ok=True)
        try:
            os.link(fresh, self._closed_file(action))
        except FileExistsError:
            ended = self.closed(action)
            how = "has ended" if ended is None else f"was {ended.how} by {ended.by}"
            raise TaskClosed(f"{action} {how} before this") from None
        finally:
            fresh.unlink()
        _sync(self._closed_file(action).parent)

    def open(self) -> list[Task]:
        """The tasks that wait for an answer, oldest first. Files that are no tasks are left out."""
        found = []
        for file in self.path.glob("*.json") if self.path.is_dir() else ():
            if (self.path / "closed" / file.name).exists():
                continue
            with contextlib.suppress(TaskError):
                if (task := _read(Task, file)) is not None:
                    found.append(task)
        return sorted(found, key=lambda task: task.asked_at)

    def files(self, action: str) -> Path:
        """Where the files of an answer are kept."""
        return self.path / "files" / _safe(action)

    def file(self, action: str) -> Path:
        """The file of a task."""
        return self.path / f"{_safe(action)}.json"

    def _closed_file(self, action: str) -> Path:
        return self.path / "closed" / f"{_safe(action)}.json"

    def _fresh(self, text: str) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        fresh = self.path / f".{secrets.token_hex(8)}.new"
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return fresh


def _read(kind: type[Any], path: Path) -> Any:
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, ValidationError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error


def _safe(action: str) -> str:
    """An action's id as the name of a file."""
    name = quote(action, safe="")
    return (
        name
        if name.strip(".") and len(name) <= 120
        else hashlib.sha256(action.encode(errors="replace")).hexdigest()
    )


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
