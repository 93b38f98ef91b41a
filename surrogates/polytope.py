"""The linear constraints and mixtures of a space as one polytope over codes, and how to stay inside it.

Inside here lengths are measured in the box: x = (code - low) / (high - low), so that a fraction and a temperature
weigh alike. Sampling is hit-and-run (Smith 1984), which tends to the uniform distribution on any convex body;
repair to discrete values is a mixed-integer programme (HiGHS through SciPy), so that it either gives a feasible
candidate or proves that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from surrogates.encode import Array, Encoder
from surrogates.errors import InfeasibleSpace
from surrogates.supports import Parts

EMPTY = "no candidate satisfies the bounds, mixtures and linear constraints of the space together"
TIGHT = 1e-9  # slack below which an inequality is taken to hold with equality throughout


class Polytope:
    """{codes: at_least <= A codes <= at_most, low <= codes <= high} for the numeric parameters of a space.

    `rows` are the constraints in code units (m, p); `involved` (p,) marks the parameters that any of them names;
    `trivial` is true where there is none. `low` and `high` (p,) are the encoder's bounds, or a box within these, in
    which parameters may be pinned.
    """

    def __init__(self, encoder: Encoder, low: Array | None = None, high: Array | None = None) -> None:
        self.encoder = encoder
        self.low = encoder.floor if low is None else low
        self.high = encoder.ceiling if high is None else high
        self._back: dict[bytes, Array] = {}
        self._interior: tuple[Array, Array] | None = None
        space, p = encoder.space, encoder.n_parameters
        place = {name: j for j, name in enumerate(encoder.names)}
        fixed = {q.name: q.value for q in space.parameters if q.kind == "fixed"}
        rows, at_least, at_most = [], [], []
        statements: list[tuple[tuple[tuple[str, float], ...], float | None, float | None]]
        statements = [(tuple((name, 1.0) for name in m.components), m.total, m.total) for m in space.mixtures]
        statements += [(c.terms, c.at_least, c.at_most) for c in space.constraints]
        for terms, least, most in statements:
            row, constant = np.zeros(p), 0.0
            for name, weight in terms:
                if name in place:
                    row[place[name]] += weight
                else:
                    constant += weight * float(fixed[name])
            rows.append(row)
            at_least.append(-np.inf if least is None else least - constant)
            at_most.append(np.inf if most is None else most - constant)
        self.rows = np.array(rows).reshape(-1, p)
        self.at_least, self.at_most = np.array(at_least, float), np.array(at_most, float)
        self.trivial = len(rows) == 0
        self.involved = (self.rows != 0).any(axis=0)
        self.equality = self.at_least == self.at_most
        self._box()

    def _box(self) -> None:
        """Inequalities G x <= h (unit rows, bounds included) and equalities E x = e over the involved columns."""
        self.span = np.where(self.involved & (self.high > self.low), self.high - self.low, 1.0)
        self.index = j = np.flatnonzero(self.involved & (self.high > self.low))
        A = self.rows[:, j] * self.span[j]
        shift = self.rows @ np.where(self.involved, self.low, 0.0)
        scale = np.linalg.norm(A, axis=1)
        scale[scale == 0] = 1.0
        A, least, most = A / scale[:, None], (self.at_least - shift) / scale, (self.at_most - shift) / scale
        self.E, self.e = A[self.equality], least[self.equality]
        upper, lower = ~self.equality & np.isfinite(most), ~self.equality & np.isfinite(least)
        eye, k = np.eye(len(j)), len(j)
        self.G = np.vstack([A[upper], -A[lower], eye, -eye])
        self.h = np.concatenate([most[upper], -least[lower], np.ones(k), np.zeros(k)])

    def holds(self, codes: Array, tolerance: float = 1e-12, rows: slice = slice(None)) -> Array:
        """Whether each row of `codes` (n, p) satisfies every constraint to `tolerance` of its terms' size
        (equalities to 1e-9); `rows` picks constraints, mixtures coming first."""
        if self.trivial:
            return np.ones(len(codes), bool)
        A, least, most = self.rows[rows], self.at_least[rows], self.at_most[rows]
        value, size = codes @ A.T, np.abs(codes) @ np.abs(A).T + 1e-300
        slack = np.where(self.equality[rows], max(tolerance, 1e-9), tolerance) * size
        return ((value >= least - slack) & (value <= most + slack)).all(axis=1)

    def interior(self) -> tuple[Array, Array]:
        """`_find_interior`, found once."""
        if self._interior is None:
            self._interior = self._find_interior()
        return self._interior

    def _find_interior(self) -> tuple[Array, Array]:
        """A relatively interior point x0 (k,) and a basis (k, r) of the directions that stay in the polytope.

        Raises InfeasibleSpace where the polytope is empty.
        """
        E, e, k = self.E, self.e, len(self.index)
        if k == 0:
            if (np.abs(e) > 1e-7).any() or (self.h < -1e-7).any():
                raise InfeasibleSpace(EMPTY)
            return np.zeros(0), np.zeros((0, 0))
        for _ in range(2):
            free = null_space(E) if len(E) else np.eye(k)
            active = (
                np.linalg.norm(self.G @ free, axis=1) > TIGHT if free.size else np.zeros(len(self.G), bool)
            )
            width = np.where(active, 1.0, 0.0)
            found = linprog(
                np.r_[np.zeros(k), -1.0],
                A_ub=np.c_[self.G, width],
                b_ub=self.h + TIGHT * ~active,
                A_eq=np.c_[E, np.zeros(len(E))] if len(E) else None,
                b_eq=e if len(E) else None,
                bounds=[(None, None)] * k + [(0, 1)],
            )
            if found.status != 0:
                raise InfeasibleSpace(EMPTY)
            if found.x[-1] > TIGHT or not active.any():
                return found.x[:k], free
            # The inequalities leave no room: some hold with equality everywhere, so treat those as equalities.
            points, tight = [], []
            for i in np.flatnonzero(active):
                best = linprog(
                    self.G[i],
                    A_ub=self.G,
                    b_ub=self.h + TIGHT,
                    A_eq=E if len(E) else None,
                    b_eq=e if len(E) else None,
                    bounds=[(None, None)] * k,
                )
                if best.status != 0:
                    continue
                points.append(best.x)
                if self.h[i] - best.fun <= 1e-7:
                    tight.append(i)
            E, e = np.vstack([E, self.G[tight]]), np.concatenate([e, self.h[tight]])
            center = np.mean(points, axis=0) if points else found.x[:k]
        return center, null_space(E) if len(E) else np.eye(k)

    def hit_and_run(self, start: Array, basis: Array, n: int, rng: np.random.Generator) -> Array:
        """Codes (n, p) of n chains from the interior point; columns that no constraint names are left zero.

        Parameters on a log or logit scale are made uniform on it by a Metropolis step on each chord, as in an open box.
        """
        x, k, r = np.repeat(start[None], n, axis=0), len(self.index), basis.shape[1]
        if r:
            low, scales = self.low[self.index], self.encoder.scales[self.index]
            curved = scales != "linear"
            for _ in range(20 + 12 * r):
                step = rng.standard_normal((n, r)) @ basis.T
                rate, room = step @ self.G.T, np.maximum(self.h - x @ self.G.T, 0.0)
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = room / rate
                forward = np.where(rate > 1e-12, ratio, np.inf).min(axis=1)
                backward = np.where(rate < -1e-12, ratio, -np.inf).max(axis=1)
                u, v = rng.random(n), rng.random(n)
                length = np.where(np.isfinite(forward) & np.isfinite(backward), forward - backward, 0.0)
                move = np.where(length > 0, backward + (1e-6 + (1 - 2e-6) * u) * length, 0.0)
                new = x + move[:, None] * step
                if curved.any():
                    ends = [(low + at * self.span[self.index])[:, curved] for at in (x, new)]
                    before, after = (_log_density(codes, scales[curved]) for codes in ends)
                    new = np.where((after - before >= np.log(v))[:, None], new, x)
                x = new
        out = np.zeros((n, self.encoder.n_parameters))
        out[:, self.involved] = self.low[self.involved]
        out[:, self.index] = self.low[self.index] + x.reshape(n, k) * self.span[self.index]
        return self.project(out)

    def project(self, codes: Array, movable: Array | None = None) -> Array:
        """Codes moved by least squares onto the equalities, changing only `movable` columns (default: all)."""
        if not self.equality.any():
            return codes
        A, target = self.rows[self.equality], self.at_least[self.equality]
        key = b"" if movable is None else movable.tobytes()
        if key not in self._back:
            free = self.involved & (self.high > self.low)
            weight = np.where(free if movable is None else free & movable, self.span, 0.0)
            self._back[key] = np.linalg.pinv(A * weight) * weight[:, None]
        back = self._back[key]
        out = codes
        for _ in range(2):  # the second pass removes the rounding of the first
            out = out - (out @ A.T - target) @ back.T
        return np.clip(out, self.low, self.high)

    def exact(self, codes: Array) -> Array:
        """Mixtures that sum to their total with no rounding at all, in any order of the components.

        Each component goes to a multiple of the spacing of floats at the total, where sums are exact; the one with
        most room takes what is left.
        """
        out, e = codes.copy(), self.encoder
        place = {name: j for j, name in enumerate(e.names)}
        for mixture in e.space.mixtures:
            j = np.array([place[name] for name in mixture.components], int)
            step = np.spacing(mixture.total)
            low, high = np.ceil(self.low[j] / step), np.floor(self.high[j] / step)
            for row in out:
                count = np.clip(np.rint(row[j] / step), low, high)
                rest = round(mixture.total / step) - int(sum(int(c) for c in count))
                room = np.where(rest > 0, high - count, count - low)
                count[int(np.argmax(room))] += rest
                if (count >= low).all() and (count <= high).all():
                    row[j] = count * step
        return out

    def repair(self, code: Array, parts: Sequence[Parts] = ()) -> Array | None:
        """The feasible code (p,) nearest to `code` in summed absolute distance, or None: there is none.

        Discrete parameters take allowed values, and components of `parts` are 0 or at least their threshold, by a
        mixed-integer programme over the involved columns.
        """
        e, j = self.encoder, self.index
        k = len(j)
        if k == 0:
            return code if self.holds(code[None])[0] else None
        ordinals = [a for a in range(k) if e.kinds[j[a]] == "ordinal"]
        counts = [len(e.levels[j[a]]) for a in ordinals]
        place = {int(q): a for a, q in enumerate(j)}
        shares = [(part, [q for q in part.columns if int(q) in place]) for part in parts]
        switches = sum(counts) + sum(len(columns) for _, columns in shares)
        n = 2 * k + switches  # codes, distances, a switch per ordinal level, a switch per component
        pinned = self.rows @ np.where(self.involved & (self.high <= self.low), self.low, 0.0)
        cost = np.zeros(n)
        cost[k : 2 * k] = 1.0 / self.span[j]
        A = np.zeros((len(self.rows), n))
        A[:, :k] = self.rows[:, j]
        near = np.zeros((2 * k, n))
        near[:k, :k], near[k:, :k] = np.eye(k), -np.eye(k)
        near[:k, k : 2 * k] = near[k:, k : 2 * k] = -np.eye(k)
        target = np.concatenate([code[j], -code[j]])
        conditions = [
            LinearConstraint(A, self.at_least - pinned, self.at_most - pinned),
            LinearConstraint(near, -np.inf, target),
        ]
        integrality, at = np.zeros(n), 2 * k
        integrality[:k] = [e.kinds[q] == "integer" for q in j]
        for a, count in zip(ordinals, counts, strict=True):
            pick, one = np.zeros(n), np.zeros(n)
            pick[a], pick[at : at + count], one[at : at + count] = 1.0, -e.levels[j[a]], 1.0
            conditions += [LinearConstraint(pick[None], 0.0, 0.0), LinearConstraint(one[None], 1.0, 1.0)]
            integrality[at : at + count] = 1
            at += count
        for part, columns in shares:
            present = np.zeros(n)
            for q in columns:
                own, above, below = place[int(q)], np.zeros(n), np.zeros(n)
                above[own], above[at], below[own], below[at] = 1.0, -part.least[q], 1.0, -self.high[q]
                conditions += [
                    LinearConstraint(above[None], 0.0),
                    LinearConstraint(below[None], -np.inf, 0.0),
                ]
                present[at], integrality[at] = 1.0, 1
                at += 1
            always = sum(self.low[q] > 0 for q in part.columns if int(q) not in place)
            conditions.append(LinearConstraint(present[None], part.fewest - always, part.most - always))
        low = np.concatenate([self.low[j], np.zeros(n - k)])
        high = np.concatenate([self.high[j], np.full(k, np.inf), np.ones(switches)])
        found = milp(cost, integrality=integrality, bounds=Bounds(low, high), constraints=conditions)
        if found.x is None:
            return None
        out = code.copy()
        out[j] = found.x[:k]
        out = e.snap(out[None])[0]
        return self.project(out[None], ~e.discrete)[0]


def _log_density(codes: Array, scales: Array) -> Array:
    """Log density (n,) of codes (n, k) that are uniform on a log or logit scale."""
    codes = np.maximum(codes, 1e-300)
    logit = scales == "logit"
    rest = np.maximum(1 - codes[:, logit], 1e-300)
    out: Array = -np.log(codes).sum(axis=1) - np.log(rest).sum(axis=1)
    return out
