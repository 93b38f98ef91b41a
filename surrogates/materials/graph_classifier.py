"""A graph network as a binary classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surrogates.materials.graph import Graph
from surrogates.materials.networks import Network, NetworkSettings
from surrogates.materials.networks.catalogue import build
from surrogates.materials.training import Training, predict, train

Array = NDArray[np.float64]
SETTINGS = NetworkSettings(width=32, layers=2, dropout=0.1)
TRAINING = Training(epochs=20)


class GraphClassifier:
    """Fitted to labels 0 and 1 by least squares, whose best answer is the probability (Brier, Mon. Weather Rev. 78, 1,
    1950); cut off at 0 and 1."""

    def __init__(
        self, seed: int, *, settings: NetworkSettings = SETTINGS, training: Training = TRAINING
    ) -> None:
        self._seed, self._settings, self._training = seed, settings, training
        self._network: Network | None = None

    def fit(self, graphs: Sequence[Graph], labels: ArrayLike) -> GraphClassifier:
        """labels (n,), true for the positive."""
        self._network = build(self._settings, 1, seed=self._seed)
        targets = np.asarray(labels, float)[:, None]
        train(self._network, graphs, targets, training=self._training, seed=self._seed)
        return self

    def predict_proba(self, graphs: Sequence[Graph]) -> Array:
        """(m, 2): of the negative and of the positive class. Raises RuntimeError before `fit`."""
        if self._network is None:
            raise RuntimeError("predict_proba before fit")
        if not len(graphs):
            return np.zeros((0, 2))
        score = np.clip(predict(self._network, graphs).mean[:, 0].astype(float), 0.0, 1.0)
        return np.stack([1.0 - score, score], axis=1)
