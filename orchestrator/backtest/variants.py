"""What is compared: the campaign as written, the same with other settings, rows by design, other libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns.errors import did_you_mean, shown
from campaigns.load import load_with_document
from campaigns.plan import METHODS, PERSON
from orchestrator.backtest.peers import PEERS, require
from orchestrator.binding import BoundCampaign
from orchestrator.errors import Refused
from orchestrator.prepare import prepare
from orchestrator.routes import chooses_routes

AS_WRITTEN = "as written"
BY_DESIGN = METHODS["explore"]
OPENING, CLOSING = "[{(", "]})"


@dataclass(frozen=True)
class Setup:
    """What the command line names: enough to prepare the campaign again in another process."""

    source: str
    lab: Path | None = None
    overrides: tuple[str, ...] = ()
    tables: tuple[tuple[str, Path], ...] = ()

    def bound(self, more: Sequence[str] = ()) -> BoundCampaign:
        """The campaign and its laboratory with further overrides. Raises CampaignError or `Refused`."""
        bound = prepare(
            self.source, lab_file=self.lab, overrides=[*self.overrides, *more], tables=dict(self.tables)
        )
        if chooses_routes(bound.campaign):
            raise Refused(
                "E523",
                "'pairwise_reactions' learns from the phases of each experiment, which no table of results has",
                cure="compare runs, or set another method: --set 'plan=[{explore: random}]'",
            )
        phases = bound.campaign.plan
        if any(PERSON in (phase.method, *(turn.method for turn in phase.turns)) for phase in phases):
            raise Refused(
                "E523",
                "a person who proposes cannot be asked again and again",
                cure="set another method: --set 'plan=[{explore: random}]'",
            )
        return bound

    def document(self) -> Any:
        """The campaign's document as data, overrides applied."""
        return load_with_document(self.source, overrides=self.overrides, tables=dict(self.tables))[1].data


@dataclass(frozen=True)
class Variant:
    """One row of the comparison: what is set otherwise than in the campaign, or the library that chooses instead."""

    label: str
    overrides: tuple[str, ...] = ()
    peer: str = ""


def variants(
    setup: Setup, *, settings: Sequence[str] = (), vary: Sequence[str] = (), against: Sequence[str] = ()
) -> tuple[Variant, ...]:
    """All that is asked for, the campaign as written first and `random` always among the others.

    Two that are one and the same campaign become one. Raises CampaignError, or `Refused`: E523 for a setting, a
    variation or a peer that makes no sense, E524 for a peer that is not installed.
    """
    data = setup.document()
    wanted = [Variant(AS_WRITTEN)]
    wanted += [_method(name, data) for name in dict.fromkeys(settings)]
    wanted += [variant for text in vary for variant in _varied(text, data)]
    wanted = _distinct(setup, wanted)
    for name in dict.fromkeys(("random", *against)):
        if name not in BY_DESIGN and name not in PEERS:
            cure = did_you_mean(name, (*BY_DESIGN, *PEERS))
            raise Refused("E523", f"{name!r} is nothing to compare with", cure=cure)
        if name in PEERS:
            require(name)
        design = name if name in BY_DESIGN else "random"
        wanted.append(Variant(name, (f"plan=[{{explore: {design}}}]",), name if name in PEERS else ""))
    return tuple(wanted)


def _method(name: str, data: Any) -> Variant:
    """Another method in every phase that optimises; `beta` stays where it means something."""
    if name not in METHODS["optimise"]:
        cure = did_you_mean(name, METHODS["optimise"])
        raise Refused("E523", f"{name!r} is no method of 'optimise'", cure=cure)
    overrides = []
    for i, phase in enumerate(data["plan"]):
        if "optimise" in phase:
            kept = {key: value for key, value in phase.items() if key != "beta" or name == "ucb"}
            overrides.append(f"plan.{i}={json.dumps({**kept, 'optimise': name})}")
    if not overrides:
        raise Refused("E523", "--settings sets the method of phases that optimise, and the plan has none")
    return Variant(name, tuple(overrides))


def _varied(text: str, data: Any) -> Iterator[Variant]:
    path, equals, values = text.partition("=")
    if not (equals and path.strip() and values.strip()):
        raise Refused(
            "E523", f"{shown(text)} is no variation", cure="write PATH=VALUE,VALUE as in plan[-1].beta=1,2,4"
        )
    place = counted(path.strip(), data)
    for value in split(values):
        yield Variant(f"{path.strip()}={value}", (f"{place}={value}",))


def counted(path: str, data: Any) -> str:
    """The path with indices from the end (`plan[-1]`) counted from the start, as overrides want them."""
    parts = [part for part in path.replace("[", ".").replace("]", "").split(".") if part]
    for i, part in enumerate(parts):
        if isinstance(data, list):
            if part.removeprefix("-").isdecimal() and -len(data) <= int(part) < len(data):
                parts[i] = str(int(part) % len(data))
                data = data[int(part)]
                continue
            return ".".join(parts)  # whoever sets it says what is wrong with it
        data = data.get(part) if isinstance(data, dict) else None
    return ".".join(parts)


def split(values: str) -> list[str]:
    """Values between commas; a comma within brackets or quotes belongs to its value."""
    out, depth, quote = [""], 0, ""
    for character in values:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in OPENING or character in CLOSING:
            depth += 1 if character in OPENING else -1
        elif character == "," and depth == 0:
            out.append("")
            continue
        out[-1] += character
    return [value.strip() for value in out]


def _distinct(setup: Setup, wanted: Sequence[Variant]) -> list[Variant]:
    """One of each, known by its fingerprint; a second name is kept beside the first."""
    base = setup.bound()
    found: dict[str, Variant] = {}
    for variant in wanted:
        bound = setup.bound(variant.overrides)
        if _question(bound) != _question(base):
            raise Refused(
                "E523",
                f"{variant.label!r} is another question than the campaign's: space, objectives, recipe or laboratory "
                "differ",
                cure="vary how it is searched: the plan, the budget; use --set for what holds for all",
            )
        key = bound.campaign.fingerprint
        first = found.get(key)
        found[key] = (
            variant if first is None else Variant(f"{first.label} = {variant.label}", first.overrides)
        )
    return list(found.values())


def _question(bound: BoundCampaign) -> tuple[Any, ...]:
    c = bound.campaign
    return c.space, c.objectives, c.recipe, c.limits, c.lab, bound.laboratory.file
