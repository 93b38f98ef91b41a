"""The campaign `ada` in its simulated laboratory: against random recipes, and how well pictures and maps are read.

    python benchmarks/ada.py [--seeds 8] [--experiments 48] [--films 500] [--out FILE.json]

Paired by seed: each is a whole run of the engine in a laboratory whose luck is the seed's, once with the campaign's
plan and once with random recipes. Of each run: the best film by its true mobility (the recipe executed perfectly)
among those whose true share of defects is at most 5 %, and the best as the campaign itself would name it. `optimum`
is what a differential evolution of the model finds, knowing everything.

    python benchmarks/ada.py --figures FOLDER      the pictures of docs/thin_film.md
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from planner.report import Report, lower, quartiles

from campaigns.load import library_text
from drivers.lab import shipped
from drivers.sim.ada import slide
from drivers.sim.ada.slide import HEIGHT_MM, POSITIONS, WIDTH_MM, Coat
from drivers.sim.film import SOLVENTS
from orchestrator.lab import LabState, fold
from orchestrator.log.sqlite import LogReader

ALQUIMIA = str(Path(sys.executable).with_name("alquimia"))
MOST = 0.05
RPM = 2 * math.pi / 60
PLANS = {"campaign": [], "random": ["--set", "plan=[{explore: random, batch: 4}]"]}


def run(folder: Path, seed: int, experiments: int, plan: list[str]) -> LabState:
    """One run of the engine; what the log says at its end."""
    folder.mkdir()
    path = shipped("simulated/ada")
    assert path is not None
    (folder / "lab.yaml").write_text(path.read_text().replace("seed: 1", f"seed: {seed}"))
    (folder / "ada.yaml").write_text(library_text("ada"))
    log = folder / "run" / "log.db"
    subprocess.run(
        [ALQUIMIA, "run", "ada.yaml", "--lab", "lab.yaml", "--seed", str(seed), "--store", f"sqlite:///{log}",
         "--set", f"budget.experiments={experiments}", "--set", "budget.failures=1000", *plan],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    with LogReader(log) as reader:
        return fold(reader.events())


def true_film(candidate) -> Coat:
    """What a perfectly executed recipe makes."""
    return slide.truth(
        candidate["dopant_fraction"], candidate["solvent"], candidate["anneal_temperature"],
        candidate["anneal_time"], candidate["spin_speed"] * RPM,
    )  # fmt: skip


def scored(state: LabState) -> dict[str, float]:
    """Of one run: best whole film, how many were whole, what was said to be best."""
    films, said = [], []
    for one in state.experiments.values():
        film = true_film(one.candidate)
        films.append(film)
        values = {name: reading.value for name, reading in one.values.items()}
        if "hole_mobility" in values and values["defect_fraction"] <= MOST:
            said.append((values["hole_mobility"], film))
    whole = [film.mobility for film in films if film.defect_fraction <= MOST]
    named = max(said, key=lambda pair: pair[0])[1] if said else None
    return {
        "best": max(whole, default=0.0),
        "named": named.mobility if named else 0.0,
        "named_defects": named.defect_fraction if named else 1.0,
        "whole": len(whole) / len(films),
    }


def optimum() -> tuple[float, str]:
    """The best mobility of a whole film in the campaign's space, and its solvent."""
    from scipy.optimize import differential_evolution

    found = []
    for solvent in SOLVENTS:

        def loss(v, solvent=solvent) -> float:
            film = slide.truth(v[0], solvent, v[1], math.exp(v[2]), v[3])
            return -film.mobility * (1 if film.defect_fraction <= MOST else 0.5)

        bounds = [(0.02, 0.4), (350, 520), (math.log(10), math.log(300)), (1000 * RPM, 4000 * RPM)]
        best = differential_evolution(loss, bounds, seed=0, tol=1e-9, maxiter=300)
        found.append((-float(best.fun), solvent))
    return max(found)


def films(n: int, seed: int):
    """Films of random recipes."""
    dice = random.Random(seed)
    for grain in range(n):
        hold = math.exp(dice.uniform(math.log(10), math.log(300)))
        yield slide.truth(
            dice.uniform(0.05, 0.5), dice.choice(sorted(SOLVENTS)), dice.uniform(380, 490), hold,
            dice.uniform(1000, 4000) * RPM, grain=seed + grain,
        )  # fmt: skip


def pictures(n: int) -> list[tuple[float, float, float, float]]:
    """(true share of defects in the field, share read, its sigma, CPU s) of random films."""
    from drivers.sim.ada.defects import defects
    from drivers.sim.ada.picture import photograph
    from drivers.sim.ada.segmentation import segment

    found = []
    for k, film in enumerate(films(n, 700_000)):
        there = defects(film)
        image = photograph(film, there, seed=k, noise=1.0)
        began = time.process_time()
        read = segment(image)
        found.append((there.fraction, read.fraction, read.sigma, time.process_time() - began))
    return found


def picture_rows(found) -> list[list[str]]:
    """By the true share of defects."""
    rows = []
    array = np.array(found)
    for low, high in ((0, 0.01), (0.01, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 1.01)):
        true, read, sigma, _ = array[(array[:, 0] >= low) & (array[:, 0] < high)].T
        off = read - true
        rows.append([
            f"{100 * low:g} to {100 * min(high, 1):g} %", str(len(off)), f"{100 * np.sqrt(np.mean(off**2)):.2f} %",
            f"{100 * off.mean():+.2f} %", f"{100 * np.abs(off).max():.1f} %", f"{100 * np.median(sigma):.2f} %",
            f"{100 * np.mean(np.abs(off) < 2 * sigma):.0f} %",
        ])  # fmt: skip
    return rows


def figures(folder: Path) -> None:
    """ada_film.png: a photograph, and with what was found in it; ada_maps.png: thickness and mobility over a slide."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from drivers.sim.ada.defects import defects
    from drivers.sim.ada.picture import photograph
    from drivers.sim.ada.segmentation import segment

    folder.mkdir(parents=True, exist_ok=True)
    film = slide.truth(0.13, "chlorobenzene", 440.0, 140.0, 2500 * RPM, grain=7)
    image = photograph(film, defects(film), seed=1, noise=1.0)
    read = segment(image)
    plt.rcParams.update({"font.size": 8})
    extent = (0, 10, 0, 10)
    drawn, axes = plt.subplots(1, 2, figsize=(5.2, 2.7), dpi=72, layout="constrained")
    axes[0].imshow(image, cmap="gray", extent=extent)
    axes[0].set_title("dark field, 10 mm x 10 mm")
    axes[1].imshow(read.mask, cmap="gray_r", extent=extent)
    axes[1].set_title(f"defects: {100 * read.fraction:.1f} ± {100 * read.sigma:.1f} %, {read.number} of them")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    _save(drawn, folder / "ada_film.png")
    x = np.linspace(-WIDTH_MM / 2, WIDTH_MM / 2, 301)
    y = np.linspace(-HEIGHT_MM / 2, HEIGHT_MM / 2, 101)
    thickness = [[film.thickness_at(a, b) for a in x] for b in y]
    drawn, axes = plt.subplots(2, 1, figsize=(5.2, 3.6), dpi=72, layout="constrained")
    shown = axes[0].imshow(
        thickness, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", vmax=1.15 * film.thickness_nm
    )
    drawn.colorbar(shown, ax=axes[0], label="thickness, nm")
    mobility = _mobility_map(film)
    axes[1].set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    sound = [n for n, value in enumerate(mobility) if value is not None]
    lost = [n for n, value in enumerate(mobility) if value is None]
    places = np.array(POSITIONS)
    shown = axes[1].scatter(*places[sound].T, c=[1e3 * mobility[n] for n in sound], s=70)
    axes[1].scatter(*places[lost].T, marker="x", c="0.6", s=30)
    drawn.colorbar(shown, ax=axes[1], label="hole mobility,\n1e-3 cm²/V/s")
    axes[1].set_xlabel("mm; x: no contact")
    _save(drawn, folder / "ada_maps.png")


def _mobility_map(film: Coat) -> list[float | None]:
    """As the probe measures that film, through the drivers."""
    import asyncio

    from drivers.clock import VirtualClock
    from drivers.driver import Action, LabContext
    from drivers.sim.ada.probe import MappingProbe
    from drivers.sim.ada.spectrometer import Spectrometer
    from drivers.sim.world import World

    async def measured(folder: Path) -> list[float | None]:
        world = World(folder, model="ada", seed=3)
        world.state.sample("s1").film = film
        context = LabContext(VirtualClock(), world, 3, folder)
        for kind, verb in ((Spectrometer, "spectra"), (MappingProbe, "map")):
            device = kind(verb, kind.Settings(), context)
            done = await device.act(Action(id=verb, device=verb, verb=verb, sample="s1", epoch=1))
        return list(done.record["mobility_cm2_per_v_s"])

    with tempfile.TemporaryDirectory() as text:
        return asyncio.run(measured(Path(text)))


def _save(drawn, path: Path) -> None:
    """In 64 colours: small files."""
    from PIL import Image

    drawn.savefig(path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--seeds", type=int, default=8)
    cli.add_argument("--experiments", type=int, default=48)
    cli.add_argument("--films", type=int, default=500)
    cli.add_argument("--figures", type=Path)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    if args.figures:
        figures(args.figures)
        return
    found = pictures(args.films)
    print(f"Share of defects in photographs of {args.films} random films (of the field, 10 mm x 10 mm); "
          f"{1000 * np.median([one[3] for one in found]):.0f} ms of CPU a picture")  # fmt: skip
    head = ["true share", "films", "rms error", "bias", "largest error", "median sigma", "within 2 sigma"]
    Report.table(head, picture_rows(found))
    best, solvent = optimum()
    print(f"\noptimum: {best:.3g} cm²/V/s with {solvent}; {args.experiments} experiments, {args.seeds} seeds")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in PLANS}
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as text:
        for seed in range(1, args.seeds + 1):
            for name, plan in PLANS.items():
                runs[name].append(
                    scored(run(Path(text).absolute() / f"{name}{seed}", seed, args.experiments, plan))
                )
    rows = []
    for name, results in runs.items():
        values = {key: [one[key] for one in results] for key in results[0]}
        best_made = quartiles([100 * v / best for v in values["best"]])
        named = quartiles([100 * v / best for v in values["named"]])
        truly = sum(v <= MOST for v in values["named_defects"])
        rows.append([name, best_made, named, str(truly), f"{100 * np.mean(values['whole']):.0f} %"])
    Report.table(
        ["plan", "best whole film made, % of optimum", "film named best, % of optimum", "of these truly whole",
         "films that were whole"],
        rows,
    )  # fmt: skip
    ours, chance = ([-one["best"] for one in runs[name]] for name in ("campaign", "random"))
    wins = sum(a < b for a, b in zip(ours, chance, strict=True))
    print(f"\ncampaign ahead of random in {wins} of {args.seeds} pairs, Wilcoxon p = {lower(ours, chance)}")
    if args.out:
        args.out.write_text(json.dumps({"optimum": best, "runs": runs, "pictures": found}))


if __name__ == "__main__":
    main()
