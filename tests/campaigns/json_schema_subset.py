"""As much of JSON Schema as the published schema uses; any other keyword is an error, so nothing passes unseen."""

from __future__ import annotations

import re
from typing import Any

_NOTES = {"$schema", "$id", "$defs", "title", "description", "default"}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
}


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether the value meets the schema (draft 2020-12)."""
    return all(_holds(key, rule, value, schema, root) for key, rule in schema.items() if key not in _NOTES)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _holds(key: str, rule: Any, value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    match key:
        case "$ref":
            return valid(value, root["$defs"][rule.removeprefix("#/$defs/")], root)
        case "type":
            return any(_is(value, name) for name in ([rule] if isinstance(rule, str) else rule))
        case "const":
            return value == rule and type(value) is type(rule)
        case "enum":
            return value in rule
        case "oneOf":
            return sum(valid(value, option, root) for option in rule) == 1
        case "anyOf":
            return any(valid(value, option, root) for option in rule)
    if isinstance(value, dict):
        return _mapping_holds(key, rule, value, schema, root)
    if isinstance(value, list):
        return _list_holds(key, rule, value, root)
    if isinstance(value, str):
        return _text_holds(key, rule, value)
    return _number_holds(key, rule, value)


def _mapping_holds(
    key: str, rule: Any, value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]
) -> bool:
    match key:
        case "properties":
            return all(valid(value[name], inner, root) for name, inner in rule.items() if name in value)
        case "required":
            return all(name in value for name in rule)
        case "patternProperties":
            return all(
                valid(v, inner, root)
                for p, inner in rule.items()
                for n, v in value.items()
                if re.search(p, n)
            )
        case "additionalProperties":
            patterns = schema.get("patternProperties", {})
            rest = [
                v
                for n, v in value.items()
                if n not in schema.get("properties", {}) and not any(re.search(p, n) for p in patterns)
            ]
            return all(rule is not False and valid(v, rule, root) for v in rest)
        case "propertyNames":
            return all(valid(name, rule, root) for name in value)
        case "minProperties":
            return len(value) >= rule
        case "maxProperties":
            return len(value) <= rule
    return _of_other_type(key)


def _list_holds(key: str, rule: Any, value: list[Any], root: dict[str, Any]) -> bool:
    match key:
        case "items":
            return all(valid(inner, rule, root) for inner in value)
        case "minItems":
            return len(value) >= rule
        case "maxItems":
            return len(value) <= rule
    return _of_other_type(key)


def _text_holds(key: str, rule: Any, value: str) -> bool:
    match key:
        case "pattern":
            return re.search(rule, value) is not None
        case "maxLength":
            return len(value) <= rule
    return _of_other_type(key)


def _number_holds(key: str, rule: Any, value: Any) -> bool:
    if key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") and isinstance(
        value, int | float
    ):
        return {
            "minimum": value >= rule,
            "maximum": value <= rule,
            "exclusiveMinimum": value > rule,
            "exclusiveMaximum": value < rule,
        }[key]
    return _of_other_type(key)


def _of_other_type(key: str) -> bool:
    """A keyword about another type says nothing of this value; one that nobody knows must not pass."""
    known = (
        "properties required patternProperties additionalProperties propertyNames minProperties maxProperties items"
        " minItems maxItems pattern maxLength minimum maximum exclusiveMinimum exclusiveMaximum"
    )
    if key not in known.split():
        raise NotImplementedError(f"JSON Schema keyword {key}")
    return True
