"""The comparison as a table, a few sentences, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.backtest.comparison import Difference, Verdict
from orchestrator.backtest.measures import Course, half
from orchestrator.backtest.pool import Pool
from orchestrator.binding import BoundCampaign
from orchestrator.report.wording import number, unit_text

MARKS = (10, 20, 40)  # experiments after which the table looks
LEGEND = (
    "Top 5 %: rows whose true value is among the best 5 %; first: number of the experiment that found one, median "
    "[quartiles]. Found at n: their share, mean over seeds; mean found: averaged over all n. EF n: found at n over "
    "what random draws are expected to find. AF half: random draws expected until half of them are found, over those "
    "needed."
)
FEW = 5  # of the best rows: of fewer, one lucky row is a large share


@dataclass(frozen=True)
class Summary:
    """What the table says of one variant. `first` is (lower quartile, median, upper quartile); all over the seeds."""

    label: str
    first: tuple[float, float, float]
    shares: dict[int, float]
    enhancement: dict[int, float]
    acceleration: float | None
    best: float | None
    area: float
    seconds: float


def marks(budget: int) -> tuple[int, ...]:
    """After how many experiments shares are told: those of `MARKS` within the budget, and its end."""
    return tuple(sorted({*(mark for mark in MARKS if mark < budget), budget}))


def summarise(course: Course) -> Summary:
    """One variant in numbers."""
    q25, q50, q75 = (float(q) for q in np.quantile(course.first, [0.25, 0.5, 0.75]))
    at = marks(course.budget)
    late = [n for n in at if n in MARKS[1:]] or [course.budget]
    end = course.best[:, -1]
    return Summary(
        label=course.label,
        first=(q25, q50, q75),
        shares={n: float(course.found[:, n - 1].mean()) for n in at},
        enhancement={n: float(course.enhancement[n - 1]) for n in late},
        acceleration=course.acceleration(half(course.pool)),
        best=float(np.nanmedian(end)) if np.isfinite(end).any() else None,
        area=float(course.area.mean()),
        seconds=float(np.median(course.seconds)),
    )


def head(pool: Pool, summary: Summary) -> list[str]:
    """The titles of the columns."""
    unit = f" ({unit_text(pool.objective.unit)})" if pool.objective.unit else ""
    return [
        "variant",
        "first of the top 5 %",
        *(f"found at {n}" for n in summary.shares),
        "mean found",
        *(f"EF {n}" for n in summary.enhancement),
        "AF half",
        f"best{unit}",
        "s/ask",
    ]


def cells(summary: Summary, budget: int) -> list[str]:
    """One row of the table as text."""
    q25, q50, q75 = (_within(q, budget) for q in summary.first)
    return [
        summary.label,
        f"{q50} [{q25}, {q75}]",
        *(f"{100 * share:.0f} %" for share in summary.shares.values()),
        f"{100 * summary.area:.1f} %",
        *(f"{factor:.1f}" for factor in summary.enhancement.values()),
        "–" if summary.acceleration is None else f"{summary.acceleration:.1f}",
        number(summary.best),
        f"{summary.seconds:.2g}" if summary.seconds >= 0.01 else "<0.01",
    ]


def _within(count: float, budget: int) -> str:
    return f">{budget}" if count > budget else f"{count:g}"


def table(pool: Pool, summaries: Sequence[Summary], budget: int) -> str:
    """The table for a terminal, columns aligned, as wide as it needs to be."""
    lines = [head(pool, summaries[0]), *(cells(summary, budget) for summary in summaries)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def sentences(verdict: Verdict, n_seeds: int, budget: int) -> list[str]:
    """Which variant is best, and from which others luck with the seeds cannot tell it."""
    said = [
        f"Best: {verdict.best}. Averaged over its {budget} experiments it had found {100 * verdict.area:.1f} % of the "
        f"top 5 %, mean of {n_seeds} {'seed' if n_seeds == 1 else 'seeds'}."
    ]
    for beyond, word in ((False, "Within noise"), (True, "Beyond noise")):
        named = [_difference(d) for d in verdict.differences if d.beyond_luck is beyond]
        if named:
            said.append(f"{word}: {', '.join(named)}.")
    if any(d.p is None for d in verdict.differences):
        said.append("Fewer than 6 seeds cannot tell luck from merit: take --seeds 20.")
    else:
        said.append(
            "Points are percentage points of that average ahead of the other; p is Wilcoxon's signed-rank test over "
            "seeds in pairs, adjusted after Holm. Noise is the luck of the seeds on this one table: another table may "
            "rank the variants otherwise."
        )
    return said


def _difference(difference: Difference) -> str:
    p = "" if difference.p is None else f", p = {difference.p:.2g}"
    return f"{difference.label} ({100 * difference.more:+.1f} points{p})"


def cautions(pool: Pool, bound: BoundCampaign) -> list[str]:
    """What the table of measured data cannot say."""
    n, said = len(pool), []
    devices = bound.laboratory.file.devices
    drawn = any(devices[step.devices[0]].settings.get("replicates") == "draw" for step in bound.steps)
    n_top = int(pool.top.sum())
    if n_top < FEW:
        said.append(
            f"The table is small: the top 5 % of its {n} rows are {n_top}, and one row more or less is luck."
        )
    if (missing := int((~np.isfinite(pool.values)).sum())) > 0:
        said.append(f"{missing} of {n} allowed rows have no measurement behind them and count as failed.")
    if pool.noise is None:
        said.append(
            "Every row was measured once: its value, noise included, is taken for the truth, which favours whoever "
            "trusts single measurements."
        )
    elif not drawn:
        said.append(
            f"A look-up gives the mean of a row's replicates; one measurement has a standard deviation of "
            f"{number(pool.noise, 2)} {unit_text(pool.objective.unit)}".rstrip()
            + ". With 'replicates: draw' in the lab file a look-up is one measurement, as in a laboratory."
        )
    if any(phase.timeout_s is not None for phase in bound.campaign.plan):
        said.append("A table answers at once: the plan has a timeout, and it never came.")
    return said


def to_json(bound: BoundCampaign, courses: Sequence[Course], verdict: Verdict) -> dict[str, Any]:
    """The table and what is said of it in JSON types only."""
    pool, summaries = courses[0].pool, [summarise(course) for course in courses]
    n_seeds, budget = courses[0].places.shape
    return {
        "format": 1,
        "objective": pool.objective.name,
        "direction": pool.objective.direction,
        "unit": pool.objective.unit,
        "rows": len(pool),
        "top_rows": int(pool.top.sum()),
        "noise_sd": pool.noise,
        "seeds": n_seeds,
        "budget": budget,
        "variants": [
            {
                "variant": s.label,
                "first_top_row": {"q25": s.first[0], "median": s.first[1], "q75": s.first[2]},
                "share_of_top": {str(n): share for n, share in s.shares.items()},
                "mean_share_of_top": s.area,
                "enhancement": {str(n): factor for n, factor in s.enhancement.items()},
                "acceleration_to_half": s.acceleration,
                "best_median": s.best,
                "seconds_per_ask": s.seconds,
            }
            for s in summaries
        ],
        "best": verdict.best,
        "differences": [
            {"variant": d.label, "mean_share_more": d.more, "p": d.p, "beyond_noise": d.beyond_luck}
            for d in verdict.differences
        ],
        "cautions": cautions(pool, bound),
    }
