"""How long 32 experiments take on shared devices: as they come, by the longest remaining work, and at best.

    python benchmarks/makespan.py [--experiments 32] [--seeds 5] [--solve SECONDS] [--json FILE]

The laboratory is that of solid-state synthesis (one doser, one mill, one arm, four furnaces, one diffractometer, a
rack of 32), each device as a stand-in with its own durations, samples carried between places by the arm; the campaign
asks for all experiments at once, with holds of half an hour to twelve. Whole runs of the engine on virtual time;
nothing but the order of experiments differs. The bound is what no order can beat: the work of the busiest group of
devices, shared evenly, and the least that comes before and after it, with the carriages that no order can do without.
`--solve` asks a constraint solver (OR-tools CP-SAT, where it is installed: pip install ortools) for so long, once and
beforehand; it is told nothing of places: whatever stands in the way is not in its way.

Then the same 32 in four groups of eight that share temperature and hold: one crucible at a time in a furnace, or
eight together, the next group asked for when the one before has ended or with 32 kept in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from statistics import median

from orchestrator.binding import BoundCampaign
from orchestrator.history import read_records
from orchestrator.opening import conduct, open_campaign
from orchestrator.prepare import prepare
from orchestrator.scheduling import precedence

TABLE = Path(__file__).resolve().parents[2] / "shared/data/materials/mp_chemsys_entries/fe_li_o_p.jsonl.gz"
FURNACES = tuple(f"furnace_{k}" for k in (1, 2, 3, 4))
STATIONS = ("doser", "mill", *FURNACES, "diffractometer")
DEVICES = {"doser": 1, "mill": 1, "arm": 1, "furnace": 4, "diffractometer": 1}


def lab(n: int, slots: int) -> str:
    of = {
        "doser": f"driver: sim.powder_doser, of: {{table: {TABLE}, mixtures: {{a: {{Li2O: 1, Fe2O3: 1}}}}}}",
        "mill": "driver: sim.mill",
        "diffractometer": f"driver: sim.diffractometer, of: {{table: {TABLE}}}",
        "arm": "driver: sim.crucible_arm",
    } | dict.fromkeys(FURNACES, f"driver: sim.box_furnace, of: {{table: {TABLE}}}")
    devices = [
        f"  {name}: {{driver: sim.stand_in, host: lab, settings: {{{said}}}}}" for name, said in of.items()
    ]
    places = [f"  {name}: {{device: {name}, slots: {slots if name in FURNACES else 1}}}" for name in STATIONS]
    return "\n".join(
        [
            "alquimia_lab: 1", "name: makespan", "clock: virtual",
            f"groups: {{furnace: [{', '.join(FURNACES)}]}}",
            "devices:", *devices,
            "places:", f"  rack: {{slots: {n}}}", "  store: {slots: many}", *places,
            "samples: {begin: rack, end: store}",
            "transports:", f"  - {{do: arm.be_at, between: [rack, store, {', '.join(STATIONS)}]}}",
        ]
    )  # fmt: skip


CAMPAIGN = """
alquimia: 1
campaign: makespan
lab: makespan
seed: {seed}
space:
  temperature: {{continuous: [900, 1300], unit: K}}
  hold: {{continuous: [0.5, 12], unit: h, scale: log}}
  mass: {{continuous: [1, 3], unit: g}}
objectives:
  - {{maximise: yield}}
recipe:
  - {{id: dose, do: doser.dose_mixture, with: {{mixture: a, mass: $mass}}}}
  - {{id: mix, do: mill.mix}}
  - {{id: fire, do: furnace.heat, with: {{temperature: $temperature, hold: $hold}}}}
  - {{id: grind, do: mill.regrind}}
  - {{id: measure, do: diffractometer.measure, with: {{target: LiFeO2}}, gives: {{yield: yield}}}}
plan:
  - {{explore: random, experiments: {n}, {phase}}}
budget: {{experiments: {n}}}
"""
Job = list[tuple[str, float]]  # group of devices, s


def bound_of(folder: Path, seed: int, n: int, phase: str, slots: int = 8) -> BoundCampaign:
    (folder / "lab.yaml").write_text(lab(n, slots))
    (folder / "c.yaml").write_text(CAMPAIGN.format(seed=seed, n=n, phase=phase))
    return prepare(str(folder / "c.yaml"), lab_file=folder / "lab.yaml")


def run(bound: BoundCampaign) -> tuple[float, list[Job]]:
    """Laboratory seconds until the last measurement, and what there was to do: five carriages for each experiment, to
    the five stations, in whatever order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        open_campaign(path, bound)
        asyncio.run(conduct(path, wait_for_people=False, linger_s=1.0))
        records = read_records(path)
        assert all(e.state == "measured" for e in records.experiments), "an experiment was not measured"
        carried_s = next(a.ended_s - a.began_s for a in records.actions if a.step == "move")  # type: ignore[operator]
        jobs: dict[str, Job] = {}
        for a in sorted(records.actions, key=lambda a: a.began_s or 0.0):
            if a.step == "move":
                continue
            for name in (a.experiment, *a.together):
                jobs.setdefault(name, []).append(("arm", carried_s))
                jobs[name].append((a.device.partition("_")[0], (a.ended_s or 0.0) - (a.began_s or 0.0)))
        end_s = max(e.lab_ended_s or 0.0 for e in records.experiments)
        return end_s, [jobs[key] for key in sorted(jobs)]


def least(jobs: list[Job], devices: dict[str, int]) -> float:
    """A time that no order beats."""
    best = max(sum(s for _, s in job) for job in jobs)
    for group, count in devices.items():
        work = sum(s for job in jobs for g, s in job if g == group) / count
        places = [[k for k, (g, _) in enumerate(job) if g == group] for job in jobs]
        before = min(sum(s for _, s in job[: at[0]]) for job, at in zip(jobs, places, strict=True) if at)
        after = min(sum(s for _, s in job[at[-1] + 1 :]) for job, at in zip(jobs, places, strict=True) if at)
        best = max(best, before + work + after)
    return best


def solved(jobs: list[Job], devices: dict[str, int], seconds: float) -> float | None:
    """The makespan that CP-SAT finds in so many seconds; None where it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    model = cp_model.CpModel()
    horizon = int(sum(s for job in jobs for _, s in job)) + 1
    by_group: dict[str, list] = {group: [] for group in devices}
    ends = []
    for job in jobs:
        last = None
        for group, s in job:
            start = model.new_int_var(0, horizon, "")
            by_group[group].append(model.new_fixed_size_interval_var(start, round(s), ""))
            if last is not None:
                model.add(start >= last)
            last = start + round(s)
        ends.append(last)
    for group, count in devices.items():
        model.add_cumulative(by_group[group], [1] * len(by_group[group]), count)
    makespan = model.new_int_var(0, horizon, "")
    for end in ends:
        model.add(makespan >= end)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.solve(model)
    return solver.objective_value


def orders(seed: int, n: int, solve_s: float) -> dict[str, float | None]:
    usual = precedence.ordered
    with tempfile.TemporaryDirectory() as folder:
        bound = bound_of(Path(folder), seed, n, f"batch: {n}", slots=1)
        try:
            precedence.ordered = lambda experiments, *_: sorted(experiments, key=lambda one: one.number)
            came, jobs = run(bound)
        finally:
            precedence.ordered = usual
        ordered, _ = run(bound)
    row: dict[str, float | None] = {
        "first come": came, "longest first": ordered, "bound": least(jobs, DEVICES),
    }  # fmt: skip
    if solve_s:
        row["CP-SAT"] = solved(jobs, DEVICES, solve_s)
    return row


def batches(seed: int, n: int) -> dict[str, float]:
    share = "share: [temperature, hold]"
    ways = {
        "one crucible in a furnace": (f"batch: 8, in_flight: {n}, {share}", 1),
        "eight, a batch at a time": (f"batch: 8, {share}", 8),
        f"eight, {n} in flight": (f"batch: 8, in_flight: {n}, {share}", 8),
    }
    row = {}
    for way, (phase, slots) in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            row[way], _ = run(bound_of(Path(folder), seed, n, phase, slots))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--solve", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows, together = [], []
    for seed in range(chosen.seeds):
        rows.append(orders(seed, chosen.experiments, chosen.solve))
        together.append(batches(seed, chosen.experiments))
        print(json.dumps({"seed": seed, **rows[-1], **together[-1]}), flush=True)
    print("| order | makespan, h (median of seeds) | above the bound, median, worst |\n|---|---|---|")
    for name in ("first come", "longest first", *(["CP-SAT"] if rows[0].get("CP-SAT") else [])):
        hours = median(row[name] for row in rows) / 3600
        above = [row[name] / row["bound"] - 1 for row in rows]
        print(f"| {name} | {hours:.1f} | {median(above):.1%}, {max(above):.1%} |")
    print("\n| groups of eight that share temperature and hold | makespan, h (median of seeds) |\n|---|---|")
    for way in together[0]:
        print(f"| {way} | {median(row[way] for row in together) / 3600:.1f} |")
    if chosen.json is not None:
        chosen.json.write_text(
            json.dumps([{**a, **b} for a, b in zip(rows, together, strict=True)], indent=1)
        )


if __name__ == "__main__":
    main()
