"""From the entries of `history` to the experiments of their tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from campaigns.build_space import SpaceParts
from campaigns.collect import Collector
from campaigns.errors import Path, Problem, did_you_mean, shown
from campaigns.history import History
from campaigns.history_csv import read_history
from campaigns.surface.sought import HistoryEntry
from campaigns.table_csv import TableRefused, bound_file


def build_history(
    found: Collector, data: Mapping[str, Any], parts: SpaceParts, tables: Mapping[str, FilePath]
) -> dict[int, History]:
    """The histories that are sound, by their place in the list. Tables are read only where the space is sound."""
    made: dict[int, History] = {}
    for index, raw in enumerate(found.sequence(data.get("history", []), ("history",)) or []):
        path: Path = ("history", index)
        entry = found.entry(HistoryEntry, raw, path)
        history = None if entry is None else _history(found, entry, path, parts, tables)
        if history is not None:
            made[index] = history
    return made


def _history(
    found: Collector,
    entry: HistoryEntry,
    path: Path,
    parts: SpaceParts,
    tables: Mapping[str, FilePath],
) -> History | None:
    before = len(found.faults)
    free = [] if parts.space is None else [parameter.name for parameter in parts.space.free]
    for name in entry.columns:
        if name not in (parts.names if parts.space is None else free):
            wanted, cure = "a parameter of the space that may vary", did_you_mean(name, free or parts.names)
            found.add(
                Problem("E262", ("columns", name), wanted=wanted, got=shown(name), cure=cure, key=True), path
            )
    file = bound_file(found, entry.table, tables, path)
    if file is None or parts.space is None or len(found.faults) > before:
        return None
    try:
        rows, values = read_history(file, entry.columns, entry.gives, parts.space)
    except TableRefused as refused:
        found.add_elsewhere(refused.faults)
        return None
    return found.make(
        History,
        path,
        name=entry.table,
        columns=tuple(free),
        rows=rows,
        results=tuple(entry.gives),
        values=values,
        related=entry.related,
    )
