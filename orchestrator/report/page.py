"""Records in, one self-contained HTML page out.

The page needs no network: plotly's script is inside it, and its content security policy forbids every request.
All text from campaign and log is escaped, by Jinja2 in HTML and by `wording.plain` in figures.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from orchestrator.crystals import Crystals
from orchestrator.export.files import replacing
from orchestrator.records import Records
from orchestrator.report import style
from orchestrator.report.ashby import ashby_section
from orchestrator.report.atoms import atoms_section
from orchestrator.report.belief import belief_sections
from orchestrator.report.bias import bias_section
from orchestrator.report.consumables import consumables_section
from orchestrator.report.crystals import Known, named
from orchestrator.report.discovery import discovery
from orchestrator.report.discovery_sections import discovery_sections
from orchestrator.report.funnel import funnel_section
from orchestrator.report.goals import goal_section
from orchestrator.report.listing import heads, rows
from orchestrator.report.loops import loop_sections
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


def write(
    records: Records,
    path: Path,
    *,
    model: ModelView | None,
    no_model: str = NO_MODEL,
    crystals: Crystals | None = None,
) -> None:
    """Write the report to `path`, whole or not at all.

    `model` is what the slices of the belief are drawn from; where it is None, `no_model` is said in their place.
    `crystals`: the pools beside the log, of a campaign over materials.
    Raises OSError where the file cannot be written.
    """
    text = page(records, model=model, no_model=no_model, crystals=crystals)
    with replacing(path) as file:
        file.write(text.encode())


def page(
    records: Records, *, model: ModelView | None, no_model: str = NO_MODEL, crystals: Crystals | None = None
) -> str:
    """The page as text."""
    known = Known(records, crystals)
    hull = discovery(records, known)
    shown = named(records, known)
    templates = files("orchestrator.report") / "templates"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((templates / "page.html").read_text(encoding="utf-8"))
    goal = goal_section(shown)
    ashby = ashby_section(shown, known)
    funnel = funnel_section(records, known)
    atoms = atoms_section(records)
    stock = consumables_section(shown)
    found = (
        *([goal] if goal is not None else []),
        *([ashby] if ashby is not None else []),
        *([funnel] if funnel is not None else []),
        *([atoms] if atoms is not None else []),
        *((*discovery_sections(shown, hull), bias_section(hull)) if hull is not None else ()),
        progress_section(shown, hull),
        calibration_section(shown),
        # A model knows crystals by their ids. Of a hull nothing is left to draw: each candidate is a crystal.
        *(belief_sections(records, model, no_model=no_model) if hull is None else ()),
        *((parallel_section(shown),) if hull is None else ()),
        *loop_sections(shown),
        timeline_section(shown),
        *([stock] if stock is not None else []),
    )
    return template.render(
        name=records.campaign.name,
        description=records.campaign.description,
        simulated=records.reality != "real",
        lab=records.lab,
        facts=facts(shown),
        cards=cards(shown, hull),
        phases=phase_rows(shown),
        cost_head=cost_head(records.campaign.cost),
        sections=found,
        heads=heads(shown),
        rows=rows(shown, hull),
        marks=style.MODES,
        neutrals=(style.INK, style.MUTED, style.GRID, style.PAPER),
        css=(templates / "page.css").read_text(encoding="utf-8"),
        script=(templates / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs() if any(section.panels for section in found) else "",
    )
