"""A code in a process of its own as an ASE calculator: atoms go down a pipe, energy, forces and stress come back."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from drivers.labelers.workers.errors import Broken, NotConverged, NotTreatable


class Interpreter:
    """The other process: started when it is first asked, again after it died. One request at a time."""

    def __init__(self, command: Sequence[str], errors: Path) -> None:
        self._command = list(command)
        self._errors = errors
        self._process: subprocess.Popen[str] | None = None
        self.cpu_s = 0.0  # of all requests so far

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply. Raises Broken where the process cannot be started, dies, or says what is no reply."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        return self._heard(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        with self._errors.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
                )
            except OSError as error:
                raise Broken(f"{self._command[0]} cannot be started: {error}") from error
        self._heard(self._process)
        return self._process

    def _heard(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            try:
                reply: dict[str, Any] = json.loads(line)
            except ValueError as error:
                raise Broken(f"{Path(self._command[-1]).name} said {line[:200]!r}") from error
            self.cpu_s += float(reply.pop("cpu_s", 0.0))
            return reply
        code = process.wait()
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()[:300]}" if lines else ""
        raise Broken(
            f"the calculator crashed ({f'signal {-code}' if code < 0 else f'exit code {code}'}){last}"
        )


class RemoteCalculator(Calculator):
    """Energy, forces and stress of one `Interpreter` with fixed parameters. Raises what `Code.calculator` says."""

    implemented_properties = ["energy", "free_energy", "forces", "stress", "magmoms"]

    def __init__(self, interpreter: Interpreter, parameters: Mapping[str, Any], magmoms: Any) -> None:
        super().__init__()
        self._interpreter = interpreter
        self.asked = dict(parameters)
        self._magmoms = magmoms
        self.said: dict[str, Any] = {}  # the last reply, for the record

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        reply = self._interpreter.ask(
            {
                "symbols": self.atoms.get_chemical_symbols(),
                "frac": self.atoms.get_scaled_positions(wrap=False).tolist(),
                "cell": self.atoms.cell.array.tolist(),
                "magmoms": self._magmoms,
                "parameters": self.asked,
            }
        )
        if "not_converged" in reply:
            raise NotConverged(reply["not_converged"])
        if "not_treatable" in reply:
            raise NotTreatable(reply["not_treatable"])
        self.said = reply
        arrays = {name: np.asarray(reply[name]) for name in ("forces", "stress", "magmoms") if name in reply}
        self.results = {"energy": reply["energy"], "free_energy": reply["free_energy"], **arrays}
