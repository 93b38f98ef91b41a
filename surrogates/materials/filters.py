"""Which candidates are worth a model's or a calculator's time."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.structure import Structure
from surrogates.materials.crystals import CLOSEST, REACH, check
from surrogates.materials.errors import StructureRejected


@dataclass(frozen=True)
class Filters:
    """`max_atoms` in the cell; `closest` share of the sum of covalent radii and `reach` in angstrom as in
    `crystals.check`; `elements` that are allowed, all where None; `charge_balance`: the oxidation states of smact (0
    too for metals), one per element, must be able to cancel."""

    max_atoms: int = 200
    closest: float = CLOSEST
    reach: float = REACH
    elements: frozenset[str] | None = None
    charge_balance: bool = False

    def check(self, structure: Structure) -> None:
        """Raises StructureRejected: too-large, overlap, isolated, empty, other-element, charged."""
        if self.elements is not None and (others := set(structure.elements) - self.elements):
            wanted, got = ", ".join(sorted(self.elements)), ", ".join(sorted(others))
            raise StructureRejected("other-element", f"wanted elements of {wanted}, got {got}")
        check(structure, closest=self.closest, reach=self.reach, max_atoms=self.max_atoms)
        if self.charge_balance:
            from surrogates.materials.generators.compositions import balanced

            if balanced(structure.reduced, between=0) is None:
                raise StructureRejected("charged", f"no oxidation states of {structure.formula} cancel")

    def why_not(self, structure: Structure) -> str | None:
        """The code of what is wrong with a structure, None where nothing is."""
        try:
            self.check(structure)
        except StructureRejected as fault:
            return fault.code
        return None
