"""Fitting one member of an ensemble, and many of them in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait

import numpy as np
import torch

from surrogates.encode import Array
from surrogates.materials.augmentation import Volumes, perturbed, strain_energy
from surrogates.materials.graph import Graph
from surrogates.materials.networks import Network, NetworkSettings, build
from surrogates.materials.training import Training, predict, train
from surrogates.materials.transfer import HEADS, Transfer

State = dict[str, Array]


@dataclass(frozen=True)
class Strain:
    """What a change of volume costs: `modulus` (n,) GPa, NaN where unknown; `columns` (t,) 1 over the scale of a target
    that is an energy in eV per atom, 0 of others."""

    modulus: Array
    columns: Array


@dataclass(frozen=True)
class Task:
    """One member. `targets` (n, t) and `atoms` (n of (n_atoms, p)) standardised, NaN where missing. `rows`: what it
    learns from; `held`: what it then predicts for the calibration; `finish`: what it learns from after that, None for
    nothing. `start` and `keeps_heads`: the weights that it starts from, and whether they are of the same targets;
    `transfer`: how, where their body comes from other targets."""

    network: NetworkSettings
    training: Training
    graphs: Sequence[Graph]
    targets: Array
    atoms: Sequence[Array] | None
    rows: Array
    held: Array
    finish: Array | None
    volumes: Volumes | None
    strain: Strain | None
    start: State | None
    keeps_heads: bool
    transfer: Transfer | None
    seed: int


@dataclass(frozen=True)
class Fitted:
    """`state`: the member; `before`: as it was when it predicted mean and variance (h, t) of what was held out, None
    where that is the member itself; `seconds`: CPU time."""

    state: State
    before: State | None
    mean: Array
    variance: Array
    seconds: float


def fit_members(tasks: Sequence[Task], workers: int) -> list[Fitted]:
    """In the order of the tasks. The same result for any number of workers: each member is fitted on one thread."""
    if workers <= 1 or len(tasks) <= 1:
        with one_thread():
            return [fit_member(task) for task in tasks]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, initializer=alone) as pool:
        return list(pool.map(fit_member, tasks))


def fit_member(task: Task) -> Fitted:
    """Train, predict what was held out, then learn from that as well."""
    began = time.process_time()
    network = _first(task)
    _learn(network, task, task.rows, task.seed, warm=task.start is not None and task.keeps_heads)
    state, before = state_of(network), None
    t = task.targets.shape[1]
    mean = variance = np.zeros((0, t))
    if len(task.held):
        said = predict(network, [task.graphs[i] for i in task.held])
        mean, variance = said.mean.astype(float), np.exp(said.log_variance.astype(float))
    if task.finish is not None:
        before = state
        _learn(network, task, task.finish, task.seed + 1, warm=True)
        state = state_of(network)
    return Fitted(state, before, mean, variance, time.process_time() - began)


def _first(task: Task) -> Network:
    """New from the member's seed; then what it starts from, the heads too where they are of the same targets."""
    per_atom = 0 if task.atoms is None else task.atoms[0].shape[1]
    network = build(task.network, task.targets.shape[1], per_atom=per_atom, seed=task.seed)
    if task.start is not None:
        own = network.state_dict()
        for name, value in task.start.items():
            if task.keeps_heads or not name.startswith(HEADS):
                own[name] = torch.from_numpy(value)
        network.load_state_dict(own)
    return network.to(device())


def loaded(settings: NetworkSettings, targets: int, per_atom: int, state: State) -> Network:
    """A fitted member's network. Raises RuntimeError where the state is that of another network."""
    network = build(settings, targets, per_atom=per_atom)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return network.to(device()).eval()


def device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def state_of(network: Network) -> State:
    """Weights and running statistics, as arrays of their own."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def _learn(network: Network, task: Task, rows: Array, seed: int, warm: bool) -> None:
    graphs = [task.graphs[i] for i in rows]
    targets = task.targets[rows]
    atoms = None if task.atoms is None else [task.atoms[i] for i in rows]
    if task.volumes is not None and task.volumes.copies:
        copies, shares = perturbed(graphs, task.volumes, np.random.default_rng([seed, len(rows), 5]))
        labels = np.repeat(targets, task.volumes.copies, axis=0)
        if task.strain is not None:
            modulus = np.repeat(task.strain.modulus[rows], task.volumes.copies)
            volume = np.repeat([graph.volume for graph in graphs], task.volumes.copies)
            rise = strain_energy(shares, volume, modulus)[:, None] * task.strain.columns
            labels = labels + np.where(task.strain.columns > 0, rise, 0.0)  # unknown modulus: no label
        graphs, targets = graphs + copies, np.concatenate([targets, labels])
        if atoms is not None:
            atoms = atoms + [a for a in atoms for _ in range(task.volumes.copies)]
    train(
        network,
        graphs,
        targets,
        training=task.training,
        seed=seed,
        per_atom=atoms,
        warm=warm,
        transfer=task.transfer,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes on one thread: small graphs are fastest so, and sums do not depend on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def alone() -> None:
    """In a worker: one thread, and no life without the process that wants its result."""
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int, end: Callable[[int], object] = os._exit) -> None:
    wait([sentinel])
    end(1)
