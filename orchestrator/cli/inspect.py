"""status, log, report, export, library, schema: looking, never touching."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Store, existing_log


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (status, report, export, log, library, schema):
        app.command()(command)


def status(
    store: Store = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object, a stable interface.")] = False,
) -> None:
    """How a campaign stands."""
    from orchestrator.history import read_records
    from orchestrator.status import render, summarise

    summary = summarise(read_records(existing_log(store)))
    if json_:
        typer.echo(json.dumps(summary, allow_nan=False, indent=2))
        return
    from rich.console import Console

    Console().print(render(summary))


def report(
    store: Store = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write. Default: report.html beside the log.")
    ] = None,
    model: Annotated[
        bool, typer.Option(help="Fit the surrogate for the slices of the belief (loads torch).")
    ] = True,
) -> None:
    """Write one self-contained HTML page: plots, model, table, why each experiment was proposed."""
    from orchestrator.crystals import Crystals
    from orchestrator.history import read_records
    from orchestrator.report.model import PlannerView
    from orchestrator.report.page import write

    path = existing_log(store)
    records, crystals = read_records(path), Crystals(path.parent)
    target = out or path.parent / "report.html"
    write(records, target, model=PlannerView(records, crystals) if model else None, crystals=crystals)
    typer.echo(str(target))


def export(
    store: Store = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder. Default: export/ beside the log.")
    ] = None,
) -> None:
    """Write experiments, proposals, measurements and actions as CSV and Parquet, events as JSON lines."""
    from orchestrator.export import export as write_all
    from orchestrator.history import read_records

    path = existing_log(store)
    for written in write_all(read_records(path), out or path.parent / "export"):
        typer.echo(str(written))


def log(
    store: Store = None,
    after: Annotated[int, typer.Option("--after", help="Only events with a higher number.")] = 0,
    kind: Annotated[str, typer.Option("--kind", help="Only kinds that begin so, as in 'action.'.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The events, in order."""
    from dataclasses import asdict

    from orchestrator.log.sqlite import LogReader

    with LogReader(existing_log(store)) as reader:
        for event in reader.events(after):
            if not event.kind.startswith(kind):
                continue
            if json_:
                typer.echo(json.dumps(asdict(event), allow_nan=False))
                continue
            body = json.dumps(event.body, ensure_ascii=False)
            short = body if len(body) <= 120 else body[:119] + "…"
            typer.echo(f"{event.seq:6d}  {event.at[:23]}Z  {event.kind:22s} {event.stream:18s} {short}")


def library(name: Annotated[str | None, typer.Argument(help="Print this campaign's YAML.")] = None) -> None:
    """The campaigns that come with Alquimia."""
    from campaigns.load import library as names
    from campaigns.load import library_text
    from orchestrator.errors import Refused

    if name is None:
        for known in names():
            first = library_text(known).splitlines()[0].lstrip("# ")
            typer.echo(f"{known:16s} {first}")
        return
    try:
        typer.echo(library_text(name), nl=False)
    except KeyError as error:
        raise Refused(
            "E301", f"no campaign is called {name!r}", cure="`alquimia library` lists them"
        ) from error


def schema() -> None:
    """The JSON Schema of campaign files, for editors."""
    from campaigns.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
