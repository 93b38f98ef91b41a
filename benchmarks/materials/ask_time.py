"""How long an ask over (material, process) takes: 10^4 crystals, three continuous process parameters.

    python benchmarks/materials/ask_time.py [--crystals 10000] [--films 60] [--labels 200] [--repeats 5]

The crystals are those of `../shared/data/materials/perov_5`, several times with cells and atoms moved at random. It is
the function that a campaign asks, with the networks of the campaign `co_search`. CPU seconds on one thread, medians.
The first ask makes the graphs and trains the networks; those after it are what an operator waits for. `random` is the
floor: the request itself, read and answered without a model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from data import perovskites

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Continuous, Material, Space
from campaigns.structure import Structure
from surrogates.joint import service
from surrogates.materials.discovery.pool import Row
from surrogates.materials.pool_file import write_pool


def moved(structure: Structure, rng: np.random.Generator) -> Structure:
    lattice = np.array(structure.lattice) * rng.uniform(0.97, 1.03)
    frac = np.array(structure.frac) + rng.normal(0, 0.01, (structure.n_atoms, 3))
    return Structure.from_json(
        {"lattice": lattice.tolist(), "species": list(structure.species), "frac": (frac % 1.0).tolist()}
    )


def request(chosen: argparse.Namespace, folder: Path) -> dict:
    """As the engine asks."""
    data, rng = perovskites(), np.random.default_rng(0)
    ids = [f"p{k:06d}" for k in range(chosen.crystals)]
    n = len(data.structures)
    values = [{"heat": float(data.values[k % n, 0])} if k < chosen.labels else {} for k in range(len(ids))]
    rows = [Row(id, moved(data.structures[k % n], rng), values[k], "perov_5") for k, id in enumerate(ids)]
    pool = write_pool(rows, folder)
    process = (
        Continuous(name="temperature", low=400, high=800, unit="K"),
        Continuous(name="time", low=30, high=3600, unit="s", scale="log"),
        Continuous(name="thickness", low=100, high=1000, unit="nm", scale="log"),
    )
    compound = Material(name="compound", pool="p", digest=pool.digest, n=len(ids))
    space = Space(parameters=(compound, *process))
    aim = Aim(space=space, objectives=(Objective(name="current", direction="maximise"),)).model_dump(
        mode="json"
    )
    aim["surrogate"]["materials"] |= {"members": 4, "epochs": 60, "width": 32}
    films = [
        {
            "candidate": {
                "compound": ids[int(rng.integers(len(ids)))], "temperature": float(rng.uniform(400, 800)),
                "time": float(rng.uniform(30, 3600)), "thickness": float(rng.uniform(100, 1000)),
            },
            "values": {"current": {"value": float(rng.random()), "sigma": 0.1}},
            "failed": False,
        }
        for _ in range(chosen.films)
    ]  # fmt: skip
    return {
        "op": "propose", "aim": aim, "observations": films, "pending": [], "n": 1,
        "method": {"mode": "optimise", "name": "ucb"}, "seed": 1, "index": chosen.films,
        "materials": {"pool": str(pool.path), "directory": str(folder / "models"), "structures": {}},
        "loop": "", "others": {},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crystals", type=int, default=10_000)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asked = request(chosen, Path(folder))

        def taken(**changes: object) -> float:
            whole = json.loads(json.dumps(asked | changes))
            began = time.process_time()
            service.handle(whole)
            return time.process_time() - began

        figures = {"the first: graphs, training": [taken()]}
        kinds = {
            "ucb": {},
            "log_ei": {"method": {"mode": "optimise", "name": "log_ei"}},
            "thompson": {"method": {"mode": "optimise", "name": "thompson"}},
            "learn: variance": {"method": {"mode": "learn", "name": "variance"}},
            "ucb, a batch of 8": {"n": 8},
            "explore: random": {"method": {"mode": "explore", "name": "random"}},
        }
        for name, changes in kinds.items():
            figures[name] = [taken(**changes) for _ in range(chosen.repeats)]
        service._learners.clear()
        service._pools.clear()
        figures["ucb, after a restart: models kept on disk"] = [taken()]
    print("| ask | CPU s |\n|---|---|")
    for name, seconds in figures.items():
        print(f"| {name} | {median(seconds):.2f} |")
    if chosen.json is not None:
        chosen.json.write_text(
            json.dumps(vars(chosen) | {"json": str(chosen.json), "cpu_s": figures}, indent=1)
        )


if __name__ == "__main__":
    main()
