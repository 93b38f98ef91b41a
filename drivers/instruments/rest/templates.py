"""Requests from arguments, and values out of replies: `{name}` in texts, JSON pointers (RFC 6901)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from drivers.protocol import ActionFailed, Attribution

NAME = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
Json = Any  # what json.loads gives


def names_in(template: Json) -> set[str]:
    """Every name that a template asks for."""
    if isinstance(template, str):
        return set(NAME.findall(template))
    if isinstance(template, Mapping):
        return {name for key, value in template.items() for name in names_in(key) | names_in(value)}
    if isinstance(template, list | tuple):
        return {name for item in template for name in names_in(item)}
    return set()


def filled(template: Json, values: Mapping[str, Any]) -> Json:
    """A JSON body: a text that is one `{name}` becomes the value itself, elsewhere the value is written into it."""
    if isinstance(template, str):
        alone = NAME.fullmatch(template)
        if alone is not None:
            return values[alone[1]]
        return NAME.sub(lambda match: str(values[match[1]]), template)
    if isinstance(template, Mapping):
        return {filled(key, values): filled(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [filled(item, values) for item in template]
    return template


def path(template: str, values: Mapping[str, Any]) -> str:
    """A path with its values percent-encoded, so that none adds a segment or a query. Raises ActionFailed for dots."""

    def encoded(match: re.Match[str]) -> str:
        text = str(values[match[1]])
        if text in (".", ".."):
            raise ActionFailed(
                Attribution.INSTRUMENT, f"{match[1]} = {text!r} cannot be part of the path {template}"
            )
        return quote(text, safe="")

    return NAME.sub(encoded, template)


def at(document: Json, pointer: str) -> Json:
    """What a JSON pointer shows ("" is all of it). Raises LookupError saying where the way ends."""
    here = document
    if pointer == "":
        return here
    walked = ""
    for token in pointer.removeprefix("/").split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        walked += f"/{token}"
        if isinstance(here, Mapping) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isascii() and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        else:
            raise LookupError(f"there is nothing at {walked}")
    return here
