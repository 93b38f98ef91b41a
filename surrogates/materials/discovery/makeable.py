"""Candidates of a search for stable crystals that can also be made, where the campaign asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from campaigns.surrogate_choice import SynthesizabilityChoice
from surrogates.encode import Array
from surrogates.materials.discovery.belief import Belief
from surrogates.materials.discovery.pool import rows
from surrogates.materials.discovery.state import State


def makeable(belief: Belief, chance: Array | None, request: Mapping[str, Any], state: State) -> Belief:
    """Without what cannot be made, by the campaign's own words; all of it where nothing would be left. `chance`: as of
    `likely`."""
    choice = _choice(request)
    if choice is None or chance is None or choice.at_least is None:
        return belief
    kept = [k for k, id in enumerate(belief.ids) if chance[k] > 0 or id in state.pending]
    return belief.only(kept) if {belief.ids[k] for k in kept} - {*state.pending} else belief


def likely(belief: Belief, request: Mapping[str, Any], state: State) -> Array | None:
    """(n,) chance that each candidate can be made, learned from the flags of the pool; None where the campaign does not
    ask for it. Raises ValueError for flags that cannot be learned from."""
    choice = _choice(request)
    if choice is None:
        return None
    from surrogates.materials.made import chance

    pool = rows(request["materials"].get("pool"), state.parameter.digest)
    flags = {row.id: row.values[choice.flag] for row in pool if choice.flag in row.values}
    structures = {
        **{row.id: row.structure for row in pool},
        **dict(zip(belief.ids, belief.structures, strict=True)),
    }
    ids = [*flags, *(id for id in belief.ids if id not in flags)]
    told = np.array([flags.get(id, np.nan) for id in ids])
    found = chance(choice, told, [structures[id] for id in ids], seed=int(request["seed"]), directory=None)
    place = {id: k for k, id in enumerate(ids)}
    out: Array = found[[place[id] for id in belief.ids]]
    return out


def _choice(request: Mapping[str, Any]) -> SynthesizabilityChoice | None:
    said = (request["aim"].get("surrogate", {}).get("materials") or {}).get("synthesizability")
    return None if said is None else SynthesizabilityChoice.model_validate_json(json.dumps(said))
