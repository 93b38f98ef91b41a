"""Labelled arrangements of atoms, attacked: moved to where potentials that learned from them disagree about the forces
(Schwalbe-Koda, Tan and Gomez-Bombarelli, Nat. Commun. 12, 5104, 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from surrogates.materials.generators.protocol import Count, Energy, Generated, Known, Scale, arranges


@arranges
def adversarial(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    kT: Energy = 0.2,
    starts: Count = 40,
    most: Count = 20,
    at_least: Count = 4,
    steps: Count = 60,
    members: Count = 5,
    lessons: Count = 400,
    cutoff: Scale = 4.5,
    weight: Scale = 4.0,
    cell: bool = False,
    forces: str = "forces",
) -> Iterator[Generated]:
    """At most `most`, the best first; none before `at_least` cells have an energy and forces.

    kT: eV per atom; starts: attacks of a round, from cells drawn at random, each of so many steps; members, lessons
    (steps of training), cutoff (angstrom): of the ensemble of potentials; weight: of generated cells in its training,
    the others' is 1; cell: whether the cell's shape is attacked too; forces: the reading that holds each atom's,
    eV/angstrom. A cell is compared with those of its own composition alone: how likely it is, and how unsure.
    """
    # Whoever only asks for the arguments shall not load torch.
    from surrogates.materials.attack.attacks import AttackSettings, attack, worth_a_label
    from surrogates.materials.attack.potential import Frame, PotentialEnsemble, PotentialSettings
    from surrogates.materials.members import one_thread

    told = [(each, each.energy, each.arrays[forces]) for each in known if forces in each.arrays]
    cells = [(each, energy, pushes) for each, energy, pushes in told if energy is not None]
    if len(cells) < at_least:
        return
    frames = [
        Frame(each.structure, energy * each.structure.n_atoms, pushes, weight if each.made else 1.0)
        for each, energy, pushes in cells
    ]
    groups: dict[str, list[int]] = {}
    for place, (each, _, _) in enumerate(cells):
        groups.setdefault(each.structure.formula, []).append(place)
    drawn = rng.integers(0, len(frames), size=starts)
    found = []
    with one_thread():
        settings = PotentialSettings(members=members, steps=lessons, cutoff=cutoff)
        ensemble = PotentialEnsemble(frames, settings, int(rng.integers(2**31)))
        for places in groups.values():
            own = [frames[place] for place in places]
            begun = [places.index(int(place)) for place in drawn if int(place) in places]
            if not begun:
                continue
            attacked = attack(ensemble, own, begun, AttackSettings(kT=kT, steps=steps, cell=cell), rng)
            for one in worth_a_label(attacked, ensemble, own, kT, most):
                found.append((one, cells[places[one.start]][0].id))
    found.sort(key=lambda pair: -pair[0].value)
    for one, parent in found[: min(most, limit)]:
        yield Generated(
            one.structure,
            (parent,),
            f"attacked: forces differ by {one.variance**0.5:.2f} eV/angstrom, energy {one.energy:.2f} eV per atom "
            "above the lowest",
        )
