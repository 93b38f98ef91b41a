"""What `run` shows while it runs: a live view in a terminal, a line for each thing that happened elsewhere."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from campaigns.campaign import Campaign
from orchestrator import standing
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.states import ExperimentState
from orchestrator.supply import low
from orchestrator.waits import late, waits

_MARKS = {"pareto": "on the front", "hull": "a new stable phase"}
EVERY_S = 0.2  # a terminal is redrawn no more often than this


class Display(Console):
    """A console that may be left: nobody reads any more (`| head`), and the campaign goes on."""

    def on_broken_pipe(self) -> None:
        """Falls silent, where rich would end the process."""
        self.quiet = True
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())
        os.close(silence)


class Lines:
    """Plain lines: experiments as they end, phases as they begin, doubts as they arise."""

    def __init__(self, console: Console, log: Path) -> None:
        self.console = console
        self._log = log
        self._campaign: Campaign | None = None
        self._ended = 0
        self._measured: list[ExperimentState] = []
        self._phases = 0
        self._doubts: set[str] = set()
        self._status = ""
        self._waits: list[str] = []
        self._low: set[str] = set()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, text: str) -> None:
        """A message to the person, shown as it is: what a device says of itself is no markup."""
        self.console.print(text, highlight=False, markup=False, emoji=False)

    def watch(self, state: LabState) -> None:
        """Say what is new."""
        self._known(state)
        for experiment in state.ended[self._ended :]:
            self.tell(self._line(experiment, self._of(experiment.loop)))
        self._ended = len(state.ended)
        for phase in state.phases[self._phases :]:
            self.tell(
                f"{_in(phase.loop)}phase {phase.index}: {phase.mode} ({phase.method}) because {phase.rule}"
            )
        self._phases = len(state.phases)
        for action in state.doubts:
            if action.id not in self._doubts:
                self._doubts.add(action.id)
                self.tell(f"DOUBT {action.id}: {action.reason}; see `alquimia doubts`")
        self._tell_waits(state)
        self._tell_low(state)
        status = str(state.campaign)
        if status != self._status and status not in ("open", "None"):
            self.tell(f"campaign {status}: {state.reason}")
        self._status = status

    def _tell_waits(self, state: LabState) -> None:
        """Why nothing begins, and what takes long: once each, and when it is over."""
        held = waits(state, self._known(state))
        now = [f"WAITS {text}" for text in held] + [f"LATE {text}" for text in late(state)]
        for text in now:
            if text not in self._waits:
                self.tell(text)
        if self._waits and not now:
            self.tell("goes on")
        self._waits = now

    def _tell_low(self, state: LabState) -> None:
        """Of which consumables little is left, each once until it is filled."""
        now = low(state)
        for name in now.keys() - self._low:
            self.tell(f"LOW {now[name]}")
        self._low = set(now)

    def _known(self, state: LabState) -> Campaign:
        """The campaign, read once from the first event; what was there before this run is not told anew."""
        if self._campaign is None:
            self._campaign = Campaign.from_json(state.opened["campaign"])
            lab = state.opened["lab"]["name"]
            self.tell(
                f"{self._campaign.name} in the {state.opened['reality']} laboratory {lab!r}, log {self._log}"
            )
            self._ended = len(state.ended)
            self._phases = len(state.phases)
            self._measured = state.of("").measured()
            if self._ended:
                self.tell(f"going on after {self._ended} experiments, epoch {state.epoch}")
        return self._campaign

    def _of(self, loop: str) -> Campaign:
        """The campaign as one of its loops has it."""
        assert self._campaign is not None
        return next(
            (each.of(self._campaign) for each in self._campaign.loops if each.name == loop), self._campaign
        )

    def close_with(self, state: LabState) -> None:
        """The last words: what was found."""
        campaign = self._known(state)
        ends, best = [e.state for e in state.ended], standing.best_of(self._measured, campaign)
        measured, failed = ends.count(Experiment.MEASURED), ends.count(Experiment.FAILED)
        self.tell(
            f"{measured} measured, {failed} failed, {state.lab_elapsed_s / 3600:.2f} h of laboratory time"
        )
        if best is not None:
            self.tell(f"best: {_value(best, campaign)} with {_candidate(best)} ({best.id})")
        elif campaign.goal == "hull":
            hits = sum(standing.is_hit(e, campaign) for e in self._measured)
            self.tell(f"{hits} of them on or below the hull that was known when they were asked for")
        elif front := standing.front_of(self._measured, campaign):
            volume = standing.hypervolume_of(self._measured, campaign)
            self.tell(f"Pareto front of {len(front)} (hypervolume {volume:.4g}):")
            for experiment in front:
                self.tell(f"  {experiment.id} {_value(experiment, campaign)}  {_candidate(experiment)}")

    def _line(self, experiment: ExperimentState, campaign: Campaign) -> str:
        start = f"{experiment.id} {_in(experiment.loop)}{experiment.proposal['mode']:8s}"
        if experiment.state is not Experiment.MEASURED:
            why = ": ".join(experiment.failure) if experiment.failure else ""
            return f"{start} {experiment.state} {why}"
        mark = ""
        if experiment.loop:
            return f"{start} {_value(experiment, campaign)}  {_candidate(experiment)}"
        if standing.improves(self._measured, experiment, campaign):
            mark = f"  <- {_MARKS.get(campaign.goal, 'best so far')}"
        if not standing.keeps_constraints(experiment, campaign):
            mark = "  (beyond an outcome constraint)"
        self._measured.append(experiment)
        return f"{start} {_value(experiment, campaign)}  {_candidate(experiment)}{mark}"


class Screen(Lines):
    """The live view: a bar, the mode, the best so far, the acts in hand; the lines scroll above it."""

    def __init__(self, console: Console, log: Path) -> None:
        super().__init__(console, log)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
        )  # fmt: skip
        self._task = self._bar.add_task("experiments", total=None)
        self._live = Live(self._bar, console=console, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def watch(self, state: LabState) -> None:
        """Say what is new, and redraw now and then."""
        super().watch(state)
        now = time.monotonic()
        if now - self._drawn < EVERY_S:
            return
        self._drawn = now
        campaign = self._known(state)
        self._bar.update(self._task, completed=len(state.of("").ended), total=campaign.budget.experiments)
        mode = f"{state.phases[-1].mode} ({state.phases[-1].method})" if state.phases else "starting"
        acts = (
            ", ".join(f"{a.device}.{a.verb} [{a.sample}]" for a in list(state.open_actions.values())[:6])
            or "thinking"
        )
        best = standing.best_of(self._measured, campaign)
        found = "none yet" if best is None else _value(best, campaign)
        if campaign.goal == "hull":
            found = f"{sum(standing.is_hit(e, campaign) for e in self._measured)} new stable phases"
        if campaign.goal == "pareto":
            found = f"front of {len(standing.front_of(self._measured, campaign))}"
        if held := waits(state, campaign):
            acts = f"{acts if state.open_actions else 'nothing'}   waits: {held[0]}"
        text = f"mode {mode}   best {found}   lab time {state.lab_elapsed_s / 3600:.2f} h"
        self._live.update(
            Group(self._bar, Text(text, no_wrap=True), Text(f"now  {acts}", no_wrap=True)), refresh=True
        )


def view(log: Path) -> Lines:
    """The live view where there is a terminal, else plain lines."""
    console = Display(soft_wrap=True)
    return Screen(console, log) if console.is_terminal else Lines(console, log)


def _in(loop: str) -> str:
    return f"{loop}: " if loop else ""


def _value(experiment: ExperimentState, campaign: Campaign) -> str:
    said = []
    for name in campaign.aim.readings:
        if (m := experiment.values.get(name)) is not None:
            sigma = "" if m.sigma is None else f" ± {m.sigma:.2g}"
            said.append(f"{name} {m.value:.4g}{sigma} {m.unit}".rstrip())
    return ", ".join(said)


def _candidate(experiment: ExperimentState) -> str:
    return ", ".join(
        f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in experiment.candidate.items()
    )
