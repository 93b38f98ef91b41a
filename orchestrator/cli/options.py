"""Options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Store = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="The log: sqlite:///PATH. Default: the newest in ./runs."),
]
LabOption = Annotated[
    Path | None,
    typer.Option("--lab", metavar="PATH", help="A lab.yaml in place of the laboratory the campaign names."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, as in budget.experiments=10."),
]
Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="[NAME=]PATH",
        help="Bind a table the campaign names (default name: table) to a CSV.",
    ),
]


Materials = Annotated[
    list[str] | None,
    typer.Option(
        "--materials",
        metavar="NAME=SOURCE",
        help="Bind a pool the campaign names to structures: a .jsonl(.gz), .cif or POSCAR file, a folder of CIFs, "
        "a CSV with a cif column, mp:Fe-Li-O, optimade:URL.",
    ),
]


def materials(given: list[str] | None) -> dict[str, str]:
    """`NAME=SOURCE` pairs. Raises typer.BadParameter for text that is none."""
    bound: dict[str, str] = {}
    for text in given or ():
        name, equals, source = text.partition("=")
        if not equals or not name or not source:
            raise typer.BadParameter(f"wanted NAME=SOURCE, as in fe_li_o=structures.jsonl, got {text!r}")
        bound[name] = source
    return bound


def tables(given: list[str] | None) -> dict[str, Path]:
    """`NAME=PATH` pairs; a bare PATH is the table called `table`. An existing path may itself hold a '='."""
    bound: dict[str, Path] = {}
    for text in given or ():
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = "table", text
        bound[name] = Path(path)
    return bound


def existing_log(store: str | None) -> Path:
    """The log that a command is about. Raises `Refused` where there is none."""
    from orchestrator.errors import Refused
    from orchestrator.places import log_path, runs

    if store is not None:
        return log_path(store)
    found = runs()
    if not found:
        raise Refused("E510", "there is no log below ./runs", cure="name one with --store sqlite:///PATH")
    return found[-1].absolute()


def who() -> str:
    """The person at the keyboard, as the log names them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
