"""validate, run, resume: from a file to experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import LabOption, Materials, Set, Store, Tables, existing_log, materials, tables

if TYPE_CHECKING:
    from orchestrator.binding import BoundCampaign

Arm = Annotated[
    str | None, typer.Option("--arm", metavar="LAB", help="Arm a real laboratory by saying its name.")
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="End, rather than wait, when only a person can help: with code 4 of doubts, else 3."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(validate)
    app.command()(run)
    app.command()(resume)


def validate(
    campaign: Annotated[str, typer.Argument(help="A campaign file, or the name of a shipped one.")],
    lab: LabOption = None,
    set_: Set = None,
    table: Tables = None,
    materials_: Materials = None,
) -> None:
    """Check a campaign and its laboratory: every fault at once, with file, line and column. Touches no device."""
    from orchestrator.prepare import prepare

    bound = prepare(
        campaign, lab_file=lab, overrides=set_ or (), tables=tables(table), materials=materials(materials_)
    )
    c, lab_file = bound.campaign, bound.laboratory.file
    typer.echo(
        f"{campaign}: valid. {c.name}: {len(c.space.free)} parameters, {len(c.recipe)} steps, "
        f"{c.budget.experiments} experiments at most, {lab_file.reality} laboratory {lab_file.name!r}."
    )
    if c.funnel is not None:
        typer.echo(f"funnel, promoted by {c.funnel.promote}: {c.funnel.described()}")
    typer.echo(f"fingerprint {c.fingerprint}")
    _warn(bound)


def _warn(bound: BoundCampaign) -> None:
    """What is no fault of the laboratory and should be known before it runs."""
    from datetime import date

    from drivers.binding import warnings

    for warning in warnings(bound.laboratory.devices, date.today()):
        typer.echo(f"warning: {warning}", err=True)


def run(
    campaign: Annotated[str, typer.Argument(help="A campaign file, or the name of a shipped one.")],
    lab: LabOption = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="URL", help="A new log: sqlite:///PATH. Default: ./runs/NAME-TIME/log.db."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The campaign's seed, in place of the file's.")
    ] = None,
    set_: Set = None,
    table: Tables = None,
    materials_: Materials = None,
    arm: Arm = None,
    no_wait: NoWait = False,
) -> None:
    """Run a campaign from its first experiment. Ctrl-C once: stop after the acts in hand; twice: stop now."""
    from datetime import datetime

    from orchestrator.opening import open_campaign
    from orchestrator.places import log_path
    from orchestrator.prepare import check_arming, prepare

    overrides = [*(set_ or ()), *([] if seed is None else [f"seed={seed}"])]
    bound = prepare(
        campaign, lab_file=lab, overrides=overrides, tables=tables(table), materials=materials(materials_)
    )
    check_arming(bound.laboratory, arm)
    _warn(bound)
    if store is None:
        path = Path("runs", f"{bound.campaign.name}-{datetime.now():%Y%m%d-%H%M%S}", "log.db").absolute()
    else:
        path = log_path(store)
    open_campaign(path, bound)
    _conduct(path, arm, no_wait)


def resume(store: Store = None, arm: Arm = None, no_wait: NoWait = False) -> None:
    """Go on with a campaign that was stopped or killed: nothing lost, nothing done twice."""
    _conduct(existing_log(store), arm, no_wait)


def _conduct(path: Path, arm: str | None, no_wait: bool) -> None:
    import asyncio

    from orchestrator.cli.progress import view
    from orchestrator.opening import conduct
    from orchestrator.places import store_url
    from orchestrator.supply import waiting

    with view(path) as shown:
        ended = asyncio.run(
            conduct(path, armed=arm, wait_for_people=not no_wait, watch=shown.watch, tell=shown.tell)
        )
    shown.close_with(ended.state)
    where = f" --store {store_url(path)}"
    if ended.finished:
        typer.echo(f"report: alquimia report{where}")
    elif ended.doubts:
        typer.echo(f"Acts are in doubt. `alquimia resume{where}` asks hosts and devices again;")
        typer.echo(f"what they cannot tell, a person settles: alquimia doubts{where}")
        raise typer.Exit(4)
    else:
        for text in waiting(ended.state):
            typer.echo(text)
        typer.echo(f"stopped; go on with: alquimia resume{where}")
        raise typer.Exit(3)
