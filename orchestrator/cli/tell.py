"""pause, continue, abort, doubts, settle: what a person says to a campaign, running or not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.options import Store, existing_log, who

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who says so. Default: the user logged in.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(pause)
    app.command("continue")(continue_)
    app.command()(abort)
    app.command()(doubts)
    app.command()(settle)


def pause(store: Store = None, by: By = None) -> None:
    """Begin no further action until `alquimia continue`; acts in hand go on to their end."""
    _send(store, "pause", by, {})


def continue_(store: Store = None, by: By = None) -> None:
    """Let a paused campaign go on."""
    _send(store, "continue", by, {})


def abort(store: Store = None, by: By = None) -> None:
    """End a campaign for good: acts in hand end, experiments in hand are cancelled."""
    _send(store, "abort", by, {})


def doubts(store: Store = None) -> None:
    """Acts whose end nobody saw. Each blocks its device and its sample until it is settled."""
    from orchestrator.lab import fold
    from orchestrator.log.sqlite import LogReader

    with LogReader(existing_log(store)) as log:
        open_doubts = fold(log.events()).doubts
    if not open_doubts:
        typer.echo("no doubts")
    for action in open_doubts:
        args = ", ".join(f"{k}={v}" for k, v in action.args.items())
        typer.echo(
            f"{action.id}  {action.device}.{action.verb}({args})  sample {action.sample}\n    {action.reason}"
        )
        typer.echo(f"    alquimia settle {action.id} --verdict done|not-done|discard --note '…'")


def settle(
    action: Annotated[str, typer.Argument(help="The action's id, as `alquimia doubts` names it.")],
    verdict: Annotated[str, typer.Option("--verdict", help="done, not-done (it is done anew) or discard.")],
    note: Annotated[str, typer.Option("--note", help="What was seen: kept in the log with the name.")],
    store: Store = None,
    by: By = None,
) -> None:
    """Say what became of an act in doubt. The word of a named person, kept for ever."""
    _send(store, "settle", by, {"action": action, "verdict": verdict, "note": note})


def _send(store: str | None, kind: Any, by: str | None, arguments: dict[str, str]) -> None:
    import uuid

    from orchestrator.commands import Command
    from orchestrator.control import send

    reached = send(existing_log(store), Command(uuid.uuid4().hex, kind, by or who(), arguments))
    typer.echo(
        f"{kind}: done" + ("" if reached else "; no engine is running, `alquimia resume` goes on from here")
    )
