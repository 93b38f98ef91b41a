"""Records in, one self-contained HTML page out.

The page needs no network: plotly's script is inside it, and its content security policy forbids every request.
All text from campaign and log is escaped, by Jinja2 in HTML and by `wording.plain` in figures.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from orchestrator.export.files import replacing
from orchestrator.records import Records
from orchestrator.report import style
from orchestrator.report.belief import belief_sections
from orchestrator.report.goals import goal_section
from orchestrator.report.listing import heads, rows
from orchestrator.report.model import ModelView
from orchestrator.report.overview import cards, facts
from orchestrator.report.phases import cost_head, phase_rows
from orchestrator.report.sections import (
    calibration_section,
    parallel_section,
    progress_section,
    timeline_section,
)

NO_MODEL = "This report was written without a model, so there is no belief to look at."


def write(records: Records, path: Path, *, model: ModelView | None, no_model: str = NO_MODEL) -> None:
    """Write the report to `path`, whole or not at all.

    `model` is what the slices of the belief are drawn from; where it is None, `no_model` is said in their place.
    Raises OSError where the file cannot be written.
    """
    text = page(records, model=model, no_model=no_model)
    with replacing(path) as file:
        file.write(text.encode())


def page(records: Records, *, model: ModelView | None, no_model: str = NO_MODEL) -> str:
    """The page as text."""
    templates = files("orchestrator.report") / "templates"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((templates / "page.html").read_text(encoding="utf-8"))
    goal = goal_section(records)
    found = (
        *([goal] if goal is not None else []),
        progress_section(records),
        calibration_section(records),
        *belief_sections(records, model, no_model=no_model),
        parallel_section(records),
        timeline_section(records),
    )
    return template.render(
        name=records.campaign.name,
        description=records.campaign.description,
        simulated=records.reality != "real",
        lab=records.lab,
        facts=facts(records),
        cards=cards(records),
        phases=phase_rows(records),
        cost_head=cost_head(records.campaign.cost),
        sections=found,
        heads=heads(records),
        rows=rows(records),
        marks=style.MODES,
        neutrals=(style.INK, style.MUTED, style.GRID, style.PAPER),
        css=(templates / "page.css").read_text(encoding="utf-8"),
        script=(templates / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs() if any(section.panels for section in found) else "",
    )
