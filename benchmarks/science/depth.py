"""How many steps of message passing, where to normalise, and how steady predictions are under small changes.

    python benchmarks/science/depth.py [--train 800] [--seeds 2] [--workers 2] [--out FILE.json] [--figure FILE.png]

Binaries of at most 12 atoms: moduli of the Materials Project and, as a label that is known for strained cells too, the
energies of CHGNet. The default is chosen on the validation set (its compositions are in no other set); the test set is
looked at once, for that default and for the one before. Needs ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import depth_figure
import numpy as np
from depth_runs import KINDS, TARGETS, Case, Data, begin, jumps, prepare, run

DEPTHS, FEWER, SOFT = (1, 2, 3, 4, 6, 8), (1, 2, 4, 8), 0.3
OTHER_NORMS = {
    "edge_gated": (("none", "layer"), ("after", "layer"), ("both", "layer"), ("before", "batch"), ("after", "batch")),
    "cgcnn": (("none", "batch"), ("before", "batch"), ("after", "batch")),
}  # fmt: skip


def cases() -> list[Case]:
    own = [Case(name, depth, soft) for name in OTHER_NORMS for soft in (SOFT, 0.0) for depth in DEPTHS]
    others = [
        Case(name, depth, SOFT, place, norm)
        for name, pairs in OTHER_NORMS.items()
        for place, norm in pairs
        for depth in FEWER
    ]
    return own + others


def rms(values: np.ndarray, axis: int) -> np.ndarray:
    out: np.ndarray = np.sqrt(np.nanmean(values**2, axis=axis))
    return out


def errors(said: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) of each crystal: mean over targets of |error| / the mean absolute deviation of the target."""
    spread = np.nanmean(np.abs(wanted - np.nanmedian(wanted, axis=0)), axis=0)
    out: np.ndarray = np.nanmean(np.abs(said - wanted) / spread, axis=1)
    return out


def summary(case: Case, runs: list[dict[str, Any]], data: Data) -> dict[str, Any]:
    """Means over the seeds. Errors in the units of the targets; changes and rises: root mean squares over crystals."""
    wanted = data.targets["validation"]
    each = np.mean([errors(r["validation"], wanted) for r in runs], axis=0)
    mae = np.mean([np.nanmean(np.abs(r["validation"] - wanted), axis=0) for r in runs], axis=0) * data.scale
    changes = np.array([r["changes"] for r in runs]) * data.scale  # (seeds, probes, crystals, targets)
    rise = changes[..., TARGETS.index("energy")]
    stiff = changes[..., TARGETS.index("log K")]
    spread = np.std([r["validation"] for r in runs], axis=0, ddof=1) * data.scale if len(runs) > 1 else None
    return {
        **case._asdict(), "error": float(each.mean()), "each": each.tolist(), "mae": mae.tolist(),
        "energy_change": rms(rise, 2).mean(0).tolist(), "log_k_change": rms(stiff, 2).mean(0).tolist(),
        "energy_change_spread": rms(rise.std(0, ddof=1), 1).tolist() if len(runs) > 1 else None,
        "spread": None if spread is None else rms(spread, 0).tolist(),
        "log_k_slope": slope(stiff.mean(0), data), "distance": np.mean([r["distance"] for r in runs], 0).tolist(),
        "within": np.mean([r["within"] for r in runs], 0).tolist(),
        "seconds": float(np.mean([r["seconds"] for r in runs])),
    }  # fmt: skip


def slope(changes: np.ndarray, data: Data) -> float:
    """Of the predicted change of log10 K against -K' log10(V/V0), at the largest change of volume."""
    k = KINDS["volume"].index(max(KINDS["volume"]))
    true = -data.stiffening * 3.0 * np.log10(1.0 + KINDS["volume"][k])
    known = np.isfinite(true)
    return float((changes[k][known] * true[known]).sum() / (true[known] ** 2).sum())


def chosen(rows: list[dict[str, Any]], network: str) -> dict[str, Any]:
    """Of those whose error is within one standard error (paired, over crystals) of the least: the fewest steps, then
    the one that shears and displacements change the least."""
    own = [row for row in rows if row["network"] == network]
    best = np.array(min(own, key=lambda row: row["error"])["each"])

    def as_good(row: dict[str, Any]) -> bool:
        more = np.array(row["each"]) - best
        return bool(more.mean() <= more.std(ddof=1) / np.sqrt(len(more)))

    return min((row for row in own if as_good(row)), key=lambda row: (row["layers"], unsteady(row)))


def unsteady(row: dict[str, Any]) -> float:
    """Geometric mean of the energy's changes under shears and displacements, eV per atom."""
    return float(np.exp(np.mean(np.log(row["energy_change"][len(KINDS["volume"]) :]))))


def name_of(row: dict[str, Any]) -> str:
    norm = f"{row['norm']} {row['place']}" if row["place"] else "own"
    return f"{row['network']}, {norm}, {'fading' if row['falloff'] else 'nearest'}"


def table(rows: list[dict[str, Any]], data: Data) -> None:
    print("| network, norm, neighbours | steps | error | log K | log G | energy (meV) | unlike atoms' distance | "
          "shear 0.1 % (meV) | shear 1 % | moved 0.01 A | 1 % longer | log K by volume | s |")  # fmt: skip
    print("|" + "---|" * 13)
    for row in rows:
        change = 1000.0 * np.array(row["energy_change"])
        print(
            f"| {name_of(row)} | {row['layers']} | {row['error']:.3f} | {row['mae'][0]:.3f} | {row['mae'][1]:.3f} | "
            f"{1000 * row['mae'][2]:.0f} | {row['distance'][-1]:.2f} | {change[3]:.2f} | {change[5]:.2f} | "
            f"{change[7]:.2f} | {change[2]:.1f} | {row['log_k_slope']:.2f} | {row['seconds']:.1f} |"
        )
    true = 1000.0 * rms(data.rises, 1)
    print(
        f"| CHGNet itself | | | | | | | {true[3]:.2f} | {true[5]:.2f} | {true[7]:.2f} | {true[2]:.1f} | 1.00 | |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=800, help="crystals learned from")
    parser.add_argument("--others", type=int, default=250, help="crystals of validation, and of test")
    parser.add_argument("--probed", type=int, default=60, help="crystals strained and displaced")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/depth.png"))
    args = parser.parse_args()
    then = time.time()
    data = prepare(args.train, args.others, args.probed, args.workers)
    shares = jumps(data)
    print(f"labels: {time.time() - then:.0f} s; neighbours that change: {np.round(shares, 2).tolist()}; "
          f"K' {np.nanmedian(data.stiffening):.1f} (median of {np.isfinite(data.stiffening).sum()})")  # fmt: skip
    jobs = [(case, seed, args.width, args.epochs) for case in cases() for seed in range(args.seeds)]
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn"), begin, (data,)) as pool:
        runs = list(pool.map(run, jobs))
    grouped = {case: [r for r, job in zip(runs, jobs, strict=True) if job[0] == case] for case in cases()}
    rows = [summary(case, found, data) for case, found in grouped.items()]
    table(rows, data)
    for network in OTHER_NORMS:
        row = chosen(rows, network)
        print(f"chosen of {network}: {name_of(row)}, {row['layers']} steps")
        case = Case(*(row[field] for field in Case._fields))
        for one in dict.fromkeys((case, Case(network, 4, SOFT), Case(network, 4, 0.0))):
            test = [np.nanmean(np.abs(r["test"] - data.targets["test"]), axis=0) for r in grouped[one]]
            mae = np.round(np.mean(test, 0) * data.scale, 4)
            print(f"  test, {name_of(one._asdict())}, {one.layers}: {mae.tolist()}")
    print(f"{time.time() - then:.0f} s in all")
    raw = {"rows": rows, "rises": rms(data.rises, 1).tolist(), "jumps": shares.tolist(), "kinds": KINDS}
    if args.out is not None:
        args.out.write_text(json.dumps(raw))
    depth_figure.draw(raw, args.figure)


if __name__ == "__main__":
    main()
