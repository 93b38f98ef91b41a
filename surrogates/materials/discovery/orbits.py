"""Graphs of a crystal's different sites only: what symmetry makes equal, a network sees as equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import spglib

from campaigns.structure import NUMBER, Structure
from surrogates.encode import Array
from surrogates.materials.graph import Graph, GraphCache

SAME_SITE = 1e-3  # angstrom: within this an operation takes an atom to another; records have 6 decimals


class OrbitCache(GraphCache):
    """As `GraphCache`, with one node for each set of equivalent sites, weighed by how many they are.

    Equal neighbourhoods give equal messages, so that values of the whole crystal stay the same: only work done more
    than once is left out. Of 943 crystals of the Fe-Li-O-P system half the nodes remain. Not for values per atom.
    """

    def _graph(self, structure: Structure) -> Graph:
        new = structure.key not in self._graphs
        graph = super()._graph(structure)
        if new and self.kind == "structure":
            small = reduced(graph, equivalent_sites(structure))
            self.nbytes += small.nbytes - graph.nbytes
            self._graphs[structure.key] = graph = small
        return graph


def equivalent_sites(structure: Structure) -> Array:
    """(n,) for each site the first that symmetry makes equal to it; itself where no symmetry is found."""
    cell = (structure.lattice, structure.frac, [NUMBER[symbol] for symbol in structure.species])
    found = spglib.get_symmetry_dataset(cell, symprec=SAME_SITE)
    out: Array = np.arange(structure.n_atoms) if found is None else np.asarray(found.equivalent_atoms)
    return out


def reduced(graph: Graph, same: Array) -> Graph:
    """The graph of the first site of each set, `same` (n,) as `equivalent_sites` gives them: a message from any site of
    a set comes from its first."""
    kept, number = np.unique(same, return_inverse=True)
    inside = np.isin(graph.edges[0], kept)
    edges = number[graph.edges[:, inside]]
    order = np.argsort(edges[0], kind="stable")
    return replace(
        graph,
        numbers=graph.numbers[kept],
        weights=np.bincount(number, weights=graph.weights).astype(np.float32),
        edges=edges[:, order],
        vectors=graph.vectors[inside][order],
        fade=None if graph.fade is None else graph.fade[inside][order],
    )
