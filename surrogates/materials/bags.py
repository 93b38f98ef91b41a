"""The bags of positive-unlabelled learning: each a classifier and the scores of what it did not train on, made here or
in processes of their own, and kept."""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Classifier(Protocol):
    """Any binary classifier as scikit-learn has them; examples are rows of an array, or of any sequence."""

    def fit(self, examples: Any, labels: Any) -> Any: ...
    def predict_proba(self, examples: Any) -> Any: ...


@dataclass(frozen=True)
class Plan:
    """Which examples a bag trains on, in their order, and its classifier's seed."""

    chosen: NDArray[np.int64]
    seed: int


@dataclass(frozen=True)
class Done:
    """A bag's scores of the examples `out` that it did not train on; `classifier` None where only these were kept."""

    out: NDArray[np.int64]
    scores: Array
    classifier: Classifier | None


class Later:
    """The classifier of a bag of which only the scores were kept: fitted again when it is asked."""

    def __init__(self, make: Callable[[int], Classifier], examples: Any, labels: Flags, plan: Plan) -> None:
        self._ask = make, examples, labels, plan
        self._fitted: Classifier | None = None

    def fit(self, examples: Any, labels: Any) -> Any:
        raise TypeError("a bag's classifier is fitted to its bag only")

    def predict_proba(self, examples: Any) -> Any:
        if self._fitted is None:
            self._fitted = fitted(*self._ask)
        return self._fitted.predict_proba(examples)


def drawn_bag(
    seed: int, k: int, training: NDArray[np.int64], u: NDArray[np.int64], drawn: int, used: int
) -> Plan:
    rng = np.random.default_rng([seed, 1, k])
    negative = rng.choice(u, drawn, replace=False)[:used]
    some = training if len(training) <= used else rng.choice(training, used, replace=False)
    chosen = rng.permutation(np.concatenate([some, negative]))
    return Plan(chosen, int(rng.integers(2**31)))


def fitted(make: Callable[[int], Classifier], examples: Any, labels: Flags, plan: Plan) -> Classifier:
    classifier = make(plan.seed)
    classifier.fit(_take(examples, plan.chosen), labels[plan.chosen])
    return classifier


def _carried_out(make: Callable[[int], Classifier], examples: Any, labels: Flags, plan: Plan) -> Done:
    classifier = fitted(make, examples, labels, plan)
    out = np.setdiff1d(np.arange(len(labels)), plan.chosen)
    return Done(out, scored(classifier, _take(examples, out)), classifier)


def done(
    make: Callable[[int], Classifier],
    examples: Any,
    labels: Flags,
    plans: Sequence[Plan],
    workers: int,
    keep: Path | None,
) -> Iterator[Done]:
    """The bags in their order; those that are kept are read, the others carried out and kept."""
    paths = [None if keep is None else keep / f"{_name(labels, plan)}.npz" for plan in plans]
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    kept = [None if path is None else _read(path) for path in paths]
    left = [k for k, one in enumerate(kept) if one is None]
    made = _in_processes(make, examples, labels, [plans[k] for k in left], workers)
    for path, one in zip(paths, kept, strict=True):
        if one is not None:
            yield one
            continue
        new = next(made)
        if path is not None:
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
                np.savez(file, out=new.out, scores=new.scores)
            Path(file.name).replace(path)
        yield new


def _in_processes(
    make: Callable[[int], Classifier], examples: Any, labels: Flags, plans: Sequence[Plan], workers: int
) -> Iterator[Done]:
    if workers <= 1 or len(plans) <= 1:
        for plan in plans:
            yield _carried_out(make, examples, labels, plan)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(plans)), context, initializer=_prepare, initargs=(make, examples, labels)
    ) as pool:
        yield from pool.map(_prepared, plans)


_given: list[
    tuple[Callable[[int], Classifier], Any, Flags]
] = []  # in a worker: what all its bags are made of


def _prepare(make: Callable[[int], Classifier], examples: Any, labels: Flags) -> None:
    from surrogates.materials.members import alone

    alone()
    _given.append((make, examples, labels))


def _prepared(plan: Plan) -> Done:
    with threadpool_limits(1):
        return _carried_out(*_given[0], plan)


def _name(labels: Flags, plan: Plan) -> str:
    content = b"".join([labels.tobytes(), plan.chosen.astype(np.int64).tobytes(), str(plan.seed).encode()])
    return hashlib.sha256(content).hexdigest()[:32]


def _read(path: Path) -> Done | None:
    """None where there is none, or only a damaged one: it is done again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Done(file["out"], file["scores"], None)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _take(examples: Any, rows: NDArray[np.int64]) -> Any:
    return examples[rows] if isinstance(examples, np.ndarray) else [examples[int(k)] for k in rows]


def scored(classifier: Classifier, examples: Sequence[Any] | Array) -> Array:
    """(m,) of the positive class, which is the second of two."""
    scores = np.asarray(classifier.predict_proba(examples), float)
    if scores.shape != (len(examples), 2) or not np.all(np.isfinite(scores)):
        raise ValueError(f"predict_proba: wanted ({len(examples)}, 2) finite numbers, got {scores.shape}")
    return scores[:, 1]
