"""`alquimia`: every command, and its exit code (0 done, 2 refused, 3 stopped and resumable, 4 doubts wait)."""

from __future__ import annotations

import sys

import typer

from orchestrator.cli import (
    backtest,
    consumables,
    drivers,
    inspect,
    people,
    proposing,
    rehearse,
    run,
    samples,
    stop,
    tell,
)

app = typer.Typer(
    name="alquimia",
    help="One YAML file is one self-driving campaign.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run.register(app)
stop.register(app)
tell.register(app)
inspect.register(app)
people.register(app)
proposing.register(app)
samples.register(app)
consumables.register(app)
rehearse.register(app)
backtest.register(app)
app.add_typer(drivers.app, name="drivers")


def main() -> None:
    """The entry point: refusals are said in a line each and end with 2; a bug keeps its traceback."""
    from campaigns.errors import CampaignError
    from orchestrator.errors import Refused

    try:
        app()
    except CampaignError as error:
        sys.stderr.write("\n".join(fault.render() for fault in error.faults) + "\n")
        n = len(error.faults)
        sys.stderr.write(f"{n} fault{'s' if n > 1 else ''}. No device was touched.\n")
        sys.exit(2)
    except Refused as refused:
        sys.stderr.write(refused.render() + "\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
