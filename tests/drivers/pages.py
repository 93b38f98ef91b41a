"""The lab.yaml that a page of the documentation prints, bound to the address of a test's server."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from drivers.lab import LabFile
from orchestrator.labfile import read_lab

DOCS = Path(__file__).parents[2] / "docs"


def printed(page: str, replaced: Mapping[str, str]) -> LabFile:
    """The first YAML block of `docs/PAGE` that is a laboratory, read as `alquimia validate` reads it.

    Texts in it are replaced (addresses), each of which must be there.
    """
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    text = next(block for block in blocks if "alquimia_lab" in block)
    for old, new in replaced.items():
        assert old in text, f"{page} does not print {old!r}"
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.yaml"
        path.write_text(text, encoding="utf-8")
        return read_lab("", path)[0]
