"""A code beside a potential that learns from it: who is sure answers, and where nobody is, the code is asked."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes

from drivers.labelers.workers.code import Code
from drivers.labelers.workers.crystals import atoms_of, record_of
from drivers.labelers.workers.errors import Broken
from drivers.labelers.workers.learning.linear import LinearPotential, Prediction
from drivers.labelers.workers.learning.memory import Memory
from drivers.labelers.workers.learning.moments import Moments, Rows
from drivers.labelers.workers.learning.trust import Trust


class Learner:
    """The potential, how far it is trusted, and where it keeps what it learned from.

    `threshold` eV per atom, `force_threshold` eV/angstrom: half-widths of 90 % intervals up to which it is sure.
    """

    def __init__(self, moments: Moments, threshold: float, force_threshold: float, memory: Memory) -> None:
        self.moments, self.threshold, self.force_threshold = moments, threshold, force_threshold
        self._memory = memory
        self.potential = LinearPotential(moments.size)
        self.energy_trust, self.force_trust = Trust(), Trust()
        self.answers = 0  # sure ones of this process

    def read(self) -> None:
        """Learn from what others have calculated meanwhile."""
        for line in self._memory.news():
            stress = line["stress"]
            self.potential.learn(
                self.moments.rows(atoms_of(line["structure"])),
                line["energy"],
                np.array(line["forces"]),
                None if stress is None else np.array(stress),
            )
            for trust, score in ((self.energy_trust, "energy_score"), (self.force_trust, "force_score")):
                if line[score] is not None:
                    trust.add(line[score])

    def says(self, rows: Rows) -> tuple[Prediction | None, float, float]:
        """The prediction, None before the first calculation and for what is strange to it; half-widths of its energy
        per atom and of its forces."""
        if self.potential.n_learned == 0 or self.potential.strange(rows):
            return None, math.inf, math.inf
        said = self.potential.predict(rows)
        widths = self.energy_trust.half_width * said.energy_sd, self.force_trust.half_width * said.force_sd
        return said, *widths

    def sure(self, widths: tuple[float, float]) -> bool:
        """Whether half-widths of energy and forces are below the thresholds."""
        return widths[0] <= self.threshold and widths[1] <= self.force_threshold

    def keep(self, atoms: Atoms, said: Prediction | None, results: Mapping[str, Any]) -> None:
        """A calculation, and how the prediction was off; learned from at once. Raises OSError."""
        forces, stress = np.asarray(results["forces"]), results.get("stress")
        energy_score = force_score = None
        if said is not None:
            energy_score = abs(said.energy - results["energy"]) / len(atoms) / said.energy_sd
            force_score = float(np.abs(said.forces - forces).max()) / said.force_sd
        line = {
            "structure": record_of(atoms), "energy": float(results["energy"]), "forces": forces.tolist(),
            "stress": None if stress is None else np.asarray(stress).tolist(),
            "energy_score": energy_score, "force_score": force_score,
        }  # fmt: skip
        self._memory.add(line)
        self.read()


class UnsureCalculator(Calculator):
    """Answers by the learner where that is sure, by `expensive` elsewhere; `audit`: every so many sure answers one is
    calculated nevertheless, 0 for none. `asked`, `calculated`, `audits` count."""

    def __init__(self, expensive: BaseCalculator, learner: Learner, audit: int = 0) -> None:
        super().__init__()
        self.implemented_properties = [
            one for one in ("energy", "forces", "stress") if one in expensive.implemented_properties
        ]
        self.expensive, self.learner, self.audit = expensive, learner, audit
        self.asked = self.calculated = self.audits = 0
        self.widest = 0.0  # half-width of an energy per atom that was answered without a calculation
        self.audited: list[float] = []  # errors of energies per atom that would have been answered
        self.fault = ""  # why a calculation was not kept

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Everything at once: a calculation is too dear to be asked twice."""
        super().calculate(atoms, properties, system_changes)
        learner, here = self.learner, self.atoms
        assert here is not None
        self.asked += 1
        fits = (
            learner.moments.covers(here.get_chemical_symbols())
            and not here.get_initial_magnetic_moments().any()
        )
        said, *widths = learner.says(learner.moments.rows(here)) if fits else (None, math.inf, math.inf)
        sure = said is not None and learner.sure((widths[0], widths[1]))
        audit = False
        if sure:
            learner.answers += 1
            audit = self.audit > 0 and learner.answers % self.audit == 0
        if sure and not audit:
            assert said is not None
            self.widest = max(self.widest, widths[0])
            self.results = {"energy": said.energy, "free_energy": said.energy, "forces": said.forces}
            if "stress" in self.implemented_properties:
                self.results["stress"] = said.stress
            return
        self.calculated += 1
        copy = here.copy()
        copy.set_constraint()  # forces as they are, not as the caller's optimiser or dynamics would have them
        copy.calc = self.expensive
        results = {"energy": float(copy.get_potential_energy()), "forces": copy.get_forces()}
        if "stress" in self.implemented_properties:
            results["stress"] = copy.get_stress(voigt=True)
        if audit:
            assert said is not None
            self.audits += 1
            self.audited.append((said.energy - results["energy"]) / len(here))
        if fits and all(np.isfinite(one).all() for one in results.values()):
            try:
                learner.keep(here, said, results)
            except OSError as error:  # the label is good all the same
                self.fault = f"a calculation could not be learned from: {error}"
        self.results = results | {"free_energy": results["energy"]}


class UnsureCode(Code):
    """Another code, asked where the potential is unsure."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        module, _, name = settings["expensive"].partition(":")
        own = {**settings["expensive_settings"], **settings["expensive_places"]}
        self._code: Code = getattr(importlib.import_module(module), name)(own)
        moments = Moments(tuple(settings["elements"]), cutoff=settings["cutoff"])
        memory = Memory(Path(settings["memory"]))
        self.learner = Learner(moments, settings["threshold"], settings["force_threshold"], memory)

    @property
    def rungs(self) -> Sequence[Mapping[str, Any]]:
        return self._code.rungs

    def refusal(self, atoms: Atoms) -> str | None:
        return self._code.refusal(atoms)

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        try:
            self.learner.read()
        except OSError as error:
            raise Broken(f"memory: {error}; name a folder that can be read") from error
        return UnsureCalculator(self._code.calculator(atoms, rung), self.learner, self.settings["audit"])

    def details(self, calculator: BaseCalculator) -> dict[str, Any]:
        """Who answered, and how often; what the code says of itself, where it alone answered."""
        assert isinstance(calculator, UnsureCalculator)
        n, of = calculator.calculated, calculator.asked
        said = {
            "answered_by": "ensemble" if n == 0 else "expensive" if n == of else "both",
            "asked": of,
            "calculated": n,
            "audited_errors": calculator.audited,
            "widest": calculator.widest,
            "learned_from": self.learner.potential.n_learned,
            "half_widths_sd": [self.learner.energy_trust.half_width, self.learner.force_trust.half_width],
        }
        if calculator.fault:
            said["memory_fault"] = calculator.fault
        if n < of:
            return {"unsure": said}
        return {
            "unsure": said,
            "fidelity": self.settings["expensive_fidelity"],
            **self._code.details(calculator.expensive),
        }

    def cpu_s(self) -> float:
        return self._code.cpu_s()
