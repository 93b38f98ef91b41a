"""What an atom has about it, as numbers that do not change when the crystal turns: contractions of moments of its
neighbours' density, as in moment tensor potentials (Shapeev, Multiscale Model. Simul. 14, 1153, 2016), and slopes.

With D from an atom to a neighbour, r = |D|, n = D / r and radial functions f_c of channel c (a polynomial and the
neighbour's element): M0_c = sum f_c, M1_c = sum f_c n, M2_c = sum f_c n n. Features of the atom are sums over pairs in
a finer radial basis, and M0_c M0_d, M1_c . M1_d, M2_c : M2_d for all c <= d. All go to 0 with their slopes at the
cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

Array = NDArray[np.float64]
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class Rows(NamedTuple):
    """What is linear in the coefficients (F): energy of the cell (F,), forces (3 N, F) atom by atom, stress (6, F) in
    Voigt's order. `n`: atoms."""

    energy: Array
    forces: Array
    stress: Array
    n: int


@dataclass(frozen=True)
class Moments:
    """elements: symbols; cutoff in angstrom; pair, many: radial functions of the sums over pairs and of the moments."""

    elements: tuple[str, ...]
    cutoff: float = 5.5
    pair: int = 10
    many: int = 5

    @property
    def block(self) -> int:
        """Features of an atom."""
        channels = self.many * len(self.elements)
        return self.pair * len(self.elements) + 3 * channels * (channels + 1) // 2 + 1

    @property
    def size(self) -> int:
        """Coefficients: each element has its own of its atoms, a constant among them."""
        return self.block * len(self.elements)

    def covers(self, symbols: Sequence[str]) -> bool:
        """Whether these are its elements."""
        return set(symbols) <= set(self.elements)

    def rows(self, atoms: Atoms) -> Rows:
        """Raises ValueError for an element that is not one of its own."""
        if not self.covers(atoms.get_chemical_symbols()):
            raise ValueError(f"wanted atoms of {', '.join(self.elements)}, got {atoms.symbols}")
        kind = np.searchsorted(
            np.sort([atomic_numbers[one] for one in self.elements]), atoms.numbers
        )  # place of an atom's element, by number
        i, j, vector = _pairs(atoms, self.cutoff)
        features, slopes = self._of_pairs(i, kind[j], vector, len(atoms))
        energy = np.zeros((len(self.elements), self.block))
        np.add.at(energy, kind, features)
        forces = np.zeros((len(atoms), 3, len(self.elements), self.block))
        stress = np.zeros((6, len(self.elements), self.block))
        for element in range(len(self.elements)):
            own = kind[i] == element
            if not own.any():
                continue
            of = slopes[own]  # (p, F, 3)
            for a in range(3):
                forces[:, a, element] += _summed(i[own], of[:, :, a], len(atoms))
                forces[:, a, element] -= _summed(j[own], of[:, :, a], len(atoms))
            for row, (a, b) in enumerate(VOIGT):
                stress[row, element] = np.einsum("p,pf->f", vector[own, b], of[:, :, a])
        return Rows(
            energy.ravel(),
            forces.reshape(3 * len(atoms), self.size),
            stress.reshape(6, self.size) / atoms.get_volume(),
            len(atoms),
        )

    def _of_pairs(
        self, i: NDArray[np.intp], kind: NDArray[np.intp], vector: Array, n: int
    ) -> tuple[Array, Array]:
        """Features (n, F) of the atoms and, of the centre's features, slopes (P, F, 3) along each pair's vector."""
        r = np.linalg.norm(vector, axis=1)
        unit = vector / r[:, None]
        fine, fine_slope = self._radial(r, kind, self.pair)
        f, slope = self._radial(r, kind, self.many)
        m0 = _summed(i, f, n)
        c = f.shape[1]
        m1 = _summed(i, (f[:, :, None] * unit[:, None, :]).reshape(len(r), 3 * c), n).reshape(n, c, 3)
        tensor = unit[:, :, None] * unit[:, None, :]
        m2 = _summed(i, (f[:, :, None, None] * tensor[:, None]).reshape(len(r), 9 * c), n)
        m2 = m2.reshape(n, c, 3, 3)
        one, two = np.triu_indices(f.shape[1])
        features = np.concatenate(
            [
                np.ones((n, 1)),
                _summed(i, fine, n),
                m0[:, one] * m0[:, two],
                np.einsum("nca,nca->nc", m1[:, one], m1[:, two]),
                np.einsum("ncab,ncab->nc", m2[:, one], m2[:, two]),
            ],
            axis=1,
        )
        # g[p, c, d] = slope of (contribution of the pair to M_c) . M_d: f' s n + (f / r) t
        s1 = np.einsum("pa,pda->pd", unit, m1[i])
        t1 = m1[i] - unit[:, None, :] * s1[:, :, None]
        turned = np.einsum("pdab,pb->pda", m2[i], unit)
        s2 = np.einsum("pa,pda->pd", unit, turned)
        t2 = 2 * (turned - unit[:, None, :] * s2[:, :, None])
        over = f / r[:, None]
        parts = [np.zeros((len(r), 1, 3)), fine_slope[:, :, None] * unit[:, None, :]]
        for s, t in ((m0[i], None), (s1, t1), (s2, t2)):
            along = slope[:, one] * s[:, two] + slope[:, two] * s[:, one]
            part = along[:, :, None] * unit[:, None, :]
            if t is not None:
                part += over[:, one, None] * t[:, two] + over[:, two, None] * t[:, one]
            parts.append(part)
        return features, np.concatenate(parts, axis=1)

    def _radial(self, r: Array, kind: NDArray[np.intp], count: int) -> tuple[Array, Array]:
        """Functions (P, count * elements), those of other elements than the neighbour's 0, and their slopes.

        Chebyshev polynomials of x = 1 - 2 r / cutoff times (1 - r / cutoff)^2.
        """
        x = 1 - 2 * r / self.cutoff
        t, u = [np.ones_like(x), x], [np.zeros_like(x), np.ones_like(x)]
        for _ in range(count - 2):
            u.append(2 * t[-1] + 2 * x * u[-1] - u[-2])
            t.append(2 * x * t[-1] - t[-2])
        value, slope = np.stack(t[:count], axis=1), np.stack(u[:count], axis=1) * (-2 / self.cutoff)
        near = (1 - r / self.cutoff)[:, None]
        value, slope = value * near**2, slope * near**2 - 2 / self.cutoff * near * value
        out, out_slope = (np.zeros((len(r), len(self.elements), count)) for _ in range(2))
        at = np.arange(len(r))
        out[at, kind], out_slope[at, kind] = value, slope
        width = len(self.elements) * count
        return out.reshape(len(r), width), out_slope.reshape(len(r), width)


def _summed(at: NDArray[np.intp], values: Array, n: int) -> Array:
    """(n, k): sums of rows (P, k) by where they belong."""
    out = np.zeros((n, values.shape[1]))
    np.add.at(out, at, values)
    return out


def _pairs(atoms: Atoms, cutoff: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Of every pair nearer than the cutoff, each in both directions: centre, neighbour, vector between."""
    points = np.ascontiguousarray(atoms.get_positions(wrap=False), dtype=float)
    lattice = np.ascontiguousarray(atoms.cell.array, dtype=float)
    i, j, images, distance = find_points_in_spheres(
        all_coords=points,
        center_coords=points,
        r=cutoff,
        pbc=np.ones(3, dtype=np.int64),
        lattice=lattice,
        tol=1e-8,
    )
    apart = distance > 1e-8
    i, j, images = i[apart], j[apart], images[apart]
    return i, j, points[j] + images @ lattice - points[i]
