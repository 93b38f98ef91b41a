"""Which recipe to try next for a target, after ARROWS3 (Szymanski et al., Nat. Commun. 14, 6956, 2023).

1. Every set of precursors that balances the target is ranked by the driving force of the whole reaction.
2. What the history tells of pairwise reactions (`reactions`) says which intermediates an untried set will have
   (`prediction`); of a set that was tried its phases are known. Sets are ranked by the driving force that is left for
   the step that forms the target: stable intermediates on the way use it up.
3. A set takes the temperatures in the order in which they are given. As published, they rise, and a set that was
   begun goes on until it makes the target or has been at all of them (`patient`). Without patience whichever set has
   most driving force left is next, at whatever temperature it has come to; one in which the target has begun to form
   is fired hotter before any other. What is known to be inert is not fired, and a pair that is known to make the
   target is fired where it did.
4. A set whose intermediates are those of another one that was given up is left out, be they seen or predicted.

`choose` is a function of its arguments alone: the same history gives the same recipes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from surrogates.synthesis.chemistry import Chemistry, cations, counts_of, total, units_of
from surrogates.synthesis.prediction import fitted, predicted
from surrogates.synthesis.reactions import SEEN, Reactions, learned
from surrogates.synthesis.trials import Recipe, Trial

NO_DRIVE = 1e-3  # eV per atom: less cannot form the target


def choose(
    target: str,
    precursors: Sequence[str],
    history: Sequence[Trial],
    chemistry: Chemistry,
    temperatures: Sequence[float],
    *,
    patient: bool = True,
    most: int | None = None,
    sets: Mapping[tuple[str, ...], Mapping[str, float]] | None = None,
) -> list[Recipe]:
    """The recipes that are worth trying next, the best first: of each set of precursors its next temperature.

    `temperatures` in K, in the order in which a set takes them. `most`: precursors in a set, by default as many as the
    target has elements beside the gas's. `sets`: those that there are (names in order -> units for one of the target),
    by default all that balance.
    `history` may hold trials for other targets, too: their reactions count. Empty where nothing is left to try.
    Raises ValueError for no temperatures and for formulas that are none.
    """
    if not temperatures:
        raise ValueError("wanted at least one temperature, got none")
    order = list(dict.fromkeys(temperatures))
    reactions = learned(history, chemistry)
    sets = precursor_sets(target, precursors, chemistry, most) if sets is None else sets
    tried: dict[tuple[str, ...], list[Trial]] = {}
    for trial in history:
        if trial.precursors in sets and _meant_for(trial, sets[trial.precursors]):
            tried.setdefault(trial.precursors, []).append(trial)
    given_up = _given_up(target, tried, max(order))
    recipes = []
    for names, units in sets.items():
        trials = sorted(tried.get(names, []), key=lambda one: one.temperature)
        if trials:
            recipe = _goes_on(target, units, trials, given_up, order, chemistry)
        else:
            recipe = _begins(target, units, reactions, given_up, order, chemistry)
        if recipe is not None:
            recipes.append(recipe)
    return sorted(
        recipes,
        key=lambda one: (
            patient and one.precursors not in tried, not _begun(target, one, tried.get(one.precursors, ())),
            -round(one.driving, 6), -round(one.total, 6), one.precursors,
        ),
    )  # fmt: skip


def _begun(target: str, recipe: Recipe, trials: Sequence[Trial]) -> bool:
    """Whether the target had begun to form at a lower temperature than this: it is slow, and will form when hotter."""
    return any(t.phases.get(target, 0.0) >= SEEN and t.temperature < recipe.temperature for t in trials)


def precursor_sets(
    target: str, precursors: Sequence[str], chemistry: Chemistry, most: int | None = None
) -> dict[tuple[str, ...], dict[str, float]]:
    """Sets of at least two precursors, none superfluous, that balance the target: names -> units for one of it."""
    most = max(len(cations([target], chemistry.gas)), 2) if most is None else most
    wanted = cations([target], chemistry.gas)
    usable = sorted(p for p in set(precursors) - {target} if cations([p], chemistry.gas) <= wanted)
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for n in range(2, most + 1):
        for names in combinations(usable, n):
            units = chemistry.balance({target: 1.0}, names)
            if units is not None and _independent(names, found):
                found[names] = units
    return found


def _independent(names: tuple[str, ...], found: Mapping[tuple[str, ...], object]) -> bool:
    """Whether no smaller set that balances is part of it: the rest would be superfluous."""
    return not any(set(smaller) < set(names) for smaller in found)


def _meant_for(trial: Trial, units: Mapping[str, float]) -> bool:
    """Whether the powders were dosed in the proportion of these units: a set can make several targets."""
    dosed = units_of(trial.dosed)
    ratios = [dosed[f] / units[f] for f in units]
    return max(ratios) < 1.1 * min(ratios)


def _given_up(
    target: str, tried: Mapping[tuple[str, ...], Sequence[Trial]], hottest: float
) -> dict[frozenset[str], tuple[str, ...]]:
    """Intermediates that led nowhere: what was seen at any temperature of a set that did not make the target at the
    highest either -> the set."""
    found = {}
    for names, trials in tried.items():
        if max(t.temperature for t in trials) >= hottest and not any(t.made(target) for t in trials):
            for trial in trials:
                phases = frozenset(f for f, x in trial.phases.items() if x >= SEEN)
                if target not in phases and not phases <= set(names):
                    found[phases] = names
    return found


def _goes_on(
    target: str,
    units: Mapping[str, float],
    trials: Sequence[Trial],
    given_up: Mapping[frozenset[str], tuple[str, ...]],
    order: Sequence[float],
    chemistry: Chemistry,
) -> Recipe | None:
    """The next temperature of a set that was tried."""
    open_ = [t for t in order if t not in {trial.temperature for trial in trials}]
    if not open_:
        return None
    whole = chemistry.driving(units, target, open_[0])
    trials = [trial for trial in trials if trial.phases]
    if not trials:
        return Recipe(
            units, open_[0], whole, whole, (f"{1000 * whole:.0f} meV per atom for {target}; tried, not seen",)
        )
    # On the way to the next temperature it will have become what was seen at the nearest one below.
    last = [trials[0], *(trial for trial in trials if trial.temperature < open_[0])][-1]
    seen_before = given_up.get(frozenset(f for f, x in last.phases.items() if x >= SEEN))
    if seen_before is not None and seen_before != last.precursors:
        return None
    rest = {f: x for f, x in last.phases.items() if f != target}
    if not rest:
        return Recipe(units, open_[0], 0.0, whole, ("it had become the target",))
    made = last.phases.get(target, 0.0)
    left = remaining(target, units, last.phases, chemistry, open_[0])
    seen = ", ".join(f"{f} {x:.0%}" for f, x in last.phases.items()) or "nothing"
    reasons = [
        f"{1000 * left:.0f} of {1000 * whole:.0f} meV per atom are left for {target}",
        f"at {last.temperature:g} K it was {seen}",
    ]
    if made >= SEEN:
        reasons.append(f"{target} has begun to form")
    return Recipe(units, open_[0], left, whole, tuple(reasons))


def remaining(
    target: str,
    units: Mapping[str, float],
    phases: Mapping[str, float],
    chemistry: Chemistry,
    temperature: float,
) -> float:
    """Driving force, eV per atom, of the step from what is there beside the target (weight fractions) to the target.

    The analysis is uncertain: amounts are moved to the nearest ones of the composition that was dosed.
    """
    seen = units_of({f: x for f, x in phases.items() if x > 0})
    have = {e: n for e, n in total(units).items() if e != chemistry.gas}
    gram = {e: n for e, n in total(seen).items() if e != chemistry.gas}
    scale = sum(have.values()) / max(sum(gram.values()), 1e-12)
    # Of what is too little to be seen, as much as the composition asks for is taken to be precursors still.
    names = tuple(dict.fromkeys((*seen, *units)))
    mixture = fitted(names, have, chemistry, {f: n * scale for f, n in seen.items()})
    rest = {f: n for f, n in mixture.items() if f != target}
    atoms = sum(n for e, n in total(rest).items() if e != chemistry.gas)
    if atoms < 1e-9:
        return 0.0
    return chemistry.driving(rest, target, temperature)


def _begins(
    target: str,
    units: Mapping[str, float],
    reactions: Reactions,
    given_up: Mapping[frozenset[str], tuple[str, ...]],
    order: Sequence[float],
    chemistry: Chemistry,
) -> Recipe | None:
    """The first temperature of a set that was not tried."""
    whole = chemistry.driving(units, target, order[0])
    mixture, way = predicted(units, max(order), reactions, chemistry, target)
    whole_way = ", then ".join(f"{' + '.join(r.pair)} to {' + '.join(r.products)} by {r.at:g} K" for r in way)
    if way and target in way[-1].products:
        onset = min((t for t in order if t >= way[-1].at), default=max(order))
        left = chemistry.driving(mixture, target, onset)
        return Recipe(units, onset, left, whole, (f"known: {whole_way}",))
    start = next((t for t in order if not _inert(units, reactions, t)), None)
    if start is None:
        return None
    left = chemistry.driving(mixture, target, start)
    if not way:
        return Recipe(
            units, start, left, whole, (f"{1000 * whole:.0f} meV per atom for {target}; nothing known",)
        )
    there = frozenset(units_seen(mixture))
    if there in given_up:
        return None
    reason = f"{1000 * left:.0f} of {1000 * whole:.0f} meV per atom are left for {target} after {whole_way}"
    return Recipe(units, start, left, whole, (reason,)) if left > NO_DRIVE else None


def units_seen(mixture: Mapping[str, float]) -> list[str]:
    """The phases of a mixture (formula units) that an analysis would see."""
    atoms = {f: n * sum(counts_of(f).values()) for f, n in mixture.items()}
    whole = sum(atoms.values())
    return [f for f, n in atoms.items() if n >= SEEN * whole]


def _inert(units: Mapping[str, float], reactions: Reactions, temperature: float) -> bool:
    """Whether every two of the precursors are known to do nothing up to a temperature."""
    pairs = combinations(sorted(units), 2)
    return all(reactions.inert.get(pair, 0.0) >= temperature for pair in pairs)
