"""The scalars of YAML 1.2 (core schema): `on`, `yes` and `1:30` are text, `1e3` is a number."""

from __future__ import annotations

import re

Scalar = None | bool | int | float | str

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LARGEST = 2**63 - 1
_LONGEST = 400  # digits; Python's own conversion is quadratic


class NotANumber(ValueError):
    """A scalar written as a number that no number of the language can be: infinite, NaN, or too large."""


def resolve(text: str) -> Scalar:
    """What a plain (unquoted) scalar means. Raises NotANumber."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in "+-.0123456789":
        return text
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            number = int(text, base) if len(text) <= _LONGEST else _LARGEST + 1
            if abs(number) > _LARGEST:
                raise NotANumber("a whole number within ±9223372036854775807")
            return number
    if _NOT_FINITE.fullmatch(text):
        raise NotANumber("a finite number")
    if _FLOAT.fullmatch(text):
        real = float(text) if len(text) <= _LONGEST else float("inf")
        if real - real != 0:
            raise NotANumber("a number within ±1.79e308")
        return real
    return text
