"""A crystal or a composition as a graph: atoms and the neighbours that they receive messages from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from campaigns.structure import NUMBER, Structure
from surrogates.materials.elements import HEAVIEST
from surrogates.materials.errors import StructureRejected

CUTOFF, NEIGHBOURS = 8.0, 12
SAME_SHELL = 1e-3  # A: neighbours this close to the k-th one in distance count as tied with it
CLOSEST = 0.5  # A: H2, the shortest bond there is, has 0.74
CACHE_BYTES = 512 * 2**20
SAME_EDGE = 1e-4  # A: images of one sender this close in distance tell the receiver the same
SELF = 1e-8  # A: a site found as its own neighbour, and pymatgen's own tolerance
LEAST = 1e-4  # what an edge counts that is not worth keeping
PERIODIC = np.ones(3, dtype=np.int64)

Array = np.ndarray[Any, Any]
Kind = Literal["structure", "composition"]


class Merged(NamedTuple):
    """The u edges of a graph that differ: those from one atom's images at one distance are one, which counts as many
    times. A symmetric crystal has two or three times fewer of them, and every sum over edges is the same.

    edges (2, u) sorted by receiver; distances (u,); counts (u,) float32, sums of what each counts; units (u, 3)
    float32, sums of unit vectors times what each counts.
    """

    edges: Array
    distances: Array
    counts: Array
    units: Array


@dataclass(frozen=True)
class Graph:
    """n nodes, e directed edges sorted by receiver.

    numbers: (n,) int64, atomic numbers
    weights: (n,) float32, sum 1: share of each node in a mean over the graph (1/n, or the atomic fraction)
    edges: (2, e) int64: row 0 receives from row 1
    vectors: (e, 3) float32, angstrom: from the receiver to the sender; zeros in a composition
    volume: angstrom^3 per atom; NaN in a composition
    fade: (e,) float32, above 0 to 1: how much each edge counts; None where each counts 1
    """

    numbers: Array
    weights: Array
    edges: Array
    vectors: Array
    volume: float
    fade: Array | None = None

    @cached_property
    def distances(self) -> Array:
        """(e,) float32, angstrom."""
        out: Array = np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors))
        return out

    @cached_property
    def merged(self) -> Merged:
        """What networks compute with."""
        distances = self.distances
        if not len(distances):
            return Merged(self.edges, distances, distances, self.vectors)
        order = np.lexsort((distances, self.edges[1], self.edges[0]))
        edges, near = self.edges[:, order], distances[order]
        new = (edges[:, 1:] != edges[:, :-1]).any(axis=0) | (np.diff(near) > SAME_EDGE)
        first = np.concatenate([[0], np.flatnonzero(new) + 1])
        counts = np.diff(first, append=len(near)).astype(np.float32)
        units = (
            self.vectors[order] / np.maximum(near, CLOSEST)[:, None]
        )  # none is closer, but zeros in compositions
        distances, fade = np.add.reduceat(near, first) / counts, self.fade
        if fade is not None:
            units = units * fade[order][:, None]
            counts = np.add.reduceat(fade[order], first)
        return Merged(
            edges=edges[:, first],
            distances=distances,
            counts=counts,
            units=np.add.reduceat(units, first, axis=0),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self.numbers, self.weights, self.edges, self.vectors, self.distances, *self.merged)
        return sum(array.nbytes for array in arrays)

    def scaled(self, factor: float) -> Graph:
        """The same crystal with every length times `factor`, same edges: right for nearest neighbours, whose order a
        scale does not change, as long as the cutoff is not what bounds them."""
        return replace(self, vectors=self.vectors * np.float32(factor), volume=self.volume * factor**3)


def structure_graph(
    structure: Structure, *, cutoff: float = CUTOFF, neighbours: int | None = NEIGHBOURS, falloff: float = 0.0
) -> Graph:
    """Each atom receives from its `neighbours` nearest ones within `cutoff` (angstrom), images of itself included, or
    from all within the cutoff (None).

    Neighbours as far as the k-th one (within 0.001 A) are all kept, so that there may be more than k: to choose among
    them would make the graph depend on the order of sites or on the cell it is written in. An atom with fewer than k
    within the cutoff keeps those.

    With `falloff` neighbours farther than the k-th one are kept too, and count the less the farther they are, nothing
    from 1 + falloff of its distance on (or from the cutoff on, where that is nearer). Without it a graph jumps where
    atoms move: of neighbours at one distance the least strain leaves only the nearest.

    Raises StructureRejected: `isolated` (an atom without neighbours within the cutoff), `overlap` (two atoms closer
    than 0.5 A), `unknown-element` (heavier than lawrencium).
    """
    numbers = _numbers(structure.species)
    lattice = np.array(structure.lattice)
    frac = np.array(structure.frac)
    coords = np.ascontiguousarray((frac - np.floor(frac)) @ lattice)
    receivers, senders, images, distances = find_points_in_spheres(
        coords, coords, r=float(cutoff), pbc=PERIODIC, lattice=lattice, tol=SELF
    )
    n = len(coords)
    rows = np.flatnonzero((distances > SELF) | (receivers != senders))
    near = distances[rows]
    if rows.size and near.min() < CLOSEST:
        raise _overlap(structure, receivers[rows], senders[rows], near)
    order = rows[np.lexsort((near, receivers[rows]))]
    count = np.bincount(receivers[order], minlength=n)
    if not count.all():
        site = int(np.argmin(count))
        raise StructureRejected(
            "isolated", f"{structure.species[site]} (site {site}) has no neighbour within {cutoff:g} A"
        )
    fade = None
    if falloff > 0.0:
        fade = _fading(distances[order], count, neighbours, cutoff, falloff)
        order, fade = order[fade > 0.0], fade[fade > 0.0]
    elif neighbours is not None:
        order = order[_nearest(distances[order], count, neighbours)]
    to, of = receivers[order], senders[order]
    vectors = coords[of] + images[order] @ lattice - coords[to]
    return Graph(
        numbers=numbers,
        weights=np.full(n, 1.0 / n, dtype=np.float32),
        edges=np.stack([to, of]),
        vectors=vectors.astype(np.float32),
        volume=structure.volume / n,
        fade=fade,
    )


def _numbers(symbols: Iterable[str]) -> Array:
    unknown = sorted({symbol for symbol in symbols if NUMBER.get(symbol, HEAVIEST + 1) > HEAVIEST})
    if unknown:
        raise StructureRejected(
            "unknown-element", f"nothing is known of {', '.join(unknown)}, wanted H to Lr"
        )
    return np.array([NUMBER[symbol] for symbol in symbols], dtype=np.int64)


def _nearest(distances: Array, count: Array, k: int) -> Array:
    """Which of the edges (e,), sorted by receiver and distance, `count` (n,) each, are within the shell of the k-th."""
    last = np.cumsum(count) - 1
    kth = np.minimum(last - count + k, last)
    inside: Array = distances <= np.repeat(distances[kth] + SAME_SHELL, count)
    return inside


def _fading(distances: Array, count: Array, k: int | None, cutoff: float, falloff: float) -> Array:
    """(e,) float32: 1 up to the k-th distance (or to the one from which the cutoff is as far), then half a cosine to 0.
    Edges sorted by receiver and distance, `count` (n,) each. The nearest one counts a little wherever it is."""
    reach = np.full(len(count), float(cutoff))
    last = np.cumsum(count) - 1
    if k is not None:
        kth = np.minimum(last - count + k, last)
        farther = distances[kth] * (1.0 + falloff)
        reach = np.where(count >= k, np.minimum(farther, cutoff), cutoff)
    ends = np.repeat(reach, count)
    beyond = np.clip((distances * (1.0 + falloff) / ends - 1.0) / falloff, 0.0, 1.0)
    fade = 0.5 * (1.0 + np.cos(np.pi * beyond))
    nearest = last - count + 1
    fade[nearest] = np.maximum(fade[nearest], LEAST)
    fade[fade < LEAST] = 0.0
    out: Array = fade.astype(np.float32)
    return out


def _overlap(structure: Structure, receivers: Array, senders: Array, distances: Array) -> StructureRejected:
    worst = int(np.argmin(distances))
    a, b = int(receivers[worst]), int(senders[worst])
    pair = f"{structure.species[a]} (site {a}) and {structure.species[b]} (site {b})"
    return StructureRejected(
        "overlap", f"{pair} are {distances[worst]:.3g} A apart, wanted {CLOSEST:g} A at least"
    )


def composition_graph(counts: Mapping[str, float]) -> Graph:
    """One node per element with its atomic fraction as weight, all pairs joined (Merchant et al., Nature 624, 80,
    2023); an element alone has no edges. Raises StructureRejected: `empty`, `unknown-element`."""
    present = {symbol: float(amount) for symbol, amount in counts.items() if amount > 0}
    if not present:
        raise StructureRejected("empty", "a composition without atoms")
    symbols = sorted(present, key=lambda symbol: NUMBER.get(symbol, 0))
    numbers, shares = _numbers(symbols), np.array([present[symbol] for symbol in symbols])
    n = len(symbols)
    to, of = np.divmod(np.arange(n * n), n)
    other = to != of
    return Graph(
        numbers=numbers,
        weights=(shares / shares.sum()).astype(np.float32),
        edges=np.stack([to[other], of[other]]),
        vectors=np.zeros((int(other.sum()), 3), dtype=np.float32),
        volume=float("nan"),
    )


class GraphCache:
    """Graphs by their structure's key; those not asked for the longest go first once `limit` bytes are full."""

    def __init__(
        self,
        cutoff: float = CUTOFF,
        neighbours: int | None = NEIGHBOURS,
        kind: Kind = "structure",
        limit: int = CACHE_BYTES,
        falloff: float = 0.0,
    ) -> None:
        self.cutoff, self.neighbours, self.kind, self.limit = cutoff, neighbours, kind, limit
        self.falloff = falloff
        self.nbytes = 0
        self._graphs: OrderedDict[str, Graph] = OrderedDict()

    def __len__(self) -> int:
        return len(self._graphs)

    def __call__(
        self,
        structures: Sequence[Structure],
        rejected: Callable[[int, StructureRejected], None] | None = None,
    ) -> list[Graph]:
        """A graph for each structure. One that is refused raises StructureRejected; with `rejected` it is left out of
        the list instead, and reported with its place among `structures`."""
        found = []
        for place, structure in enumerate(structures):
            try:
                found.append(self._graph(structure))
            except StructureRejected as fault:
                if rejected is None:
                    raise
                rejected(place, fault)
        return found

    def _graph(self, structure: Structure) -> Graph:
        graph = self._graphs.get(structure.key)
        if graph is not None:
            self._graphs.move_to_end(structure.key)
            return graph
        if self.kind == "composition":
            graph = composition_graph(structure.counts)
        else:
            graph = structure_graph(
                structure, cutoff=self.cutoff, neighbours=self.neighbours, falloff=self.falloff
            )
        self._graphs[structure.key] = graph
        self.nbytes += graph.nbytes
        while self.nbytes > self.limit and len(self._graphs) > 1:
            self.nbytes -= self._graphs.popitem(last=False)[1].nbytes
        return graph
