"""The world of a simulated laboratory: what is physically so, as the sum of all facts in its tally.

A world lives in a directory: `world.json` (model and seed: which world this is) and `tally.jsonl` (see
`drivers.sim.tally`). Its state is never stored: it is the fold of the facts, on opening as on recording, so
that a restarted host finds exactly the samples it left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from drivers.errors import WorldCorrupt, WorldError, WorldMismatch
from drivers.protocol import Action
from drivers.sim.randomness import chance
from drivers.sim.tally import Fact, Tally

TALLY = "tally.jsonl"
MODELS = {
    "ada": "drivers.sim.ada.laboratory:Ada",
    "thin_film": "drivers.sim.thin_film:ThinFilm",
    "bench": "drivers.sim.instant:Bench",
    "solid_state": "drivers.sim.synthesis.laboratory:SolidState",
}


class WorldSettings(BaseModel):
    """Base of a model's settings in the lab file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class WorldModel(Protocol):
    """The state of one kind of laboratory. `apply` must depend on nothing but the facts so far."""

    Settings: type[WorldSettings]

    def __init__(self, settings: Any) -> None: ...

    def apply(self, fact: Fact) -> None: ...


class World:
    """One simulated world, of which this process is the single writer.

    `model` is a name in MODELS, `settings` are checked by that model. Raises WorldInUse (another process
    writes it), WorldMismatch (another model or seed), WorldCorrupt, and WorldError for an unknown model or
    settings.
    """

    def __init__(
        self, directory: Path, *, model: str, seed: int = 0, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.directory = directory
        self.model = model
        self.seed = seed
        made = _model(model)
        try:
            self.settings = made.Settings.model_validate(dict(settings or {}))
        except ValidationError as error:
            raise WorldError(f"world {model!r}: {error}") from error
        self.state: Any = made(self.settings)
        self.now_s = 0.0
        self._first_at: dict[str, float] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._tally = Tally(directory / TALLY)
        try:
            self._identify()
            for fact in self._tally.facts:
                self._apply(fact)
        except BaseException:
            self._tally.close()
            raise

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything that has happened."""
        return tuple(self._tally.facts)

    def record(self, action: Action, *, at_s: float, effect: Mapping[str, Any]) -> Fact:
        """Let `effect` happen, at lab time `at_s`: written down first, then so."""
        fact = self._tally.append(
            action=action.id,
            device=action.device,
            verb=action.verb,
            sample=action.sample,
            at_s=at_s,
            args=action.args,
            effect=effect,
        )
        self._apply(fact)
        return fact

    def first_at(self, action_id: str) -> float | None:
        """When an action first had an effect, lab seconds; None if it never had one."""
        return self._first_at.get(action_id)

    def chance(self, action: Action, purpose: str) -> Random:
        """Random numbers of one action: the same however often, when and where it is done."""
        return chance(self.seed, action.id, purpose)

    def close(self) -> None:
        """Let another process have it. Idempotent."""
        self._tally.close()

    def _apply(self, fact: Fact) -> None:
        try:
            self.state.apply(fact)
        except (KeyError, TypeError, ValueError) as error:
            where = f"{self._tally.path}:{fact.n}"
            raise WorldCorrupt(f"{where}: not a fact of {self.model}: {error!r}") from error
        self.now_s = max(self.now_s, fact.at_s)
        self._first_at.setdefault(fact.action, fact.at_s)

    def _identify(self) -> None:
        card = self.directory / "world.json"
        mine = {"alquimia_world": 1, "model": self.model, "seed": self.seed}
        if not card.exists():
            fresh = card.with_suffix(".new")
            fresh.write_text(json.dumps(mine) + "\n")
            fresh.replace(card)
            return
        found = json.loads(card.read_text())
        if found != mine:
            raise WorldMismatch(
                f"{self.directory} holds the world {found}, this laboratory wants {mine}; nothing was "
                "changed. Take another directory, or the laboratory this one was made by."
            )


def _model(name: str) -> type[WorldModel]:
    if name not in MODELS:
        raise WorldError(f"no world is called {name!r}; there are {', '.join(sorted(MODELS))}")
    module, _, attribute = MODELS[name].partition(":")
    made: type[WorldModel] = getattr(import_module(module), attribute)
    return made
