"""What a lab file declares of a device's actions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from drivers.configured import ConfiguredDriver, ParameterEntry, ResultEntry, action_spec, not_taken
from drivers.protocol import Repeat


def test_an_action_is_declared_as_its_settings_say() -> None:
    spec = action_spec(
        {"power": ParameterEntry(unit="W", at_least=0.0, at_most=5.0, default=1.0, doc="of the lamp")},
        {"light": ResultEntry(unit="lx", at_least=0.0)},
        repeat=Repeat.REPEATABLE,
        takes_s=2.0,
        doc="Shine.",
    )
    power, light = spec.parameters["power"], spec.results["light"]
    assert (power.kind, power.unit, power.at_least, power.at_most, power.default) == ("number", "W", 0, 5, 1)
    assert (light.unit, light.at_least, light.at_most) == ("lx", 0, None)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"at_least": 2, "at_most": 1}, "at_least 2 is above at_most 1"),
        ({"kind": "choice"}, "choices belong to kind 'choice'"),
        ({"choices": ["a"]}, "choices belong to kind 'choice'"),
        ({"kind": "text", "unit": "K"}, "a text has neither unit nor bounds"),
        ({"kind": "flag", "at_least": 0}, "a flag has neither unit nor bounds"),
        ({"at_most": 1, "default": 2}, "its own default: 2"),
        ({"kind": "choice", "choices": ["a"], "default": "b"}, "its own default: wanted one of a"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(entry: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ParameterEntry.model_validate(entry)
    assert fault in str(refused.value)


def test_names_that_the_host_fills_in_are_taken() -> None:
    assert not_taken({"power": 1}) == {"power": 1}
    for name in ("sample", "action", "self"):
        with pytest.raises(ValueError, match=f"no argument can be called '{name}'"):
            not_taken({name: 1})


def test_the_class_alone_declares_nothing() -> None:
    assert ConfiguredDriver.actions == {} and ConfiguredDriver.version == "1"
