"""The columns of a material: what each member of the ensemble says of it, side by side."""

from __future__ import annotations

import math

import numpy as np

from surrogates.columns import Tabulated, nearest_rows
from surrogates.encode import Array
from surrogates.errors import InvalidObservation
from surrogates.joint.representation import Representation
from surrogates.pool import row_hashes


class MaterialAxis(Tabulated):
    """One material of a pool. Its unit columns are the T properties as member 1 has them, as member 2 has them and so
    on, over sqrt(M), then the P components; all members' columns of one property have one length scale.

    Each member's model sees its own (see `members`). Side by side they are what distances are measured by elsewhere:
    the squared distance of two materials is the mean over the members, that of their mean properties and what is not
    known of their difference.

    members, targets, components  how many: M, T and P
    """

    def __init__(self, name: str, known: Representation) -> None:
        """Raises ValueError for a pool without a material."""
        if not known.ids:
            raise ValueError(f"{name}: wanted at least one material in the pool, got none")
        self.known = known
        self.members, n, self.targets = known.members.shape
        components = known.components()
        self.components = components.shape[1]
        properties = known.unit().transpose(1, 0, 2).reshape(n, -1) / math.sqrt(self.members)
        groups = np.concatenate(
            [np.tile(np.arange(self.targets), self.members), self.targets + np.arange(self.components)]
        )
        super().__init__(name, known.ids, np.hstack([properties, components]), groups)
        hashes = row_hashes(self.table)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def read(self, values: object) -> Array:
        """Ids as codes (n,). Raises InvalidObservation for one that is not in the pool."""
        try:
            return super().read(values)  # type: ignore[arg-type]
        except KeyError as fault:
            raise InvalidObservation(
                f"{self.name}: wanted a material of the pool ({len(self.choices)}), got {fault.args[0]!r}"
            ) from fault

    def found(self, columns: Array) -> Array:
        """Numbers (m,) of the materials with these unit columns (m, width), the first of those that are alike. Raises
        ValueError for columns of no material."""
        out = self._like(columns)
        if not np.array_equal(self.table[out], columns):
            raise ValueError(f"{self.name}: wanted columns of materials of the pool, got others")
        return out

    def code(self, columns: Array) -> Array:
        """Codes (m,) of the materials with unit columns (m, width), or nearest to them. A table of 10^4 rows is too
        long to be compared with all of 10^5."""
        out = self._like(columns)
        strange = np.flatnonzero((self.table[out] != columns).any(axis=1))
        out[strange] = nearest_rows(self.table, columns[strange])
        return out.astype(float)

    def _like(self, columns: Array) -> Array:
        """The first material (m,) whose columns have the same hash; any other where there is none."""
        at = np.searchsorted(self._hashes, row_hashes(columns))
        return self._order[np.minimum(at, len(self._order) - 1)]

    def of_member(self, k: int) -> Array:
        """Places among the columns (T + P,) of what member `k` says of a material."""
        own = k * self.targets + np.arange(self.targets)
        return np.concatenate([own, self.members * self.targets + np.arange(self.components)])
