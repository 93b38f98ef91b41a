"""Where an acquisition is largest over (material, process): every material is looked at, at a few processes; the
process of the best of them is refined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.acquisition.base import Acquisition, Belief, score
from surrogates.climb import climb
from surrogates.domain import Domain
from surrogates.encode import Array
from surrogates.region import Region
from surrogates.sampling import Sampler
from surrogates.search import Crowd, Found, Search

INCUMBENTS, DRAWN = (
    4,
    12,
)  # processes that the materials are looked at with: of the best results, and of the whole space
FEWEST = 4
WORK = 6e6  # kernel values that looking at all materials may cost for each process of the belief
DEAR = 4  # times as much work is an acquisition that has a coarse one
SHORTLIST = 1024  # materials that the later points of a batch are sought among
REFINED, STEPS = 256, 12  # materials whose process is refined, roughly


@dataclass
class JointCrowd(Crowd):
    """`codes`: processes, with any material; `materials`: codes of those that later points are sought among."""

    materials: Array | None = None


class JointSearch(Search):
    """Over a space one of whose parameters is a material."""

    remembers_values = True

    def __init__(self, sampler: Sampler, material: int) -> None:
        """`material`: its place among the free parameters."""
        super().__init__(sampler)
        self.material = material
        self._shortlist = np.zeros(0)

    def best(
        self,
        acquisition: Acquisition,
        belief: Belief,
        incumbents: Array,
        avoid: Array,
        rng: np.random.Generator,
        apart: Array | None = None,
        crowd: Crowd | None = None,
        within: Region | None = None,
    ) -> Found:
        """See `Search.best`. Costs at most DRAWN + INCUMBENTS looks at every material."""
        if self.pool is not None:
            return super().best(acquisition, belief, incumbents, avoid, rng, apart, crowd, within)
        domain = self.domain(within)
        seen = crowd if isinstance(crowd, JointCrowd) else self.crowd(incumbents, rng, within)
        materials = self._allowed(domain) if seen.materials is None else seen.materials
        codes = self._survey(acquisition, belief, seen.codes, materials, len(avoid))
        if seen.materials is None:
            seen.materials = np.sort(codes[:SHORTLIST, self.material])
        self._shortlist = seen.materials
        codes = codes[: REFINED if acquisition.coarse() is None else REFINED // DEAR]
        if not domain.linear and belief.smooth and getattr(acquisition, "smooth", True):
            codes = np.vstack([codes, climb(domain, acquisition, belief, codes, STEPS)])
        return super().best(
            acquisition, belief, incumbents, avoid, rng, apart, Crowd(codes, later=seen.later), within
        )

    def crowd(self, incumbents: Array, rng: np.random.Generator, within: Region | None = None) -> JointCrowd:
        """The processes to look with, the best results' first."""
        if self.pool is not None:
            return JointCrowd(incumbents[:0])
        domain = self.domain(within)
        drawn = self.sampler.domain.draw(DRAWN, rng) if within is None else domain.draw(DRAWN, rng)
        codes = domain.fitted(np.vstack([incumbents[:INCUMBENTS], drawn]))
        return JointCrowd(codes)

    def _allowed(self, domain: Domain) -> Array:
        """Codes of the materials within the region."""
        levels, j = self.encoder.levels[self.material], self.material
        return levels[(levels >= domain.low[j] - 1e-9) & (levels <= domain.high[j] + 1e-9)]

    def _survey(
        self, acquisition: Acquisition, belief: Belief, processes: Array, materials: Array, results: int
    ) -> Array:
        """One code (m, p) for each material, with the best of the processes for it, the best material first.

        Of many materials and results only the first processes are tried with all; the others with the shortlist.
        """
        coarse = acquisition.coarse()
        rough, dear = coarse or acquisition, 1 if coarse is None else DEAR
        few = int(np.clip(WORK / max(dear * len(materials) * max(results, 1), 1), FEWEST, len(processes)))
        best, at = self._looked(rough, belief, processes[:few], materials)
        order = np.argsort(-best, kind="stable")
        if few < len(processes):
            short = order[:SHORTLIST]
            more, where = self._looked(rough, belief, processes[few:], materials[short])
            better = more > best[short]
            best[short] = np.where(better, more, best[short])
            at[short] = np.where(better, where + few, at[short])
            order = np.concatenate([short[np.argsort(-best[short], kind="stable")], order[SHORTLIST:]])
        codes = processes[at[order]].copy()
        codes[:, self.material] = materials[order]
        return codes

    def _looked(
        self, acquisition: Acquisition, belief: Belief, processes: Array, materials: Array
    ) -> tuple[Array, Array]:
        """The best value (m,) of each material and the number (m,) of the process that it has it with."""
        best, at = np.full(len(materials), -np.inf), np.zeros(len(materials), int)
        for k, process in enumerate(processes):
            codes = np.repeat(process[None], len(materials), axis=0)
            codes[:, self.material] = materials
            values = score(acquisition, belief, self.encoder.unit(codes))
            better = values > best
            best[better], at[better] = values[better], k
        return best, at

    def _options(self, j: int) -> Array:
        return self._shortlist if j == self.material else super()._options(j)
