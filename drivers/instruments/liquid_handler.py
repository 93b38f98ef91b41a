"""Liquid handlers through PyLabRobot: Hamilton, Opentrons, Tecan, or its simulated back end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import io
import json
import math
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from drivers.configured import Name
from drivers.driver import (
    ActionFailed,
    Attribution,
    Driver,
    Given,
    Gives,
    LabContext,
    Quantity,
    Repeat,
    action,
)
from drivers.errors import SettingsError
from drivers.instruments.liquid_deck import Deck, LabwareEntry, named
from drivers.optional import installed
from drivers.protocol import DeviceSpec, ParameterSpec

BACKENDS = {
    "chatterbox": "pylabrobot.liquid_handling.backends:LiquidHandlerChatterboxBackend",
    "ot2": "pylabrobot.liquid_handling.backends:OpentronsOT2Backend",
    "star": "pylabrobot.liquid_handling.backends:STARBackend",
    "vantage": "pylabrobot.liquid_handling.backends:VantageBackend",
    "evo": "pylabrobot.liquid_handling.backends:EVOBackend",
}
SIMULATED = ("LiquidHandlerChatterboxBackend", "ChatterBoxBackend", "OpentronsOT2ChatterboxBackend",
             "OpentronsOT2Simulator", "STARChatterboxBackend", "SerializingBackend")  # fmt: skip
Volume = Annotated[float, Quantity("uL", at_least=0)]  # the bounds come from tips and wells: see describe
LEFT = Gives("uL", at_least=0)
TIPS = Gives("", at_least=0, doc="tips left on the deck")
SMALL = 1e-6  # uL; PyLabRobot's own tolerance


class LiquidHandler(Driver):
    """A liquid handler: transfers and mixes with a fresh tip each, and knows what every well holds."""

    version = "1"

    class Settings(Driver.Settings):
        """`backend`: chatterbox (simulated), ot2, star, vantage, evo, or module:Class; `backend_options` go to it.
        `deck`: ot2, star, starlet, vantage, evo100, evo150, evo200, or module:Class. `layout`: what lies on it.
        `smallest`: the smallest volume that is pipetted, uL. `takes_s`: lab seconds for one transfer; a simulated back
        end takes them.
        """

        backend: str = "chatterbox"
        backend_options: Mapping[str, Any] = Field(default_factory=dict)
        deck: str = "ot2"
        layout: Mapping[Name, LabwareEntry] = Field(min_length=1)
        smallest: float = Field(default=1.0, gt=0)
        takes_s: float = Field(default=15.0, ge=0)

    safe_state = "it stands still where it stopped; a tip may be on its arm"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._deck = Deck(settings.deck, settings.layout)
        self._handler: Any = None
        self._alone = asyncio.Lock()

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the wells of the layout as choices. Simulated where the back end is."""
        spec = super().describe(settings)
        backend = _backend(settings.backend)
        wells, largest = _named_wells(_Hashed(settings))
        choices = {
            "source": wells, "target": wells, "well": wells, "labware": tuple(sorted(settings.layout))
        }  # fmt: skip
        actions = {}
        for verb, one in spec.actions.items():
            parameters = {
                name: ParameterSpec(kind="choice", choices=choices[name], doc=parameter.doc)
                if name in choices
                else parameter.model_copy(update={"at_least": settings.smallest, "at_most": largest})
                if name == "volume"
                else parameter
                for name, parameter in one.parameters.items()
            }
            takes_s = settings.takes_s if verb in ("transfer", "mix") else 0.0
            actions[verb] = one.model_copy(update={"parameters": parameters, "takes_s": takes_s})
        simulated = any(base.__name__ in SIMULATED for base in backend.__mro__)
        return spec.model_copy(update={"actions": actions, "simulated": simulated})

    async def connect(self) -> None:
        """Set the machine up (it may move). Raises what the back end raises."""
        if self._handler is not None:
            return
        importlib.import_module("pylabrobot.resources.volume_tracker").set_volume_tracking(True)
        importlib.import_module("pylabrobot.resources.tip_tracker").set_tip_tracking(True)
        self._deck.load(self._state)
        handling = importlib.import_module("pylabrobot.liquid_handling")
        handler = handling.LiquidHandler(
            _backend(self.settings.backend)(**self.settings.backend_options), self._deck.resource
        )
        with self._quiet():
            await handler.setup()
        self._handler = handler

    async def disconnect(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            with self._quiet():
                await handler.stop()

    @property
    def _state(self) -> Path:
        return self.lab.directory / f"{self.name}.deck.json"

    @action(
        Repeat.OPAQUE, gives={"source_left": LEFT, "target_holds": LEFT, "tips_used": TIPS, "tips_left": TIPS}
    )
    async def transfer(self, source: str, target: str, volume: Volume) -> Given:
        """Bring a volume from one well to another, with a fresh tip, in as many strokes as the tip needs."""
        await self.connect()
        wells = self._deck.wells
        if source != target and (free := self._free(target)) + SMALL < volume:
            raise ActionFailed(
                Attribution.LOGISTICS,
                f"{target} is too full: {volume:g} uL asked, {free:g} uL of {wells[target].max_volume:g} uL are free",
            )
        self._check_holds(source, volume)
        async with self._fresh_tip() as (handler, channel, tip, record):
            strokes = math.ceil(volume / tip.maximal_volume - SMALL)
            for _ in range(strokes):
                await handler.aspirate([wells[source]], vols=[volume / strokes], use_channels=channel)
                await handler.dispense([wells[target]], vols=[volume / strokes], use_channels=channel)
        record["strokes"] = strokes
        readings = {"source_left": self._holds(source), "target_holds": self._holds(target)}
        return Given({**readings, "tips_used": 1, "tips_left": self._deck.tips_left}, record)

    @action(Repeat.OPAQUE, gives={"well_holds": LEFT, "tips_used": TIPS, "tips_left": TIPS})
    async def mix(
        self, well: str, volume: Volume, cycles: Annotated[int, Quantity("", at_least=1, at_most=100)] = 5
    ) -> Given:
        """Mix a well by drawing and giving back a volume, with a fresh tip."""
        await self.connect()
        self._check_holds(well, volume)
        async with self._fresh_tip() as (handler, channel, tip, record):
            stroke = min(volume, tip.maximal_volume)
            for _ in range(cycles):
                await handler.aspirate([self._deck.wells[well]], vols=[stroke], use_channels=channel)
                await handler.dispense([self._deck.wells[well]], vols=[stroke], use_channels=channel)
        record["stroke_uL"] = stroke
        readings = {"well_holds": self._holds(well), "tips_used": 1, "tips_left": self._deck.tips_left}
        return Given(readings, record)

    @action(Repeat.REPEATABLE, gives={"holds": LEFT})
    async def holds(self, well: str) -> dict[str, float]:
        """What a well holds, as counted."""
        self._deck.load(self._state)
        return {"holds": self._holds(well)}

    @action(Repeat.REPEATABLE, gives={"tips_left": TIPS})
    async def replaced(self, labware: str) -> dict[str, float]:
        """Somebody has put fresh labware there: it is counted as full again, with all its tips."""
        self._deck.load(self._state)
        self._deck.replace(labware)
        self._deck.save(self._state)
        return {"tips_left": self._deck.tips_left}

    def _holds(self, well: str) -> float:
        return max(0.0, float(self._deck.wells[well].tracker.get_used_volume()))

    def _free(self, well: str) -> float:
        return float(self._deck.wells[well].tracker.get_free_volume())

    def _check_holds(self, well: str, volume: float) -> None:
        if (held := self._holds(well)) + SMALL < volume:
            raise ActionFailed(
                Attribution.LOGISTICS, f"{well} holds too little: {volume:g} uL asked, {held:g} uL are there"
            )

    @contextlib.asynccontextmanager
    async def _fresh_tip(self) -> AsyncIterator[tuple[Any, list[int], Any, dict[str, Any]]]:
        """The handler with a fresh tip on the first channel that takes it, which goes to the trash afterwards.

        What the trackers refuse has not been done by the machine: a known failure. What the machine itself raises
        leaves the end unknown.
        """
        errors = importlib.import_module("pylabrobot.resources.errors")
        refused = (
            errors.TooLittleLiquidError,
            errors.TooLittleVolumeError,
            errors.NoTipError,
            errors.HasTipError,
        )
        async with self._alone:
            handler, record = self._handler, dict[str, Any]()
            spot = self._deck.next_tip()
            if spot is None:
                raise ActionFailed(
                    Attribution.LOGISTICS, "no tip is left on the deck: put some there, then 'replaced'"
                )
            name = next(full for full, one in self._deck.tips.items() if one is spot)
            record["tip"] = name
            try:
                with self._quiet():
                    if any(tracker.has_tip for tracker in handler.head.values()):
                        await handler.discard_tips()  # of an act that was broken off
                        record["discarded"] = "a tip that an act broken off had left on the head"
                    tip = spot.get_tip()
                    channel = [one for one in handler.head if handler.backend.can_pick_up_tip(one, tip)][:1]
                    if not channel:
                        raise ActionFailed(
                            Attribution.INSTRUMENT, f"no channel of the machine takes the tip {name}"
                        )
                    await handler.pick_up_tips([spot], use_channels=channel)
                    yield handler, channel, tip, record
                    await handler.discard_tips(use_channels=channel)
                if self.spec.simulated:
                    await self.lab.clock.sleep(self.settings.takes_s)
            except refused as error:
                raise ActionFailed(Attribution.LOGISTICS, f"with the tip {name}: {error}") from error
            finally:
                await asyncio.to_thread(self._deck.save, self._state)

    def _quiet(self) -> contextlib.AbstractContextManager[Any]:
        """The simulated back end prints every step; nothing else runs meanwhile, as it never waits."""
        return contextlib.redirect_stdout(io.StringIO()) if self.spec.simulated else contextlib.nullcontext()


def _backend(name: str) -> type[Any]:
    """The back end's class. Raises SettingsError where it is none."""
    installed("pylabrobot", "instruments")
    found = named("backend", BACKENDS.get(name, name))
    base = importlib.import_module("pylabrobot.liquid_handling.backends").LiquidHandlerBackend
    if not (isinstance(found, type) and issubclass(found, base)):
        raise SettingsError(f"backend: {name!r} is no back end of PyLabRobot's liquid handlers")
    return found


class _Hashed:
    """Settings as a key: what is described is asked for often, and building a deck takes a while."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self._key = json.dumps(settings.model_dump(mode="json", include={"deck", "layout"}), sort_keys=True)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self._key == other._key


@functools.lru_cache(maxsize=64)
def _named_wells(hashed: _Hashed) -> tuple[tuple[str, ...], float]:
    """(wells, the largest volume of a well, uL) of a layout. Raises SettingsError."""
    deck = Deck(hashed.settings.deck, hashed.settings.layout)
    if not deck.wells or not deck.tips:
        raise SettingsError("layout: wanted wells and a tip rack at least")
    return tuple(deck.wells), max(float(well.max_volume) for well in deck.wells.values())
