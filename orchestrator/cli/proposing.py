"""propose, approve, reject: experiments that people ask for, let pass, or turn down."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Store
from orchestrator.cli.tell import By, send_command
from orchestrator.errors import Refused

Note = Annotated[str, typer.Option("--note", help="Why: kept in the log with the name.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Experiments, as in x0004.")]
All = Annotated[bool, typer.Option("--all", help="All that wait for it.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(propose)
    app.command()(approve)
    app.command()(reject)


def propose(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="As in temperature='400 K'.")],
    note: Note = "",
    store: Store = None,
    by: By = None,
) -> None:
    """Ask for an experiment of your own: a value for every parameter of the space, in any unit that converts."""
    said: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name or name == "note" or name in said:
            raise Refused(
                "E505", f"{text!r} is no NAME=VALUE, or its name comes twice", cure="say temperature='400 K'"
            )
        said[name] = value
    send_command(store, "propose", by, said | {"note": note or "proposed by hand"})


def approve(ids: Ids = None, all_: All = False, note: Note = "", store: Store = None, by: By = None) -> None:
    """Let experiments be made that wait for a person's approval."""
    send_command(store, "approve", by, {"experiments": _named(ids, all_), "note": note})


def reject(ids: Ids = None, all_: All = False, note: Note = "", store: Store = None, by: By = None) -> None:
    """Turn experiments down that wait for a person's approval; the planner learns to keep away from there."""
    send_command(store, "reject", by, {"experiments": _named(ids, all_), "note": note})


def _named(ids: list[str] | None, all_: bool) -> str:
    if bool(ids) is all_:
        raise typer.BadParameter("name experiments, or say --all")
    return "all" if all_ else " ".join(ids or ())
