"""What is to be made: powders in words, balances, and what is said where they do not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import Fault
from campaigns.load import loads
from campaigns.synthesis import Synthesis, atoms, imbalance, powders

Faulty = Callable[..., tuple[Fault, ...]]
ROUTES = """\
alquimia: 1
campaign: routes
space:
  mixture: {categorical: [2 MnO + Na2O2, Mn2O3 + Na2O]}
  fired: {ordinal: [600, 800], unit: degC}
synthesis: {target: NaMnO2, precursors: mixture, temperature: fired, atmosphere: argon}
objectives:
  - {maximise: purity}
recipe:
  - {id: dose, do: doser.dose_mixture, with: {mixture: $mixture, mass: 1 g}}
  - {id: fire, do: furnace.heat, with: {temperature: $fired, hold: 4 h, atmosphere: argon}}
  - {id: see, do: xrd.measure, with: {target: NaMnO2}, gives: {purity: yield}}
plan:
  - {optimise: pairwise_reactions, batch: 2, until: {reached: 0.5}}
budget: {experiments: 8}
lab: simulated/rig
"""


def test_powders_are_read_as_a_chemist_writes_them() -> None:
    assert powders("2 MnO + Na2O2") == {"MnO": 2.0, "Na2O2": 1.0}
    assert powders("0.5 Fe3(PO4)2+1/3 Li2O") == {"Fe3(PO4)2": 0.5, "Li2O": pytest.approx(1 / 3)}
    assert atoms("Fe(PO3)3") == {"Fe": 1.0, "P": 3.0, "O": 9.0}
    for text in ("", "+ MnO", "2MnO", "MnO + MnO", "0 MnO", "oxide", "Mn(O", "MnO)", "2/0 MnO", "MnO - Na2O"):
        with pytest.raises(ValueError, match="wanted"):
            powders(text)


@pytest.mark.parametrize(
    ("text", "target", "air", "argon"),
    [
        ("2 MnO + Na2O2", "NaMnO2", None, None),
        ("2 MnO2 + Na2O", "NaMnO2", None, None),  # gives off oxygen
        ("2 MnO + Na2O", "NaMnO2", None, "under argon it lacks 1 O for 2 NaMnO2"),
        ("MnO + Na2O2", "NaMnO2", "instead of", "instead of"),
        ("Mn2O3 + Fe2O3", "NaMnO2", "Fe is in only one of the two", "Fe is in only one"),
        ("Mn2O3 + MnO", "NaMnO2", "Na is in only one of the two", "Na is in only one"),
        ("3 FeO + 4 Li3PO4 + P2O5", "Li4Fe(PO4)2", None, None),
    ],
)
def test_powders_have_the_composition_of_the_target(
    text: str, target: str, air: str | None, argon: str | None
) -> None:
    for found, wanted in (
        (imbalance(text, target, "air"), air),
        (imbalance(text, target, "argon"), argon),
    ):
        assert (found is None) == (wanted is None)
        assert wanted is None or wanted in str(found)


def test_a_campaign_says_what_is_to_be_made_and_needs_no_exploring() -> None:
    campaign = loads(ROUTES)
    assert campaign.synthesis == Synthesis(
        target="NaMnO2", precursors="mixture", temperature="fired", atmosphere="argon"
    )
    assert campaign.aim.synthesis == campaign.synthesis
    assert Campaign.from_json(campaign.to_json()) == campaign
    # Any other planner works on the same file.
    assert loads(ROUTES, overrides=["plan=[{explore: random}]"]).synthesis is not None
    assert loads(ROUTES, overrides=["plan.0.share=[fired]"]).plan[0].share == ("fired",)


FIRED = "{ordinal: [600, 800], unit: degC}"
SECTION = "synthesis: {target: NaMnO2, precursors: mixture, temperature: fired, atmosphere: argon}\n"
TARGET, FIRST = "target: NaMnO2, precursors", "[2 MnO + Na2O2,"
CHOICE, METHOD = "space.mixture.categorical", "plan[0].optimise"


@pytest.mark.parametrize(
    ("old", "new", "code", "at", "said"),
    [
        (
            "temperature: fired,",
            "temperature: fire,",
            "E210",
            "synthesis.temperature",
            "did you mean 'fired'",
        ),
        ("precursors: mixture,", "precursors: fired,", "E284", "synthesis.precursors", "categorical"),
        (FIRED, "{continuous: [600, 800], unit: degC}", "E284", "synthesis.temperature", "ordinal"),
        (FIRED, "{ordinal: [600, 800]}", "E284", "synthesis.temperature", "say the unit"),
        (FIRST, "[3 MnO + Na2O2,", "E284", f"{CHOICE}[0]", "instead of"),
        (FIRST, "[both oxides,", "E284", f"{CHOICE}[0]", "powders such as"),
        (FIRST, "[2 Mn2O3 + 2 Na2O,", "E211", f"{CHOICE}[1]", "each set of powders once"),
        (TARGET, "target: namno2, precursors", "E284", "synthesis.target", "a formula such as"),
        (TARGET, "target: Na2Mn2O4, precursors", "E284", "synthesis.target", "what the recipe does"),
        ("fired, atmosphere: argon}", "fired}", "E284", "synthesis.atmosphere", "what the recipe does"),
        (SECTION, "", "E255", METHOD, "add synthesis: {"),
        ("hold: 4 h,", "hold: $hold,", "E256", METHOD, "fix hold"),
        ("batch: 2,", "batch: 2, beta: 2,", "E253", "plan[0].beta", "only with 'optimise: ucb'"),
        ("batch: 2,", "batch: 2, trust_region: on,", "E253", "plan[0].trust_region", "by a model"),
        ("batch: 2,", "batch: 2, target: NaMnO2,", "E201", "plan[0].target", ""),
    ],
)
def test_what_does_not_fit(faults: Faulty, old: str, new: str, code: str, at: str, said: str) -> None:
    text = ROUTES.replace(old, new)
    assert text != ROUTES
    if "$hold" in new:
        text = text.replace("space:\n", "space:\n  hold: {continuous: [1, 9], unit: h}\n")
    found = faults(text)
    fault = next(f for f in found if (f.code, f.path) == (code, at))
    assert said in f"{fault.wanted} {fault.cure}"
    assert len(found) == 1 or "namno2" in new


def test_only_one_objective_is_a_yield(faults: Faulty) -> None:
    two = "  - {maximise: purity, worst: 0, best: 1}\n  - {minimise: rest, worst: 1, best: 0}\ngoal: desirability"
    text = ROUTES.replace("  - {maximise: purity}", two).replace(
        "purity: yield", "purity: yield, rest: unexplained"
    )
    text = text.replace("until: {reached: 0.5}", "experiments: 4")
    (fault,) = faults(text)
    assert (fault.code, fault.path) == ("E256", "plan[0].optimise")


def test_other_methods_still_need_something_to_learn_from(faults: Faulty) -> None:
    (fault,) = faults(ROUTES.replace("pairwise_reactions", "ucb"))
    assert fault.code == "E252"
