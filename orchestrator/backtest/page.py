"""The comparison as one self-contained HTML page, in the report's own style and with its script."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from orchestrator.backtest import figures
from orchestrator.backtest.comparison import Verdict
from orchestrator.backtest.measures import Course, half
from orchestrator.backtest.pool import Pool
from orchestrator.backtest.summary import LEGEND, cautions, cells, head, sentences, summarise
from orchestrator.binding import BoundCampaign
from orchestrator.export.files import replacing
from orchestrator.report import style
from orchestrator.report.figures.spec import panel
from orchestrator.report.sections import Section
from orchestrator.report.wording import label, number, percent, unit_text


def write_page(path: Path, bound: BoundCampaign, courses: Sequence[Course], verdict: Verdict) -> None:
    """Write the page to `path`, whole or not at all. Raises OSError."""
    own, shared = files("orchestrator.backtest") / "templates", files("orchestrator.report") / "templates"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((own / "backtest.html").read_text(encoding="utf-8"))
    pool, campaign = courses[0].pool, bound.campaign
    summaries = [summarise(course) for course in courses]
    n_seeds, budget = courses[0].places.shape
    text = template.render(
        name=campaign.name,
        description=campaign.description,
        lab=bound.laboratory.file.name,
        facts=_facts(pool, n_seeds, budget, campaign.fingerprint),
        said=sentences(verdict, n_seeds, budget),
        cautions=cautions(pool, bound),
        heads=head(pool, summaries[0]),
        rows=[(s.label == verdict.best, cells(s, budget)) for s in summaries],
        legend=LEGEND,
        sections=sections(courses),
        neutrals=(style.INK, style.MUTED, style.GRID, style.PAPER),
        css=(shared / "page.css").read_text(encoding="utf-8"),
        script=(shared / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
    with replacing(path) as file:
        file.write(text.encode())


def _facts(pool: Pool, n_seeds: int, budget: int, fingerprint: str) -> list[tuple[str, str]]:
    objective = pool.objective
    end = pool.values[int(pool.gains.argmax())]
    noise = (
        "not known" if pool.noise is None else f"{number(pool.noise, 2)} {unit_text(objective.unit)}".rstrip()
    )
    unit = f" {unit_text(objective.unit)}" if objective.unit else ""
    return [
        ("Objective", f"{objective.direction} {label(objective.name)}"),
        ("Rows", f"{len(pool)}, of which {int(pool.top.sum())} are the top 5 %"),
        ("Best row", f"{number(float(end))}{unit}"),
        ("One measurement's standard deviation", noise),
        ("Experiments", str(budget)),
        ("Seeds", f"{n_seeds} (0 to {n_seeds - 1}), the same for every variant"),
        ("Fingerprint", fingerprint),
    ]


def sections(courses: Sequence[Course]) -> tuple[Section, ...]:
    """Every figure with its caption."""
    pool = courses[0].pool
    share = percent(half(pool) / int(pool.top.sum()))
    progress = Section(
        "progress",
        "Progress",
        "Line: median over the seeds; band: quartiles. A click on a name in the legend hides it, a double click leaves "
        "it alone.",
        (
            panel(
                "best", figures.best_so_far(courses), "True value (replicates averaged) of the best row so far; the "
                "grey line is the best row of the table.", "best so far against experiments",
            ),
            panel(
                "share", figures.share_found(courses), "Share of the rows of the top 5 % that were found.",
                "share of the top 5 % found against experiments",
            ),
        ),
        columns=2,
    )  # fmt: skip
    against_chance = Section(
        "chance",
        "Against chance",
        "What random draws are expected to find and when is exact, not a finite number of random runs; the line at 1 "
        "is that expectation. Definitions: Liang et al., npj Comput. Mater. 7, 188 (2021).",
        (
            panel(
                "enhancement", figures.enhancement(courses), "Enhancement: how many times more of the top 5 % than "
                "random draws find in as many experiments.", "enhancement factor against experiments",
            ),
            panel(
                "acceleration", figures.acceleration(courses), "Acceleration: how many times fewer experiments than "
                f"random draws need for the same share ({share} is the table's AF half). A curve ends where half of "
                "the seeds did not get that far.", "acceleration factor against share found",
            ),
        ),
        columns=2,
    )  # fmt: skip
    finds = Section(
        "first",
        "The first of the top 5 %",
        panels=(
            panel(
                "first", figures.first_finds(courses), "Each point is one seed; box and line are quartiles and median. "
                "Right of the dotted line, where there is one: not found within the budget.", "first finds per variant",
            ),
        ),
    )  # fmt: skip
    return progress, against_chance, finds
