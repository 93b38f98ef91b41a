"""samples and sample: where samples are, and a person's word on one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Store, existing_log
from orchestrator.cli.tell import By, send_command


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(samples)
    app.command()(sample)


def samples(store: Store = None) -> None:
    """Where every sample is, or may be."""
    from orchestrator.lab import fold
    from orchestrator.log.sqlite import LogReader

    with LogReader(existing_log(store)) as log:
        state = fold(log.events())
    if not state.opened.get("lab", {}).get("places"):
        typer.echo("this laboratory names no places: where samples are is not known here")
        return
    lost = set(state.lost)
    for one in state.samples.here.values():
        if one.at is not None:
            kept = "" if one.at == one.home else f"  ({one.home} is kept for it)"
            typer.echo(f"{one.name}  at {one.at}{kept}")
            continue
        typer.echo(
            f"{one.name}  at {', '.join(one.maybe[:-1])} or {one.maybe[-1]}: {_why(one.name in lost, one.mover)}"
        )
        if one.name in lost:
            typer.echo(f"    alquimia sample {one.name} --at PLACE --note '…'   or --gone")
    typer.echo(
        f"{len(state.samples.here)} in the laboratory, {len(state.samples.left)} put away or taken out"
    )


def _why(lost: bool, mover: str) -> str:
    return f"nobody knows since {mover}" if lost else f"{mover} carries it"


def sample(
    name: Annotated[str, typer.Argument(help="The sample: the id of its experiment, as in x0004.")],
    note: Annotated[str, typer.Option("--note", help="What was seen: kept in the log with the name.")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="PLACE", help="Where it stands, as in rack.3.")
    ] = None,
    gone: Annotated[bool, typer.Option("--gone", help="It was taken out of the laboratory.")] = False,
    store: Store = None,
    by: By = None,
) -> None:
    """Say where a sample is, or that it is gone. The word of a named person, kept for ever."""
    from orchestrator.samples import GONE

    if (at is None) is not gone:
        raise typer.BadParameter("say --at PLACE or --gone")
    send_command(store, "sample", by, {"sample": name, "to": at or GONE, "note": note})
