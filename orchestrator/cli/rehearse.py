"""rehearse: the whole campaign, on stand-ins, before anything moves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import LabOption, Materials, Set, Tables, materials, tables


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(rehearse)


def rehearse(
    campaign: Annotated[str, typer.Argument(help="A campaign file, or the name of a shipped one.")],
    lab: LabOption = None,
    set_: Set = None,
    table: Tables = None,
    materials_: Materials = None,
    faults: Annotated[
        bool, typer.Option(help="Play it again with each kind of fault: what would it do?")
    ] = True,
    rate: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="How often an act meets the fault, 0 to 1.")
    ] = 0.05,
    out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Play a campaign through on simulated devices with the laboratory's own durations. Touches no device."""
    from orchestrator.prepare import prepare
    from orchestrator.rehearsal.laboratory import FAULTS, replaced
    from orchestrator.rehearsal.play import plays
    from orchestrator.rehearsal.table import lines

    bound = prepare(
        campaign, lab_file=lab, overrides=set_ or (), tables=tables(table), materials=materials(materials_)
    )
    played = plays(bound, FAULTS if faults else (), rate, lambda text: typer.echo(text, err=True))
    for line in lines(bound, played, replaced(bound.laboratory)):
        typer.echo(line)
    if out is not None:
        out.write_text(json.dumps([asdict(each) for each in played], indent=1), encoding="utf-8")
