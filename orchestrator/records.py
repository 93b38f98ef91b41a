"""What the log says of one campaign, folded into frozen values: all that report, export and status read.

Wall-clock fields end in `_at` and are ISO 8601 UTC; durations and lab times end in `_s` (lab seconds,
virtual in a simulated laboratory). A value that is not known is None, never NaN. Candidates hold one value
per parameter of the space. Nothing here reads the log: whoever holds a log builds these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.space import Value


@dataclass(frozen=True)
class MeasuredValue:
    """A finite number in `unit`; `sigma` is its standard uncertainty in that unit, None where not known."""

    value: float
    unit: str
    sigma: float | None


@dataclass(frozen=True)
class PerAtomValues:
    """Finite numbers in `unit`, one (or a list of some) for each atom of the structure, in its order."""

    values: Sequence[float] | Sequence[Sequence[float]]
    unit: str


@dataclass(frozen=True)
class NearestRecord:
    """The closest candidate measured before, by Euclidean `distance` in the unit cube; `value` is the first
    objective's there, None where it gave none."""

    candidate: Mapping[str, Value]
    value: float | None
    distance: float


@dataclass(frozen=True)
class ProposalRecord:
    """Why an experiment was asked for.

    `value` is the acquisition's value (None where the method has none, as Sobol); `mean` and `sd` are the
    objective predicted at proposal time, before the measurement, in the objective's own unit and sign;
    `noise_sd` is the spread that the model had learned of one measurement there, beside `sd`.
    `read_to` is the place in the log up to which the planner had read, `rule` the sentence saying why this
    mode was on, `fallback` the reason when the planner could not be asked, `phase` the index in the plan.
    What follows is empty or None in logs older than it: `predictions` are the (mean, sd) of every reading that is
    modelled, each in its own unit; `sensitivity` says, per free parameter, by how much (one standard deviation, in the
    first objective's unit) the predicted mean changes when it alone is varied; `feasible` is the probability that the
    experiment comes to a result and keeps the outcome constraints; `cost` is in the campaign's unit of cost; `material`
    is what the planner said of the crystal: where it comes from, what the networks expect of it; `reasons` are
    those of a method that says them in words.
    """

    mode: str
    acquisition: str
    value: float | None
    mean: float | None
    sd: float | None
    model: str
    seed: int
    read_to: int
    rule: str
    fallback: str | None
    phase: int
    noise_sd: float | None = None
    nearest: NearestRecord | None = None
    predictions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    feasible: float | None = None
    cost: float | None = None
    material: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class ExperimentRecord:
    """One candidate's life. `number` counts from 1 as proposed, in all loops; `failure` is (attribution, reason);
    `structures` are the records of the crystals it is about, by id."""

    id: str
    number: int
    state: str
    candidate: Mapping[str, Value]
    proposal: ProposalRecord
    values: Mapping[str, MeasuredValue]
    proposed_at: str
    started_at: str | None
    ended_at: str | None
    lab_began_s: float | None
    lab_ended_s: float | None
    failure: tuple[str, str] | None
    loop: str = ""
    structures: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, PerAtomValues] = field(default_factory=dict)


@dataclass(frozen=True)
class LoopRecord:
    """A loop beside the main one: its phases and experiments, and why it ended (None while it goes on)."""

    name: str
    phases: Sequence[PhaseRecord]
    experiments: tuple[ExperimentRecord, ...]
    ended: str | None


@dataclass(frozen=True)
class ActionRecord:
    """One request to one device. `args` are in the device's own units; `reason` may be empty; `used` is what it took of
    consumables, in their units."""

    id: str
    experiment: str
    step: str
    device: str
    verb: str
    args: Mapping[str, Any]
    state: str
    repeat: str
    began_s: float | None
    ended_s: float | None
    reason: str
    together: tuple[str, ...] = ()  # experiments whose samples it took beside that of `experiment`
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ExpectedRecord:
    """When an action was first expected to begin and end, lab seconds since the first action began."""

    action: str
    device: str
    began_s: float
    ended_s: float


@dataclass(frozen=True)
class SampleRecord:
    """Where a sample is: `at` a place, or in one of `maybe` where nobody knows, or `left` the laboratory."""

    name: str
    at: str | None
    maybe: tuple[str, ...]
    left: bool


@dataclass(frozen=True)
class ConsumableRecord:
    """How much there is of a consumable, all in `unit` ("": pieces).

    `began` + `filled` + `unaccounted` = `on_hand` + `reserved` + `used`. `on_hand`: reserved by no action;
    `unaccounted`: used beyond what there was by the log; `low`: the mark, None where there is none; `enough_for`: so
    many more experiments, by what a recipe took on average, None where that is not known.
    """

    name: str
    unit: str
    began: float
    filled: float
    unaccounted: float
    on_hand: float
    reserved: float
    used: float
    low: float | None
    state: str
    enough_for: int | None


@dataclass(frozen=True)
class RefillRecord:
    """A person's word on a consumable: `added` (negative: less was there than the log knew), `there` after it."""

    consumable: str
    at: str
    by: str
    added: float
    there: float
    reason: str


@dataclass(frozen=True)
class EventRecord:
    """One line of the log, as it was written; `body` holds JSON types only."""

    seq: int
    event_id: str
    stream: str
    version: int
    kind: str
    schema: int
    epoch: int
    at: str
    actor: str
    cause: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True)
class PhaseRecord:
    """A phase of the plan that was entered: after how many experiments, and the rule that opened it."""

    index: int
    mode: str
    method: str
    entered_after: int
    rule: str


@dataclass(frozen=True)
class GateRecord:
    """The gate of a phase was found shut: with `n_told` results, after `after` experiments had been proposed.

    `otherwise` says what happened then: "learn", the next experiments were learning ones; "approval", a person was
    waited for.
    """

    phase: int
    after: int
    n_told: int
    reason: str
    otherwise: str
    at: str


@dataclass(frozen=True)
class DiagnosisRecord:
    """What the model said of itself with `n_told` results, after `after` experiments had been proposed.

    `coverage` is the share of results inside the 90 % interval predicted from all others (leave-one-out), None where
    there were too few to say; `n` results were those that the model was fitted to.
    """

    after: int
    n_told: int
    n: int
    coverage: float | None


@dataclass(frozen=True)
class Records:
    """Everything one campaign did. `events` may be a one-pass iterable: a long log need not fit in memory.

    Phases, experiments, gates and diagnoses are those of the main loop; `loops` are the others. `stopped`: the
    laboratory is; `waits` say why actions do not begin, `late` which take longer than usual. `expected` holds the
    forecasts, the first of each action; `samples` are known where the laboratory names places. `low`: of which
    consumables little is left.
    """

    campaign: Campaign
    fingerprint: str
    lab: str
    reality: Literal["simulated", "real"]
    state: str
    reason: str
    versions: Mapping[str, str]
    phases: Sequence[PhaseRecord]
    experiments: tuple[ExperimentRecord, ...]
    actions: tuple[ActionRecord, ...]
    events: Iterable[EventRecord]
    lab_elapsed_s: float
    gates: Sequence[GateRecord] = ()
    diagnoses: Sequence[DiagnosisRecord] = ()
    loops: Sequence[LoopRecord] = ()
    stopped: bool = False
    waits: Sequence[str] = ()
    late: Sequence[str] = ()
    expected: Sequence[ExpectedRecord] = ()
    samples: Sequence[SampleRecord] = ()
    low: Sequence[str] = ()
    consumables: Sequence[ConsumableRecord] = ()
    refills: Sequence[RefillRecord] = ()
