"""What sets of crystals are made of, and what a discovery asked for beside what was there.

    python benchmarks/science/bias.py [--json FILE]

The shared sets: binaries of the Materials Project with moduli, a random draw of WBM (hypothetical crystals), two
complete chemical systems, and crystals with phonons. `new`: of the element systems, the share that none of the other sets has;
beside it, of the crystals, those in such systems. Then the elements that WBM's draw has most and least of, beside the
binaries.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from surrogates.materials.bias import Profile, enrichment, profile

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
SETS = {
    "mp_binary_elasticity": "mp_binary_elasticity/mp_binary_elasticity.jsonl.gz",
    "wbm_random_972": "wbm_random_972/wbm_random_972.jsonl.gz",
    "fe_li_o_p": "mp_chemsys_entries/fe_li_o_p.jsonl.gz",
    "cl_mn_na_o_y": "mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz",
}
PHONONS = "matbench_phonons/matbench_phonons.json.gz"


def sets() -> dict[str, Profile]:
    out = {}
    for name, path in SETS.items():
        with gzip.open(DATA / "materials" / path, "rt") as file:
            out[name] = profile(Counter(json.loads(line)["species"]) for line in file)
    with gzip.open(DATA / "materials" / PHONONS, "rt") as file:
        rows = json.load(file)["data"]
    sites = (row[0]["sites"] for row in rows)
    out["matbench_phonons"] = profile(Counter(s["species"][0]["element"] for s in each) for each in sites)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not (DATA / "materials").exists():
        raise SystemExit(f"no data: {DATA / 'materials'}")
    found, rows = sets(), []
    print(
        "| set | n | all metal | contains O | rarest element <= 0.10 | systems | new | crystals in new systems |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, own in found.items():
        others = [each for other, each in found.items() if other != name]
        row = {
            "set": name, "n": own.n, "all_metal": own.metal_share, "oxygen": own.share("O"),
            "pinch": own.pinch_share, "systems": len(own.systems), "new": own.new_systems(*others),
            "in_new": own.in_new_systems(*others),
        }  # fmt: skip
        rows.append(row)
        shares = " | ".join(f"{row[key]:.3f}" for key in ("all_metal", "oxygen", "pinch"))
        print(f"| {name} | {own.n} | {shares} | {row['systems']} | {row['new']:.3f} | {row['in_new']:.3f} |")
    elements = enrichment(found["wbm_random_972"], found["mp_binary_elasticity"])
    print(
        "\n| element | share of WBM's draw | share of the binaries | log2 of the ratio | p |\n|---|---|---|---|---|"
    )
    for each in [*elements[:6], *elements[-6:]]:
        print(
            f"| {each.element} | {each.share:.3f} | {each.reference:.3f} | {each.log2:+.2f} | {each.p:.1g} |"
        )
    if args.json is not None:
        args.json.write_text(
            json.dumps({"sets": rows, "enrichment": [vars(each) for each in elements]}, indent=1)
        )


if __name__ == "__main__":
    main()
