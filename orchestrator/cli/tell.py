"""pause, continue, abort, device, doubts, settle: what a person says to a campaign, running or not."""

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
    app.command()(device)
    app.command()(doubts)
    app.command()(settle)


Experiment = Annotated[
    str | None, typer.Option("--experiment", metavar="ID", help="Only this one, as in x0004.")
]


def pause(
    store: Store = None,
    by: By = None,
    experiment: Experiment = None,
    now: Annotated[
        bool, typer.Option("--now/--soon", help="Halt the acts in hand, too, or let them end (the default).")
    ] = False,
) -> None:
    """Begin no further action until `alquimia continue`."""
    if now and experiment is not None:
        raise typer.BadParameter("an experiment pauses when its act in hand has ended: --now is for all")
    send_command(store, "pause", by, _about(experiment, now))


def continue_(store: Store = None, by: By = None, experiment: Experiment = None) -> None:
    """Let a paused campaign, or experiment, go on."""
    send_command(store, "continue", by, _about(experiment))


def abort(store: Store = None, by: By = None, experiment: Experiment = None) -> None:
    """End a campaign, or one experiment, for good: acts in hand end, experiments in hand are cancelled."""
    send_command(store, "abort", by, _about(experiment))


def device(
    name: Annotated[str, typer.Argument(help="The device, as the laboratory calls it.")],
    out: Annotated[bool, typer.Option("--out/--in", help="Take it out of use, or put it in again.")],
    note: Annotated[str, typer.Option("--note", help="Why: kept in the log with the name.")] = "",
    now: Annotated[bool, typer.Option("--now", help="With --out: halt the act it has in hand, too.")] = False,
    store: Store = None,
    by: By = None,
) -> None:
    """Take a device out of use, so that no action goes to it, or put it in again."""
    if now and not out:
        raise typer.BadParameter("--now halts: it goes with --out")
    said = {"device": name, "to": "out" if out else "in", "note": note}
    send_command(store, "device", by, said | ({"now": "yes"} if now else {}))


def _about(experiment: str | None, now: bool = False) -> dict[str, str]:
    about = {} if experiment is None else {"experiment": experiment}
    return about | ({"now": "yes"} if now else {})


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
    send_command(store, "settle", by, {"action": action, "verdict": verdict, "note": note})


def send_command(store: str | None, kind: Any, by: str | None, arguments: dict[str, str]) -> None:
    """Have a command obeyed, through the engine that runs or on the log itself, and say so."""
    import uuid

    from orchestrator.commands import Command
    from orchestrator.control import send

    reached = send(existing_log(store), Command(uuid.uuid4().hex, kind, by or who(), arguments))
    typer.echo(
        f"{kind}: done" + ("" if reached else "; no engine is running, `alquimia resume` goes on from here")
    )
