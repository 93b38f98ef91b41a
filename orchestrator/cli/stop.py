"""stop and release: a laboratory comes to a stand, and a named person lets it go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Store, existing_log, who
from orchestrator.cli.tell import By

UNCONFIRMED = 5  # exit code


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(stop)
    app.command()(release)


def stop(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The run's folder. Default: as with --store.")
    ] = None,
    store: Store = None,
    by: By = None,
    note: Annotated[str, typer.Option("--note", help="Why: kept in the log with the name.")] = "",
) -> None:
    """Stop the laboratory: every live host halts its devices at once, and nothing begins until `alquimia release`.

    Works without an engine, and while one hangs. It is no safety function: that is the wired emergency stop.
    """
    import asyncio
    import uuid

    from orchestrator.commands import Command
    from orchestrator.control import stop_laboratory
    from orchestrator.errors import Refused

    if run is not None and store is not None:
        raise typer.BadParameter("name the run's folder or --store, not both")
    log = existing_log(store) if run is None else run.absolute() / "log.db"
    if not log.exists():
        raise Refused(
            "E510", f"there is no log at {log}", cure="name an existing one with --store sqlite:///PATH"
        )
    command = Command(uuid.uuid4().hex, "stop", by or who(), {"note": note or "no reason given"})
    hosts, unwritten = asyncio.run(stop_laboratory(log, command))
    for host in hosts:
        if host.begun_s is None:
            typer.echo(f"NOT CONFIRMED {host.host}: {host.silence}. Use the emergency stop of its devices.")
        else:
            typer.echo(
                f"halted {host.host}" + (f", {', '.join(host.in_hand)} in hand" if host.in_hand else "")
            )
    if not hosts:
        typer.echo("no host is alive: nothing moves")
    if unwritten:
        typer.echo(
            f"The log does not know it yet ({unwritten}): the stop waits beside it for the next engine."
        )
    typer.echo("The laboratory is stopped. It goes on with: alquimia release --by NAME --note '…'")
    if any(host.begun_s is None for host in hosts):
        raise typer.Exit(UNCONFIRMED)


def release(
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says that it is safe to go on.")],
    note: Annotated[str, typer.Option("--note", help="Why it is: kept in the log with the name.")],
    store: Store = None,
) -> None:
    """Let a stopped laboratory go on: the word of a named person, kept for ever."""
    from orchestrator.cli.tell import send_command

    send_command(store, "release", by, {"note": note})
