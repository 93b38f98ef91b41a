"""tasks, answer: what a laboratory asks of people, and their answers."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Store, existing_log, who

if TYPE_CHECKING:
    from drivers.human.form import FieldEntry


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(tasks)
    app.command()(answer)


def tasks(
    store: Store = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a task.")] = False,
    web: Annotated[
        bool,
        typer.Option("--web", help="Serve them as forms on this machine, until Ctrl-C; prints the address."),
    ] = False,
    port: Annotated[int, typer.Option(help="With --web: the port; 0 for any free one.")] = 0,
) -> None:
    """What people are asked to do, oldest first."""
    from drivers.human.tasks import open_tasks

    run_folder = existing_log(store).parent
    if web:
        _serve(run_folder, port)
        return
    found = open_tasks(run_folder)
    if json_:
        for task in found:
            typer.echo(json.dumps(task.model_dump(mode="json"), allow_nan=False))
        return
    if not found:
        typer.echo("Nobody is asked for anything.")
    for task in found:
        left_min = (task.deadline_at - time.time()) / 60
        typer.echo(f"{task.action}  {task.device}: {task.instruction}")
        typer.echo(f"    {left_min:.0f} min left" if left_min > 0 else "    its time is over")
        for name, field in task.form.items():
            typer.echo(f"    {name}: {_wanted(field)}{' (optional)' if field.optional else ''}")


def answer(
    action: Annotated[str, typer.Argument(help="The task, as `alquimia tasks` lists it.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE", help="A number may have a unit: mass='0.12 g'."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who says so. Default: the user logged in.")
    ] = None,
    cannot: Annotated[str | None, typer.Option("--cannot", metavar="WHY", help="It cannot be done.")] = None,
    store: Store = None,
) -> None:
    """Answer a task, or say why it cannot be done."""
    from campaigns.units import convert
    from drivers.human.tasks import TaskError, fail
    from drivers.human.tasks import answer as record
    from orchestrator.errors import Refused

    run_folder, name = existing_log(store).parent, by or who()
    given = _pairs(fields or [])
    if (cannot is None) == (not given):
        raise typer.BadParameter("wanted FIELD=VALUE for each field, or --cannot WHY")
    try:
        if cannot is not None:
            fail(run_folder, action, cannot, by=name)
        else:
            record(run_folder, action, _paths(given), by=name, convert=convert)
    except TaskError as error:
        raise Refused(
            "E505", str(error).rstrip("."), cure="`alquimia tasks` lists open tasks and forms"
        ) from error
    typer.echo(f"{action}: {'said that it cannot be done' if cannot is not None else 'answered'} by {name}")


def _serve(run_folder: Path, port: int) -> None:
    from campaigns.units import convert
    from drivers.human.web import TaskServer

    with TaskServer(run_folder, port=port, convert=convert) as server:
        typer.echo(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _pairs(texts: list[str]) -> dict[str, str]:
    given = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in given:
            raise typer.BadParameter(f"wanted FIELD=VALUE, each field once, got {text!r}")
        given[name] = value
    return given


def _paths(given: Mapping[str, str]) -> dict[str, str]:
    """Files by absolute paths: the device looks from another folder."""
    return {
        name: str(Path(value).resolve()) if Path(value).is_file() else value for name, value in given.items()
    }


def _wanted(field: FieldEntry) -> str:
    if field.kind == "choice":
        return " or ".join(field.choices)
    if field.kind != "number":
        return field.kind
    ends = [None if end is None else f"{end:g}" for end in (field.at_least, field.at_most)]
    between = f" from {ends[0] or 'any'} to {ends[1] or 'any'}" if any(ends) else ""
    return f"a number{f' in {field.unit}' if field.unit else ''}{between}"
