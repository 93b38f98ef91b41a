"""The lab.yaml that a page of the documentation prints, bound to the address of a test's server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from drivers.lab import LabFile

DOCS = Path(__file__).parents[2] / "docs"


def printed(page: str, replaced: Mapping[str, str]) -> LabFile:
    """The first YAML block of `docs/PAGE` that is a laboratory; texts in it replaced, each of which must be there."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    text = next(block for block in blocks if "alquimia_lab" in block)
    for old, new in replaced.items():
        assert old in text, f"{page} does not print {old!r}"
        text = text.replace(old, new)
    return LabFile.model_validate(YAML(typ="safe", pure=True).load(text))
