"""What an ensemble says of structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from surrogates.encode import Array
from surrogates.materials.calibration import Calibration, total

Centre = Literal["median", "mean"]


@dataclass(frozen=True)
class Prediction:
    """Of m structures and t targets, in the targets' own units.

    mean         (m, t) centre of the members
    epistemic    (m, t) sd, calibrated: what more labels would teach; from the spread over members
    aleatoric    (m, t) sd, calibrated: what they would not, as the network knows the structure; from the members'
                 predicted variance
    members      (M, m, t) what each member says
    targets      names
    calibration  of each target: how the two parts were scaled, and whether that was measured
    atoms        per structure (n_atoms, t_atom) means of the per-atom targets, None where there are none
    atoms_sd     the same, spread over members, not calibrated
    atoms_aleatoric  the same, sd of labels about their mean as the networks know the atoms, not calibrated
    """

    mean: Array
    epistemic: Array
    aleatoric: Array
    members: Array
    targets: tuple[str, ...]
    calibration: tuple[Calibration, ...]
    atoms: tuple[Array, ...] | None = None
    atoms_sd: tuple[Array, ...] | None = None
    atoms_aleatoric: tuple[Array, ...] | None = None

    @property
    def sd(self) -> Array:
        """(m, t): both parts together. 68 % of held-out errors were within it."""
        return total(self.epistemic, self.aleatoric)

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """Lower and upper ends (m, t) that a new label of such structures is between with that probability; see
        `Calibration.quantile`, and `Calibration.exact` for whether it is guaranteed."""
        width = np.array([c.quantile(coverage) for c in self.calibration]) * self.sd
        return self.mean - width, self.mean + width


def centre_of(members: Array, centre: Centre) -> Array:
    """(m, t) of members (M, m, t)."""
    out: Array = np.median(members, axis=0) if centre == "median" else members.mean(axis=0)
    return out


def raw_parts(members: Array, variances: Array) -> tuple[Array, Array]:
    """Standard deviations (m, t) of the two parts, before calibration, of means and variances (M, m, t), by the law
    of total variance: that of the members' means, and the mean of their variances (Lakshminarayanan et al., NIPS
    2017). One member has no spread."""
    spread = members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros(members.shape[1:])
    return spread, np.sqrt(variances.mean(axis=0))
