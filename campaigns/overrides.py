"""Overrides from the command line: `budget.experiments=10`, applied to the document before it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from campaigns.errors import CampaignError, Fault, Path, did_you_mean, dotted, shown, shown_list
from campaigns.yaml_reader import Document, read

_DEEPEST = 20


def apply(document: Document, overrides: Sequence[str]) -> Document:
    """The document with each `path=value` set; later ones win. Mappings on the way that are missing are made.

    The value is read by the rules of the file. Raises CampaignError naming each override that cannot be
    applied; whatever is wrong with the value itself is found with the rest of the document.
    """
    if not overrides:
        return document
    changed = replace(document, overridden=dict(document.overridden))
    changed.data = _copy(document.data)
    faults: list[Fault] = []
    for text in overrides:
        path_text, equals, value_text = text.partition("=")
        if not equals or not path_text.strip():
            wanted, cure = "PATH=VALUE", "as in budget.experiments=10"
            faults.append(Fault("E290", wanted=wanted, got=shown(text), cure=cure, file=f"--set {text}"))
            continue
        try:
            value = read(value_text, file=f"--set {text}").data
        except CampaignError as error:
            faults += [replace(fault, line=None, column=None) for fault in error.faults]
            continue
        parts = [part for part in path_text.strip().replace("[", ".").replace("]", "").split(".") if part]
        found = _set(changed.data, parts, value)
        if isinstance(found, tuple):
            for path in [p for p in changed.overridden if p[: len(found)] == found]:
                del changed.overridden[path]
            changed.overridden[found] = text
        else:
            faults.append(replace(found, file=f"--set {text}"))
    if faults:
        raise CampaignError(faults)
    return changed


def _copy(value: Any) -> Any:
    """A deep copy; the reader has bounded the depth."""
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _set(data: Any, parts: list[str], value: Any) -> Path | Fault:
    """Sets the value; returns the path from which on the document is the override's, or a fault without a file."""
    if not parts or len(parts) > _DEEPEST:
        return Fault("E291", wanted=f"a path of 1 to {_DEEPEST} names", got=str(len(parts)))
    path: Path = ()
    made: Path = ()
    while True:
        key, rest = _step(data, parts, in_limits=path == ("limits",))
        if isinstance(key, Fault):
            return replace(key, path=dotted(path))
        path = (*path, key)
        if not rest:
            data[key] = value
            return made or path
        if isinstance(data, dict) and key not in data:
            data[key] = {}
            made = made or path
        data, parts = data[key], rest


def _step(data: Any, parts: list[str], *, in_limits: bool) -> tuple[str | int | Fault, list[str]]:
    """The key that the first parts name in `data`, and the parts after it."""
    if isinstance(data, list):
        if parts[0].isascii() and parts[0].isdigit() and int(parts[0][:9]) < len(data):
            return int(parts[0]), parts[1:]
        wanted = f"an index below {len(data)}" if data else "an entry; the list is empty"
        return Fault("E291", wanted=wanted, got=shown(parts[0]), cure="indices count from 0"), []
    if isinstance(data, dict):
        # Keys of `limits` have dots of their own, so the longest key that is there wins.
        for length in range(len(parts), 0, -1):
            if ".".join(parts[:length]) in data:
                return ".".join(parts[:length]), parts[length:]
        if in_limits:
            length = len(parts) - (parts[-1] in ("at_least", "at_most") and len(parts) > 1)
            return ".".join(parts[:length]), parts[length:]
        return parts[0], parts[1:]
    cure = did_you_mean(parts[0], []) or f"the path ends before '{shown_list(parts)}'"
    return Fault("E291", wanted="a mapping or a list to set something in", got=shown(data), cure=cure), []
