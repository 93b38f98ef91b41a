"""A box furnace and its ramp/soak controller: heat balance, thermocouple, PI control with limited power.

    C dT/dt = P - G (T - T0) - R (T^4 - T0^4),   tau dTc/dt = T - Tc,   0 <= P <= Pmax

T: chamber, Tc: thermocouple, T0: room (all K). The constants are those of a small laboratory box furnace (about 2.5 kW,
1200 degC): a model, not a fit. Times are seconds of the plant.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Literal

STEP_S = 0.5
State = Literal["idle", "ramping", "soaking", "complete", "stopped", "holding"]
UPSCALE_K = 2273.0  # what a broken thermocouple reads: controllers drive it upscale, so that heaters go off


@dataclass(frozen=True)
class PlantConstants:
    """`power_W`: of the heater; `heat_capacity_J_per_K`; `loss_W_per_K` through the walls; `radiation_W_per_K4`."""

    power_W: float = 2500.0
    heat_capacity_J_per_K: float = 9000.0
    loss_W_per_K: float = 0.9
    radiation_W_per_K4: float = 2e-10
    thermocouple_s: float = 8.0
    noise_K: float = 0.0  # standard deviation of a reading
    room_K: float = 295.0
    trip_K: float = 1523.15  # over-temperature alarm
    gain_W_per_K: float = 120.0
    integral_s: float = 500.0


@dataclass
class Programme:
    """What one start runs, and what the controller logs of it."""

    id: int = 0
    target_K: float = 295.0
    ramp_K_per_s: float = 0.1
    hold_s: float = 0.0
    band_K: float = 5.0
    elapsed_s: float = 0.0
    held_s: float = 0.0
    highest_K: float = 0.0
    time_above_s: float = 0.0
    _held_sum: float = 0.0

    @property
    def held_mean_K(self) -> float:
        return self._held_sum / self.held_s if self.held_s else 0.0

    def log(self, measured_K: float, soaking: bool) -> None:
        self.elapsed_s += STEP_S
        self.highest_K = max(self.highest_K, measured_K)
        self.time_above_s += STEP_S if measured_K >= self.target_K - self.band_K else 0.0
        if soaking:
            self.held_s += STEP_S
            self._held_sum += measured_K * STEP_S


@dataclass
class Furnace:
    """The furnace and its controller; `advance` lets time pass."""

    constants: PlantConstants = field(default_factory=PlantConstants)
    seed: int = 0
    state: State = "idle"
    programme: Programme = field(default_factory=Programme)
    alarms: set[str] = field(default_factory=set)
    setpoint_K: float = 0.0
    power_W: float = 0.0

    def __post_init__(self) -> None:
        self.chamber_K = self.couple_K = self.setpoint_K = self.constants.room_K
        self._integral_W = 0.0
        self._owed_s = 0.0
        self._random = random.Random(self.seed)

    @property
    def running(self) -> bool:
        return self.state in ("ramping", "soaking")

    def measured_K(self) -> float:
        """What the thermocouple says now, noise included."""
        if "thermocouple_break" in self.alarms:
            return UPSCALE_K
        noise = self.constants.noise_K
        return self.couple_K + (self._random.gauss(0.0, noise) if noise else 0.0)

    def start(self, programme: Programme) -> None:
        """Begin a programme from the present temperature; one that runs goes on, an alarm forbids it."""
        if not self.running and not self.alarms:
            self.programme = programme
            programme.highest_K = self.couple_K
            self._control_from_here("ramping")

    def hold_at(self, programme: Programme) -> None:
        """Go to a temperature and stay there."""
        if not self.running and not self.alarms:
            if self.state != "holding":
                self._control_from_here("holding")
            self.programme = programme

    def _control_from_here(self, state: State) -> None:
        self.state = state
        self.setpoint_K = self.couple_K
        self._integral_W = self._losses_W()

    def stop(self) -> None:
        """Heater off."""
        if self.running:
            self.state = "stopped"
        elif self.state == "holding":
            self.state = "idle"
        self._off()

    def _off(self) -> None:
        self.power_W = self._integral_W = 0.0
        self.setpoint_K = self.constants.room_K

    def advance(self, seconds: float) -> None:
        """Let plant time pass, in steps of half a second; what is left over counts the next time."""
        self._owed_s += seconds
        while self._owed_s >= STEP_S:
            self._owed_s -= STEP_S
            self._step()

    def _losses_W(self) -> float:
        c = self.constants
        return c.loss_W_per_K * (self.chamber_K - c.room_K) + c.radiation_W_per_K4 * (
            self.chamber_K**4 - c.room_K**4
        )

    def _step(self) -> None:
        c = self.constants
        measured = self.measured_K()
        if measured > c.trip_K and "thermocouple_break" not in self.alarms:
            self.alarms.add("over_temperature")
        if self.alarms and self.state in ("ramping", "soaking", "holding"):
            self.stop()
        if self.state in ("ramping", "soaking", "holding"):
            self._control(measured)
        self.chamber_K += STEP_S * (self.power_W - self._losses_W()) / c.heat_capacity_J_per_K
        self.couple_K += (self.chamber_K - self.couple_K) * -math.expm1(-STEP_S / c.thermocouple_s)

    def _control(self, measured: float) -> None:
        """PI on a ramped setpoint; the soak begins when the temperature is within the band (guaranteed soak)."""
        c, p = self.constants, self.programme
        p.log(measured, self.state == "soaking")
        if self.state == "soaking" and p.held_s >= p.hold_s:
            self.state = "complete"
            self._off()
            return
        step = p.ramp_K_per_s * STEP_S
        self.setpoint_K += max(-step, min(step, p.target_K - self.setpoint_K))
        if (
            self.state == "ramping"
            and self.setpoint_K == p.target_K
            and abs(measured - p.target_K) <= p.band_K
        ):
            self.state = "soaking"
        error = self.setpoint_K - measured
        wanted = c.gain_W_per_K * error + self._integral_W
        self.power_W = max(0.0, min(c.power_W, wanted))
        if wanted == self.power_W:  # no windup at the limits of the power
            self._integral_W += c.gain_W_per_K * error * STEP_S / c.integral_s
