"""What a phase says that all candidates of a batch have in common, as crucibles in one furnace have the temperature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from campaigns.conditions import Conditional
from campaigns.errors import Path, Problem, did_you_mean, shown, shown_list
from campaigns.material import Material
from campaigns.parameters import AnyParameter, Fixed, chosen
from campaigns.plan import Phase
from campaigns.table import Table


def share_problems(
    phases: Mapping[int, Phase],
    parameters: Mapping[str, AnyParameter],
    *,
    names: Sequence[str],
    allowed: Table | None,
) -> Iterator[Problem]:
    """Shared names that are nothing to choose, that leave nothing to choose, or that no two candidates can have in
    common; `names` has the broken parameters as well."""
    for index, phase in phases.items():
        at: Path = ("plan", index, "share")
        found = list(_name_problems(phase, parameters, names, at))
        yield from found
        if phase.share and not found and len(parameters) == len(names):
            yield from _left_problems(phase, parameters, allowed, at)


def _name_problems(
    phase: Phase, parameters: Mapping[str, AnyParameter], names: Sequence[str], at: Path
) -> Iterator[Problem]:
    for place, name in enumerate(phase.share):
        parameter = parameters.get(name)
        if name in phase.share[:place]:
            yield Problem("E211", (*at, place), wanted="each shared parameter once", got=shown(name))
        elif name not in names:
            cure = did_you_mean(name, names)
            yield Problem("E210", (*at, place), wanted="a parameter of the space", got=shown(name), cure=cure)
        elif isinstance(parameter, Material):
            wanted = "process parameters: each candidate has a crystal of its own"
            yield Problem("E282", (*at, place), wanted=wanted, got=shown(name), cure="leave it out")
        elif isinstance(parameter, Fixed):
            wanted = "a parameter that is chosen; one that is fixed is the same for all anyway"
            yield Problem("E253", (*at, place), wanted=wanted, got=shown(name), cure="leave it out")
        elif parameter is not None and not chosen([parameter]):
            wanted = "a parameter that is chosen; a context is measured"
            yield Problem("E265", (*at, place), wanted=wanted, got=shown(name), cure="leave it out")
        elif isinstance(parameter, Conditional):
            parents = [parent for parent, _ in parameter.when if parent not in phase.share]
            if parents:
                wanted = f"what its condition depends on shared as well: {shown_list(parents)}"
                cure = f"add {parents[0]} to 'share'"
                yield Problem("E253", (*at, place), wanted=wanted, got=f"'{name}' alone", cure=cure)


def _left_problems(
    phase: Phase, parameters: Mapping[str, AnyParameter], allowed: Table | None, at: Path
) -> Iterator[Problem]:
    left = [p.name for p in chosen(parameters.values()) if p.name not in phase.share]
    if not left:
        wanted = "a parameter that is not shared: the candidates of a batch must differ"
        yield Problem("E253", at, wanted=wanted, got=shown_list(phase.share), cure="leave one out")
    elif allowed is not None and phase.batch > 1:
        places = [allowed.columns.index(name) for name in phase.share if name in allowed.columns]
        groups = Counter(tuple(row[place] for place in places) for row in allowed.rows)
        if max(groups.values(), default=0) < 2:
            wanted = f"rows of 'allowed' that agree in {shown_list(phase.share)}"
            cure = "share less, or ask for one candidate at a time (batch: 1)"
            yield Problem("E253", at, wanted=wanted, got="no two that do", cure=cure)
