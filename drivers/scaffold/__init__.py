"""A package for a driver of one's own: what `alquimia drivers new` writes."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

TEMPLATE = Path(__file__).parent / "package"
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ScaffoldError(Exception):
    """What is wrong with the name or the place; nothing was written."""


def write_package(name: str, into: Path) -> list[Path]:
    """Write the package `name` as the new folder `into`/NAME; the files. Raises ScaffoldError, with nothing written,
    for a name that no package can have and for a folder that exists."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > 50:
        raise ScaffoldError(
            f"{name!r} cannot be the name of a package: wanted small letters, digits and single underscores"
        )
    root = into / name
    if root.exists():
        raise ScaffoldError(f"{root} exists already")
    words = {"NAME": name, "CLASS": "".join(part.capitalize() for part in name.split("_"))}
    made = []
    for template in sorted(TEMPLATE.rglob("*.txt")):
        relative = str(template.relative_to(TEMPLATE)).removesuffix(".txt")
        path = root / relative.replace("NAME", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = template.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return made
