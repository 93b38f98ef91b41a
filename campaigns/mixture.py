"""Mixtures: components that add up to a total, perhaps only a few of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name, Value
from campaigns.units import known, unknown_unit


class Mixture(BaseCampaignModel):
    """Continuous parameters whose values add up to `total` (all in the same `unit`), within `tolerance`.

    parts       fewest and most components that are not 0; None: any number
    thresholds  component -> least amount of it: it is 0 (left out) or at least that
    """

    name: Name
    components: tuple[str, ...]
    total: float
    unit: str = ""
    tolerance: float = 1e-6
    parts: tuple[int, int] | None = None
    thresholds: tuple[tuple[str, float], ...] = ()

    def problems(self) -> Iterator[Problem]:
        if len(self.components) < 2:
            yield Problem(
                "E207", ("mixture",), wanted="at least two components", got=str(len(self.components))
            )
        for i, name in enumerate(self.components):
            if name in self.components[:i]:
                yield Problem("E211", ("mixture", name), wanted="each component once", got=shown(name))
        if not self.total > 0:
            yield Problem("E204", ("total",), wanted="a total above 0", got=shown(self.total))
        if not 0 < self.tolerance < max(self.total, 0) * 0.1 + 1e-300:
            yield Problem(
                "E204",
                ("tolerance",),
                wanted="a tolerance between 0 and a tenth of the total",
                got=shown(self.tolerance),
            )
        if not known(self.unit):
            yield unknown_unit(self.unit, ("unit",))
        if self.parts is not None and not 1 <= self.parts[0] <= self.parts[1]:
            yield Problem(
                "E229", ("parts",), wanted="[fewest, most], at least 1", got=shown(list(self.parts))
            )
        names = [name for name, _ in self.thresholds]
        for i, (name, threshold) in enumerate(self.thresholds):
            if name in names[:i]:
                yield Problem("E211", ("thresholds", name), wanted="each component once", got=shown(name))
            if name not in self.components:
                cure = did_you_mean(name, self.components)
                yield Problem(
                    "E229",
                    ("thresholds", name),
                    wanted=f"a component of '{self.name}'",
                    got=shown(name),
                    cure=cure,
                    key=True,
                )
            if not threshold > 0:
                yield Problem(
                    "E229", ("thresholds", name), wanted="a threshold above 0", got=shown(threshold)
                )

    @property
    def divided(self) -> bool:
        """Whether leaving a component out differs from having little of it: the space then falls into pieces."""
        return self.parts is not None or bool(self.thresholds)

    @cached_property
    def threshold(self) -> dict[str, float]:
        """The thresholds by component."""
        return dict(self.thresholds)

    def parts_problems(self, bounds: Mapping[str, tuple[float, float]]) -> Iterator[Problem]:
        """Whether any composition has the number of parts and the thresholds wanted, `bounds` being the components'."""
        if not self.divided:
            return
        sound = True
        for name, (low, high) in bounds.items():
            least = self.threshold.get(name)
            if low < 0 or (least is not None and low != 0):
                sound = False
                wanted = (
                    "0 as lower bound of a component that may be left out"
                    if low >= 0
                    else "a lower bound of 0"
                )
                yield Problem("E229", ("mixture", name), wanted=wanted, got=shown(low))
            elif least is not None and least > high:
                sound = False
                at = ("thresholds", name)
                wanted = f"a threshold of at most the upper bound, {high:.12g}"
                yield Problem("E229", at, wanted=wanted, got=shown(least))
        if sound and not self._reachable(bounds):
            parts = "any number of" if self.parts is None else f"{self.parts[0]} to {self.parts[1]}"
            yield Problem(
                "E229",
                ("parts",) if self.parts is not None else ("thresholds",),
                message=f"no composition of {parts} parts adds up to {self.total:.12g}",
                wanted="parts and thresholds that some composition meets",
                got=f"{parts} of {len(bounds)} components",
                cure="allow another number of parts, lower the thresholds, or widen the bounds",
            )

    def _reachable(self, bounds: Mapping[str, tuple[float, float]]) -> bool:
        """Whether some set of components, each between its least amount and its upper bound, reaches the total.

        For each number of parts, the sums that its sets can reach, as merged intervals.
        """
        fewest, most = self.parts or (1, len(bounds))
        reach: dict[int, list[tuple[float, float]]] = {0: [(0.0, 0.0)]}
        for name, (low, high) in bounds.items():
            least = max(low, self.threshold.get(name, 0.0))
            then: dict[int, list[tuple[float, float]]] = {}
            for count, spans in reach.items():
                if low == 0:
                    then.setdefault(count, []).extend(spans)
                then.setdefault(count + 1, []).extend((a + least, b + high) for a, b in spans)
            reach = {count: _merged(spans) for count, spans in then.items() if count <= most}
        return any(
            a - self.tolerance <= self.total <= b + self.tolerance
            for count, spans in reach.items()
            if fewest <= count <= most
            for a, b in spans
        )

    def violation(self, candidate: Mapping[str, Value], *, rounded: bool = False) -> str | None:
        """`rounded`: the sum is not looked at, as that of a measured table, which has been rounded."""
        amounts = {name: float(candidate[name]) for name in self.components}
        got = sum(amounts.values())
        if not rounded and abs(got - self.total) > self.tolerance:
            return f"{self.name}: {' + '.join(self.components)} wanted {self.total:.12g} {self.unit}, got {got:.12g}"
        for name, least in self.thresholds:
            if 0 < amounts[name] < least:
                return f"{self.name}: {name} wanted 0 or at least {least:.12g} {self.unit}, got {amounts[name]:.12g}"
        if self.parts is not None:
            count = sum(amount != 0 for amount in amounts.values())
            if not self.parts[0] <= count <= self.parts[1]:
                return f"{self.name}: wanted {self.parts[0]} to {self.parts[1]} parts that are not 0, got {count}"
        return None


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Overlapping intervals joined; at most 512 are told apart, further ones joined with their neighbour."""
    out: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        if out and (low <= out[-1][1] or len(out) >= 512):
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return out
