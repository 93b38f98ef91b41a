"""How long 32 experiments take on shared devices: as they come, by the longest remaining work, and at best.

    python benchmarks/makespan.py [--experiments 32] [--seeds 5] [--solve SECONDS] [--json FILE]

The laboratory is that of solid-state synthesis (one doser, one mill, one arm, four furnaces, one diffractometer), each
device as a stand-in with its own durations; the campaign asks for all experiments at once, with holds of half an hour
to twelve. Whole runs of the engine on virtual time; nothing but the order of experiments differs. The bound is what no
order can beat: the work of the busiest group of devices, shared evenly, and the least that comes before and after it.
`--solve` asks a constraint solver (OR-tools CP-SAT, where it is installed: pip install ortools) for so long, once and
beforehand.
"""

from __future__ import annotations

import argparse
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
LAB = """
alquimia_lab: 1
name: makespan
clock: virtual
groups: {{furnace: [furnace_1, furnace_2, furnace_3, furnace_4]}}
devices:
""" + "".join(
    f"  {name}: {{{{driver: sim.stand_in, host: lab, settings: {{{{driver: {driver}{of}}}}}}}}}\n"
    for name, driver, of in (
        ("doser", "sim.powder_doser", ", of: {{table: {table}, mixtures: {{a: {{Li2O: 1, Fe2O3: 1}}}}}}"),
        ("mill", "sim.mill", ""),
        ("arm", "sim.crucible_arm", ""),
        *((f"furnace_{k}", "sim.box_furnace", ", of: {{table: {table}}}") for k in (1, 2, 3, 4)),
        ("diffractometer", "sim.diffractometer", ", of: {{table: {table}}}"),
    )
)
CAMPAIGN = """
alquimia: 1
campaign: makespan
lab: makespan
seed: {seed}
space:
  temperature: {{continuous: [900, 1300], unit: K}}
  hold: {{continuous: [0.5, 12], unit: h, scale: log}}
objectives:
  - {{maximise: yield}}
recipe:
  - {{id: dose, do: doser.dose_mixture, with: {{mixture: a, mass: 2 g}}}}
  - {{id: mix, do: mill.mix}}
  - {{id: load, do: arm.be_at, with: {{place: furnace_1}}}}
  - {{id: fire, do: furnace.heat, with: {{temperature: $temperature, hold: $hold}}}}
  - {{id: unload, do: arm.be_at, with: {{place: mill}}}}
  - {{id: grind, do: mill.regrind}}
  - {{id: measure, do: diffractometer.measure, with: {{target: LiFeO2}}, gives: {{yield: yield}}}}
plan:
  - {{explore: random, experiments: {n}, batch: {n}}}
budget: {{experiments: {n}}}
"""
Job = list[tuple[str, float]]  # group of devices, s


def bound_of(folder: Path, seed: int, n: int) -> BoundCampaign:
    (folder / "lab.yaml").write_text(LAB.format(table=TABLE))
    (folder / "c.yaml").write_text(CAMPAIGN.format(seed=seed, n=n))
    return prepare(str(folder / "c.yaml"), lab_file=folder / "lab.yaml")


def run(bound: BoundCampaign) -> tuple[float, list[Job]]:
    """Seconds that the engine took, and what there was to do."""
    import asyncio

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        open_campaign(path, bound)
        asyncio.run(conduct(path, wait_for_people=False, linger_s=1.0))
        records = read_records(path)
        assert all(e.state == "measured" for e in records.experiments)
        jobs: dict[str, Job] = {}
        for a in sorted(records.actions, key=lambda a: a.began_s or 0.0):
            jobs.setdefault(a.experiment, []).append(
                (a.device.partition("_")[0], (a.ended_s or 0.0) - (a.began_s or 0.0))
            )
        return records.lab_elapsed_s, [jobs[key] for key in sorted(jobs)]


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--solve", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    usual, rows = precedence.ordered, []
    for seed in range(chosen.seeds):
        with tempfile.TemporaryDirectory() as folder:
            bound = bound_of(Path(folder), seed, chosen.experiments)
            precedence.ordered = lambda experiments, _: sorted(experiments, key=lambda one: one.number)
            came, jobs = run(bound)
            precedence.ordered = usual
            ordered, _ = run(bound)
        devices = {"doser": 1, "mill": 1, "arm": 1, "furnace": 4, "diffractometer": 1}
        row = {"seed": seed, "first come": came, "longest first": ordered, "bound": least(jobs, devices)}
        if chosen.solve:
            row["CP-SAT"] = solved(jobs, devices, chosen.solve)
        rows.append(row)
        print(json.dumps(row), flush=True)
    print("| order | makespan, h (median of seeds) | above the bound, worst |\n|---|---|---|")
    for name in ("first come", "longest first", *(["CP-SAT"] if rows[0].get("CP-SAT") else [])):
        hours = median(row[name] for row in rows) / 3600
        above = [row[name] / row["bound"] - 1 for row in rows]
        print(f"| {name} | {hours:.1f} | {median(above):.1%}, {max(above):.1%} |")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
