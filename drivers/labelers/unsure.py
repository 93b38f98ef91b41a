"""A labeler that calculates where it is unsure: elsewhere a potential answers that learns from each calculation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, JsonValue, ValidationError

from drivers.driver import LabContext
from drivers.errors import DriverNotFound, DriverNotLoaded, SettingsError
from drivers.labelers.job import Method
from drivers.labelers.labeler import Labeler, installed
from drivers.protocol import DeviceSpec

Symbol = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]


class UnsureLabeler(Labeler):
    """Energies, relaxations and all other labels, each point of them by the expensive code or by a linear potential
    that has learned from what the code said before."""

    energies: ClassVar[tuple[float, float]] = (-1e5, 50.0)

    class Settings(Labeler.Settings):
        """`expensive`: the labeler that is asked where the potential is unsure; `expensive_settings`: its own.
        `elements`: up to four that the potential learns; a crystal with others is always calculated, and so is one with
        magnetic moments. `threshold` eV per atom and `force_threshold` eV/angstrom: half-widths of 90 % intervals up to
        which it is sure. `audit`: every so many sure answers one is calculated nevertheless; 0 for none. `cutoff` in
        angstrom. `memory`: the folder of what was learned, by default one for all labelers of the host; name one to go
        on with it in the next run.
        """

        expensive: str
        expensive_settings: Mapping[str, JsonValue] = Field(default_factory=dict)
        elements: list[Symbol] = Field(min_length=1, max_length=4)
        threshold: float = Field(default=0.005, gt=0)
        force_threshold: float = Field(default=0.1, gt=0)
        audit: int = Field(default=50, ge=0)
        cutoff: float = Field(default=5.5, gt=2.0, le=8.0)
        memory: str | None = None

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        folder = lab.directory / "learned" if settings.memory is None else Path(settings.memory).expanduser()
        # What was calculated by other settings of the code is another truth; thresholds do not matter to it.
        kept = {
            key: self._method.settings[key]
            for key in ("expensive", "expensive_settings", "elements", "cutoff")
        }
        text = json.dumps(kept | {"version": self._method.version}, sort_keys=True)
        of = hashlib.sha256(text.encode()).hexdigest()[:16]
        places = {**self._method.places, "memory": str(folder.absolute() / f"{of}.jsonl")}
        self._method = replace(self._method, places=places)

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where the expensive labeler is none or cannot be used, or an element comes twice."""
        installed("pymatgen", "materials")
        installed("ase", "materials")
        inner = _expensive(settings).method(_settings(settings))
        elements = sorted(settings.elements, key=_number)
        if len(set(elements)) < len(elements):
            raise SettingsError(f"elements: wanted each once, got {', '.join(settings.elements)}")
        return Method(
            code=f"unsure {inner.code}",
            version=inner.version,
            method=f"{inner.method}, where a linear moment potential that learns from it is unsure",
            fidelity="ml-potential",  # the record of a label that was calculated throughout says more
            settings={
                "expensive": inner.worker,
                "expensive_settings": dict(inner.settings),
                "expensive_fidelity": inner.fidelity,
                "elements": elements,
                "threshold": settings.threshold,
                "force_threshold": settings.force_threshold,
                "audit": settings.audit,
                "cutoff": settings.cutoff,
            },
            worker="drivers.labelers.workers.unsure:UnsureCode",
            places={"expensive_places": dict(inner.places)},
            expected_error={
                "half_width": settings.threshold,
                "unit": "eV",
                "of": "energy per atom against the expensive code, in 90 % of the answers without it",
            },
            note=f"'unsure' in the record says who answered; {inner.note}" if inner.note else "",
        )

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """With the verbs that the expensive labeler has."""
        theirs = _expensive(settings).describe(_settings(settings)).actions
        spec = super().describe(settings)
        actions = {
            verb: one.model_copy(update={"results": theirs[verb].results, "arrays": theirs[verb].arrays})
            for verb, one in spec.actions.items()
            if verb in theirs
        }
        return spec.model_copy(update={"actions": actions})


def _number(symbol: str) -> int:
    from ase.data import atomic_numbers

    if symbol not in atomic_numbers:
        raise SettingsError(f"elements: unknown element {symbol}")
    return int(atomic_numbers[symbol])


def _expensive(settings: Any) -> type[Labeler]:
    """Raises SettingsError."""
    from drivers import registry

    try:
        found = registry.driver(settings.expensive)
    except (DriverNotFound, DriverNotLoaded) as error:
        raise SettingsError(f"expensive: {error}") from error
    if not issubclass(found, Labeler) or issubclass(found, UnsureLabeler):
        raise SettingsError(f"expensive: wanted a labeler that calculates, got {settings.expensive!r}")
    return found


def _settings(settings: Any) -> Any:
    """The expensive labeler's own. Raises SettingsError."""
    kind = _expensive(settings)
    try:
        return kind.Settings.model_validate(dict(settings.expensive_settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"expensive_settings.{where}: {first['msg']}, got {first['input']!r}") from error
