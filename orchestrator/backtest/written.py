"""The raw results as CSV: one line per variant, seed and experiment; the same bytes whenever the same is played."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.backtest.measures import Course
from orchestrator.backtest.play import Played
from orchestrator.export.files import replacing


def write_runs(path: Path, courses: Sequence[Course], played: Sequence[Sequence[Played]]) -> None:
    """`played` holds, for each course, its runs in the order of the seeds. Raises OSError."""
    pool = courses[0].pool
    names = [parameter.name for parameter in pool.space.free]
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(
        ["variant", "seed", "n", *names, "measured", "truth", "top", "best_so_far", "share_of_top_found"]
    )
    for course, runs in zip(courses, played, strict=True):
        for seed, run in enumerate(runs):
            for i, (candidate, value) in enumerate(zip(run.candidates, run.values, strict=True)):
                place = course.places[seed, i]
                truth = pool.values[place] if place >= 0 else np.nan
                out.writerow(
                    [
                        course.label, seed, i + 1, *(candidate[name] for name in names), _cell(value), _cell(truth),
                        int(place >= 0 and pool.top[place]), _cell(course.best[seed, i]),
                        _cell(course.found[seed, i]),
                    ]
                )  # fmt: skip
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _cell(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else repr(float(value))
