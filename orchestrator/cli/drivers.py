"""drivers: which are installed, what each can do, and a package for a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The installed drivers: what each can do, and a package for one of your own.")


@app.callback(invoke_without_command=True)
def known(context: typer.Context) -> None:
    """The installed drivers: what each can do, and a package for one of your own."""
    if context.invoked_subcommand is not None:
        return
    from drivers import registry

    for name, entry in registry.known().items():
        typer.echo(f"{name:22s} {entry.value}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="As `alquimia drivers` lists it.")]) -> None:
    """Say all about one driver: its actions, their arguments and results."""
    from drivers import registry
    from drivers.errors import DriverNotFound, DriverNotLoaded, SettingsError
    from orchestrator.errors import Refused

    try:
        driver = registry.driver(name)
    except (DriverNotFound, DriverNotLoaded) as error:
        raise Refused("E312", str(error).rstrip("."), cure="`alquimia drivers` lists them") from error
    typer.echo(
        f"{name} {driver.version}  ({'simulated' if driver.simulated else 'real'})\n{driver.__doc__ or ''}"
    )
    try:
        spec = driver.describe(driver.Settings())
    except (SettingsError, ValueError):
        typer.echo("Its actions depend on its settings; `alquimia validate` checks them with a lab.yaml.")
        return
    typer.echo(f"safe state: {spec.safe_state or 'not declared'}")
    for verb, action in spec.actions.items():
        summary = action.doc.splitlines()[0] if action.doc else ""
        typer.echo(f"  {verb}  [{action.repeat}, takes {action.takes_s:g} s]  {summary}")
        for argument, p in action.parameters.items():
            low, high = ("" if end is None else f"{end:g}" for end in (p.at_least, p.at_most))
            typer.echo(f"      {argument}: {p.kind} {p.unit}  {', '.join(p.choices) or f'{low} … {high}'}")
        for reading, r in action.results.items():
            typer.echo(f"      -> {reading} {r.unit}")
        for name, array in action.arrays.items():
            typer.echo(f"      -> {name} {array.unit}, {array.components} per atom")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the package and of the driver: small letters, digits, _.")],
    into: Annotated[Path, typer.Option("--into", help="Folder to make it in.")] = Path(),
) -> None:
    """Write a package with a driver of your own: class, lab.yaml, and a test of the contract that passes."""
    from drivers.scaffold import ScaffoldError, write_package
    from orchestrator.errors import Refused

    try:
        made = write_package(name, into)
    except (ScaffoldError, OSError) as error:
        raise Refused("E318", f"drivers new: {error}", cure="take another name or folder") from error
    for path in made:
        typer.echo(path)
    typer.echo(f"\ncd {into / name} && pip install -e '.[dev]' && pytest")
