"""What a funnel's stages took, passed on and cost, and how far each of them would have led astray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from campaigns.funnel import Funnel, FunnelStage
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.crystals import Known
from orchestrator.report.findings import state_of

FEWEST_PAIRS = 4  # of which a correlation is told


@dataclass(frozen=True)
class Passage:
    """A stage that labels: crystals that it could take, those it tried, with a label, failed, with a label that is not
    believed; those that the next stage took of it (None for the last); lab seconds of all of its actions.

    `agreement`: (r, n), Pearson's correlation of its labels with the stage before over crystals that have both.
    `regret`: by how much the last stage's value of the crystal that this stage puts first, of those that the last has
    labelled, is worse than the best of these; in the objective's unit.
    """

    stage: FunnelStage
    offered: int
    tried: int
    labelled: int
    failed: int
    disbelieved: int
    taken: int | None
    lab_s: float
    labels: Mapping[str, float]
    agreement: tuple[float, int] | None
    regret: float | None

    @property
    def each_s(self) -> float | None:
        """Lab seconds of one crystal that was tried."""
        return self.lab_s / self.tried if self.tried else None


@dataclass(frozen=True)
class Found:
    """A label of the last stage, and the best so far, after so many lab seconds of labelling in all stages, one after
    the other."""

    spent_s: float
    value: float
    best: float
    experiment: ExperimentRecord


def passages(records: Records, known: Known, funnel: Funnel) -> list[Passage]:
    """Of every stage that labels, in their order. `records` and `known` call crystals by their ids."""
    own = {stage.loop: _of(records, stage.loop) for stage in funnel.stages}
    labels = {stage.loop: _labels(own[stage.loop], stage) for stage in funnel.stages}
    seconds = _seconds(records)
    last, sign = funnel.stages[-1], _sign(records)
    final = labels[last.loop]
    (material,) = records.campaign.space.materials
    pool = sum(sum((known.counts(id) or {}).values()) <= material.max_atoms for id in known.pool_ids())
    screened = pool if funnel.screen is None or funnel.screen.take is None else min(pool, funnel.screen.take)
    out: list[Passage] = []
    for at, stage in enumerate(funnel.stages):
        mine = labels[stage.loop]
        tried = {crystal(e) for e in own[stage.loop]}
        over = [e for e in own[stage.loop] if state_of(e) in ("failed", "rejected", "cancelled")]
        read = [e for e in own[stage.loop] if stage.reading in e.values]
        after = funnel.stages[at + 1].loop if stage is not last else None
        before = labels[funnel.stages[at - 1].loop] if at else {}
        both = {id: value for id, value in mine.items() if id in final}
        regret = None
        if both:
            first = min(both, key=lambda id: sign * both[id])
            regret = max(sign * final[first] - min(sign * final[id] for id in both), 0.0)
        out.append(
            Passage(
                stage,
                len(before) if at else screened,
                len(tried),
                len(mine),
                len(over),
                len(read) - len(mine),
                None if after is None else len({crystal(e) for e in own[after]}),
                sum(seconds.get(e.id, 0.0) for e in own[stage.loop]),
                mine,
                agreement(before, mine),
                regret,
            )
        )
    return out


def _sign(records: Records) -> float:
    """1 where the smallest is sought, -1 where the largest is."""
    return 1.0 if records.campaign.objectives[0].direction == "minimise" else -1.0


def course(records: Records, funnel: Funnel) -> list[Found]:
    """How the best of the last stage came down (or up) with what was spent, in the order in which labels ended."""
    seconds, last = _seconds(records), funnel.stages[-1]
    sign = _sign(records)
    every = [
        (e, stage.loop) for stage in funnel.stages for e in _of(records, stage.loop) if e.ended_at is not None
    ]
    found: list[Found] = []
    spent = 0.0
    for experiment, loop in sorted(every, key=lambda one: (one[0].ended_at or "", one[0].number)):
        spent += seconds.get(experiment.id, 0.0)
        if loop == last.loop and believed(experiment, last) and last.reading in experiment.values:
            value = experiment.values[last.reading].value
            best = value if not found or sign * value < sign * found[-1].best else found[-1].best
            found.append(Found(spent, value, best, experiment))
    return found


def spent_in_all(records: Records, funnel: Funnel) -> float:
    """Lab seconds of all stages' labels, one after the other."""
    seconds = _seconds(records)
    return sum(seconds.get(e.id, 0.0) for stage in funnel.stages for e in _of(records, stage.loop))


def believed(experiment: ExperimentRecord, stage: FunnelStage) -> bool:
    """Whether its readings keep the stage's bounds of plausibility."""
    return all(
        bound.name in experiment.values and bound.met(experiment.values[bound.name].value)
        for bound in stage.plausible
    )


def crystal(experiment: ExperimentRecord) -> str:
    """The id of the crystal that it is about."""
    return next(iter(experiment.structures), "") or str(next(iter(experiment.candidate.values()), ""))


def agreement(one: Mapping[str, float], other: Mapping[str, float]) -> tuple[float, int] | None:
    """Pearson's r over crystals with both labels, and how many there are; None of few, or where one does not vary."""
    from statistics import StatisticsError, correlation

    both = [id for id in one if id in other]
    if len(both) < FEWEST_PAIRS:
        return None
    try:
        return correlation([one[id] for id in both], [other[id] for id in both]), len(both)
    except StatisticsError:
        return None


def pairs(stages: Sequence[Passage]) -> Iterator[tuple[Passage, Passage, list[str]]]:
    """Neighbouring stages with the crystals that both have labelled."""
    for one, other in pairwise(stages):
        yield one, other, [id for id in one.labels if id in other.labels]


def _of(records: Records, loop: str) -> tuple[ExperimentRecord, ...]:
    if not loop:
        return tuple(records.experiments)
    return next((each.experiments for each in records.loops if each.name == loop), ())


def _labels(experiments: Sequence[ExperimentRecord], stage: FunnelStage) -> dict[str, float]:
    """The believed labels by crystal."""
    return {
        crystal(e): e.values[stage.reading].value
        for e in experiments
        if state_of(e) == "measured" and stage.reading in e.values and believed(e, stage)
    }


def _seconds(records: Records) -> dict[str, float]:
    """Lab seconds of the actions of every experiment; an action of several counts for the first of them."""
    out: dict[str, float] = {}
    for action in records.actions:
        if action.began_s is not None and action.ended_s is not None:
            out[action.experiment] = out.get(action.experiment, 0.0) + action.ended_s - action.began_s
    return out
