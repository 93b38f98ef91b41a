"""Which reader a source needs, and reading it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from surrogates.materials.errors import SourceError
from surrogates.materials.sources import cif, csv_tables, json_lines, json_tables, single_files
from surrogates.materials.sources.checks import collect
from surrogates.materials.sources.rows import Item, Read

if TYPE_CHECKING:
    import requests

MAX_ATOMS = 200
FORMATS = (
    ".jsonl (rows with id, lattice, species, frac), .json (pymatgen), .csv with a column cif, .cif, .xyz (extended), "
    ".vasp, POSCAR, CONTCAR (each may be .gz), a folder of CIFs, mp:Fe-Li-O, mp:mp-149, optimade:https://..."
)


def read(
    source: str | Path,
    *,
    values: Mapping[str, str] | None = None,
    session: requests.Session | None = None,
    max_atoms: int = MAX_ATOMS,
    energies: Collection[str] = ("energy",),
) -> Read:
    """All structures of a source, checked.

    `values`: reading -> column of the source, which may also end its name: `pool.jsonl{energy=e_form}`; without it the
    source's own numbers under their own names. Energies that the format knows as totals come as `energy` in eV per
    atom. `session`: for addresses, in place of one that retries.
    `energies`: readings in eV per atom, of which more than 50 eV per atom off is refused. Structures that cannot be
    used are in `Read.refused`. Raises SourceError: not there, not readable, no known format, an id twice, a column that
    no row has, no usable structure at all, no answer from an address.
    """
    text, own = _with_columns(str(source))
    if values and own:
        raise SourceError(f"{source}: wanted the columns once, got them in the source and beside it")
    values = values or own
    origin = text if len(text) <= 200 else text[:199] + "…"
    found = _items(text, values, session)
    return collect(found, origin=origin, max_atoms=max_atoms, energies=energies, columns=values or {})


def _with_columns(source: str) -> tuple[str, dict[str, str] | None]:
    """The source without the columns that its name ends with."""
    if not source.endswith("}") or "{" not in source:
        return source, None
    text, _, inside = source[:-1].rpartition("{")
    pairs = [part.partition("=") for part in inside.split(",")]
    columns = {reading.strip(): column.strip() for reading, _, column in pairs}
    if not all(reading and column for reading, column in columns.items()) or len(columns) < len(pairs):
        raise SourceError(
            f"{source}: wanted reading=column, as in {{energy=e_form,gap=gap}}, got {{{inside}}}"
        )
    return text, columns


def _items(text: str, values: Mapping[str, str] | None, session: requests.Session | None) -> Iterator[Item]:
    if text.startswith("mp:"):
        from surrogates.materials.sources import materials_project

        return materials_project.items(text.removeprefix("mp:"), values, session)
    if text.startswith("optimade:"):
        from surrogates.materials.sources import optimade

        return optimade.items(text.removeprefix("optimade:"), values, session)
    if text.startswith(("http://", "https://")):
        raise SourceError(
            f"{text}: wanted a source, got an address. Cure: optimade:{text}, or a downloaded file"
        )
    path = Path(text).expanduser()
    if path.is_dir():
        _without_values(values, path)
        return _folder(path)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        return json_lines.items(path, values)
    if name.endswith(".json"):
        return json_tables.items(path, values)
    if name.endswith(".csv"):
        return csv_tables.items(path, values)
    if name.endswith((".xyz", ".extxyz")):
        return single_files.xyz(path, values)
    if name.endswith(".cif"):
        _without_values(values, path)
        return cif.items(path)
    if name.endswith((".vasp", ".poscar")) or name.startswith(("poscar", "contcar")):
        _without_values(values, path)
        return single_files.poscar(path)
    if not path.exists():
        raise SourceError(f"{path}: wanted a file or folder, got nothing of this name")
    raise SourceError(f"{path}: wanted one of {FORMATS}")


def _without_values(values: Mapping[str, str] | None, path: Path) -> None:
    if values:
        raise SourceError(
            f"{path}: wanted the column {', '.join(map(repr, values.values()))}, got a format without columns. "
            "Cure: a .jsonl or .csv table"
        )


def _folder(folder: Path) -> Iterator[Item]:
    """Every CIF in the folder and below it, called after its path there."""
    paths = sorted(
        p for p in folder.rglob("*") if p.name.lower().endswith((".cif", ".cif.gz")) and p.is_file()
    )
    if not paths:
        raise SourceError(f"{folder}: wanted a folder with .cif files, got none")
    for path in paths:
        below = path.relative_to(folder)
        name = (below.parent / cif.stem(path)).as_posix()
        try:
            yield from cif.items(path, source=f"{folder.name}/{below.as_posix()}", name=name)
        except SourceError as fault:
            # One bad file among many is a refused row; the reader's message names it.
            reason = str(fault).removeprefix(f"{path}: ")
            yield Item(name, str(path), folder.name, json_lines.fails("unreadable", reason))
