"""What is reached without a graph: a linear model and a random forest on statistics of the elements' properties."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from campaigns.structure import NUMBER
from surrogates.materials.elements import physical_features


def features(structures) -> np.ndarray:
    """(n, 6 d + 103): mean, mean absolute deviation, least, largest, range and that of the most frequent element of
    each property, weighted by atomic fractions (Ward et al., npj Comput. Mater. 2, 16028, 2016), then the fractions."""
    table = physical_features()
    out = []
    for structure in structures:
        numbers = [NUMBER[symbol] for symbol in structure.counts]
        shares = np.array(list(structure.counts.values())) / structure.n_atoms
        rows = table[numbers]
        mean = shares @ rows
        fractions = np.zeros(103)
        fractions[np.array(numbers) - 1] = shares
        parts = (
            mean,
            shares @ np.abs(rows - mean),
            rows.min(0),
            rows.max(0),
            np.ptp(rows, axis=0),
            rows[shares.argmax()],
        )
        out.append(np.concatenate([*parts, fractions]))
    return np.array(out)


def baselines(known, held, column, seed) -> dict[str, float]:
    """MAE on the held structures of ridge regression, of a forest of 300 trees and of the mean."""
    there, asked = np.isfinite(known.values[:, column]), np.isfinite(held.values[:, column])
    X, y = features(known.structures)[there], known.values[there, column]
    Z, truth = features(held.structures)[asked], held.values[asked, column]
    models = {
        "linear": make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 4, 25))),
        "forest": RandomForestRegressor(300, max_features=1 / 3, random_state=seed),
    }
    found = {name: np.abs(model.fit(X, y).predict(Z) - truth).mean() for name, model in models.items()}
    return {
        **{name: float(error) for name, error in found.items()},
        "dummy": float(np.abs(truth - y.mean()).mean()),
    }
