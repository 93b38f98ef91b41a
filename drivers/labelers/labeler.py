"""Drivers that compute: a crystal goes in; energy, forces, a relaxed crystal, its stiffness come out.

A labeler touches nothing, so that it may stand in a simulated and in a real laboratory alike; what its numbers are
worth is said in every record (`fidelity`). One labeler does one label at a time: for more, a laboratory has several
of one host, which share worker processes and, by `cache`, what they have calculated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from drivers.driver import (
    Action,
    ActionFailed,
    Attribution,
    Driver,
    Given,
    Gives,
    LabContext,
    PerAtom,
    Quantity,
    Repeat,
    StructureArgument,
    action,
)
from drivers.errors import SettingsError
from drivers.labelers.cache import CorruptEntry, LabelCache, label_key, structure_key
from drivers.labelers.job import Ended, Job, Method
from drivers.labelers.station import Station
from drivers.optional import installed as installed  # for the labelers beside this
from drivers.protocol import DeviceSpec, ResultSpec

Crystal = Annotated[Mapping[str, Any], StructureArgument("the crystal to label")]
Force = Annotated[float, Quantity("eV/angstrom", at_least=1e-4, at_most=1.0)]

PER_ATOM = Gives("eV", doc="energy per atom")
FORCE = Gives("eV/angstrom", at_least=0, at_most=1000, doc="largest force on an atom")
PRESSURE = Gives("GPa", at_least=-10000, at_most=10000, doc="minus a third of the trace of the stress")
VOLUME = Gives("angstrom^3", at_least=0.5, at_most=10000, doc="volume per atom")
MODULUS = Gives("GPa", at_least=0, at_most=2000)


class Labeler(Driver):
    """Calculates labels of crystals. A subclass says by which method; see `method`."""

    computes = True
    version = "2"
    safe_state = "nothing is calculated"
    energies: ClassVar[tuple[float, float]] = (
        -50.0,
        50.0,
    )  # eV per atom; beyond it no crystal's energy is believed

    class Settings(Driver.Settings):
        """`workers`: processes this labeler adds to those of its host. `time_limit_s`: wall seconds for one label, with
        the loading of the code where a worker is new. `max_atoms`: a larger cell is infeasible. `cache`: the folder of
        labels, by default one for all labelers of the host; name one to share it among runs.
        """

        workers: int = Field(default=1, ge=1, le=64)
        time_limit_s: float = Field(default=600.0, gt=0)
        max_atoms: int = Field(default=200, ge=1, le=1000)
        cache: str | None = None

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._method = self.method(settings)
        self._station: Station | None = None
        self._cache: LabelCache | None = None
        self._n_jobs = 0
        self._halts: dict[str, asyncio.Future[str]] = {}  # job -> how it is told to stop

    @classmethod
    def method(cls, settings: Any) -> Method:
        """How these settings calculate. Raises SettingsError where what they need is not installed."""
        raise NotImplementedError

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, with the time limit as duration and the energies that this code may give.

        An engine allows an act a minute and three times its duration: one third of the limit is said, so that the
        labeler's own limit comes first.
        """
        spec = super().describe(settings)
        cls.method(settings)
        low, high = cls.energies
        actions = {}
        for verb, one in spec.actions.items():
            energy = one.results["energy"].model_copy(update={"at_least": low, "at_most": high})
            results: Mapping[str, ResultSpec] = {**one.results, "energy": energy}
            update = {"results": results, "takes_s": settings.time_limit_s / 3}
            actions[verb] = one.model_copy(update=update)
        return spec.model_copy(update={"actions": actions})

    @action(
        Repeat.REPEATABLE,
        gives={"energy": PER_ATOM, "max_force": FORCE, "pressure": PRESSURE},
        arrays={"forces": PerAtom("eV/angstrom", components=3)},
    )
    async def energy(self, action: Action, structure: Crystal) -> Given:
        """Energy, forces and stress of the crystal as it is."""
        return await self._label("energy", structure, {})

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": PER_ATOM, "max_force": FORCE, "pressure": PRESSURE, "volume": VOLUME,
            "steps": Gives("", at_least=0, doc="of the optimiser"),
        },
    )  # fmt: skip
    async def relax(
        self,
        action: Action,
        structure: Crystal,
        fmax: Force = 0.05,
        max_steps: Annotated[int, Quantity("", at_least=1, at_most=5000)] = 200,
        cell: Literal["free", "fixed", "volume"] = "free",
        keep_symmetry: bool = False,
        optimiser: Literal["FIRE", "LBFGS"] = "FIRE",
    ) -> Given:
        """Move atoms and cell until no force is larger than fmax. 'volume': only the cell's volume stays.

        One that needs more than max_steps has failed; its last geometry is in the record.
        """
        arguments = {
            "fmax": fmax, "max_steps": max_steps, "cell": cell, "keep_symmetry": keep_symmetry, "optimiser": optimiser,
        }  # fmt: skip
        return await self._label("relax", structure, arguments)

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": PER_ATOM,
            "volume": VOLUME,
            "bulk_modulus": MODULUS,
            "residual": Gives("eV", at_least=0, doc="root mean square of the fit, per atom"),
        },
    )
    async def equation_of_state(
        self,
        action: Action,
        structure: Crystal,
        strain: Annotated[float, Quantity("", at_least=0.005, at_most=0.2)] = 0.06,
        points: Annotated[int, Quantity("", at_least=5, at_most=31)] = 7,
    ) -> Given:
        """Energy, volume and bulk modulus at the minimum of E(V), by the equation of Birch and Murnaghan.

        Volumes from 1 - strain to 1 + strain times the given one, the shape of the cell and the fractional coordinates
        kept; where the minimum is not inside, about the best volume anew.
        """
        return await self._label("equation_of_state", structure, {"strain": strain, "points": points})

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": PER_ATOM,
            "bulk_modulus": Gives("GPa", at_least=0, at_most=2000, doc="Voigt-Reuss-Hill average"),
            "shear_modulus": Gives("GPa", at_least=0, at_most=2000, doc="Voigt-Reuss-Hill average"),
            "anisotropy": Gives("", at_least=-1e-6, doc="universal, 0 is isotropic"),
            "volume": VOLUME,
            "young_modulus": Gives("GPa", at_least=0, at_most=5000),
            "poisson_ratio": Gives("", at_least=-1, at_most=0.5),
            "hardness": Gives("GPa", at_least=0, at_most=500, doc="Vickers, after Mazhnik and Oganov"),
            "toughness": Gives("MPa*m^0.5", at_least=0, at_most=500, doc="K_IC, after Mazhnik and Oganov"),
        },
    )
    async def elastic(
        self,
        action: Action,
        structure: Crystal,
        strain: Annotated[float, Quantity("", at_least=1e-4, at_most=0.05)] = 0.005,
        fmax: Force = 0.02,
        relax_first: bool = True,
    ) -> Given:
        """The elastic tensor, from stresses of strained cells whose atoms are relaxed, and what follows from it.

        A crystal that is not stable after Born, or whose tensor has not its symmetry, is a failed label.
        """
        arguments = {"strain": strain, "fmax": fmax, "relax_first": relax_first}
        return await self._label("elastic", structure, arguments)

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": Gives("eV", doc="energy per atom, at rest"),
            "volume": VOLUME,
            "bulk_modulus": Gives("GPa", at_least=0, at_most=2000, doc="isothermal"),
            "debye_temperature": Gives("K", at_least=0, at_most=5000),
            "grueneisen": Gives("", at_least=-5, at_most=10),
            "heat_capacity": Gives(
                "J/mol/K", at_least=0, at_most=25, doc="at constant volume, a mole of atoms"
            ),
            "expansion": Gives("1/K", at_least=-1e-3, at_most=1e-3, doc="linear"),
            "bound_share": Gives("", doc="of the most expansion that can be; above 1 it is not plausible"),
        },
    )
    async def thermal(
        self,
        action: Action,
        structure: Crystal,
        temperature: Annotated[float, Quantity("K", at_least=1, at_most=5000)] = 300.0,
        poisson_ratio: Annotated[float, Quantity("", at_least=-0.9, at_most=0.49)] = 0.25,
        elastic: bool = False,
        grueneisen: Literal["slater", "dugdale_macdonald", "vashchenko_zubarev"] = "dugdale_macdonald",
        strain: Annotated[float, Quantity("", at_least=0.005, at_most=0.2)] = 0.1,
        points: Annotated[int, Quantity("", at_least=5, at_most=31)] = 11,
    ) -> Given:
        """Heat capacity, thermal expansion and bulk modulus at a temperature, by Debye's model through E(V).

        With `elastic` Poisson's ratio is that of the elastic tensor, which costs two dozen strained cells.
        """
        arguments = {
            "temperature": temperature, "poisson_ratio": poisson_ratio, "elastic": elastic, "grueneisen": grueneisen,
            "strain": strain, "points": points,
        }  # fmt: skip
        return await self._label("thermal", structure, arguments)

    @action(
        Repeat.REPEATABLE,
        gives={
            "energy": Gives("eV", doc="potential energy per atom, mean of the second half"),
            "temperature": Gives("K", at_least=0, doc="of the atoms' motion, mean of the second half"),
            "pressure": PRESSURE,
            "max_force": FORCE,
            "displacement": Gives("angstrom", at_least=0, doc="root mean square over the atoms, at the end"),
        },
        arrays={"displacements": PerAtom("angstrom", components=3, doc="from beginning to end")},
    )
    async def dynamics(
        self,
        action: Action,
        structure: Crystal,
        temperature: Annotated[float, Quantity("K", at_least=1, at_most=10000)] = 300.0,
        steps: Annotated[int, Quantity("", at_least=10, at_most=1_000_000)] = 200,
        timestep: Annotated[float, Quantity("fs", at_least=0.05, at_most=10)] = 2.0,
        seed: Annotated[int, Quantity("", at_least=0, at_most=2**31)] = 0,
    ) -> Given:
        """Move the atoms at a temperature, in the cell as it is, with Langevin's friction and noise.

        One whose atoms overlap or boil over is infeasible: where the potential fails so does the run.
        """
        arguments = {"temperature": temperature, "steps": steps, "timestep": timestep, "seed": seed}
        return await self._label("dynamics", structure, arguments)

    async def connect(self) -> None:
        """Join the host's worker processes. Raises SettingsError where the cache's folder cannot be used."""
        self._joined()

    async def disconnect(self) -> None:
        """Leave them; the last labeler of a host ends them."""
        await self.halt()
        station, self._station = self._station, None
        if station is not None:
            await station.leave(self.lab)

    async def halt(self) -> None:
        """End every calculation of this labeler now, as failed. Later acts are allowed again."""
        for halted in self._halts.values():
            if not halted.done():
                halted.set_result("halted")

    async def make_safe(self) -> None:
        """Nobody waits for the result any more."""
        await self.halt()

    async def is_safe(self) -> bool:
        """Whether no calculation of this labeler goes on."""
        return not any(not halted.done() for halted in self._halts.values())

    def _joined(self) -> tuple[Station, LabelCache]:
        if self._station is None or self._cache is None:
            own = self.settings.cache
            folder = self.lab.directory / "labels" if own is None else Path(own).expanduser().absolute()
            try:
                self._cache = LabelCache(folder)
            except OSError as error:
                raise SettingsError(f"cache: {error}; name a folder that can be written to") from error
            self._station = Station.join(self.lab, self.settings.workers)
        return self._station, self._cache

    async def _label(self, verb: str, structure: Mapping[str, Any], arguments: Mapping[str, Any]) -> Given:
        """The label, from the cache or calculated. Raises ActionFailed with the reason and what there is to keep."""
        record: dict[str, Any] = {
            **self._method.provenance(), "verb": verb, "arguments": dict(arguments),
            "structure_key": structure_key(structure),
        }  # fmt: skip
        if (n := len(structure["species"])) > self.settings.max_atoms:
            reason = f"{n} atoms in the cell, at most {self.settings.max_atoms} are calculated (max_atoms)"
            raise ActionFailed(Attribution.INFEASIBLE, reason, record)
        record["key"] = key = label_key(structure, verb, arguments, self._method, self.version)
        self._n_jobs += 1
        job = Job(
            id=f"{self.name}/{self._n_jobs}", verb=verb, structure=structure, arguments=arguments,
            worker=self._method.worker, settings={**self._method.settings, **self._method.places},
            limit_s=self.settings.time_limit_s,
        )  # fmt: skip
        self._halts[job.id] = asyncio.get_running_loop().create_future()
        try:
            ended = await self._ended(job, key, record)
        finally:
            self._halts.pop(job.id)
        record.update(ended.record)
        if ended.attribution is not None:
            raise ActionFailed(ended.attribution, ended.reason, record)
        return Given(ended.readings, record)

    async def _ended(self, job: Job, key: str, record: dict[str, Any]) -> Ended:
        """The end of `job`: kept from before, of another labeler that is at it already, or its own."""
        station, cache = self._joined()
        while True:
            record["cached"] = True
            try:
                kept = cache.get(key)
            except CorruptEntry as corrupt:
                kept = None
                record["cache_fault"] = f"{corrupt}: it was calculated anew"
            if kept is not None:
                return kept
            record["cached"] = False
            calculation = station.in_hand.get(key)
            if calculation is None:
                return await self._calculated(job, key, record)
            # Another's: it may fail by its own halt or limit, and then this one calculates.
            halted = self._halts[job.id]
            either: set[asyncio.Future[Any]] = {calculation, halted}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if halted.done():
                return Ended(attribution=Attribution.INSTRUMENT, reason=halted.result())

    async def _calculated(self, job: Job, key: str, record: dict[str, Any]) -> Ended:
        station, cache = self._joined()
        calculation = station.in_hand[key] = station.executor.submit(job)

        def stop(halted: asyncio.Future[str]) -> None:
            if not halted.cancelled():
                station.executor.cancel(job.id, halted.result())

        self._halts[job.id].add_done_callback(stop)
        try:
            ended = await asyncio.shield(calculation)
            if ended.lasting:
                try:
                    cache.put(key, ended)
                except OSError as error:
                    record["cache_fault"] = f"the label could not be kept: {error}"
            return ended
        finally:
            del station.in_hand[key]
            station.executor.cancel(job.id, "the action was broken off")
