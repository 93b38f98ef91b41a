"""Random campaigns in a laboratory with places, with a truth of their own about where every sample is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.campaign import Budget, Phase
from drivers.binding import BoundDevice
from drivers.driver import Driver
from drivers.lab import DeviceEntry, LabFile
from drivers.protocol import ActionSpec, DeviceSpec, ParameterSpec, Repeat
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.events import Event
from orchestrator.labfile import Laboratory
from orchestrator.samples import CARRIED_IN_VAIN
from orchestrator.scheduling.layout import bind_layout, place_of
from tests.orchestrator.builders import BENCH, RECIPE, campaign
from tests.orchestrator.walks import Walk

OVEN_SLOTS = 3
PLACES: Mapping[str, Any] = {
    "rack": {"slots": 3},
    "mixer": {"device": "mixer"},
    "coater": {"device": "coater"},
    "oven": {"device": "oven", "slots": OVEN_SLOTS},
    "hatch": {},
    "probe": {"device": "probe"},
    "store": {"slots": "many"},
    "gripper": {},
}
# The probe stands in another room: what goes there is handed over at a hatch.
TRANSPORTS = [
    {"do": "arm.carry", "to": "to", "from": "from", "between": ["rack", "mixer", "coater", "oven", "hatch", "store"],
     "gripper": "gripper"},
    {"do": "crane.carry", "to": "to", "between": ["rack", "oven", "store"]},
    {"do": "belt.carry", "to": "to", "between": ["hatch", "probe"]},
]  # fmt: skip
PLACE = ParameterSpec(kind="text")


def laboratory(**file: Any) -> Laboratory:
    """The bench with an arm, a belt and places."""
    oven = BENCH["oven"]["heat"].model_copy(update={"n_samples": OVEN_SLOTS})
    bench = {
        **BENCH,
        "oven": {"heat": oven},
        "arm": {
            "carry": ActionSpec(parameters={"to": PLACE, "from": PLACE}, repeat=Repeat.TESTABLE, takes_s=20)
        },
        "crane": {"carry": ActionSpec(parameters={"to": PLACE}, repeat=Repeat.REPEATABLE, takes_s=40)},
        "belt": {"carry": ActionSpec(parameters={"to": PLACE}, repeat=Repeat.OPAQUE, takes_s=5)},
    }
    devices = {
        name: BoundDevice(
            name, name, Driver, Driver.Settings(), DeviceSpec(driver=name, version="1", simulated=True, actions=actions)
        )
        for name, actions in bench.items()
    }  # fmt: skip
    lab = LabFile.model_validate(
        {
            "alquimia_lab": 1, "name": "bench", "clock": "virtual", "places": PLACES,
            "samples": {"begin": "rack", "end": "store"}, "transports": TRANSPORTS,
            "devices": {name: DeviceEntry(driver="bench", host="all") for name in bench}, **file,
        }
    )  # fmt: skip
    faults: list[str] = []
    layout = bind_layout(lab, devices, lambda where, text: faults.append(f"{where}: {text}"))
    assert not faults, faults
    return Laboratory(lab, devices, {name: {} for name in bench}, layout=layout)


def bound(**changes: Any) -> BoundCampaign:
    """The campaign of four steps in that laboratory; heating is the same for all, so that samples share the oven."""
    settings: dict[str, Any] = {
        "plan": (Phase(mode="explore", method="sobol", batch=6),), "budget": Budget(experiments=14),
    }  # fmt: skip
    return bind_campaign(campaign(**{**settings, **changes}), laboratory())


def with_windows(the_bound: BoundCampaign, **times: tuple[float | None, float | None]) -> BoundCampaign:
    """The same with (after, within), s, of some steps."""
    recipe = [
        one.model_copy(update=dict(zip(("after_s", "within_s"), times[one.id], strict=True)))
        if one.id in times
        else one
        for one in RECIPE
    ]
    return bind_campaign(
        the_bound.campaign.model_copy(update={"recipe": tuple(recipe)}), the_bound.laboratory
    )


class PlaceWalk(Walk):
    """A walk that knows where each sample really is, and looks whether the log says so."""

    def __init__(self, bound_campaign: BoundCampaign, seed: int, *, trouble: float = 0.3) -> None:
        super().__init__(bound_campaign, seed, trouble=trouble)
        self.really: dict[str, str] = {}
        self.together = 0  # acts on several samples

    def turn(self, events: Any = ()) -> None:
        super().turn(events)
        self.look()

    def look(self) -> None:
        """What the log is sure of is so, and a place for one holds one."""
        layout = self.bound.laboratory.layout
        assert layout is not None
        for sample in self.state.samples.here.values():
            truth = self.really[sample.name]
            if sample.at is not None:
                assert truth == sample.at, f"{sample.name} is at {truth}, the log says {sample.at}"
            else:
                assert truth in sample.maybe, f"{sample.name} is at {truth}, the log says {sample.maybe}"
        standing = [place for place in self.really.values() if place_of(place) not in layout.unbounded]
        assert len(set(standing)) == len(standing), f"two samples in one place: {self.really}"

    def _take(self, events: Any) -> None:
        for event in events:
            self._meet(event)
            super()._take([event])

    def _meet(self, event: Event) -> None:
        """What an event means for the samples themselves."""
        body, layout = event.body, self.bound.laboratory.layout
        assert layout is not None
        match event.kind:
            case "sample.entered":
                self.really[event.stream.partition("/")[2]] = body["place"]
            case "sample.removed":
                del self.really[event.stream.partition("/")[2]]
            case "sample.placed":
                self.really[event.stream.partition("/")[2]] = body["place"]
                if body["last"] and body["many"]:
                    del self.really[event.stream.partition("/")[2]]
            case "action.discarded":
                for name in self.state.actions[event.stream].experiments:
                    self.really.pop(name, None)
            case "action.intended" if body["step"] is not None:
                samples = [body["sample"], *body.get("together", ())]
                self.together += len(samples) > 1
                of_device = layout.of_device.get(body["device"], ())
                assert not of_device or all(self.really[name] in of_device for name in samples)
                inside = {name for name, place in self.really.items() if place in of_device}
                assert inside <= set(samples), f"{body['device']} acts while {inside - set(samples)} is in it"
            case "action.intended":
                assert self.really[body["sample"]] == body["moves"]["from"]
                busy = {d for a in self.state.open_actions.values() for d in (a.device, *a.holds)}
                for end in ("from", "to"):
                    device = layout.device_of.get(place_of(body["moves"][end]))
                    assert device is None or device not in busy, f"{device} is reached into while it works"
            case "action.succeeded" | "action.not_done" | "action.refused" | "action.failed":
                self._carried(event)

    def _carried(self, event: Event) -> None:
        action = self.state.actions[event.stream]
        if not action.moves or action.sample not in self.really:
            return
        stops = [action.moves[k] for k in ("from", "via", "to") if action.moves.get(k)]
        if event.kind == "action.failed" and event.body["attribution"] != "busy":
            self.really[action.sample] = self.dice.choice(stops)  # dropped anywhere on its way
        else:
            self.really[action.sample] = action.moves["to" if event.kind == "action.succeeded" else "from"]
        if action.moves.get("last") and event.kind == "action.succeeded":
            del self.really[action.sample]

    def _person(self) -> None:
        stuck = [one.name for one in self.state.samples.here.values() if one.failures >= CARRIED_IN_VAIN]
        if (self.state.lost or stuck) and self.state.lab != "stopped":
            self._found([*self.state.lost, *stuck][0])
        else:
            super()._person()

    def _mischief(self) -> bool:
        if self.dice.random() < 0.03 and self.state.samples.here:
            name = self.dice.choice(sorted(self.state.samples.here))
            self._command("sample", sample=name, to="gone", note="taken for analysis")
            return True
        if self.dice.random() < 0.1 and self.state.lost:
            self._found(self.state.lost[0])
            return True
        return super()._mischief()

    def _found(self, name: str) -> None:
        """Somebody looks, finds it, and says where it is, or puts it back into its own slot."""
        sample = self.state.samples.here[name]
        where = self.dice.choice((self.really[name], sample.home))
        self._command("sample", sample=name, to=where, note="found it")
