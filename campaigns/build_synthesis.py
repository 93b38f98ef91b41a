"""From the entry `synthesis` to what is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.collect import Collector
from campaigns.surface import sought as surface
from campaigns.synthesis import Synthesis


def build_synthesis(found: Collector, data: Mapping[str, Any]) -> Synthesis | None:
    """The synthesis, None where there is none or it is broken."""
    if "synthesis" not in data:
        return None
    path = ("synthesis",)
    entry = found.entry(surface.SynthesisEntry, data["synthesis"], path)
    return None if entry is None else found.make(Synthesis, path, **entry.model_dump())
