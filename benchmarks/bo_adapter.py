"""Alquimia's planner in the closed-loop benchmark harness: `bo_bench.py --optimizer
benchmarks/bo_adapter.py:Alquimia`."""

from __future__ import annotations

import numpy as np
from adapters.base import Adapter

from campaigns.objective import Objective
from campaigns.space import Continuous, Space, Table
from surrogates.planner import Method, Planner


class Alquimia(Adapter):
    """The planner with its defaults: the same for boxes and for pools."""

    modes = ("bo", "al")
    package = "alquimia-lab"
    imports = "import surrogates.planner"
    optimise = Method()
    learn = Method("learn", "integrated_variance")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        bounds = zip(self.space.names, self.space.lower, self.space.upper, strict=True)
        self.columns = [f"x{i}" for i in range(self.space.dim)]
        parameters = tuple(
            Continuous(name=column, low=float(low), high=float(high))
            for column, (_, low, high) in zip(self.columns, bounds, strict=True)
        )
        allowed = None
        if self.space.candidates is not None:
            allowed = Table(
                columns=tuple(self.columns), rows=tuple(map(tuple, self.space.candidates.tolist()))
            )
        objective = Objective(name="y", direction="maximise")  # the harness: larger is better, always
        self.planner = Planner(Space(parameters=parameters, allowed=allowed), [objective], seed=self.seed)

    def rows(self, X):
        return [dict(zip(self.columns, row, strict=True)) for row in np.atleast_2d(X).tolist()]

    def ask(self, n=1):
        proposals = self.planner.ask(n, self.learn if self.mode == "al" else self.optimise)
        return np.array([[p.candidate[column] for column in self.columns] for p in proposals])

    def tell(self, X, y):
        super().tell(X, y)
        for candidate, value in zip(self.rows(X), np.atleast_1d(y).tolist(), strict=True):
            self.planner.tell(candidate, value)

    def predict(self, X):
        return self.planner.predict(self.rows(X))[0]


class AlquimiaLogEI(Alquimia):
    optimise = Method("optimise", "log_ei")


class AlquimiaVariance(Alquimia):
    modes = ("al",)
    learn = Method("learn", "variance")
