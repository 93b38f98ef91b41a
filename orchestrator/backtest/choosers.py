"""Who answers the engine's questions in a backtest: the campaign's own planner in this process, or another library."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from campaigns.campaign import Campaign as CampaignFile
from campaigns.parameters import Categorical, Continuous, Integer, Parameter
from orchestrator.advice import Advice, Adviser, question
from orchestrator.backtest.peers import Peer, make
from orchestrator.backtest.peers.rows import Field, Rows
from orchestrator.backtest.pool import Pool
from orchestrator.brain.client import Brain
from orchestrator.decision import Ask
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from surrogates.constant import propose
from surrogates.errors import SpaceExhausted
from surrogates.proposal import Proposal
from surrogates.sampling import Design

WHATEVER = 4  # rows that a peer is told first where the campaign's own exploration has no fixed number


class InProcess(Brain):
    """The planner's service without a process of its own. What goes wrong in it is raised: nothing falls back."""

    def __init__(self) -> None:
        pass

    async def start(self) -> None:
        """It is there already."""

    async def close(self) -> None:
        """Nothing is held."""

    async def ask(self, request: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """The service's reply, through JSON as the engine gets it."""
        from surrogates.service import handle

        try:
            reply = handle(dict(request))
        except SpaceExhausted as error:
            return {"exhausted": str(error)}
        through: dict[str, Any] = json.loads(json.dumps(reply, allow_nan=False))
        return through


class Chooser(ABC, Adviser):
    """An adviser without a process, for one campaign with one seed."""

    def __init__(self) -> None:
        super().__init__(InProcess())

    @abstractmethod
    async def answer(self, ask: Ask, state: LabState, campaign: CampaignFile) -> Advice:
        """The candidates for `ask`."""


class OwnPlanner(Chooser):
    """The campaign's own planner, asked as the engine asks it."""

    async def answer(self, ask: Ask, state: LabState, campaign: CampaignFile) -> Advice:
        """What the planner says to the engine's question."""
        return await self.advise(ask, question(ask, state, campaign), campaign)


class OtherLibrary(Chooser):
    """A peer in the planner's place. It begins with the rows `first` and is told every result."""

    def __init__(self, peer: Peer, name: str, pool: Pool, first: Sequence[int]) -> None:
        super().__init__()
        self._peer, self._name, self._pool = peer, name, pool
        self._first = list(first)
        self._told = 0
        self._open = np.ones(len(pool), bool)

    async def answer(self, ask: Ask, state: LabState, campaign: CampaignFile) -> Advice:
        """One row after another, whatever `ask` says of methods."""
        objective = self._pool.objective
        for experiment in state.ended[self._told :]:
            measured = experiment.state is Experiment.MEASURED
            value = objective.gain(experiment.values[objective.name].value) if measured else None
            self._peer.tell(self._pool.place(experiment.candidate), value)
        self._told = len(state.ended)
        if not self._open.any():
            return Advice(ask, [], None, exhausted="every row of the table was asked for")
        row = self._first.pop(0) if self._first else self._peer.ask(self._open)
        self._open[row] = False
        proposal = Proposal(
            dict(self._pool.candidates[row]), "explore", self._name, None, None, None, self._name, campaign.seed,
            self._told,
        )  # fmt: skip
        return Advice(ask, [proposal.to_json()], None)


def other_library(name: str, pool: Pool, campaign: CampaignFile, seed: int) -> OtherLibrary:
    """A peer that begins with the rows that `campaign` itself explores first, so that all learn from the same start."""
    explored = campaign.plan[0]
    n = min(explored.bound or WHATEVER, len(pool))
    method: Design = "random" if explored.method == "random" else "sobol"
    first = propose(campaign.space, n, seed=seed, index=0, method=method)
    return OtherLibrary(
        make(name, rows_of(pool), seed), name, pool, [pool.place(proposal.candidate) for proposal in first]
    )


def rows_of(pool: Pool) -> Rows:
    """The pool as peers are told of it: bounds are those of the table, a column that never varies is left out."""
    fields = [_field(p, [row[p.name] for row in pool.candidates]) for p in pool.space.free]
    return Rows([field for field in fields if field is not None], pool.candidates)


def _field(parameter: Parameter, column: Sequence[Any]) -> Field | None:
    if len(set(column)) < 2:
        return None
    if isinstance(parameter, Categorical):
        return Field(
            parameter.name, "choice", choices=tuple(c for c in parameter.choices if c in set(column))
        )
    log = isinstance(parameter, Continuous) and parameter.scale == "log"
    return Field(
        parameter.name, "integer" if isinstance(parameter, Integer) else "number", float(min(column)),
        float(max(column)), log,
    )  # fmt: skip
