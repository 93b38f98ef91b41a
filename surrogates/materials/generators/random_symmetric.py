"""Random crystals with the symmetry of a space group (after Pickard and Needs, J. Phys.: Condens. Matter 23, 053201,
2011): positions and cell drawn, then soft spheres that relax, over a range of volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pymatgen.core import Composition, Lattice

from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array
from surrogates.materials.crystals import check, structure_of
from surrogates.materials.errors import StructureRejected
from surrogates.materials.generators.protocol import Count, Generated, Known, Scale
from surrogates.materials.generators.soft_spheres import SLACK, Separations, Symmetry, least_volume, relax
from surrogates.materials.generators.volumes import ElementVolumes
from surrogates.materials.generators.wyckoff import GROUPS, Position, SpaceGroup, space_group

TRIES = 30  # groups and cells drawn for one structure before the composition is given up
CHOICES = 20  # tries to share a group's positions out among the atoms
GROWTH = 1.1  # of the volume where the spheres do not fit
SpaceGroupNumber = Annotated[int, Field(ge=1, le=GROUPS)]
FLATTEST = 0.35  # least height of the cell, of the cube root of its volume


def random_symmetric(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    formulas: Sequence[str],
    max_atoms: Count = 20,
    units: Count = 4,
    groups: Sequence[SpaceGroupNumber] | None = None,
    volumes: tuple[Scale, Scale] = (0.4, 1.2),
) -> Iterator[Generated]:
    """Random crystals of each of the `formulas` in turn, with 1 to `units` formula units in the primitive cell, at most
    `max_atoms` atoms, in one of the space `groups` (all by default), at `volumes` times the size that the known
    structures let expect. Raises ValueError: a formula that is none, or larger than `max_atoms`."""
    counts = [formula_counts(formula, max_atoms) for formula in formulas]
    source = Drawing([each.structure for each in known], groups=groups, volumes=volumes)
    made, left = 0, list(counts)
    while left and made < limit:
        for each in list(left):
            most = min(units, max_atoms // sum(each.values()))
            drawn = source.draw(each, most, rng)
            if drawn is None:
                left.remove(each)
                continue
            structure, group = drawn
            made += 1
            how = f"random crystal of {Composition(each).reduced_formula} with the symmetry of space group {group}"
            yield Generated(structure, (), how)
            if made == limit:
                return


def formula_counts(formula: str, max_atoms: int) -> dict[str, int]:
    """Atoms in one formula unit as it is written. Raises ValueError: no formula, or more than `max_atoms` atoms."""
    try:
        counts = {str(e): n for e, n in Composition(formula).get_el_amt_dict().items()}
    except ValueError as fault:
        raise ValueError(f"wanted the formula of a compound, got {formula!r}") from fault
    if not counts or any(s not in NUMBER or n != int(n) for s, n in counts.items()):
        raise ValueError(f"wanted a formula of whole atoms of known elements, got {formula!r}")
    if sum(counts.values()) > max_atoms:
        raise ValueError(f"wanted at most {max_atoms} atoms in a cell, got {formula!r}")
    return {symbol: int(n) for symbol, n in counts.items()}


class Drawing:
    """Draws random crystals; distances and volumes are those of the known structures."""

    def __init__(
        self,
        known: Sequence[Structure] = (),
        *,
        groups: Sequence[int] | None = None,
        volumes: tuple[float, float] = (0.4, 1.2),
    ) -> None:
        low, high = volumes
        if not 0.0 < low <= high:
            raise ValueError(f"wanted volumes from a smaller to a larger factor, got {low:g} to {high:g}")
        self.separations, self.sizes, self.range = Separations(known), ElementVolumes(known), (low, high)
        self.groups = (
            list(range(1, GROUPS + 1)) if groups is None else [space_group(n).number for n in groups]
        )

    def draw(
        self, counts: Mapping[str, int], units: int, rng: np.random.Generator
    ) -> tuple[Structure, int] | None:
        """A crystal of 1 to `units` formula units in the primitive cell, and its space group, both drawn for each try;
        None where 30 tries gave none in which the spheres fit."""
        for _ in range(TRIES):
            group, times = space_group(int(rng.choice(self.groups))), int(rng.integers(1, units + 1))
            drawn = self.attempt(group, {s: n * times for s, n in counts.items()}, rng)
            if not isinstance(drawn, str):
                return drawn, group.number
        return None

    def attempt(
        self, group: SpaceGroup, counts: Mapping[str, int], rng: np.random.Generator
    ) -> Structure | Literal["incompatible", "overlapping"]:
        """One try at a crystal with `counts` atoms in the primitive cell: why it failed, where it did."""
        chosen = share_out(group, counts, rng)
        if chosen is None:
            return "incompatible"
        species, sites = [], []
        for symbol, position in chosen:
            point = position.origin + position.directions @ rng.random(position.directions.shape[1])
            orbit = _in_primitive(group, group.orbit(point))
            sites.append(orbit)
            species += [symbol] * len(orbit)
        frac = np.concatenate(sites)
        if len(frac) != sum(counts.values()):
            return "overlapping"  # a drawn point fell on a more special position
        shape = group.primitive @ random_cell(group.number, rng)
        size = self.sizes.of(counts)
        least = self.separations.matrix(species)
        low, high = max(self.range[0], least_volume(least) / size), self.range[1]
        if low > high:
            return "overlapping"
        factor = float(rng.uniform(low, high))
        lattice = shape * (size * factor / abs(np.linalg.det(shape))) ** (1.0 / 3.0)
        symmetry = _symmetry(group, frac)
        while True:
            lattice, frac, lacking = relax(lattice, frac, least, symmetry)
            if lacking <= SLACK:
                break
            if lacking >= 1.0 or factor * GROWTH > high:
                return "overlapping"
            lattice, factor = lattice * GROWTH ** (1.0 / 3.0), factor * GROWTH
        return _finished(lattice, species, frac)


def _finished(lattice: Array, species: list[str], frac: Array) -> Structure | Literal["overlapping"]:
    reduced = Lattice(lattice).get_lll_reduced_lattice()
    moved = reduced.get_fractional_coords(frac @ lattice)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(reduced.matrix), axis=0)
    if heights.min() < FLATTEST * reduced.volume ** (1.0 / 3.0):
        return "overlapping"
    structure = structure_of(reduced.matrix, species, moved)
    try:
        check(structure)
    except StructureRejected:
        return "overlapping"
    return structure


def share_out(
    group: SpaceGroup, counts: Mapping[str, int], rng: np.random.Generator
) -> list[tuple[str, Position]] | None:
    """Positions of the group for all atoms of a primitive cell, drawn evenly one after the other; a fixed one is used
    once. None where 20 draws end with atoms left over."""
    for _ in range(CHOICES):
        taken: set[int] = set()
        out: list[tuple[str, Position]] = []
        for symbol in rng.permutation(sorted(counts)):
            left = counts[str(symbol)] * group.centring
            while left:
                fitting = [
                    k for k, p in enumerate(group.positions) if p.multiplicity <= left and k not in taken
                ]
                if not fitting:
                    break
                k = fitting[int(rng.integers(len(fitting)))]
                position = group.positions[k]
                left -= position.multiplicity
                out.append((str(symbol), position))
                if position.fixed:
                    taken.add(k)
            if left:
                break
        else:
            return out
    return None


def _in_primitive(group: SpaceGroup, orbit: Array) -> Array:
    """One of each `centring` sites of the conventional cell, in coordinates of the primitive one."""
    frac = (orbit @ np.linalg.inv(group.primitive) + 1e-6) % 1.0 - 1e-6
    away = np.abs(frac[:, None] - frac[None])
    same = np.all(np.minimum(away, 1.0 - away) < 1e-5, axis=2)
    first: Array = frac[np.argmax(same, axis=1) == np.arange(len(frac))]
    return first


def _symmetry(group: SpaceGroup, frac: Array) -> Symmetry:
    """The group's operations on sites (n, 3) of the primitive cell."""
    back = np.linalg.inv(group.primitive)
    # Operations that differ by a centring vector are the same on the primitive cell.
    rotations, first = np.unique(group.rotations, axis=0, return_index=True)
    turned = back.T @ rotations @ group.primitive.T
    moved = frac @ turned.transpose(0, 2, 1) + (group.translations[first] @ back)[:, None]
    away = np.abs(moved[:, :, None] - frac[None, None]) % 1.0
    return Symmetry(
        turned, np.linalg.inv(turned), np.argmin(np.minimum(away, 1.0 - away).sum(axis=3), axis=2)
    )


def random_cell(number: int, rng: np.random.Generator) -> Array:
    """A conventional cell (3, 3), rows, of the crystal system of a space group: lengths log-normal (sd 0.3), free
    angles normal about 90 degrees (sd 12, within 60 to 120)."""
    a, b, c = np.exp(0.3 * rng.standard_normal(3))
    alpha, beta, gamma = np.clip(90.0 + 12.0 * rng.standard_normal(3), 60.0, 120.0)
    if number >= 195:
        b = c = a
    elif number >= 75:
        b = a
    if number >= 16:
        alpha = beta = gamma = 90.0
    elif number >= 3:
        alpha = gamma = 90.0
    if 143 <= number <= 194:
        gamma = 120.0
    out: Array = Lattice.from_parameters(a, b, c, alpha, beta, gamma).matrix
    return out
