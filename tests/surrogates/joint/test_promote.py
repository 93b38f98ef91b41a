"""A funnel's stages ask: what the chain believes, who goes up by each rule, and what is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.funnel import Funnel, FunnelStage, Screen
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from surrogates.errors import SpaceExhausted
from surrogates.joint import service
from surrogates.joint.alike import Unexplained
from tests.surrogates.joint.crystals import FakeTrainer
from tests.surrogates.joint.test_service import GAP, HEAT, USABLE, handle, request, row

SHARE = OutcomeConstraint(name="share", at_most=1.0)
STAGES = (
    FunnelStage(name="quick", loop="quick", reading="gap", take=40, learns=("heat",), plausible=(SHARE,)),
    FunnelStage(name="exact", loop="", reading="true_gap", take=12),
)
PROMOTE = {"mode": "optimise", "name": "promote"}
ORDER = [str(id) for id in np.random.default_rng(8).permutation(USABLE)]


def exact(id: str) -> float:
    """What the quick stage says, on another scale and with something that only the heat tells."""
    return 0.5 + 2.0 * GAP[id] + 3.0 * HEAT[id]


def quick(ids: list[str], share: float = 0.5) -> list[dict[str, Any]]:
    return [row({"crystal": id}, gap=GAP[id], heat=HEAT[id], share=share) for id in ids]


def asked(directory: Path, loop: str, n_quick: int = 40, n_exact: int = 10, **changes: Any) -> dict[str, Any]:
    """A request of one of the stages; the first `n_exact` of those that quick has labelled are labelled exactly."""
    service._learners.clear()
    fields = {"stages": STAGES} | changes.pop("funnel", {})
    direction = changes.pop("direction", "minimise")
    below = quick(ORDER[:n_quick])
    above = [row({"crystal": id}, true_gap=exact(id)) for id in ORDER[:n_exact]]
    first = loop == "quick"
    objective = Objective(name="true_gap", direction=direction)
    aim = {"objectives": (objective,), "goal": "single", "funnel": Funnel(**fields)}
    if first:
        aim |= {"outcome_constraints": (SHARE,)}
    whole = {
        "observations": below if first else above,
        "others": {"": above} if first else {"quick": below},
        "method": PROMOTE,
        "loop": loop,
        "n": 3,
    }
    if not first:
        whole["promoted"] = ORDER[n_exact:n_quick]
    return request(directory, seeds=0, only=True, aim=aim, **(whole | changes))


def chosen(reply: dict[str, Any]) -> list[str]:
    return [proposal["candidate"]["crystal"] for proposal in reply["proposals"]]


def belief(proposal: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = proposal["material"]["funnel"]
    return said


@pytest.mark.parametrize("direction", ["minimise", "maximise"])
def test_the_last_stage_is_believed_from_all_of_them(tmp_path: Path, direction: str) -> None:
    """Of thirty crystals that have the cheap label alone, all asked for at once."""
    changes = {"n": 30, "direction": direction, "funnel": {"promote": "greedy"}}
    reply = handle(asked(tmp_path, "", n_exact=10, **changes))
    assert len(set(chosen(reply))) == 30
    means = np.array([belief(p)["mean"] for p in reply["proposals"]])
    truth = np.array([exact(id) for id in chosen(reply)])
    cheap = np.array([GAP[id] for id in chosen(reply)])
    assert np.abs(means - truth).mean() < 0.25 * np.abs(cheap - truth).mean()
    assert (np.diff(means) >= 0).all() if direction == "minimise" else (np.diff(means) <= 0).all()
    first = reply["proposals"][0]
    assert first["mean"] == belief(first)["mean"] and first["predictions"]["true_gap"][0] == first["mean"]


def test_every_choice_says_its_stage_its_belief_and_why(tmp_path: Path) -> None:
    reply = handle(asked(tmp_path, ""))
    for proposal in reply["proposals"]:
        said = belief(proposal)
        assert (said["stage"], said["from"], said["rule"], said["labels"]) == (
            "exact",
            "quick",
            "ucb",
            [40, 10],
        )
        assert proposal["value"] == pytest.approx(said["mean"] - 2 * said["sd"])
        assert proposal["acquisition"] == "promote: ucb" and proposal["fallback"] is None
        assert proposal["reasons"][0] == "one of 30 that quick has passed on, for exact"
        assert "true_gap believed" in proposal["reasons"][1] and "by the mean: " in proposal["reasons"][2]
    assert reply["diagnostics"]["n"] == 50
    first = handle(asked(tmp_path, "quick"))["proposals"][0]
    assert belief(first)["stage"] == "quick" and set(first["predictions"]) == {"gap"}
    assert belief(first)["mean"] != first["mean"], "chosen by the last stage, predicted for its own"


def test_what_is_uncertain_goes_up_beside_what_is_promising(tmp_path: Path) -> None:
    """A large beta takes the least known of them, as variance does; beta 0 what greedy takes."""
    by = {
        rule: chosen(handle(asked(tmp_path, "quick", funnel={"promote": rule})))
        for rule in ("greedy", "variance", "rank", "thompson")
    }
    bold = handle(asked(tmp_path, "quick", funnel={"beta": 1000.0}))
    assert set(chosen(bold)) & set(by["variance"]) and set(chosen(bold)) != set(by["greedy"])
    assert any("uncertain" in " ".join(p["reasons"]) for p in bold["proposals"])
    assert chosen(handle(asked(tmp_path, "quick", funnel={"beta": 0.0}))) == by["greedy"]
    labels = sorted(ORDER[10:40], key=GAP.__getitem__)
    assert chosen(handle(asked(tmp_path, "", funnel={"promote": "rank"}))) == labels[:3]


def test_only_what_was_passed_on_is_taken(tmp_path: Path) -> None:
    best = sorted(ORDER[10:40], key=exact)
    reply = handle(asked(tmp_path, "", promoted=best[-4:], n=9))
    assert sorted(chosen(reply)) == sorted(best[-4:])
    pending = [{"crystal": id} for id in best[-4:]]
    with pytest.raises(SpaceExhausted, match="no crystal is left for exact"):
        handle(asked(tmp_path, "", promoted=best[-4:], pending=pending))


def test_a_label_beyond_the_bound_teaches_nothing_but_the_bound(tmp_path: Path) -> None:
    absurd = quick(ORDER[30:40], share=1.7)
    for one in absurd:
        one["values"]["gap"]["value"] = -100.0
    trainer = FakeTrainer()
    reply = handle(asked(tmp_path, "quick", observations=[*quick(ORDER[:30]), *absurd]), trainer)
    assert {targets for _, targets, _ in trainer.fitted} == {("gap", "heat", "share")}
    assert not set(chosen(reply)) & set(ORDER[:40]), "it is not tried again either"
    assert all(belief(p)["mean"] > -10 and belief(p)["labels"] == [30, 10] for p in reply["proposals"])
    assert all(0 < p["feasible"] < 1 for p in reply["proposals"])


def test_before_the_networks_have_learned_crystals_are_drawn(tmp_path: Path) -> None:
    reply = handle(asked(tmp_path, "quick", n_quick=6, n_exact=0))
    assert {p["acquisition"] for p in reply["proposals"]} == {"promote: random"}
    assert "too few labels of gap" in reply["proposals"][0]["fallback"]
    above = handle(asked(tmp_path, "", n_quick=6, n_exact=0))
    assert chosen(above) == sorted(ORDER[:6], key=GAP.__getitem__)[:3], "the stage before is known of them"


def test_networks_look_at_so_many_and_at_what_was_met(tmp_path: Path) -> None:
    few = {"screen": Screen(name="screen", predicts="gap", take=45)}
    reply = handle(asked(tmp_path, "quick", n=90, funnel=few))
    # Forty were met; of a random half of the pool the others are about 20.
    assert 10 < len(chosen(reply)) < 45 and not set(chosen(reply)) & set(ORDER[:40])
    assert len(chosen(handle(asked(tmp_path, "quick", n=90)))) == len(USABLE) - 40


def test_what_is_alike_is_less_uncertain_once_one_of_it_is_taken() -> None:
    sd = np.array([1.0, 1.0, 0.8, 0.5])
    places = np.array([[0.0], [0.0], [0.01], [9.0]])
    left = Unexplained(sd, places, np.full(4, 0.25))
    left.take(0)
    # Of a twin the label leaves 1 - 1 / (1 + 0.25), of what is far all.
    assert left.variance[1] == pytest.approx(0.2) and left.variance[3] == pytest.approx(0.25)
    assert left.variance[2] == pytest.approx(0.64 - 0.64 / 1.25, rel=1e-2)
    left.take(1)
    assert left.variance[1] == pytest.approx(1 / (1 + 2 / 0.25)), "two labels of the same thing"


def test_what_is_begun_counts_like_what_was_taken_before(tmp_path: Path) -> None:
    funnel = {"promote": "variance"}
    alone = handle(asked(tmp_path, "quick", n=1, funnel=funnel))["proposals"][0]
    batch = handle(asked(tmp_path, "quick", n=6, funnel=funnel))["proposals"]
    assert batch[0]["candidate"] == alone["candidate"]
    begun = handle(asked(tmp_path, "quick", n=5, funnel=funnel, pending=[alone["candidate"]]))
    assert chosen(begun) == chosen({"proposals": batch[1:]}), (
        "what is begun counts like what was taken before it"
    )
