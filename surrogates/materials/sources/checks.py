"""Every entry of a source is checked before it becomes a row: structure, contacts between atoms, values, id."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from campaigns.errors import did_you_mean, shown
from campaigns.structure import Structure
from surrogates.materials.crystals import OVERLAP, check
from surrogates.materials.errors import SourceError, StructureRejected
from surrogates.materials.sources.rows import Item, PoolRow, Read, Refused

LARGEST = 1e300  # of any value
MOST_ROWS = 200_000
LONGEST_ID = 200
LONGEST_VECTOR = 1000.0  # A
ABSURD = 50.0  # eV per atom: no bond is worth a tenth of it
PENALTY = 2.0  # rows that an element must be worth before its reference energy may leave 0
MOST_ABSURD = 0.25  # of the rows: above it the column is something else, and what looks right is wrong too
SHOWN = 5  # refused rows named in the error where nothing is left


def collect(
    items: Iterable[Item],
    *,
    origin: str,
    max_atoms: int,
    energies: Collection[str],
    columns: Mapping[str, str],
) -> Read:
    """The rows among `items`. Raises SourceError: an id twice, no usable row at all, more rows than can be held, one of
    the `columns` (reading -> column) in no row."""
    rows: list[PoolRow] = []
    places: dict[str, str] = {}
    refused: list[Refused] = []
    row_places: list[str] = []
    unseen, others = dict(columns), dict[str, None]()
    for item in items:
        known = ""
        unseen = {reading: column for reading, column in unseen.items() if item.values.get(reading) is None}
        if unseen:
            others.update(dict.fromkeys(item.columns))
        try:
            if item.id is None:
                item.structure()  # what cannot be read has no id either: that it cannot be read says more
            known = _id(item, places)
            structure = item.structure()
            if structure.n_atoms > max_atoms:
                raise StructureRejected(
                    "too-large", f"wanted at most {max_atoms} atoms in the cell, got {structure.n_atoms}"
                )
            _check_cell(structure)
            check(structure)
            rows.append(PoolRow(known, structure, _values(item.values), item.source))
            row_places.append(item.where)
        except StructureRejected as fault:
            refused.append(Refused(item.where, fault.code, fault.reason, known))
        if len(places) + len(refused) > 2 * MOST_ROWS or len(rows) > MOST_ROWS:
            raise SourceError(f"{origin}: wanted at most {MOST_ROWS} structures. Cure: read a part of it.")
    if rows and unseen:
        column = next(iter(unseen.values()))
        raise SourceError(
            f"{origin}: wanted the column {column!r}, got no row that has it. Cure: {did_you_mean(column, others)}"
        )
    for reading in sorted(energies):
        rows, row_places, absurd = _without_absurd(rows, row_places, reading, origin)
        refused += absurd
    if not rows:
        reasons = "\n".join(f"  {one}" for one in refused[:SHOWN])
        more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        got = f"{len(refused)} refused:\n{reasons}{more}" if refused else "an empty source."
        raise SourceError(f"{origin}: wanted at least one structure, got {got}")
    return Read(tuple(rows), tuple(refused), _duplicates(rows))


def _id(item: Item, places: dict[str, str]) -> str:
    known = str(item.id) if isinstance(item.id, int) and not isinstance(item.id, bool) else item.id
    if not isinstance(known, str) or not known.strip() or len(known) > LONGEST_ID or not known.isprintable():
        got = "no id" if item.id is None else shown(item.id)
        raise StructureRejected(
            "bad-id", f"wanted an id of 1 to {LONGEST_ID} printable characters, got {got}"
        )
    if known in places:
        raise SourceError(
            f"{item.where}: wanted an id for each structure, got {known!r} again: it is that of {places[known]} "
            "already. Cure: rename one of the two, or delete it if they are the same."
        )
    places[known] = item.where
    return known


def _check_cell(structure: Structure) -> None:
    """Raises StructureRejected for cells whose neighbours need not, or cannot, be searched for."""
    lengths = [math.hypot(*row) for row in structure.lattice]
    if min(lengths) < OVERLAP:
        raise StructureRejected(
            "overlap", f"a lattice vector of {min(lengths):.3g} A puts atoms on their own images"
        )
    if (
        max(lengths) > LONGEST_VECTOR
        or max(abs(x) for place in structure.frac for x in place) > LONGEST_VECTOR
    ):
        raise StructureRejected(
            "unreadable", f"wanted lattice vectors below {LONGEST_VECTOR:g} A and fractional coordinates"
        )


def _values(given: Mapping[str, Any]) -> dict[str, float]:
    """Finite numbers; what is None is not known."""
    values = {}
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StructureRejected("not-a-number", f"{name}: wanted a number, got {shown(value)}")
        if not -LARGEST < value < LARGEST:
            raise StructureRejected(
                "not-finite",
                f"{name}: wanted a finite number, got {shown(value)}; leave out what is not known",
            )
        values[name] = float(value)
    return values


def _without_absurd(
    rows: list[PoolRow], places: list[str], reading: str, origin: str
) -> tuple[list[PoolRow], list[str], list[Refused]]:
    """Without the rows whose energy, eV per atom, is more than ABSURD off both 0 and what the other rows say of the
    elements: total energies of a code that counts core electrons too are large but alike."""
    at = [k for k, row in enumerate(rows) if reading in row.values]
    energy = np.array([rows[k].values[reading] for k in at])
    if not np.any(np.abs(energy) > ABSURD):
        return rows, places, []
    expected = _element_energies(rows, at, energy)
    refused = {
        k: Refused(
            places[k],
            "absurd",
            f"{reading} {value:.6g}: wanted eV per atom within {ABSURD:g} of {said:.4g}, which the elements are "
            "worth here. Cure: divide by the atoms if it is per cell",
            rows[k].id,
        )
        for k, value, said in zip(at, energy, expected, strict=True)
        if abs(value) > ABSURD and abs(value - said) > ABSURD
    }
    if len(refused) > max(MOST_ABSURD * len(at), 1):
        raise SourceError(
            f"{origin}: {reading}: {len(refused)} of {len(at)} are no energies in eV per atom. "
            f"{next(iter(refused.values()))}"
        )
    left = [k for k in range(len(rows)) if k not in refused]
    return [rows[k] for k in left], [places[k] for k in left], list(refused.values())


def _element_energies(rows: list[PoolRow], at: list[int], energy: np.ndarray) -> np.ndarray:
    """(n,) of each row from one energy per element: least absolute deviations, so that wild rows do not matter, with a
    penalty, so that an element in one or two rows does not make them true."""
    from sklearn.linear_model import QuantileRegressor

    elements = sorted({symbol for k in at for symbol in rows[k].structure.counts})
    column = {symbol: j for j, symbol in enumerate(elements)}
    share = np.zeros((len(at), len(elements)))
    for i, k in enumerate(at):
        for symbol, n in rows[k].structure.counts.items():
            share[i, column[symbol]] = n / rows[k].structure.n_atoms
    # The solver's loss is the mean of half the absolute deviations.
    model = QuantileRegressor(quantile=0.5, alpha=0.5 * PENALTY / len(at), fit_intercept=False)
    out: np.ndarray = model.fit(share, energy).predict(share)
    return out


def _duplicates(rows: list[PoolRow]) -> dict[str, str]:
    first: dict[str, str] = {}
    return {
        row.id: first[row.structure.key]
        for row in rows
        if first.setdefault(row.structure.key, row.id) != row.id
    }
