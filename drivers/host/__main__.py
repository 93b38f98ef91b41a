"""`python -m drivers.host SPEC.json`: one host process. Ends with 17 where another host holds the journal."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import structlog

from drivers.host.build import build_devices
from drivers.host.server import Host
from drivers.host.spec import ANOTHER_HOLDS_IT, HostSpec
from drivers.journal import Journal, JournalHeld

TERMINATED = 143


async def host(spec: HostSpec) -> int:
    """Open the journal (and with it the sole right to act), build the devices, serve."""
    journal = Journal(spec.directory / "journal.jsonl")
    try:
        one = Host(spec, journal, await build_devices(spec))
        # A machine that shuts down says so first: devices are not left as they happen to be.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, one.fall, TERMINATED)
        return await one.serve()
    finally:
        journal.close()


def main() -> int:
    """Read the spec named on the command line and be that host."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    spec = HostSpec.model_validate_json(Path(sys.argv[1]).read_text())
    try:
        return asyncio.run(host(spec))
    except JournalHeld as held:
        structlog.get_logger().warning("not started", reason=str(held))
        return ANOTHER_HOLDS_IT


if __name__ == "__main__":
    sys.exit(main())
