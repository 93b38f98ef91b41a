"""Generators of crystals: how many sound ones a second of one core, what share of the tries, and de-duplication.

    python -m benchmarks.materials.generators [--seconds 5] [--limit 500]

CPU seconds of one thread. Random crystals: a try is one space group, drawn evenly from all 230, that can hold the
composition; sound: no overlapping or isolated atoms (surrogates.materials.crystals.check). pyxtal's column is there
where pyxtal is installed. The other generators and the de-duplication run on the Fe-Li-O-P entries of the Materials
Project.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.crystals import check, from_pymatgen
from surrogates.materials.deduplicate import duplicates
from surrogates.materials.errors import StructureRejected
from surrogates.materials.generators.catalogue import Fault, drawn
from surrogates.materials.generators.protocol import Known
from surrogates.materials.generators.random_symmetric import Drawing
from surrogates.materials.generators.wyckoff import GROUPS, space_group

ENTRIES = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "data"
    / "materials"
    / "mp_chemsys_entries"
    / "fe_li_o_p.jsonl.gz"
)
COMPOSITIONS = {
    "Si2": {"Si": 2},
    "Na2Cl2": {"Na": 2, "Cl": 2},
    "Fe6Al2": {"Fe": 6, "Al": 2},
    "Sr2Ti2O6": {"Sr": 2, "Ti": 2, "O": 6},
    "Li4Fe2P2O8": {"Li": 4, "Fe": 2, "P": 2, "O": 8},
    "Li4Mn4O12": {"Li": 4, "Mn": 4, "O": 12},
}
OTHERS = {
    "substitution": {},
    "partial_substitution": {},
    "compositions": {"elements": ["Fe", "Li", "O", "P"]},
}

Attempt = Callable[[int, dict[str, int], np.random.Generator], str]


def own(known: list[Structure]) -> Attempt:
    """A try of the project's generator: sound, incompatible or overlapping."""
    drawing = Drawing(known)

    def attempt(group: int, counts: dict[str, int], rng: np.random.Generator) -> str:
        made = drawing.attempt(space_group(group), counts, rng)
        return made if isinstance(made, str) else "sound"

    return attempt


def pyxtal() -> Attempt | None:
    """A try of pyxtal, None where it is not installed."""
    try:
        from pyxtal import pyxtal as Crystal
        from pyxtal.msg import Comp_CompatibilityError
    except ImportError:
        return None

    def attempt(group: int, counts: dict[str, int], rng: np.random.Generator) -> str:
        crystal = Crystal()
        try:
            crystal.from_random(
                3, group, list(counts), list(counts.values()), random_state=int(rng.integers(2**31))
            )
            if crystal.valid:
                check(from_pymatgen(crystal.to_pymatgen()))
        except Comp_CompatibilityError:
            return "incompatible"
        except StructureRejected:
            return "overlapping"
        return "sound" if crystal.valid else "overlapping"

    return attempt


def rate(attempt: Attempt, counts: dict[str, int], seconds: float) -> tuple[float, float]:
    """Sound crystals per second, and per try that its space group could hold."""
    rng = np.random.default_rng(0)
    found = {"sound": 0, "overlapping": 0, "incompatible": 0}
    began = time.process_time()
    while time.process_time() - began < seconds:
        found[attempt(int(rng.integers(1, GROUPS + 1)), counts, rng)] += 1
    taken = time.process_time() - began
    return found["sound"] / taken, found["sound"] / max(found["sound"] + found["overlapping"], 1)


def known_entries() -> list[Known]:
    """The pool with its distances above the hull."""
    with gzip.open(ENTRIES, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [Known(row["id"], Structure.from_json(row), None, row["e_above_hull"]) for row in rows]


def main() -> None:
    """Time and print."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--seconds", type=float, default=5.0)
    cli.add_argument("--limit", type=int, default=500)
    args = cli.parse_args()
    began = time.process_time()
    for number in range(1, GROUPS + 1):
        space_group(number)
    print(f"\nWyckoff positions of all 230 space groups: {time.process_time() - began:.1f} s, once a process")
    known = known_entries()
    columns = {"radii only": own([]), "known distances": own([k.structure for k in known])}
    if (theirs := pyxtal()) is not None:
        columns["pyxtal"] = theirs
    print("\nRandom symmetric crystals: sound per second (share of compatible tries)")
    print(f"{'':14s}" + "".join(f"{name:>22s}" for name in columns))
    for name, counts in COMPOSITIONS.items():
        cells = [rate(attempt, counts, args.seconds) for attempt in columns.values()]
        print(
            f"{name:14s}"
            + "".join(f"{f'{per_second:.1f} ({share:.0%})':>22s}" for per_second, share in cells)
        )
    print(f"\n{'generator':22s} {'sound':>7s} {'faults':>7s} {'formulas':>9s} {'per second':>11s}")
    made: list[Structure] = []
    for name, arguments in OTHERS.items():
        began = time.process_time()
        given = list(drawn(name, known, limit=args.limit, rng=np.random.default_rng(0), arguments=arguments))
        taken = time.process_time() - began
        sound = [g.structure for g in given if not isinstance(g, Fault)]
        formulas = len({s.formula for s in sound})
        print(
            f"{name:22s} {len(sound):7d} {len(given) - len(sound):7d} {formulas:9d} {len(sound) / taken:11.1f}"
        )
        made += sound
    everything = [k.structure for k in known]
    began = time.process_time()
    again = duplicates(made, everything)
    print(
        f"\n{len(made)} candidates against {len(known)} known: {len(again)} repeat, "
        f"{time.process_time() - began:.1f} s"
    )
    began = time.process_time()
    among = duplicates(everything)
    print(
        f"the {len(known)} known against each other: {len(among)} repeat, {time.process_time() - began:.1f} s"
    )


if __name__ == "__main__":
    main()
