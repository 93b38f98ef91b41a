"""What materials ask of space and objectives: one at most; with the goal `hull` it alone, judged by its energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from campaigns.errors import Problem, shown, shown_list
from campaigns.material import Material
from campaigns.objective import Goal, Objective
from campaigns.parameters import AnyParameter, chosen
from campaigns.units import same_dimension


def material_problems(
    goal: Goal | None,
    objectives: Mapping[int, Objective],
    parameters: Mapping[str, AnyParameter],
    *,
    names: Sequence[str],
) -> Iterator[Problem]:
    """More than one material, and faults of a campaign that seeks stable crystals.

    `names` are those of all parameters of the space, broken ones too: while there are such, nothing is said of how many
    it has.
    """
    materials = [p.name for p in parameters.values() if isinstance(p, Material)]
    if len(materials) > 1:
        wanted = "one material at most in a space"
        yield Problem("E282", ("space", materials[1]), wanted=wanted, got=shown_list(materials), key=True)
    if goal != "hull":
        return
    for index, objective in objectives.items():
        at = ("objectives", index)
        if objective.direction != "minimise":
            wanted = "the energy per atom, minimised, with 'goal: hull'"
            yield Problem(
                "E282", (*at, objective.direction), wanted=wanted, got=shown(objective.direction), key=True
            )
        elif objective.unit and not same_dimension(objective.unit, "eV"):
            yield Problem(
                "E282", (*at, "unit"), wanted="an energy per atom, as eV", got=shown(objective.unit)
            )
    searched = chosen(parameters.values())
    whole = len(parameters) == len(names)
    if whole and (len(searched) != 1 or not isinstance(searched[0], Material)):
        yield Problem(
            "E282",
            ("goal",),
            wanted="one parameter that is chosen, a material, with 'goal: hull'",
            got=shown_list(p.name for p in searched) or "none",
            cure="add crystal: {material: NAME OF A POOL}; process parameters may be fixed",
            key=True,
        )
