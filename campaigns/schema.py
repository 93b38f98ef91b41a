"""The JSON Schema of a campaign file (draft 2020-12), for editors: completion, and red lines while one types.

It describes the YAML as it is written and comes from the same models that the loader checks with, so the two
cannot drift apart. What several values mean together (references, units, bounds) only the loader knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from campaigns.build import VERSION
from campaigns.model import NAME
from campaigns.recipe import DEVICE
from campaigns.surface import campaign, funnel, plan, sought, space
from campaigns.surface.entry import Entry
from campaigns.surrogate_choice import ModelName

SCHEMA_ID = "urn:alquimia:campaign:1"
_REF = "#/$defs/{model}"
_LIMIT_KEY = rf"{DEVICE[:-1]}(\.{NAME[1:-1]}){{1,2}}$"
_ENTRIES: tuple[type[Entry], ...] = (
    *space.PARAMETERS.values(),
    *plan.PHASES.values(),
    *plan.TURNS.values(),
    *space.ALLOWED.values(),
    *space.CONSTRAINTS.values(),
    sought.ObjectiveEntry,
    sought.OutcomeConstraintEntry,
    sought.CostEntry,
    sought.FidelityEntry,
    sought.SynthesisEntry,
    sought.SurrogateEntry,
    campaign.LoopEntry,
    *funnel.STAGES,
    funnel.FunnelEntry,
    sought.HistoryEntry,
    campaign.StepEntry,
    campaign.BudgetEntry,
    campaign.LimitEntry,
    campaign.ScheduleEntry,
    campaign.HeadEntry,
)


def json_schema() -> dict[str, Any]:
    """The schema, in JSON types. `$defs` has one entry per kind of entry of the language."""
    _, shared = models_json_schema([(entry, "validation") for entry in _ENTRIES], ref_template=_REF)
    definitions = {name: _without_titles(definition) for name, definition in shared["$defs"].items()}
    head = definitions.pop("HeadEntry")
    objective = definitions["ObjectiveEntry"]
    objective["oneOf"] = [
        *({"required": [way]} for way in ("maximise", "minimise")),
        {"required": ["match", "target"]},
    ]
    definitions["AlternateEntry"]["properties"]["alternate"]["items"] = _one_of(plan.TURNS)
    loop = definitions["LoopEntry"]["properties"]
    loop["recipe"]["items"] = _ref(campaign.StepEntry)
    loop["plan"]["items"] = _one_of(plan.PHASES)
    loop["budget"] = _ref(campaign.BudgetEntry)
    definitions["LabelStageEntry"]["properties"]["recipe"]["items"] = _ref(campaign.StepEntry)
    stages = {"items": {"oneOf": [_ref(stage) for stage in funnel.STAGES]}}
    definitions["FunnelEntry"]["properties"]["stages"] |= stages
    properties: dict[str, Any] = {
        "alquimia": {"const": VERSION, "description": "version of the language"},
        **{key: value for key, value in head["properties"].items() if key != "alquimia"},
        "space": {
            "type": "object",
            "propertyNames": {"pattern": NAME, "maxLength": 64},
            "additionalProperties": _one_of(space.PARAMETERS),
            "minProperties": 1,
            "description": "what may be varied: name -> one kind of parameter",
        },
        "constraints": {"type": "array", "items": _one_of(space.CONSTRAINTS)},
        "allowed": {**_one_of(space.ALLOWED), "description": "the only candidates allowed"},
        "objectives": {"type": "array", "items": _ref(sought.ObjectiveEntry), "minItems": 1},
        "outcome_constraints": {"type": "array", "items": _ref(sought.OutcomeConstraintEntry)},
        "cost": _ref(sought.CostEntry),
        "fidelity": _ref(sought.FidelityEntry),
        "synthesis": _ref(sought.SynthesisEntry),
        "surrogate": {
            "oneOf": [{"enum": list(get_args(ModelName))}, _ref(sought.SurrogateEntry)],
            "description": "the model of the results",
        },
        "history": {"type": "array", "items": _ref(sought.HistoryEntry)},
        "recipe": {"type": "array", "items": _ref(campaign.StepEntry), "minItems": 1},
        "plan": {"type": "array", "items": _one_of(plan.PHASES), "minItems": 1},
        "budget": _ref(campaign.BudgetEntry),
        "limits": {
            "type": "object",
            "patternProperties": {_LIMIT_KEY: _ref(campaign.LimitEntry)},
            "additionalProperties": False,
            "description": "device.argument or device.verb.argument -> bounds that no action may cross",
        },
        "schedule": _ref(campaign.ScheduleEntry),
        "loops": {
            "type": "object",
            "propertyNames": {"pattern": NAME, "maxLength": 64},
            "additionalProperties": _ref(campaign.LoopEntry),
            "description": "experiments of their own beside the main ones, in the same log",
        },
        "funnel": _ref(funnel.FunnelEntry),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Alquimia campaign",
        "description": "One file is one self-driving campaign.",
        "type": "object",
        "properties": properties,
        "required": [*head["required"], "space", "objectives"],
        "oneOf": [{"required": ["recipe", "plan", "budget"]}, {"required": ["funnel"]}],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _ref(entry: type[Entry]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=entry.__name__)}


def _one_of(entries: Mapping[str, type[Entry]]) -> dict[str, Any]:
    return {"oneOf": [_ref(entry) for entry in entries.values()]}


def _without_titles(node: Any) -> Any:
    """A definition in the language's own terms.

    pydantic titles every field with its own name, lets null stand where the language has no null, and leaves
    a mapping open whose keys have a pattern.
    """
    if isinstance(node, list):
        return [_without_titles(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _without_titles(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    options = kept.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        del kept["anyOf"]
        kept = {**options[0], **kept} if len(options) == 1 else {**kept, "anyOf": options}
    return kept
