"""backtest: which settings would have served best on the data that are there."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import LabOption, Set, Tables, tables

if TYPE_CHECKING:
    from orchestrator.backtest.play import Played
    from orchestrator.backtest.variants import Setup, Variant


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(backtest)


def backtest(
    campaign: Annotated[str, typer.Argument(help="A campaign file, or the name of a shipped one.")],
    lab: LabOption = None,
    set_: Set = None,
    table: Tables = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Runs of each variant, with seeds 0, 1, ...")
    ] = 20,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help="Experiments of a run, in place of the campaign's.")
    ] = None,
    settings: Annotated[
        str,
        typer.Option("--settings", metavar="METHOD,...", help="Other methods for the phases that optimise."),
    ] = "",
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="PATH=V,...", help="A variant for each value, as in plan[-1].beta=1,2,4."
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="NAME,...", help="random (always), sobol, and libraries: ax, baybe, optuna."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for backtest.html, runs.csv and backtest.json.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes at once.")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object, a stable interface.")] = False,
) -> None:
    """Play a campaign on measured data, with other settings and against other libraries: which finds most, soonest?"""
    from orchestrator.backtest.comparison import judge
    from orchestrator.backtest.measures import course
    from orchestrator.backtest.pool import read_pool
    from orchestrator.backtest.summary import LEGEND, cautions, sentences, summarise, to_json
    from orchestrator.backtest.summary import table as as_table
    from orchestrator.backtest.variants import Setup, variants

    overrides = [*(set_ or ()), *([] if budget is None else [f"budget.experiments={budget}"])]
    setup = Setup(campaign, lab, tuple(overrides), tuple(tables(table).items()))
    bound = setup.bound()
    pool = read_pool(bound)
    wanted = variants(setup, settings=_names(settings), vary=vary or (), against=_names(against))
    if out is not None:
        _folder(out)
    length = min(len(pool), max(setup.bound(v.overrides).campaign.budget.experiments for v in wanted))
    played = _play(setup, wanted, seeds, jobs)
    courses = [course(v.label, pool, runs, length) for v, runs in zip(wanted, played, strict=True)]
    verdict = judge(courses)
    told = json.dumps(to_json(bound, courses, verdict), allow_nan=False, indent=2)
    if json_:
        typer.echo(told)
    else:
        typer.echo(
            f"{bound.campaign.name}: {len(pool)} rows, {int(pool.top.sum())} of them the top 5 %, "
            f"{length} experiments, {seeds} seeds\n"
        )
        typer.echo(as_table(pool, [summarise(c) for c in courses], length) + "\n")
        for line in (
            *sentences(verdict, seeds, length),
            *(f"Caution: {c}" for c in cautions(pool, bound)),
        ):
            typer.echo(line)
        typer.echo("\n" + LEGEND)
    if out is not None:
        from orchestrator.backtest.page import write_page
        from orchestrator.backtest.written import write_runs
        from orchestrator.export.files import replacing

        write_page(out / "backtest.html", bound, courses, verdict)
        write_runs(out / "runs.csv", courses, played)
        with replacing(out / "backtest.json") as file:
            file.write(told.encode())
        typer.echo(str(out / "backtest.html"), err=json_)


def _folder(out: Path) -> None:
    """Make the folder now: what took an hour must have a place to go. Raises `Refused` (E514)."""
    from orchestrator.errors import Refused

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            "E514", f"{out} cannot be made: {error.strerror}", cure="name another folder"
        ) from error


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _play(setup: Setup, wanted: tuple[Variant, ...], seeds: int, jobs: int) -> list[list[Played]]:
    """Every variant's runs in the order of the seeds, with a bar where somebody watches."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from orchestrator.backtest.sweep import sweep

    found: dict[Variant, dict[int, Played]] = defaultdict(dict)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        watched = bar.add_task("runs", total=seeds * len(wanted))
        for task, played in sweep(setup, wanted, seeds, jobs):
            found[task.variant][task.seed] = played
            bar.update(watched, advance=1, description=task.variant.label)
            if len(found[task.variant]) == seeds and not console.is_terminal:
                console.print(f"{task.variant.label}: {seeds} runs", highlight=False, markup=False)
    return [[found[variant][seed] for seed in range(seeds)] for variant in wanted]
