"""From labels to the members' tasks and back: what is learned from, what is held out, in which units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from campaigns.structure import Structure
from surrogates.encode import Array
from surrogates.materials.bootstrap import held_out, member_rows
from surrogates.materials.calibration import Calibration, calibrate
from surrogates.materials.graph import Graph
from surrogates.materials.members import Fitted, State, Strain, Task
from surrogates.materials.model_file import data_fingerprint
from surrogates.materials.prediction import Centre, centre_of, raw_parts
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.splits import compositions

LEAST_SCALE = 1e-12  # of a target that is the same everywhere


@dataclass(frozen=True)
class Labelled:
    """n structures with a label at least; values (n, t) and atoms, n of (n_atoms, p), NaN where missing; modulus (n,)
    GPa and which targets are energies, for the labels of copies at other volumes."""

    structures: list[Structure]
    values: Array
    targets: tuple[str, ...]
    atoms: list[Array] | None
    atom_targets: tuple[str, ...]
    modulus: Array | None
    energies: tuple[str, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Labels of each target."""
        return tuple(int(k) for k in np.isfinite(self.values).sum(axis=0))

    @property
    def fingerprint(self) -> str:
        """Of all of it."""
        more = [] if self.modulus is None else [self.modulus]
        more += [] if self.atoms is None else [a.ravel() for a in self.atoms]
        values = np.concatenate([self.values.ravel(), *more])
        names = (*self.targets, "of atoms", *self.atom_targets, "energies", *self.energies)
        return data_fingerprint([s.key for s in self.structures], values, names)


@dataclass(frozen=True)
class Scales:
    """Means and standard deviations of targets (t,) and per-atom targets (p,), in their units."""

    location: Array
    scale: Array
    atom_location: Array
    atom_scale: Array


def labelled(
    structures: Sequence[Structure],
    values: Array,
    targets: tuple[str, ...],
    atoms: Sequence[Array] | None = None,
    atom_targets: tuple[str, ...] = (),
    modulus: Array | None = None,
    energies: tuple[str, ...] = (),
) -> Labelled:
    """The rows that have a label. Raises ValueError for shapes that do not match, names that are twice there or not at
    all, infinite values, fewer than two labels of a target."""
    values = np.asarray(values, dtype=float)
    names = targets + atom_targets
    if not targets or len(set(names)) < len(names):
        raise ValueError(f"wanted targets with different names, got {', '.join(names) or 'none'}")
    if values.shape != (wanted := (len(structures), len(targets))):
        raise ValueError(f"values: wanted the shape {wanted} (structures, targets), got {values.shape}")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise ValueError(f"{targets[column]} of structure {row} is infinite; a missing label is NaN")
    for target, labels in zip(targets, np.isfinite(values).sum(axis=0), strict=True):
        if labels < 2:
            raise ValueError(f"{target}: wanted two labels at least, got {labels}")
    if unknown := set(energies) - set(targets):
        raise ValueError(f"energies: wanted names of targets, got {', '.join(sorted(unknown))}")
    if modulus is not None and np.shape(modulus) != (len(structures),):
        raise ValueError(
            f"modulus: wanted one of each structure ({len(structures)}), got {np.shape(modulus)}"
        )
    used = np.isfinite(values).any(axis=1)
    of_atoms = _atoms(structures, atoms, atom_targets)
    if of_atoms is not None:
        used |= np.array([bool(np.isfinite(a).any()) for a in of_atoms], dtype=bool)
    rows = np.flatnonzero(used)
    return Labelled(
        structures=[structures[int(i)] for i in rows],
        values=values[rows],
        targets=targets,
        atoms=None if of_atoms is None else [of_atoms[i] for i in rows],
        atom_targets=atom_targets,
        modulus=None if modulus is None else np.asarray(modulus, dtype=float)[rows],
        energies=energies,
    )


def _atoms(
    structures: Sequence[Structure], atoms: Sequence[Array] | None, atom_targets: tuple[str, ...]
) -> list[Array] | None:
    if (atoms is None) != (not atom_targets):
        raise ValueError("wanted both per-atom labels and their names, got one of the two")
    if atoms is None:
        return None
    if len(atoms) != len(structures):
        raise ValueError(f"atoms: wanted an array of each structure ({len(structures)}), got {len(atoms)}")
    out = [np.asarray(rows, dtype=float) for rows in atoms]
    for place, (structure, rows) in enumerate(zip(structures, out, strict=True)):
        if rows.shape != (wanted := (structure.n_atoms, len(atom_targets))):
            raise ValueError(f"atoms of structure {place}: wanted the shape {wanted}, got {rows.shape}")
        if np.isinf(rows).any():
            raise ValueError(f"atoms of structure {place}: an infinite label; a missing one is NaN")
    for target, column in zip(atom_targets, np.concatenate(out).T if out else (), strict=True):
        if np.isfinite(column).sum() < 2:
            raise ValueError(f"{target}: wanted two labels at least, got {np.isfinite(column).sum()}")
    return out


def calibrating(
    known: Labelled, settings: EnsembleSettings, salt: int, learned: frozenset[str] = frozenset()
) -> Array:
    """(h,) indices of the structures that are held out; none where a target would be left with fewer labels than
    are held out of it. `learned`: formulas that the weights which are started from know already."""
    formulas = [s.formula for s in known.structures]
    out = held_out(formulas, settings.held_out, salt) & np.array(
        [f not in learned for f in formulas], dtype=bool
    )
    present = np.isfinite(known.values)
    if (present[~out].sum(axis=0) < np.maximum(2, present[out].sum(axis=0))).any() or (~out).sum() < 2:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(out)


def scales_of(known: Labelled) -> Scales:
    """Of the labels that are there."""

    def both(table: Array) -> tuple[Array, Array]:
        scale = np.nanstd(table, axis=0)
        return np.nanmean(table, axis=0), np.where(scale > LEAST_SCALE, scale, 1.0)

    atoms = (np.zeros(0), np.ones(0)) if known.atoms is None else both(np.concatenate(known.atoms))
    return Scales(*both(known.values), *atoms)


def in_units(state: State, old: Scales, new: Scales) -> State:
    """A member that predicts the same values where labels are standardised otherwise: more of them have another mean
    and spread. Its last layers are linear, so that this is exact, but for the bounds of the log-variance."""
    out = dict(state)
    pairs = (
        ("mean", "log_variance", old.location, old.scale, new.location, new.scale),
        (
            "atom_mean",
            "atom_log_variance",
            old.atom_location,
            old.atom_scale,
            new.atom_location,
            new.atom_scale,
        ),
    )
    for mean, log_variance, location, scale, new_location, new_scale in pairs:
        if not len(scale):
            continue
        weight, bias = (_last(state, mean, kind) for kind in ("weight", "bias"))
        ratio = scale / new_scale
        out[weight] = (state[weight] * ratio[:, None]).astype(np.float32)
        out[bias] = (state[bias] * ratio + (location - new_location) / new_scale).astype(np.float32)
        level = _last(state, log_variance, "bias")
        out[level] = (state[level] + 2.0 * np.log(ratio)).astype(np.float32)
    return out


def _last(state: State, head: str, kind: str) -> str:
    return max(name for name in state if name.startswith(f"{head}.") and name.endswith(f".{kind}"))


def tasks_of(
    known: Labelled,
    graphs: Sequence[Graph],
    held: Array,
    scales: Scales,
    settings: EnsembleSettings,
    seed: int,
    first: Sequence[State] | None,
    keeps_heads: bool,
    transferred: bool,
) -> list[Task]:
    """One for each member; `first`: weights to start from, in turn where there are more members than those;
    `transferred`: whether their body comes from other targets."""
    n = len(known.structures)
    pool = np.setdiff1d(np.arange(n), held)
    groups = compositions(known.structures)[pool]
    targets = (known.values - scales.location) / scales.scale
    atoms = None
    if known.atoms is not None:
        atoms = [(a - scales.atom_location) / scales.atom_scale for a in known.atoms]
    strain = None
    if known.modulus is not None:
        is_energy = np.array([target in known.energies for target in known.targets])
        strain = Strain(known.modulus, np.where(is_energy, 1.0 / scales.scale, 0.0))
    tasks = []
    for k in range(settings.members):
        rows = pool[member_rows(groups, settings.draw, settings.share, np.random.default_rng([seed, k, 7]))]
        finish = np.concatenate([rows, held]) if settings.finish and len(held) else None
        tasks.append(
            Task(
                network=settings.network,
                training=settings.training,
                graphs=graphs,
                targets=targets,
                atoms=atoms,
                rows=rows,
                held=held,
                finish=finish,
                volumes=settings.volumes,
                strain=strain,
                start=None if first is None else first[k % len(first)],
                keeps_heads=keeps_heads,
                transfer=settings.transfer if transferred else None,
                seed=int(np.random.default_rng([seed, k, 3]).integers(2**31)),
            )
        )
    return tasks


def calibrated(
    fitted: Sequence[Fitted],
    values: Array,
    scales: Scales,
    centre: Centre,
    earlier: tuple[Calibration, ...] | None,
) -> tuple[Calibration, ...]:
    """Of each target, from what the members said of `values` (h, t) that they had not learned from."""
    members = np.stack([one.mean for one in fitted]) * scales.scale + scales.location
    variances = np.stack([one.variance for one in fitted]) * scales.scale**2
    error = values - centre_of(members, centre)
    epistemic, aleatoric = raw_parts(members, variances)
    return tuple(
        calibrate(error[:, k], epistemic[:, k], aleatoric[:, k], None if earlier is None else earlier[k])
        for k in range(values.shape[1])
    )
