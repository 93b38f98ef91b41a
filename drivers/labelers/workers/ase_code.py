"""The calculators of ASE itself, by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, get_calculator_class
from ase.calculators.genericfileio import BaseProfile

from drivers.labelers.workers.code import Code
from drivers.labelers.workers.errors import Broken


class ASECode(Code):
    """One calculator class, made anew for each job."""

    def calculator(self, atoms: Atoms, rung: Mapping[str, Any]) -> BaseCalculator:
        name = self.settings["calculator"]
        try:
            kind = get_calculator_class(name)
            options = dict(self.settings["parameters"])
            if self.settings["profile"]:
                options["profile"] = _profile(name)(**self.settings["profile"])
            calculator: BaseCalculator = kind(**options)
        except ImportError as error:
            raise Broken(f"ASE's calculator {name!r} needs what is not installed: {error}") from error
        if not self.settings["stress"]:
            known = [one for one in calculator.implemented_properties if one != "stress"]
            calculator.implemented_properties = known
        return calculator


def _profile(name: str) -> type[BaseProfile]:
    """The profile class of the module that ASE keeps the calculator in."""
    module = importlib.import_module(f"ase.calculators.{name}")
    for one in vars(module).values():
        if isinstance(one, type) and issubclass(one, BaseProfile) and one.__module__ == module.__name__:
            return one
    raise Broken(f"ASE's calculator {name!r} has no profile: leave the setting 'profile' out")
