"""What a rehearsal says of consumables: it is played with plenty of each, and looked through for when it would end."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.consumable import ConsumableEntry
from drivers.lab import LabFile
from orchestrator.consumption import counted
from orchestrator.records import Records
from orchestrator.stock import ROUNDING

PLENTY = 1e6  # times what a real laboratory has


@dataclass(frozen=True)
class Consumed:
    """Of a consumable, in `unit`: the `amount` that there is, what the whole campaign `used`, and when it would have
    been low and out: lab seconds, and the action that would have waited. None and "": never."""

    name: str
    unit: str
    amount: float
    used: float
    low_at_s: float | None
    out_at_s: float | None
    out_at: str


def plentiful(entry: ConsumableEntry) -> ConsumableEntry:
    """The entry with as much as no campaign uses up, so that one that is short does not hide what else is."""
    amount, unit, _ = counted(entry)
    return entry.model_copy(
        update={"amount": f"{max(amount, 1.0) * PLENTY:.0f} {unit}".rstrip(), "low": None}
    )


def consumed(records: Records, file: LabFile) -> tuple[Consumed, ...]:
    """What the consumables of `file`, a lab file that was bound, would have been worth in a rehearsal."""
    acts = sorted(
        (a for a in records.actions if a.used and a.began_s is not None), key=lambda a: a.began_s or 0.0
    )
    found = []
    for name, entry in file.consumables.items():
        amount, unit, low = counted(entry)
        used, low_at_s, out_at_s, out_at = 0.0, None, None, ""
        for act in acts:
            used += act.used.get(name, 0.0)
            if name not in act.used:
                continue
            if out_at_s is None and used > amount * (1 + ROUNDING):
                out_at_s, out_at = act.began_s, act.id
            if low_at_s is None and low is not None and amount - used <= low:
                low_at_s = act.began_s
        found.append(Consumed(name, unit, amount, used, low_at_s, out_at_s, out_at))
    return tuple(found)
