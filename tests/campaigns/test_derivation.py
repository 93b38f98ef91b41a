"""What a surrogate derives, and what it is told of crystals that can be made: read, refused, and round trip."""

from __future__ import annotations

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError
from campaigns.load import library_text, loads
from campaigns.pool import shipped_pool
from campaigns.surrogate_choice import SynthesizabilityChoice

TEXT = library_text("superhard_makeable")


def load(text: str) -> Campaign:
    return loads(text, file="superhard.yaml", pools={"crystals": shipped_pool("fcc_metals")})


def test_readings_that_others_are_derived_from_are_told_to_the_planner() -> None:
    campaign = load(TEXT)
    assert campaign.surrogate.materials.derive == "mechanics"
    assert campaign.aim.readings == (
        "hardness", "toughness", "poisson_ratio", "bulk_modulus", "shear_modulus",
    )  # fmt: skip
    assert campaign.surrogate.materials.synthesizability == SynthesizabilityChoice(flag="icsd", bags=25)
    assert Campaign.from_json(campaign.to_json()) == campaign
    plain = load(TEXT.replace("    derive: mechanics\n", ""))
    assert plain.aim.readings == ("hardness", "toughness", "poisson_ratio")


@pytest.mark.parametrize(
    ("old", "new", "code", "what"),
    [
        (
            "      bulk_modulus: bulk_modulus\n",
            "",
            "E240",
            "gives bulk_modulus, which mechanics derives from",
        ),
        ("derive: mechanics", "derive: mechanic", "E204", "mechanics"),
        ("{flag: icsd, bags: 25}", "{bags: 25}", "E202", "flag"),
        ("{flag: icsd, bags: 25}", "{flag: icsd, at_least: 1.5}", "E204", "below 1"),
        ("{flag: icsd, bags: 25}", "{flag: icsd, classifer: trees}", "E201", "classifier"),
    ],
)
def test_a_fault_names_its_place_and_its_cure(old: str, new: str, code: str, what: str) -> None:
    assert old in TEXT
    with pytest.raises(CampaignError) as failure:
        load(TEXT.replace(old, new))
    assert code in str(failure.value) and what in str(failure.value) and "surrogate" in str(failure.value)
