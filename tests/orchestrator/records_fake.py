"""Realistic records of campaigns that never ran: a film to anneal, a mixture, and a table of measured rows.

Everything is a pure function of its arguments. `truth` is the noise-free objective, so that a test can know what
a report ought to show.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from campaigns.campaign import Budget, Campaign, Objective, Phase, Reference, Step, Until
from campaigns.space import Categorical, Continuous, Integer, Mixture, Ordinal, Space, Table
from orchestrator.records import (
    ActionRecord,
    DiagnosisRecord,
    EventRecord,
    ExperimentRecord,
    GateRecord,
    MeasuredValue,
    PhaseRecord,
    ProposalRecord,
    Records,
)
from orchestrator.report.model import ModelUnavailable

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
NOISE = 0.03
UNIT = "cm^2/V/s"
SOLVENTS = ("chlorobenzene", "toluene", "anisole")
# Device, verb and usual duration in lab seconds of each step.
RECIPE = (
    ("mix", "dispenser", "mix", 90.0),
    ("coat", "coater", "spin", 40.0),
    ("anneal", "furnace", "heat", 420.0),
    ("probe", "probe", "measure", 60.0),
)
RULES = {
    "explore": "the plan begins with explore",
    "learn": "explore has had its 8 experiments",
    "optimise": "calibrated: 91 % of measured values inside their 90 % leave-one-out intervals (wanted 90 %)",
}


def film() -> Space:
    """Every kind of parameter, unconstrained."""
    return Space(
        parameters=(
            Continuous(name="dopant_fraction", low=0.0, high=0.4),
            Continuous(name="anneal_temperature", low=350.0, high=520.0, unit="K"),
            Continuous(name="anneal_time", low=10.0, high=300.0, unit="s", scale="log"),
            Integer(name="layers", low=1, high=4),
            Ordinal(name="spin_speed", levels=(1000.0, 2000.0, 4000.0), unit="rpm"),
            Categorical(name="solvent", choices=SOLVENTS),
        )
    )


def mixture() -> Space:
    """Three components that add up to 100 %, and a temperature."""
    names = ("polymer", "nanotube", "additive")
    return Space(
        parameters=(
            *(Continuous(name=name, low=0.0, high=100.0, unit="percent") for name in names),
            Continuous(name="anneal_temperature", low=350.0, high=520.0, unit="K"),
        ),
        mixtures=(Mixture(name="blend", components=names, total=100.0, unit="percent"),),
    )


def table() -> Space:
    """The rows of a coarse grid over two numbers and a choice, and no others."""
    rows = tuple((x / 10, 350.0 + 20 * y, s) for x in range(5) for y in range(9) for s in SOLVENTS)
    return Space(
        parameters=(
            Continuous(name="dopant_fraction", low=0.0, high=0.4),
            Continuous(name="anneal_temperature", low=350.0, high=520.0, unit="K"),
            Categorical(name="solvent", choices=SOLVENTS),
        ),
        allowed=Table(columns=("dopant_fraction", "anneal_temperature", "solvent"), rows=rows),
    )


def truth(candidate: Mapping[str, Any]) -> float:
    """The noise-free objective: an optimum in doping, temperature and composition, a better solvent."""
    value = 1.0
    if "dopant_fraction" in candidate:
        value *= math.exp(-(((candidate["dopant_fraction"] - 0.17) / 0.13) ** 2))
    value *= math.exp(-(((candidate["anneal_temperature"] - 455) / 55) ** 2))
    if "anneal_time" in candidate:
        value *= 0.6 + 0.4 * math.exp(-(math.log(candidate["anneal_time"] / 90) ** 2))
        value *= {1000.0: 0.85, 2000.0: 1.0, 4000.0: 0.9}[candidate["spin_speed"]]
        value *= 0.8 + 0.08 * candidate["layers"]
    if "polymer" in candidate:
        value *= math.exp(
            -(((candidate["polymer"] - 45) / 30) ** 2) - (((candidate["nanotube"] - 40) / 30) ** 2)
        )
    if "solvent" in candidate:
        value *= {"chlorobenzene": 1.0, "toluene": 0.8, "anisole": 0.65}[candidate["solvent"]]
    return value


def draw(space: Space, rng: random.Random, near: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A candidate anywhere in the space, or in the neighbourhood of another."""
    if space.allowed is not None:
        return space.canonical(dict(zip(space.allowed.columns, rng.choice(space.allowed.rows), strict=True)))
    found: dict[str, Any] = {}
    for p in space.free:
        if isinstance(p, Categorical):
            found[p.name] = near[p.name] if near and rng.random() < 0.8 else rng.choice(p.choices)
        elif isinstance(p, Ordinal):
            found[p.name] = near[p.name] if near and rng.random() < 0.7 else rng.choice(p.levels)
        elif isinstance(p, Integer):
            found[p.name] = near[p.name] if near and rng.random() < 0.6 else rng.randint(p.low, p.high)
        elif isinstance(p, Continuous):
            low, high = (math.log(p.low), math.log(p.high)) if p.scale == "log" else (p.low, p.high)
            at = rng.random()
            if near is not None:
                old = math.log(near[p.name]) if p.scale == "log" else near[p.name]
                at = min(max((old - low) / (high - low) + rng.gauss(0, 0.12), 0), 1)
            value = low + (high - low) * at
            found[p.name] = min(max(math.exp(value), p.low), p.high) if p.scale == "log" else value
    for blend in space.mixtures:
        total = sum(found[name] for name in blend.components)
        for name in blend.components:
            found[name] *= blend.total / total
    return space.canonical(found)


def campaign(
    space: Space, *, direction: str = "maximise", planned: int = 60, name: str = "thin-film-mobility"
) -> Campaign:
    """A whole campaign over `space`, with the recipe and plan that the records tell of."""
    first = {p.name: Reference(parameter=p.name) for p in space.chosen}
    steps = [Step(id="mix", device="dispenser", verb="mix", arguments=first)]
    gives = {"hole_mobility": "mobility", "thickness": "nm"} | {p.name: p.name for p in space.context}
    steps += [Step(id=id_, device=device, verb=verb) for id_, device, verb, _ in RECIPE[1:-1]]
    steps.append(Step(id="probe", device="probe", verb="measure", gives=gives))
    return Campaign(
        name=name,
        description="Hole mobility of a doped polymer film against composition and annealing.",
        space=space,
        objectives=(Objective(name="hole_mobility", direction=direction, unit=UNIT),),
        recipe=tuple(steps),
        plan=(
            Phase(mode="explore", method="sobol", experiments=min(8, planned)),
            Phase(mode="learn", method="variance", at_most=12, until=Until(calibrated=0.9)),
            Phase(mode="optimise", method="ucb", beta=2.0, batch=4, until=Until(stalled_for=15)),
        ),
        budget=Budget(experiments=planned, duration_s=12 * 3600.0, failures=6),
        lab="simulated/thin_film",
        seed=7,
    )


def records(
    n: int = 40,
    *,
    space: Space | None = None,
    direction: str = "maximise",
    failing: Sequence[int] = (),
    fallback: Sequence[int] = (),
    state: str = "finished",
    planned: int = 60,
    sigma: bool = True,
    predicted: bool = True,
    reality: Any = "simulated",
    **changes: Any,
) -> Records:
    """`n` experiments of which the numbers in `failing` failed; `fallback` were proposed without the planner."""
    space = film() if space is None else space
    rng = random.Random(n)
    experiments: list[ExperimentRecord] = []
    actions: list[ActionRecord] = []
    now_s, leader = 0.0, None
    for number in range(1, n + 1):
        phase = 0 if number <= 8 else 1 if number <= 16 else 2
        near = leader.candidate if phase == 2 and leader is not None else None
        candidate = draw(space, rng, near)
        proposal = _proposal(rng, candidate, phase, number, direction, predicted, number in fallback)
        began, (now_s, mine) = now_s, _acts(rng, number, now_s, number in failing)
        actions += mine
        experiment = _experiment(
            rng, number, candidate, proposal, began, now_s, number in failing, direction, sigma
        )
        experiments.append(experiment)
        value = experiment.values.get("hole_mobility")
        if value is not None:
            sign = -1 if direction == "minimise" else 1
            if leader is None or sign * value.value > sign * leader.values["hole_mobility"].value:
                leader = experiment
    entered = [(0, "explore", "sobol", 0), (1, "learn", "variance", 8), (2, "optimise", "ucb", 16)]
    return Records(
        **{
            "campaign": (found := campaign(space, direction=direction, planned=planned)),
            "fingerprint": found.fingerprint,
            "lab": "simulated/thin_film",
            "reality": reality,
            "state": state,
            "reason": "no better experiment in 15 (stalled_for: 15)" if state == "finished" else "",
            "versions": {"alquimia": "0.1.0", "botorch": "0.18.1", "sim.probe": "1.0"},
            "phases": tuple(
                PhaseRecord(index, mode, method, after, RULES[mode])
                for index, mode, method, after in entered
                if after < max(n, 1)
            ),
            "experiments": tuple(experiments),
            "actions": tuple(actions),
            "events": _events(experiments),
            "lab_elapsed_s": now_s,
            **changes,
        }
    )


class TrueBelief:
    """A model view that believes the truth, with the same small doubt everywhere."""

    def __init__(self, sd: float = 0.05, sign: float = 1.0) -> None:
        self.sd, self.sign = sd, sign
        self.asked: list[Mapping[str, Any]] = []

    def predict(self, candidates: Sequence[Mapping[str, Any]], reading: str) -> tuple[np.ndarray, np.ndarray]:
        self.asked.extend(candidates)
        return np.array([self.sign * truth(c) for c in candidates]), np.full(len(candidates), self.sd)


class Flat:
    """A model view that believes nothing in particular, whatever the candidate."""

    def predict(self, candidates: Sequence[Mapping[str, Any]], reading: str) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(candidates)), np.ones(len(candidates))


class Broken:
    """A model view that cannot predict."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def predict(self, candidates: Sequence[Mapping[str, Any]], reading: str) -> tuple[np.ndarray, np.ndarray]:
        raise ModelUnavailable(self.reason)


def changed(record: Any, **changes: Any) -> Any:
    """A copy of a record with some of its fields changed."""
    return dataclasses.replace(record, **changes)


def _proposal(
    rng: random.Random,
    candidate: Mapping[str, Any],
    phase: int,
    number: int,
    direction: str,
    predicted: bool,
    fallback: bool,
) -> ProposalRecord:
    mode, acquisition = (("explore", "sobol"), ("learn", "variance"), ("optimise", "ucb"))[phase]
    known = phase > 0 and predicted and not fallback
    sd = 0.25 / math.sqrt(number) + 0.02
    sign = -1 if direction == "minimise" else 1
    mean = sign * truth(candidate) + rng.gauss(0, sd) if known else None
    return ProposalRecord(
        mode=mode,
        acquisition="sobol" if fallback else acquisition,
        value=mean + 2 * sd if mean is not None else None,
        mean=mean,
        sd=sd if known else None,
        model="gp-matern52" if known else "none",
        seed=7,
        read_to=12 * number,
        rule=RULES[mode],
        fallback="the brain did not answer within 30 s" if fallback else None,
        phase=phase,
    )


def _acts(rng: random.Random, number: int, now_s: float, fails: bool) -> tuple[float, list[ActionRecord]]:
    found = []
    for step, device, verb, usual in RECIPE:
        took = usual * rng.uniform(0.8, 1.3)
        failed = fails and device == "furnace"
        found.append(
            ActionRecord(
                id=f"a-{number:04d}-{step}",
                experiment=f"x-{number:04d}",
                step=step,
                device=device,
                verb=verb,
                args={"speed": 209.4} if verb == "spin" else {},
                state="failed" if failed else "succeeded",
                repeat="testable" if device == "furnace" else "repeatable",
                began_s=now_s,
                ended_s=now_s + took,
                reason="the film de-wetted" if failed else "",
            )
        )
        now_s += took
        if failed:
            break
    return now_s, found


def _experiment(
    rng: random.Random,
    number: int,
    candidate: dict[str, Any],
    proposal: ProposalRecord,
    began_s: float,
    ended_s: float,
    failed: bool,
    direction: str,
    sigma: bool,
) -> ExperimentRecord:
    sign = -1 if direction == "minimise" else 1
    value = sign * truth(candidate) + rng.gauss(0, NOISE)
    values = {
        "hole_mobility": MeasuredValue(value, UNIT, NOISE if sigma else None),
        "thickness": MeasuredValue(40 + rng.random(), "nm", None),
    }
    return ExperimentRecord(
        id=f"x-{number:04d}",
        number=number,
        state="failed" if failed else "measured",
        candidate=candidate,
        proposal=proposal,
        values={} if failed else values,
        proposed_at=_at(began_s - 1),
        started_at=_at(began_s),
        ended_at=_at(ended_s),
        lab_began_s=began_s,
        lab_ended_s=ended_s,
        failure=("infeasible", "the film de-wetted") if failed else None,
    )


def _events(experiments: Sequence[ExperimentRecord]) -> tuple[EventRecord, ...]:
    return tuple(
        EventRecord(
            seq=seq,
            event_id=f"e-{seq:06d}",
            stream=f"experiment/{experiment.id}",
            version=1,
            kind="experiment.proposed",
            schema=1,
            epoch=1,
            at=experiment.proposed_at,
            actor="engine",
            cause=None,
            body={"candidate": dict(experiment.candidate), "note": "µ ≤ ½"},
        )
        for seq, experiment in enumerate(experiments, start=1)
    )


def _at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def aimed(records: Records, values: Sequence[Mapping[str, float]] = (), **aim: Any) -> Records:
    """The same experiments in a campaign that seeks something else: `aim` are fields of the campaign, in JSON types.

    `values`: the readings of experiment 1, 2, ..., without uncertainty, in place of those that it had.
    """
    found = Campaign.from_json({**records.campaign.to_json(), **aim})
    units = {"hole_mobility": UNIT, "thickness": "nm", "humidity": "percent"}
    experiments = [
        changed(e, values={name: MeasuredValue(value, units[name], None) for name, value in row.items()})
        for e, row in zip(records.experiments, values, strict=False)
    ]
    experiments += records.experiments[len(experiments) :]
    return changed(records, campaign=found, fingerprint=found.fingerprint, experiments=tuple(experiments))


def told(records: Records, number: int, **why: Any) -> Records:
    """The same records with more said of one proposal."""
    return changed(
        records,
        experiments=tuple(
            changed(e, proposal=changed(e.proposal, **why)) if e.number == number else e
            for e in records.experiments
        ),
    )


def gated(records: Records, *closures: tuple[int, int], otherwise: str = "learn") -> Records:
    """`closures`: (experiments proposed before it, how many were chosen otherwise) of each time the gate of the last
    phase was found shut; the coverage was 0.5 then, and 0.8 before any other experiment from number 17 on."""
    plan = records.campaign.to_json()["plan"]
    plan[2] |= {"gate": {"low": 0.75, "high": 1.0, "otherwise": otherwise}}
    records = aimed(records, plan=plan)
    shut = {after for after, _ in closures}
    asked = {after + i + 1: after for after, n in closures for i in range(n)}
    experiments = tuple(
        changed(e, proposal=changed(e.proposal, read_to=10_000 + asked[e.number], mode="learn"))
        if e.number in asked
        else e
        for e in records.experiments
    )
    last = len(records.experiments)
    return changed(
        records,
        experiments=experiments,
        gates=tuple(
            GateRecord(2, after, after - 1, f"cover {after}", otherwise, _at(after)) for after, _ in closures
        ),
        diagnoses=tuple(
            DiagnosisRecord(after, after - 1, after - 1, 0.5 if after in shut else 0.8)
            for after in range(16, last + 1)
            if asked.get(after + 1, after) == after  # not in the middle of an answer
        ),
    )
