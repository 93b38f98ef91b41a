"""What a surrogate learns of each atom: read, refused, and round trip."""

from __future__ import annotations

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError
from campaigns.load import library_text, loads

TEXT = library_text("glass_propensity")


def test_what_is_learned_of_atoms_is_told_to_the_planner() -> None:
    campaign = loads(TEXT, file="glass.yaml")
    assert campaign.aim.surrogate.materials.per_atom == "propensity"
    assert campaign.aim.surrogate.materials.cutoff == pytest.approx(4.44)
    assert campaign.aim.readings == ("mean_propensity",)
    assert Campaign.from_json(campaign.to_json()) == campaign


@pytest.mark.parametrize(
    ("old", "new", "code", "what"),
    [
        (", propensity: propensity", "", "E240", "gives propensity, which is learned of each atom"),
        (
            "objectives:\n",
            "goal: pareto\nobjectives:\n  - {minimise: reliability}\n",
            "E240",
            "one objective, the mean of propensity",
        ),
        ("cutoff: 4.44", "cutoff: 0.5", "E204", "cutoff"),
        ("per_atom: propensity", "per_atoms: propensity", "E201", "per_atom"),
    ],
)
def test_a_fault_names_its_place_and_its_cure(old: str, new: str, code: str, what: str) -> None:
    assert old in TEXT
    with pytest.raises(CampaignError) as failure:
        loads(TEXT.replace(old, new), file="glass.yaml")
    assert code in str(failure.value) and what in str(failure.value) and "surrogate" in str(failure.value)
