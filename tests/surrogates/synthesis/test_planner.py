"""Routes as a planner: a function of what was seen, in words, and the other methods as they are without chemistry."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Categorical, Fixed, Ordinal, Space
from campaigns.synthesis import Synthesis
from surrogates.errors import SpaceExhausted, UnsupportedMethod
from surrogates.planner import Method, Planner
from surrogates.service import handle as handle_without
from surrogates.synthesis.choose import choose
from surrogates.synthesis.planner import RoutePlanner, Seen, passes
from surrogates.synthesis.service import handle
from surrogates.synthesis.trials import Trial
from tests.surrogates.synthesis.test_choose import CHEMISTRY, TARGET, weights

CHOICES = (
    "2 MnO + Na2O",
    "2 MnO + Na2O2",
    "2 MnO2 + Na2O",
    "2 MnO2 + Na2O2",
    "Mn2O3 + Na2O",
    "Mn2O3 + Na2O2",
)
LEVELS = (600.0, 700.0, 800.0, 900.0)
SPACE = Space(
    parameters=(
        Categorical(name="mixture", choices=CHOICES),
        Ordinal(name="fired", levels=LEVELS, unit="degC"),
        Fixed(name="hold", value=4.0, unit="h"),
    )
)
AIM = Aim(
    space=SPACE,
    objectives=(Objective(name="purity", direction="maximise"),),
    synthesis=Synthesis(target=TARGET, precursors="mixture", temperature="fired", atmosphere="air"),
)
ROUTES = Method("optimise", "pairwise_reactions")


def made(mixture: str, fired: float) -> dict[str, Any]:
    return {"mixture": mixture, "fired": fired, "hold": 4.0}


def planner(*seen: Seen, told: bool = True) -> RoutePlanner:
    asked = RoutePlanner(AIM, CHEMISTRY, seen, seed=1)
    for one in seen if told else ():
        asked.tell(one.candidate, one.phases.get(TARGET, 0.0))
    return asked


STUCK = Seen(made("2 MnO + Na2O", 800.0), {"Na2Mn2O3": 0.75, "Na2O": 0.25})
UNTOUCHED = Seen(made("2 MnO + Na2O2", 800.0), weights("MnO", "Na2O2"))
BEGUN = Seen(made("Mn2O3 + Na2O", 800.0), {TARGET: 0.2, "Mn2O3": 0.6, "Na2O": 0.2})


def test_what_is_driven_most_is_first_and_says_why() -> None:
    (first,) = planner().ask(1, ROUTES)
    assert first.candidate == made("2 MnO + Na2O", 800.0)
    assert first.reasons[0].startswith("300 meV per atom for NaMnO2; nothing known")
    assert (first.acquisition, first.model, first.fallback) == (
        "pairwise_reactions",
        "pairwise reactions",
        None,
    )
    assert first.value == pytest.approx((6.0 - 3.0 - 1.8) / 4) and first.mean is first.sd is None


def test_it_is_the_choice_of_the_published_rule() -> None:
    """What the planner proposes is what `choose` says of the same trials, in kelvin and weight fractions."""
    seen = (STUCK, UNTOUCHED, BEGUN)
    trials = [
        Trial(weights("MnO", "Na2O"), 1073.15, STUCK.phases),
        Trial(weights("MnO", "Na2O2"), 1073.15, UNTOUCHED.phases),
        Trial(weights("Mn2O3", "Na2O"), 1073.15, BEGUN.phases),
    ]
    order = [t + 273.15 for t in (800, 900, 700, 600)]
    wanted = choose(
        TARGET, ["MnO", "MnO2", "Mn2O3", "Na2O", "Na2O2"], trials, CHEMISTRY, order, patient=False
    )
    found = planner(*seen).recipes()
    assert [(r.precursors, r.temperature) for r in found] == [(r.precursors, r.temperature) for r in wanted]
    assert [r.driving for r in found] == pytest.approx([r.driving for r in wanted])
    first = planner(*seen).ask(1, ROUTES)[0]
    assert first.candidate == made("Mn2O3 + Na2O", 900.0)  # where the target has begun to form: hotter
    assert "has begun to form" in "; ".join(first.reasons)


def test_what_was_seen_changes_what_is_left() -> None:
    """An intermediate uses up the driving force: less is left for the set in which it was seen."""
    names = ("MnO", "Na2O")
    nothing, stuck = (
        next(r for r in planner(one).recipes() if r.precursors == names)
        for one in (Seen(STUCK.candidate, {}), STUCK)
    )
    assert nothing.driving == pytest.approx(nothing.total) and stuck.driving < 0.5 * stuck.total
    assert "at 1073.15 K it was Na2Mn2O3 75%, Na2O 25%" in stuck.reasons


def test_a_function_of_what_was_seen_in_whatever_order() -> None:
    seen = [STUCK, UNTOUCHED, BEGUN, Seen(made("Mn2O3 + Na2O", 700.0), weights("Mn2O3", "Na2O"))]
    asked = [p.candidate for p in planner(*seen).ask(3, ROUTES)]
    for seed in range(4):
        random.Random(seed).shuffle(seen)
        assert [p.candidate for p in planner(*seen).ask(3, ROUTES)] == asked


def test_a_batch_has_no_set_twice_and_none_that_is_being_fired() -> None:
    asked = planner()
    asked.expect(made("2 MnO + Na2O", 800.0))
    batch = asked.ask(4, ROUTES)
    mixtures = [p.candidate["mixture"] for p in batch]
    assert len(set(mixtures)) == 4 and "2 MnO + Na2O" not in mixtures
    with pytest.raises(SpaceExhausted):
        planner().ask(7, ROUTES)


def test_a_batch_may_share_its_temperature() -> None:
    shared = Method("optimise", "pairwise_reactions", share=("fired",))
    seen = (STUCK, UNTOUCHED)
    free = planner(*seen).ask(4, ROUTES)
    assert len({p.candidate["fired"] for p in free}) > 1
    batch = planner(*seen).ask(2, shared)
    assert len({p.candidate["fired"] for p in batch}) == 1 and batch[0].candidate == free[0].candidate


def test_a_recipe_that_came_to_nothing_was_tried_all_the_same() -> None:
    asked = planner()
    asked.tell(made("2 MnO + Na2O", 800.0), None, failed=True)
    tried = {(p.candidate["mixture"], p.candidate["fired"]) for p in asked.ask(6, ROUTES)}
    assert ("2 MnO + Na2O", 800.0) not in tried and ("2 MnO + Na2O", 900.0) in tried


def test_where_nothing_is_left_it_says_so() -> None:
    seen = [
        Seen(made(choice, level), {"Na2Mn2O3": 0.75, "Na2O": 0.25}) for choice in CHOICES for level in LEVELS
    ]
    with pytest.raises(SpaceExhausted, match="no recipe is left from which NaMnO2 may form"):
        planner(*seen).ask(1, ROUTES)


def test_every_recipe_comes_once() -> None:
    seen: list[Seen] = []
    for _ in range(len(CHOICES) * len(LEVELS)):
        try:
            candidate = planner(*seen).ask(1, ROUTES)[0].candidate
        except SpaceExhausted:
            break
        assert not any(candidate == one.candidate for one in seen)
        names = [part.split()[-1] for part in str(candidate["mixture"]).split(" + ")]
        seen.append(Seen(candidate, weights(*names)))
    assert len(seen) >= 10


def test_every_other_method_is_as_it_is_without_chemistry() -> None:
    plain = Planner.after(AIM, seed=1)
    for one in (STUCK, UNTOUCHED, BEGUN):
        plain.tell(one.candidate, one.phases.get(TARGET, 0.0))
    for method in (Method(), Method("explore", "random"), Method("learn", "variance")):
        with_chemistry = planner(STUCK, UNTOUCHED, BEGUN).ask(2, method)
        assert [p.candidate for p in with_chemistry] == [p.candidate for p in plain.ask(2, method)]
        for p in with_chemistry:
            plain.forget(p.candidate)
            plain.index -= 1


def test_middle_first_then_far_apart_the_coldest_last() -> None:
    assert passes([500, 600, 700, 800, 900, 1000, 1100]) == [800, 1100, 600, 900, 1000, 700, 500]
    assert passes([1, 2]) == [2, 1] and passes([1, 2, 3]) == [2, 3, 1] and passes([7]) == [7]
    for n in range(1, 12):
        assert sorted(passes(list(range(n)))) == list(range(n))


def request(records: list[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    asked = {
        "op": "propose",
        "aim": AIM.model_dump(mode="json"),
        "observations": [
            {
                "candidate": r["candidate"],
                "values": {"purity": {"value": 0.1, "sigma": 0.01}},
                "failed": False,
            }
            for r in records
        ],
        "pending": [],
        "n": 2,
        "method": {"mode": "optimise", "name": "pairwise_reactions", "share": []},
        "seed": 1,
        "index": len(records),
        "records": records,
    } | changes
    return json.loads(json.dumps(asked))  # type: ignore[no-any-return]


def test_the_service_answers_in_json_and_the_same_every_time() -> None:
    records = [{"candidate": one.candidate, "phases": one.phases} for one in (STUCK, BEGUN)]
    replies = [json.dumps(handle(request(records), CHEMISTRY), allow_nan=False) for _ in range(2)]
    assert replies[0] == replies[1]
    proposals = json.loads(replies[0])["proposals"]
    assert len(proposals) == 2 and all(p["reasons"] and p["fallback"] is None for p in proposals)
    # A batch that is larger than what is left is what is left.
    assert len(handle(request(records, n=40), CHEMISTRY)["proposals"]) <= len(CHOICES)


def test_without_the_chemistry_it_says_that_it_is_another_method() -> None:
    records = [{"candidate": made(CHOICES[k % 6], LEVELS[k % 4]), "phases": {}} for k in range(4)]
    for proposal in handle_without(request(records))["proposals"]:
        assert "no acquisition is called 'pairwise_reactions'" in proposal["fallback"]
    with pytest.raises(UnsupportedMethod, match="what is to be made"):
        RoutePlanner(AIM.model_copy(update={"synthesis": None}), CHEMISTRY, ())
