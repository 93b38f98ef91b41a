"""Tables to read, raw results to keep."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon


class Report:
    """Prints tables, keeps raw results."""

    def __init__(self, subject: str, folder: Path | None) -> None:
        self._file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / f"{subject}.jsonl").open("w", encoding="utf-8")

    def raw(self, **result: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps(result) + "\n")
            self._file.flush()

    @staticmethod
    def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for cells in rows:
            print("| " + " | ".join(str(cell) for cell in cells) + " |")
        sys.stdout.flush()


def quartiles(values: Sequence[float], digits: str = ".3g") -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], method="nearest")
    return f"{middle:{digits}} [{low:{digits}}, {high:{digits}}]"


def lower(a: Sequence[float], b: Sequence[float]) -> str:
    """One-sided p of Wilcoxon's signed-rank test that `a` is the lower of the pairs."""
    pairs = np.minimum(a, 1e9), np.minimum(b, 1e9)
    return f"{wilcoxon(*pairs, alternative='less').pvalue:.2g}" if (pairs[0] != pairs[1]).any() else "1"
