"""What a person sees while it runs: whatever a device says of itself, and whoever stops reading."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.cli.progress import Display, Lines, Screen
from orchestrator.cli.progress import view as make_view
from tests.orchestrator.builders import Log, bound, enter, intend, opened, propose, run_one

NASTY = "[/dev/ttyUSB0] timed out [bold]now[/] :warning: \x1b[31m {braces} % [red"


def a_log() -> Log:
    the_bound = bound()
    log = opened(the_bound)
    enter(log, 0, the_bound)
    return log


def shown(kind: type[Lines], log: Log, terminal: bool) -> str:
    """What is seen of a campaign that ends well, fails, and falls into doubt."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=400, color_system=None)
    with kind(console, Path("log.db")) as view:
        view.watch(log.state)
        run_one(log, 1.25)
        view.watch(log.state)
        name = propose(log)
        log.say(name, "experiment.queued")
        log.say(name, "experiment.started")
        action = intend(log, name, "look", device="probe", verb="measure", step=3)
        log.say(action, "action.failed", attribution="instrument", reason=NASTY)
        log.say(name, "experiment.failed", attribution="instrument", reason=NASTY)
        view.watch(log.state)
        name = propose(log)
        log.say(name, "experiment.queued")
        log.say(name, "experiment.started")
        action = intend(log, name, "look", device="probe", verb="measure", step=3)
        log.say(action, "action.doubted", reason=NASTY)
        view.watch(log.state)
        view.watch(log.state)
        log.say("campaign", "campaign.ending", reason=f"budget: {NASTY}")
        view.watch(log.state)
        view.close_with(log.state)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "terminal"), [(Lines, False), (Screen, True)])
def test_everything_is_said_once_and_as_it_was_said(kind: type[Lines], terminal: bool) -> None:
    text = shown(kind, a_log(), terminal)
    said = (
        "x0001 explore  conductance 1.25 mS",
        "x0002 explore  failed instrument: [/dev/ttyUSB0] timed out [bold]",
        "DOUBT x0003.look.1: [/dev/ttyUSB0]",
        "campaign ending: budget: [/dev",
        "1 measured, 1 failed",
    )
    for once in said:
        assert text.count(once) == 1, once
    assert ":warning:" in text and "<- best so far" in text


def test_what_was_there_before_is_not_told_anew() -> None:
    log = a_log()
    run_one(log, 1.0)
    log.restart()
    out = io.StringIO()
    view = Lines(Console(file=out, width=400), Path("log.db"))
    view.watch(log.state)
    run_one(log, 2.0)
    view.watch(log.state)
    text = out.getvalue()
    assert "going on after 1 experiments" in text and "x0002" in text and "x0001 explore" not in text


def test_nobody_who_reads_is_no_reason_to_end() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    silenced = []

    class Watched(Display):
        def on_broken_pipe(self) -> None:
            silenced.append(True)
            self.quiet = True

    view = Lines(Watched(file=Closed(), width=100), Path("log.db"))
    log = a_log()
    view.watch(log.state)
    run_one(log, 1.0)
    view.watch(log.state)
    assert silenced == [True]
    with pytest.raises(SystemExit):  # control: what rich would have done
        Console.on_broken_pipe(Console(file=io.StringIO()))


def test_without_a_terminal_there_are_plain_lines() -> None:
    assert type(make_view(Path("log.db"))) is Lines
