"""How likely a crystal can be made, learned from which ones have been: those with an experimental record are positive,
all others unlabelled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from campaigns.structure import Structure
from surrogates.materials.bags import Classifier
from surrogates.materials.graph import GraphCache
from surrogates.materials.positive_unlabelled import BAGS, Bagged, bag, null_run

Array = NDArray[np.float64]
Kind = Literal["trees", "network"]
DEPTH, STEPS, RATE = 6, 80, 0.1  # of the boosted trees


@dataclass(frozen=True)
class Report:
    """`true_positive_rate`: of the fifth of the positive that was never trained on; `called`: share of the unlabelled
    that is called positive; `null`: the true positive rate with shuffled labels, None where it was not run."""

    n_positive: int
    n_unlabelled: int
    bags: int
    true_positive_rate: float
    called: float
    null: float | None

    def __str__(self) -> str:
        null = "" if self.null is None else f"; {self.null:.1%} with shuffled labels"
        return (
            f"{self.n_positive} made, {self.n_unlabelled} unlabelled, {self.bags} bags: {self.true_positive_rate:.1%} "
            f"of the made ones held out are called so{null}; {self.called:.1%} of the unlabelled are"
        )


class Synthesizability:
    """Scores in [0, 1] by transductive bagging. Above 0.5 a crystal is more like those made than like those that are
    not known to be: an order of crystals, not a frequency, for nobody knows which cannot be made.

    On 3,888 binaries of the Materials Project (2,822 with an ICSD record; 100 bags of boosted trees), 81.0 % of the
    made ones held out are called so, 50.4 % with shuffled labels, and 19.4 % of the unlabelled. The same structures,
    flags, settings and seed give the same scores.
    """

    def __init__(
        self, bagged: Bagged, describe: Describe, report: Report, structures: Sequence[Structure]
    ) -> None:
        self._bagged, self._describe, self.report = bagged, describe, report
        self._elements = frozenset(symbol for one in structures for symbol in one.counts)
        self._sizes = frozenset(len(one.counts) for one in structures)

    @classmethod
    def fit(
        cls,
        structures: Sequence[Structure],
        made: ArrayLike,
        *,
        classifier: Kind | Callable[[int], Classifier] = "trees",
        describe: Callable[[Sequence[Structure]], Any] | None = None,
        bags: int = BAGS,
        seed: int,
        null: bool = False,
        workers: int = 1,
        keep: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Synthesizability:
        """`made` (n,): has an experimental record. `classifier`: boosted trees on descriptors, graph networks, or what
        `classifier(seed)` gives, with what `describe(structures)` makes of them (default: descriptors). `null`: the
        same again with shuffled labels, for the report. `workers`: processes; `keep`: a folder for finished bags: see
        `bag`. Raises ValueError: fewer than five of either kind."""
        make: Callable[[int], Classifier]
        default: Callable[[Sequence[Structure]], Any]
        if callable(classifier):
            make, default = classifier, _descriptors
        elif classifier == "network":
            from surrogates.materials.graph_classifier import GraphClassifier

            make, default = GraphClassifier, _graphs()
        else:
            make, default = boosted_trees, _descriptors
        found = Describe(describe or default)
        examples = found(structures)
        own = None if keep is None else keep / _digest(classifier, structures)
        how: dict[str, Any] = {"bags": bags, "seed": seed, "workers": workers, "keep": own}
        bagged = bag(make, examples, made, progress=progress, **how)
        shuffled = null_run(make, examples, made, **how).true_positive_rate if null else None
        n_positive = int(np.sum(bagged.positive))
        report = Report(
            n_positive,
            len(bagged.positive) - n_positive,
            bags,
            bagged.true_positive_rate,
            bagged.called,
            shuffled,
        )
        return cls(bagged, found, report, structures)

    @property
    def scores(self) -> Array:
        """(n,) of the structures it was fitted to, each by the bags that did not train on it."""
        return self._bagged.scores

    def covers(self, structures: Sequence[Structure]) -> NDArray[np.bool_]:
        """(m,) whether all elements of a structure, and as many of them at once, were among those learned from. Scores
        elsewhere are no use: of 972 hypothetical crystals, mostly ternaries, 86 % are called made by what was learned
        from binaries alone."""
        sizes, elements = self._sizes, self._elements
        return np.array(
            [len(one.counts) in sizes and elements >= one.counts.keys() for one in structures], bool
        )

    def probability(self, structures: Sequence[Structure]) -> Array:
        """(m,) of any structures, by all bags."""
        return self._bagged.probability(self._describe(structures))


class Describe:
    """What classifiers see of structures, made once for each."""

    def __init__(self, describe: Callable[[Sequence[Structure]], Any]) -> None:
        self._describe = describe
        self._known: dict[str, Any] = {}

    def __call__(self, structures: Sequence[Structure]) -> Any:
        new = {one.key: one for one in structures if one.key not in self._known}
        if new:
            self._known.update(zip(new, self._describe(list(new.values())), strict=True))
        rows = [self._known[one.key] for one in structures]
        return np.array(rows) if rows and isinstance(rows[0], np.ndarray) else rows


def _digest(classifier: Kind | Callable[[int], Classifier], structures: Sequence[Structure]) -> str:
    """A folder's name: another classifier's bags, or those of other structures, are not to be met in it."""
    name = getattr(classifier, "__qualname__", None)
    of = repr(classifier) if name is None else f"{classifier.__module__}.{name}"
    content = [of, *(one.key for one in structures)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def boosted_trees(seed: int) -> Classifier:
    """Histogram gradient boosting (scikit-learn)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model: Classifier = HistGradientBoostingClassifier(
        max_depth=DEPTH, max_iter=STEPS, learning_rate=RATE, early_stopping=False, random_state=seed
    )
    return model


def _descriptors(structures: Sequence[Structure]) -> Any:
    from surrogates.materials.descriptors import descriptors

    return descriptors(structures)


def _graphs() -> Callable[[Sequence[Structure]], Any]:
    return GraphCache()
