"""Records of a search for stable crystals that never ran, with energies that let a test know the hull by hand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from campaigns.campaign import Budget, Campaign, Objective, Phase, Reference, Step
from campaigns.material import Generate
from campaigns.space import Material, Space
from orchestrator.crystals import FOLDER, Crystals
from orchestrator.records import (
    ActionRecord,
    ExperimentRecord,
    MeasuredValue,
    PhaseRecord,
    ProposalRecord,
    Records,
)
from tests.orchestrator.records_fake import _at

ELEMENTS = {"Li": -2.0, "O": -5.0}  # eV per atom of the elements
UNIT = "eV"
PHASES = (
    ("explore", "sobol", "the plan begins"),
    ("optimise", "probability", "explore has had its experiments"),
)


def _parsed(formula: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for character in formula:
        if character.isupper():
            found.append((character, 0))
        elif character.islower():
            found[-1] = (found[-1][0] + character, 0)
        else:
            found[-1] = (found[-1][0], 10 * found[-1][1] + int(character))
    return [(symbol, n or 1) for symbol, n in found]


def crystal(formula: str) -> dict[str, Any]:
    """A record with the atoms of a formula such as Li2O, on the diagonal of a cube."""
    species = []
    for symbol, n in _parsed(formula):
        species += [symbol] * n
    n = len(species)
    edge = 3.0 * n
    return {
        "lattice": [[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]],
        "species": species,
        "frac": [[i / n, i / n, i / n] for i in range(n)],
    }


def energy(formula: str, formation: float, elements: Mapping[str, float] | None = None) -> float:
    """Energy per atom, eV, of a crystal with this formation energy per atom."""
    references = elements or ELEMENTS
    counts = Counter(crystal(formula)["species"])
    return formation + sum(n * references[symbol] for symbol, n in counts.items()) / sum(counts.values())


def material(rows: Sequence[Mapping[str, Any]], **more: Any) -> tuple[Material, bytes]:
    """A material parameter over these rows, and the content of its pool's file."""
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    digest = hashlib.sha256(content).hexdigest()
    return Material(name="crystal", pool="li_o", digest=digest, n=len(rows), **more), content


def kept(folder: Path, *pools: tuple[Material, bytes]) -> Crystals:
    """The pools as a run keeps them, in `folder`."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for parameter, content in pools:
        (folder / FOLDER / f"{parameter.digest}.jsonl").write_bytes(content)
    return Crystals(folder)


def hull_campaign(parameter: Material, planned: int = 40) -> Campaign:
    label = Step(
        id="label",
        device="labeler",
        verb="relax",
        arguments={"structure": Reference(parameter="crystal")},
        gives={"energy": "energy"},
    )
    return Campaign(
        name="discover-li-o",
        description="Stable oxides of lithium, by the energy that a labeler computes.",
        space=Space(parameters=(parameter,)),
        objectives=(Objective(name="energy", direction="minimise", unit=UNIT),),
        goal="hull",
        recipe=(label,),
        plan=(
            Phase(mode="explore", method="sobol", experiments=4, batch=4),
            Phase(mode="optimise", method="probability", batch=4),
        ),
        budget=Budget(experiments=planned),
        lab="labelers/emt",
        seed=3,
    )


def asked(
    number: int,
    id: str,
    formula: str,
    energy: float | None,
    *,
    read_to: int,
    phase: int = 1,
    predicted: tuple[float, float] | None = None,
    **said: Any,
) -> ExperimentRecord:
    """An experiment of a search for stable crystals; `energy` None: it failed. `said`: of its crystal, when asked."""
    mode, method, rule = PHASES[phase]
    began = 60.0 * number
    mean, sd = predicted or (None, None)
    return ExperimentRecord(
        id=f"x{number:04d}",
        number=number,
        state="failed" if energy is None else "measured",
        candidate={"crystal": id},
        proposal=ProposalRecord(
            mode=mode,
            acquisition=method,
            value=said.get("probability_stable"),
            mean=mean,
            sd=sd,
            model="none" if predicted is None else "ensemble/edge_gated",
            seed=3,
            read_to=read_to,
            rule=rule,
            fallback=None,
            phase=phase,
            predictions={} if predicted is None else {"energy": predicted},
            material=said,
        ),
        values={} if energy is None else {"energy": MeasuredValue(energy, UNIT, None)},
        proposed_at=_at(60.0 * (read_to // 10)),
        started_at=_at(began),
        ended_at=_at(began + 50.0),
        lab_began_s=began,
        lab_ended_s=began + 50.0,
        failure=("infeasible", "the relaxation did not converge") if energy is None else None,
        structures={id: crystal(formula)},
    )


# Formation energies per atom known beforehand: the hull is Li, LiO, O.
SEEDS = (("mp-1", "Li", 0.0), ("mp-2", "O", 0.0), ("mp-3", "LiO", -0.5), ("mp-4", "Li", 0.02))
POOL = [
    *({"id": id, **crystal(f), "values": {"energy": energy(f, e)}, "source": "seeds"} for id, f, e in SEEDS),
    *({"id": id, **crystal(f), "source": "seeds"} for id, f in (("mp-5", "Li3O"), ("mp-6", "LiO3"))),
    {"id": "mp-7", **crystal("LiO2")},
    {"id": "mp-8", **crystal("Li4O")},
]
PARAMETER, CONTENT = material(POOL, generate=(Generate(generator="substitution"),))
POOL_KEPT = (PARAMETER, CONTENT)


def search(**changes: Any) -> Records:
    """Two rounds. The first, explored, of which no proposal tells a hull: Li3O is 0.25 below it, LiO3 0.15 above. The
    second: a generated LiO is 0.3 below, LiO2 0.1/6 below, but above what the first then makes of the hull; Li4O fails.
    """
    half, third = energy("LiO", -0.5), energy("LiO2", -1 / 3)
    believed = {"probability_stable": 0.6, "epistemic": 0.03, "aleatoric": 0.04}
    experiments = (
        asked(1, "mp-5", "Li3O", energy("Li3O", -0.5), read_to=10, phase=0),
        asked(2, "mp-6", "LiO3", energy("LiO3", -0.1), read_to=10, phase=0),
        asked(
            3,
            "g-1",
            "Li2O2",
            half - 0.3,
            read_to=30,
            predicted=(half - 0.2, 0.05),
            hull_reference=half,
            decomposition_energy=-0.2,
            sd=0.05,
            source="substitution",
            parents=["mp-3"],
            how="Li for Na",
            **believed,
        ),
        asked(
            4,
            "mp-7",
            "LiO2",
            third - 0.1 / 6,
            read_to=30,
            predicted=(third - 0.1 / 6 + 0.3, 0.1),
            hull_reference=third,
            decomposition_energy=0.3,
            sd=0.1,
            source="seeds",
            parents=[],
            how="",
            **believed,
        ),
        asked(5, "mp-8", "Li4O", None, read_to=30, source="seeds", parents=[], how="", hull_reference=-3.0),
    )
    return search_of(PARAMETER, experiments, **changes)


def search_of(parameter: Material, experiments: Sequence[ExperimentRecord], **changes: Any) -> Records:
    campaign = hull_campaign(parameter)
    entered = [(p, min(e.number for e in experiments if e.proposal.phase == p) - 1) for p in (0, 1)
               if any(e.proposal.phase == p for e in experiments)]  # fmt: skip
    return Records(
        **{
            "campaign": campaign,
            "fingerprint": campaign.fingerprint,
            "lab": "labelers/emt",
            "reality": "simulated",
            "state": "finished",
            "reason": "budget: 5 experiments",
            "versions": {"alquimia": "0.1.0"},
            "phases": tuple(PhaseRecord(p, *PHASES[p][:2], at, PHASES[p][2]) for p, at in entered),
            "experiments": tuple(experiments),
            "actions": tuple(map(acted, experiments)),
            "events": (),
            "lab_elapsed_s": max((e.lab_ended_s or 0.0 for e in experiments), default=0.0),
            **changes,
        }
    )


def acted(experiment: ExperimentRecord) -> ActionRecord:
    failed = experiment.failure is not None
    return ActionRecord(
        id=f"{experiment.id}.label.1",
        experiment=experiment.id,
        step="label",
        device="labeler" if not experiment.loop else "dft",
        verb="relax",
        args={},
        state="failed" if failed else "succeeded",
        repeat="repeatable",
        began_s=experiment.lab_began_s,
        ended_s=experiment.lab_ended_s,
        reason=experiment.failure[1] if experiment.failure else "",
    )
