"""Playing the campaign, once as it should go and once for each kind of fault."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.history import read_records
from orchestrator.labfile import bind_lab
from orchestrator.opening import conduct, open_campaign
from orchestrator.records import Records
from orchestrator.rehearsal.consumption import Consumed, consumed
from orchestrator.rehearsal.laboratory import rehearsal_of
from orchestrator.rehearsal.traffic import Traffic, traffic


@dataclass(frozen=True)
class DeviceUse:
    """Acts of a device that ended, the lab seconds they took, and that as a share of the campaign's."""

    device: str
    acts: int
    busy_s: float
    share: float


@dataclass(frozen=True)
class Played:
    """How one play went. `fault`: the kind injected, "" for none; `reason`: why it ended, or what it waits for;
    `refused`: acts that the guard let nobody do, by reason."""

    fault: str
    rate: float
    finished: bool
    reason: str
    measured: int
    failed: int
    duration_s: float
    use: tuple[DeviceUse, ...]
    refused: Mapping[str, int]
    doubts: bool
    consumables: tuple[Consumed, ...] = ()
    traffic: Traffic | None = None  # None where the laboratory names no places


def play(bound: BoundCampaign, *, fault: str = "", rate: float = 0.0) -> Played:
    """Run the whole campaign in a folder of its own, which is gone afterwards, on the laboratory of a rehearsal."""
    file = rehearsal_of(bound.laboratory, {fault: rate} if fault else None)
    rehearsed = replace(bind_campaign(bound.campaign, bind_lab(file)), pools=bound.pools)
    with tempfile.TemporaryDirectory(prefix="alquimia-rehearsal-") as folder:
        path = Path(folder) / "log.db"
        open_campaign(path, rehearsed)
        ended = asyncio.run(conduct(path, wait_for_people=False, linger_s=1.0))
        records = read_records(path)
    played = summed(records, fault, rate, ended.finished, doubts=ended.doubts)
    return replace(
        played,
        consumables=consumed(records, bound.laboratory.file),
        traffic=traffic(records, rehearsed.laboratory.layout),
    )


def plays(
    bound: BoundCampaign, kinds: tuple[str, ...], rate: float, tell: Callable[[str], None]
) -> tuple[Played, ...]:
    """The campaign as it should go, then with each kind of fault at `rate`."""
    out = []
    for fault in ("", *kinds):
        tell(f"rehearsing {'as it should go' if not fault else f'with faults: {fault} at {rate:.0%}'}")
        out.append(play(bound, fault=fault, rate=rate if fault else 0.0))
    return tuple(out)


def summed(records: Records, fault: str, rate: float, finished: bool, *, doubts: bool) -> Played:
    """The figures of a log."""
    took: dict[str, float] = {}
    acts: Counter[str] = Counter()
    for action in records.actions:
        if action.began_s is not None and action.ended_s is not None:
            took[action.device] = took.get(action.device, 0.0) + action.ended_s - action.began_s
            acts[action.device] += 1
    whole = max(records.lab_elapsed_s, 1e-9)
    use = tuple(DeviceUse(name, acts[name], took[name], took[name] / whole) for name in sorted(took))
    states = Counter(e.state for e in records.experiments)
    refused = Counter(a.reason for a in records.actions if a.state == "refused")
    return Played(
        fault=fault,
        rate=rate,
        finished=finished,
        reason=records.reason or "; ".join((*_lost(records), *records.waits)),
        measured=states["measured"],
        failed=states["failed"],
        duration_s=records.lab_elapsed_s,
        use=use,
        refused=dict(refused),
        doubts=doubts,
    )


def _lost(records: Records) -> tuple[str, ...]:
    """That a person must look for samples, where nobody knows their places."""
    lost = [one.name for one in records.samples if one.at is None and not one.left]
    return (f"a person must say where {', '.join(lost)} is",) if lost else ()
