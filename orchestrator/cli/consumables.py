"""consumables and refill: what is left of what a laboratory uses up, and a person's word that there is more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Store, existing_log
from orchestrator.cli.tell import By, send_command

if TYPE_CHECKING:
    from orchestrator.records import ConsumableRecord


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(consumables)
    app.command()(refill)


def consumables(
    store: Store = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a consumable.")] = False,
) -> None:
    """What is left of each consumable, and for how many experiments that is enough."""
    from orchestrator.history import consumables as of
    from orchestrator.lab import fold
    from orchestrator.log.sqlite import LogReader
    from orchestrator.supply import waiting

    with LogReader(existing_log(store)) as log:
        state = fold(log.events())
    found = of(state)
    if json_:
        for each in found:
            typer.echo(json.dumps(asdict(each), allow_nan=False))
        return
    if not found:
        typer.echo("this laboratory counts no consumables")
    for line in _table(found):
        typer.echo(line)
    for text in waiting(state):
        typer.echo(f"WAITS {text}")


def refill(
    name: Annotated[str, typer.Argument(help="The consumable, as `alquimia consumables` names it.")],
    amount: Annotated[
        str, typer.Argument(help="What is there now, as in '50 g', or what was added, as in '+50 g'.")
    ],
    note: Annotated[str, typer.Option("--note", help="Kept in the log with the name: lot, bottle.")] = "",
    store: Store = None,
    by: By = None,
) -> None:
    """Say that a consumable was filled, or how much of it there is. What waited for it goes on."""
    send_command(store, "refill", by, {"consumable": name, "amount": amount, "note": note})


def _table(found: Sequence[ConsumableRecord]) -> Iterator[str]:
    from orchestrator.stock import quantity

    if not found:
        return
    heads = ("consumable", "on hand", "reserved", "low", "used", "enough for")
    rows = [
        (
            each.name,
            *(quantity(amount, each.unit) for amount in (each.on_hand, each.reserved, each.low, each.used)),
            "–" if each.enough_for is None else f"{each.enough_for} experiments",
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row, each in zip((heads, *rows), (None, *found), strict=True):
        cells = [row[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True))]
        mark = f"  {each.state.upper()}" if each is not None and each.state != "enough" else ""
        yield "  ".join(cells) + mark
