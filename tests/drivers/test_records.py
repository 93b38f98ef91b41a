"""A structure as an argument, and the record an action gives beside its readings: through driver, wire and journal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest

from drivers.arguments import fault
from drivers.clock import VirtualClock
from drivers.driver import (
    ActionFailed,
    Attribution,
    Driver,
    Given,
    Gives,
    LabContext,
    PerAtom,
    Repeat,
    StructureArgument,
    action,
)
from drivers.errors import ArgumentRejected, DeclarationError
from drivers.journal import Journal
from drivers.protocol import Action, ArraySpec, Outcome, ParameterSpec
from tests.drivers.laboratory import request
from tests.drivers.rig import FENCE, Bench, Rig, act, served
from tests.drivers.rig import request as asked

SALT: dict[str, Any] = {
    "lattice": [[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]],
    "species": ["Na", "Cl"],
    "frac": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
}
STRUCTURE = ParameterSpec(kind="structure")


class Scale(Driver):
    """Weighs crystals on paper."""

    version = "1"

    class Settings(Driver.Settings):
        record: Any = {"code": "paper", "steps": [1, 2]}
        fails: bool = False

    settings: Settings

    @action(Repeat.REPEATABLE, gives={"atoms": Gives("")})
    async def weigh(self, structure: Annotated[Mapping[str, Any], StructureArgument("a crystal")]) -> Given:
        """Count its atoms."""
        if self.settings.fails:
            raise ActionFailed(Attribution.INSTRUMENT, "out of ink", self.settings.record)
        return Given({"atoms": len(structure["species"])}, self.settings.record)


class Pen(Driver):
    """Draws an arrow on every atom of a crystal."""

    version = "1"

    class Settings(Driver.Settings):
        arrows: Any = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]

    settings: Settings

    @action(
        Repeat.REPEATABLE,
        gives={"length": Gives("nm")},
        arrays={"arrows": PerAtom("nm", components=3, doc="drawn")},
    )
    async def draw(self, structure: Annotated[Mapping[str, Any], StructureArgument("a crystal")]) -> Given:
        """Draw."""
        return Given(
            {"length": 1.0}, {} if self.settings.arrows is None else {"arrows": self.settings.arrows}
        )


def pen(arrows: Any) -> Pen:
    return Pen("pen", Pen.Settings(arrows=arrows), LabContext(VirtualClock(), None, 0, Path()))


async def test_arrays_are_declared_and_come_in_the_record() -> None:
    spec = Pen.describe(Pen.Settings()).actions["draw"]
    assert spec.arrays == {"arrows": ArraySpec(unit="nm", components=3, doc="drawn")}
    outcome = await pen([[0.0, 0.0, 1], [0.0, 1.0, 0.0]]).act(request("pen", "draw", structure=SALT))
    assert (outcome.status, outcome.record["arrows"]) == ("succeeded", [[0.0, 0.0, 1], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("arrows", "complaint"),
    [
        (None, "got none"),
        ([[0.0, 0.0, 1.0]], "for each of 2 atoms, got 1"),
        ([1.0, 2.0], "got 1.0 for atom 0"),
        ([[0.0, 0.0, 1.0], [0.0, 1.0]], "got [0.0, 1.0] for atom 1"),
        ([[0.0, 0.0, 1.0], [0.0, 1.0, math.nan]], "for atom 1"),
        ([[0.0, 0.0, 1.0], [0.0, 1.0, True]], "for atom 1"),
    ],
)
async def test_arrays_are_as_they_are_declared(arrows: Any, complaint: str) -> None:
    outcome = await pen(arrows).act(request("pen", "draw", structure=SALT))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.BAD_READING)
    assert "arrows in its record: wanted 3 finite numbers" in outcome.reason and complaint in outcome.reason


def test_arrays_need_a_structure_and_a_name_of_their_own() -> None:
    with pytest.raises(DeclarationError, match="one structure among its arguments, got 0"):

        class Blind(Driver):
            version = "1"

            @action(Repeat.REPEATABLE, arrays={"arrows": PerAtom("nm")})
            async def draw(self) -> None: ...

    with pytest.raises(DeclarationError, match="declares arrows as one number and per atom"):

        class Twice(Driver):
            version = "1"

            @action(Repeat.REPEATABLE, gives={"arrows": Gives("nm")}, arrays={"arrows": PerAtom("nm")})
            async def draw(
                self, structure: Annotated[Mapping[str, Any], StructureArgument("a crystal")]
            ) -> dict[str, float]:
                return {}


def scale(**settings: Any) -> Scale:
    return Scale("scale", Scale.Settings(**settings), LabContext(VirtualClock(), None, 0, Path()))


async def test_a_structure_goes_in_and_a_record_comes_out() -> None:
    spec = Scale.describe(Scale.Settings()).actions["weigh"].parameters["structure"]
    assert spec == ParameterSpec(kind="structure", doc="a crystal")
    outcome = await scale().act(request("scale", "weigh", structure=SALT))
    assert (outcome.status, outcome.readings["atoms"].value) == ("succeeded", 2.0)
    assert outcome.record == {"code": "paper", "steps": [1, 2]}
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


async def test_a_failed_action_keeps_what_there_was() -> None:
    outcome = await scale(fails=True).act(request("scale", "weigh", structure=SALT))
    assert (outcome.status, outcome.reason, outcome.record["code"]) == ("failed", "out of ink", "paper")


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"energy": math.nan}, "finite"),
        ({"energies": [[1.0, -math.inf]]}, "finite"),
        ({"when": Path()}, "got a "),
        ({"counts": {1: 2}}, "keys of text, got 1"),
        ({"long": "x" * 2**20}, "bytes"),
    ],
)
async def test_a_record_that_cannot_be_kept_is_a_bad_reading(record: Any, complaint: str) -> None:
    outcome = await scale(record=record).act(request("scale", "weigh", structure=SALT))
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.BAD_READING)
    assert complaint in outcome.reason and outcome.record == {}
    failed = await scale(record=record, fails=True).act(request("scale", "weigh", structure=SALT))
    assert failed.reason == "out of ink" and complaint in failed.record["lost"]


def test_what_is_said_in_a_record_can_be_stored() -> None:
    outcome = Outcome(status="succeeded", record={"said": "half \udce9", "pair": (1, 2.0)})
    assert outcome.record == {"said": "half ?", "pair": [1, 2.0]}
    with pytest.raises(ValueError, match="finite"):
        Outcome(status="succeeded", record={"energy": math.inf})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lattice": None}, "three row vectors"),
        ({"lattice": [[1, 0, 0], [0, 1, 0]]}, "three row vectors"),
        ({"lattice": [[1, 0, 0], [0, 1, 0], [0, 0, math.nan]]}, "three row vectors"),
        ({"lattice": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "a cell with a volume, got 0 A"),
        ({"lattice": [[1e200, 0, 0], [0, 1e200, 0], [0, 0, 1e200]]}, "a cell with a volume, got inf"),
        ({"species": [], "frac": []}, "empty cell"),
        ({"species": "NaCl"}, "element symbols"),
        ({"species": ["Na", "Cl-"]}, "element symbols"),
        ({"species": ["Na", {"Cl": 0.5, "Br": 0.5}]}, "element symbols"),
        ({"species": ["H"] * 1001}, "at most 1000 atoms"),
        ({"frac": [[0, 0, 0]]}, "for each of 2 species"),
        ({"frac": [[0, 0, 0], [0.5, 0.5, True]]}, "for each of 2 species"),
        ({"magmoms": [1.0]}, "magmoms"),
        ({"charge": 1}, "'charge' as well"),
    ],
)
def test_what_is_no_structure_is_refused(changes: dict[str, Any], complaint: str) -> None:
    said = fault(STRUCTURE, SALT | changes)
    assert said is not None and said.startswith("wanted") and complaint in said and len(said) <= 200


@pytest.mark.parametrize("value", ["NaCl", 1.0, [], {}, {"lattice": SALT["lattice"]}])
def test_what_is_not_even_like_one_is_refused(value: Any) -> None:
    assert "structure" in str(fault(STRUCTURE, value))


def test_a_structure_may_have_moments_and_any_image_of_a_site() -> None:
    assert fault(STRUCTURE, SALT | {"magmoms": [0.0, -1.5], "frac": ((0, 0, 0), (-0.5, 1.5, 0.5))}) is None
    assert fault(ParameterSpec(kind="number"), SALT) is not None


def test_a_structure_is_declared_as_a_mapping_and_has_no_default() -> None:
    async def wrong(self: Any, structure: Annotated[str, StructureArgument()]) -> None: ...
    async def default(
        self: Any, structure: Annotated[Mapping[str, Any], StructureArgument()] = SALT
    ) -> None: ...
    async def bare(self: Any, structure: Mapping[str, Any]) -> None: ...

    for method, complaint in (
        (wrong, "belongs to Mapping"),
        (default, "no default"),
        (bare, "StructureArgument"),
    ):
        method.__name__ = "verb"
        with pytest.raises(DeclarationError, match=complaint):
            type("Made", (Driver,), {"version": "1", "verb": action(Repeat.REPEATABLE)(method)})


async def test_nothing_is_done_with_what_is_no_structure() -> None:
    with pytest.raises(ArgumentRejected, match="empty cell"):
        await scale().act(request("scale", "weigh", structure=SALT | {"species": [], "frac": []}))


# -- through the host -----------------------------------------------------------------------------------------
class Labelling(Rig):
    """A rig that takes a crystal and gives a record."""

    @action(Repeat.REPEATABLE, gives={"atoms": Gives("")})
    async def weigh(
        self, action: Action, structure: Annotated[Mapping[str, Any], StructureArgument()]
    ) -> Given:
        """Count its atoms."""
        return Given({"atoms": len(structure["species"])}, {"relaxed": structure})


async def test_structure_and_record_pass_the_wire_and_the_journal(tmp_path: Path) -> None:
    host = Bench(tmp_path, tmp_path).host(Labelling)
    async with served(host) as client:
        await client.ask(FENCE)
        reply = await client.ask(asked(act("a", "weigh", args={"structure": SALT})))
        refused = await client.ask(asked(act("b", "weigh", args={"structure": SALT | {"frac": []}})))
        many = SALT | {"species": ["Na"] * 1000, "frac": [[i / 1000, 1 / 3, 2 / 3] for i in range(1000)]}
        large = await client.ask(asked(act("c", "weigh", args={"structure": many})))
    assert reply["outcome"]["record"] == {"relaxed": SALT}
    assert "for each of 2 species" in refused["refused"]
    assert large["outcome"]["record"]["relaxed"] == many
    journal = Journal(host.journal.path)
    kept = journal.outcome("a")
    journal.close()
    assert kept is not None and kept.record == {"relaxed": SALT}


def test_an_outcome_written_before_there_were_records_is_read() -> None:
    old = {
        "status": "succeeded",
        "readings": {},
        "attribution": None,
        "reason": "",
        "began_s": 0.0,
        "ended_s": 1.0,
    }
    assert Outcome.model_validate(json.loads(json.dumps(old))).record == {}
