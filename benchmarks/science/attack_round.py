"""One round of attacks between two campaigns: labels from their logs, an ensemble, a pool of cells for the next.

python benchmarks/science/attack_round.py NEXT.jsonl RUN/log.db ... [--kT 0.2] [--most 20] [--seed 0]

The logs of all earlier rounds, the first one's first: they hold structures, energies and forces.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from surrogates.materials.attack.attacks import AttackSettings, attack, worth_a_label
from surrogates.materials.attack.potential import Frame, PotentialEnsemble, PotentialSettings


def labelled(log: Path, weight: float) -> list[Frame]:
    """The cells whose energies and forces the log holds."""
    store = sqlite3.connect(f"file:{log}?mode=ro", uri=True)
    events = store.execute("select stream, kind, body from events order by seq")
    asked, forces = {}, {}
    for stream, kind, body in events:
        if kind == "experiment.proposed":
            said = json.loads(body)
            asked[stream] = Structure.from_json(said["structures"][said["candidate"]["cell"]])
        elif kind == "action.succeeded":
            forces[stream] = json.loads(body)["record"]["forces"]
    out = []
    for experiment, action, value in store.execute(
        "select experiment, action, value from measurements where name = 'energy'"
    ):
        one = asked[experiment]
        out.append(Frame(one, value * one.n_atoms, np.array(forces[action]), weight))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("next", type=Path)
    parser.add_argument("rounds", nargs="+", type=Path, help="logs")
    parser.add_argument("--kT", type=float, default=0.2, help="eV per atom")
    parser.add_argument("--most", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames: list[Frame] = []
    for k, log in enumerate(args.rounds):
        frames += labelled(log, 4.0 if k else 1.0)
    rng = np.random.default_rng(args.seed)
    ensemble = PotentialEnsemble(frames, PotentialSettings(), args.seed)
    starts = [int(k) for k in rng.integers(0, len(frames), size=2 * args.most)]
    found = attack(ensemble, frames, starts, AttackSettings(kT=args.kT), rng)
    chosen = worth_a_label(found, ensemble, frames, args.kT, args.most)
    rows = [{"id": f"attack-{len(args.rounds)}-{k}", **a.structure.to_json()} for k, a in enumerate(chosen)]
    args.next.write_text("".join(json.dumps(row) + "\n" for row in rows))
    doubt = [round(a.variance**0.5, 3) for a in chosen]
    print(f"{len(frames)} labels, {len(found)} attacks, {len(chosen)} kept; force sd (eV/A): {doubt}")


if __name__ == "__main__":
    main()
