"""What is said about a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.sim.faults import Faults
from orchestrator.binding import BoundCampaign
from orchestrator.rehearsal.play import Played
from orchestrator.report.wording import duration
from orchestrator.stock import quantity


def lines(bound: BoundCampaign, played: Sequence[Played], stand_ins: Sequence[str]) -> Iterator[str]:
    """Duration, use of devices, refusals, and a line for each kind of fault."""
    plain, *faulty = played
    name, lab = bound.campaign.name, bound.laboratory.file
    yield f"{name} in {lab.name!r}: {_ended(plain)}, {duration(plain.duration_s)} of laboratory time"
    if stand_ins:
        yield f"stand-ins, whose readings mean nothing: {', '.join(stand_ins)}"
    yield ""
    yield f"{'device':<20} {'acts':>6} {'busy':>12} {'of the time':>12}"
    for use in sorted(plain.use, key=lambda use: -use.share):
        yield f"{use.device:<20} {use.acts:>6} {duration(use.busy_s):>12} {use.share:>11.0%} "
    idle = sorted(set(bound.laboratory.devices) - {use.device for use in plain.use})
    if idle:
        yield f"never used: {', '.join(idle)}"
    yield from _traffic(plain)
    yield from _consumables(plain)
    for reason, n in plain.refused.items():
        yield f"refused by the guard, {n} times: {reason}"
    if faulty:
        yield ""
        head = f"{'fault':<14} {'measured':>9} {'failed':>7} {'time':>12}"
        yield f"{head}  what comes of it, at {faulty[0].rate:.0%} of acts"
    for each in faulty:
        yield (
            f"{each.fault:<14} {each.measured:>9} {each.failed:>7} {duration(each.duration_s):>12}  "
            f"{Faults.model_fields[each.fault].description}: {_ended(each)}"
        )


def _traffic(played: Played) -> Iterator[str]:
    """Carriages, places and forecasts, where samples are carried."""
    if (traffic := played.traffic) is None:
        return
    yield ""
    for each in traffic.carriers:
        failed = f", {each.failed} in vain" if each.failed else ""
        yield (
            f"{each.action}: {each.carriages} carriages in {duration(each.busy_s)}{failed}; "
            f"{each.back} of them back to the sample's own slot, out of the way"
        )
    yield f"samples stood about {traffic.idle_share:.0%} of their time in the laboratory"
    yield "most samples at a time: " + ", ".join(
        f"{one.place} {one.most}" + ("" if one.slots is None else f" of {one.slots}")
        for one in traffic.places
    )
    if (told := traffic.foretold) is not None:
        yield (
            f"forecasts: {told.forecasts}; of {told.actions} actions the first was off by "
            f"{duration(told.median_off_s)} (median), {duration(told.worst_off_s)} at most"
        )


def _consumables(played: Played) -> Iterator[str]:
    """What the campaign uses up of what there is, and when that is not enough."""
    if not played.consumables:
        return
    yield ""
    yield f"{'consumable':<20} {'there is':>12} {'is used':>12}  enough"
    for each in played.consumables:
        enough = "yes" if each.low_at_s is None else f"yes, but low after {duration(each.low_at_s)}"
        if each.out_at_s is not None:
            enough = f"no: runs out after {duration(each.out_at_s)}, at {each.out_at}"
        there, used = quantity(each.amount, each.unit), quantity(each.used, each.unit)
        yield f"{each.name:<20} {there:>12} {used:>12}  {enough}"
    yield ""


def _ended(played: Played) -> str:
    if played.finished:
        return f"ends with {played.measured} measured, {played.failed} failed ({played.reason})"
    if played.doubts:
        return f"stops after {played.measured} with acts in doubt, which a person must settle"
    return f"stops after {played.measured} measured, {played.failed} failed ({played.reason or 'no reason given'})"
