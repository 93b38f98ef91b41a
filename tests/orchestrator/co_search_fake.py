"""Records of films of a material and an anneal that were never made, with a loop of labels beside."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from campaigns.campaign import Budget, Campaign, Loop, Objective, Phase, Reference, Step
from campaigns.space import Continuous, Material, Space
from orchestrator.records import (
    ExperimentRecord,
    LoopRecord,
    MeasuredValue,
    PhaseRecord,
    ProposalRecord,
    Records,
)
from tests.orchestrator.discovery_fake import acted, crystal, material
from tests.orchestrator.records_fake import _at


def co_search(
    n: int = 30, n_labels: int = 20, n_pool: int = 10_000
) -> tuple[Records, tuple[Material, bytes]]:
    """Films of one of `n_pool` materials and an anneal, and a loop that labels gaps: their numbers interleave."""
    rng = random.Random(n)
    metals = ("Ti", "Zr", "Hf", "Sn", "Ge", "V", "Nb", "Ta")
    formulas = [
        f"{a}{m}{x}3" for a in ("Ca", "Sr", "Ba", "La", "K") for m in metals for x in ("O", "N", "S", "F")
    ]
    rows = [{"id": f"m{i:05d}", **crystal(formulas[i % len(formulas)])} for i in range(n_pool)]
    parameter, content = material(rows)
    campaign = _co_campaign(parameter)
    films, labels = [], []
    number = 0
    for k in range(max(n, n_labels)):
        for loop, most in (("", n), ("labels", n_labels)):
            if k < most:
                number += 1
                row = rows[rng.randrange(n_pool)]
                made = _label(rng, number, k, row) if loop else _film(rng, number, k, row)
                (labels if loop else films).append(made)
    records = Records(
        campaign=campaign,
        fingerprint=campaign.fingerprint,
        lab="simulated/perovskite_film",
        reality="simulated",
        state="open",
        reason="",
        versions={"alquimia": "0.1.0"},
        phases=(
            PhaseRecord(0, "explore", "sobol", 0, "the plan begins"),
            PhaseRecord(1, "optimise", "ucb", min(8, n), "explore has had its 8 experiments"),
        ),
        experiments=tuple(films),
        actions=tuple(acted(e) for e in sorted([*films, *labels], key=lambda e: e.number)),
        events=(),
        lab_elapsed_s=60.0 * number + 60.0,
        loops=(
            LoopRecord(
                "labels",
                (
                    PhaseRecord(0, "explore", "random", 0, "the plan begins"),
                    PhaseRecord(
                        1, "learn", "variance", min(5, n_labels), "explore has had its 5 experiments"
                    ),
                ),
                tuple(labels),
                "budget: 20 experiments",
            ),
        ),
    )
    return records, (parameter, content)


def _co_campaign(parameter: Material) -> Campaign:
    crystal_ = {"structure": Reference(parameter="crystal")}
    anneal = {"temperature": Reference(parameter="anneal"), "time": Reference(parameter="time")}
    return Campaign(
        name="co-search",
        description="Films of a perovskite and its anneal, beside the labels that say which perovskite.",
        space=Space(
            parameters=(
                parameter,
                Continuous(name="anneal", low=300.0, high=600.0, unit="K"),
                Continuous(name="time", low=10.0, high=300.0, unit="s", scale="log"),
            )
        ),
        objectives=(Objective(name="yield", direction="maximise", unit="percent"),),
        recipe=(
            Step(id="coat", device="coater", verb="coat", arguments={**crystal_, **anneal}, gives={"yield": "yield"}),
        ),
        plan=(
            Phase(mode="explore", method="sobol", experiments=8),
            Phase(mode="optimise", method="ucb", beta=2.0),
        ),
        budget=Budget(experiments=60),
        loops=(
            Loop(
                name="labels",
                chooses=("crystal",),
                learns=(("gap", "eV"), ("heat", "eV")),
                recipe=(
                    Step(
                        id="label", device="dft", verb="relax", arguments=crystal_, gives={"gap": "gap", "heat": "heat"}
                    ),
                ),
                plan=(
                    Phase(mode="explore", method="random", experiments=5),
                    Phase(mode="learn", method="variance"),
                ),
                budget=Budget(experiments=20),
            ),
        ),
        lab="simulated/perovskite_film",
        seed=1,
    )  # fmt: skip


def _gap(row: Mapping[str, Any]) -> float:
    return 0.4 * (sum(map(ord, "".join(row["species"]))) % 11)


def _film(rng: random.Random, number: int, k: int, row: Mapping[str, Any]) -> ExperimentRecord:
    anneal, time = rng.uniform(300, 600), math.exp(rng.uniform(math.log(10), math.log(300)))
    value = 40 - 6 * (_gap(row) - 1.6) ** 2 - ((anneal - 470) / 40) ** 2 + rng.gauss(0, 0.5)
    phase = int(k >= 8)
    mode, method = ("explore", "sobol") if phase == 0 else ("optimise", "ucb")
    mean = value + rng.gauss(0, 2) if phase else None
    return ExperimentRecord(
        id=f"x{number:04d}",
        number=number,
        state="measured",
        candidate={"crystal": row["id"], "anneal": anneal, "time": time},
        proposal=ProposalRecord(
            mode=mode, acquisition=method, value=None if mean is None else mean + 4, mean=mean,
            sd=None if mean is None else 2.0, model="gp", seed=1, read_to=10 * number, rule="the plan begins",
            fallback=None, phase=phase,
            sensitivity={} if phase == 0 else {"crystal": 3.0, "anneal": 1.5, "time": 0.2},
            material={} if phase == 0 else {"probability_stable": 0.8},
        ),
        values={"yield": MeasuredValue(value, "percent", 0.5)},
        proposed_at=_at(60.0 * number - 2), started_at=_at(60.0 * number), ended_at=_at(60.0 * number + 50),
        lab_began_s=60.0 * number, lab_ended_s=60.0 * number + 50.0, failure=None,
        structures={row["id"]: {key: row[key] for key in ("lattice", "species", "frac")}},
    )  # fmt: skip


def _label(rng: random.Random, number: int, k: int, row: Mapping[str, Any]) -> ExperimentRecord:
    gap, failed = _gap(row), k == 3
    learns = k >= 5
    predicted = {"gap": (gap + rng.gauss(0, 0.3), 0.3), "heat": (0.1, 0.2)} if learns else {}
    values = {"gap": MeasuredValue(gap, "eV", None), "heat": MeasuredValue(rng.gauss(0.1, 0.2), "eV", None)}
    return ExperimentRecord(
        id=f"x{number:04d}",
        number=number,
        state="failed" if failed else "measured",
        candidate={"crystal": row["id"]},
        proposal=ProposalRecord(
            mode="learn" if learns else "explore", acquisition="variance" if learns else "random", value=None,
            mean=predicted["gap"][0] if learns else None, sd=0.3 if learns else None, model="ensemble", seed=1,
            read_to=10 * number, rule="the plan begins", fallback=None, phase=int(learns), predictions=predicted,
        ),
        values={} if failed else values,
        proposed_at=_at(60.0 * number - 2), started_at=_at(60.0 * number), ended_at=_at(60.0 * number + 50),
        lab_began_s=60.0 * number, lab_ended_s=60.0 * number + 50.0,
        failure=("infeasible", "no self-consistent field in 60 steps") if failed else None,
        loop="labels",
        structures={row["id"]: {key: row[key] for key in ("lattice", "species", "frac")}},
    )  # fmt: skip
