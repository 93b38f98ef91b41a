"""A smooth model of a measured table: the truth of a simulated laboratory that behaves like a real one.

The logarithm of the output is a Gaussian process over the inputs, each divided by its range (scikit-learn; Matern 5/2
with a length scale for each input, a noise of the measurements). Fitted once for each table: a second of CPU time.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from drivers.errors import SettingsError
from drivers.table import measured_table

RESTARTS = 2
FEWEST = 10


class TableModel:
    """Of one output column over input columns; replicates count as they are.

    r2  squared correlation of measured and predicted logarithms, each row left out with a tenth of the others
    """

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        """X (n, d), y (n,) above 0."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from sklearn.model_selection import cross_val_predict

        self._low, span = X.min(axis=0), np.ptp(X, axis=0)
        self._span = np.where(span > 0, span, 1.0)
        unit, log = (X - self._low) / self._span, np.log(y)
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
            np.ones(X.shape[1]), (0.05, 50.0), 2.5
        ) + WhiteKernel(0.1, (1e-4, 10.0))
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # a length scale at its bound: an input of no effect
            self._process = GaussianProcessRegressor(
                kernel, normalize_y=True, n_restarts_optimizer=RESTARTS, random_state=0
            ).fit(unit, log)
            fixed = GaussianProcessRegressor(self._process.kernel_, optimizer=None, normalize_y=True)
            left_out = cross_val_predict(fixed, unit, log, cv=10 if len(y) >= 20 else len(y))
        self.r2 = float(np.corrcoef(left_out, log)[0, 1] ** 2)

    def at(self, point: Sequence[float]) -> float:
        """The output at a point (d,), in its own unit."""
        unit = (np.asarray(point, float) - self._low) / self._span
        return float(np.exp(self._process.predict(unit[None])[0]))


def table_model(path: Path, inputs: Sequence[str], output: str) -> TableModel:
    """Of the table at `path`; fitted again only after the file has changed. Raises SettingsError for a table that is
    none, that has fewer than FEWEST rows, or an output that is not above 0 everywhere."""
    try:
        stat = path.stat()
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror}") from error
    return _fitted(path, tuple(inputs), output, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _fitted(path: Path, inputs: tuple[str, ...], output: str, mtime_ns: int, size: int) -> TableModel:
    table = measured_table(path, inputs, (output,))
    if table.categorical:
        raise SettingsError(f"{path}: wanted numbers in {', '.join(map(repr, table.categorical))}, got words")
    y = table.outputs[output]
    if len(y) < FEWEST:
        raise SettingsError(f"{path}: wanted at least {FEWEST} rows to fit a model to, got {len(y)}")
    if (y <= 0).any():
        row = int(np.flatnonzero(y <= 0)[0])
        raise SettingsError(
            f"{path}, column {output!r}, data row {row + 1}: wanted a number above 0, got {y[row]:g}"
        )
    return TableModel(table.numbers(inputs), y)
