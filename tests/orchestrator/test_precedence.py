"""Of experiments that want one device the one with most work before it goes first; nobody is held up for it."""

from __future__ import annotations

from campaigns.space import Continuous, Space
from orchestrator import decide
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.decision import Around, Send
from orchestrator.scheduling import precedence
from tests.orchestrator.builders import BENCH, GOOD, SPACE, campaign, enter, laboratory, opened, propose

FREE_HOLD = Space(
    parameters=(*(p for p in SPACE if p.name != "hold"), Continuous(name="hold", low=1, high=60, unit="min"))
)


def with_holds() -> BoundCampaign:
    """The campaign whose oven takes as long as it is told to."""
    heat = BENCH["oven"]["heat"].model_copy(update={"and_s": ("hold",)})
    return bind_campaign(campaign(space=FREE_HOLD), laboratory(bench={**BENCH, "oven": {"heat": heat}}))


def sent(holds: list[float]) -> list[str]:
    """The experiments of these holds in the order in which the first device, which takes one at a time, gets them."""
    the_bound = with_holds()
    log = opened(the_bound)
    enter(log, 0, the_bound)
    for hold in holds:
        propose(log, {**GOOD, "hold": hold})
    order: list[str] = []
    while True:
        decision = decide.decide(log.state, the_bound, Around())
        log.apply(*decision.events)
        for effect in decision.effects:
            if isinstance(effect, Send):
                experiment = effect.action.split(".")[0]
                order.append(experiment)
                log.say(effect.action, "action.succeeded", reason="", began_s=0.0, ended_s=1.0)
                log.say(experiment, "experiment.cancelled", reason="far enough")
        if not decision.events:
            return order


def test_the_longest_goes_first_and_of_equal_ones_the_earlier() -> None:
    assert sent([5, 60, 5, 30]) == ["x0002", "x0004", "x0001", "x0003"]


def test_remaining_work_is_that_of_the_steps_to_come() -> None:
    the_bound = with_holds()
    log = opened(the_bound)
    enter(log, 0, the_bound)
    propose(log, {**GOOD, "hold": 30.0})
    experiment = log.state.experiments["x0001"]
    whole = precedence.remaining_s(experiment, the_bound)
    steps = [step.spec.lasts_s(step.arguments(experiment.candidate, {})) for step in the_bound.steps]
    assert whole == sum(steps) and steps[2] >= 30 * 60
    experiment.step = 3
    assert precedence.remaining_s(experiment, the_bound) == steps[3]
