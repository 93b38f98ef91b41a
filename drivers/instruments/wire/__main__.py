"""Record what passes between a driver and its device, or be the device that was recorded.

python -m drivers.instruments.wire record --listen 5021 --to 127.0.0.1:5020 --dialect modbus FILE
python -m drivers.instruments.wire replay FILE --listen 5021
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from drivers.instruments.wire.capture import Capture, CaptureError, read_capture
from drivers.instruments.wire.dialects import DIALECTS
from drivers.instruments.wire.recorder import Recorder
from drivers.instruments.wire.replayer import Replayer


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _interrupted() -> asyncio.Event:
    event = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def record(path: Path, host: str, port: int, listen: int, dialect: str) -> int:
    """Record until interrupted."""
    stop = _interrupted()
    recorder = Recorder(path, host, port, dialect)
    listening = await recorder.start(port=listen)
    _say(f"recording {host}:{port} into {path}: connect to 127.0.0.1:{listening}")
    await stop.wait()
    await recorder.stop()
    return 0


async def replay(capture: Capture, listen: int) -> int:
    """Serve a capture until it is used up, something differs, or an interruption; 1 where something differs."""
    stop = asyncio.create_task(_interrupted().wait())
    replayer = Replayer(capture)
    listening = await replayer.start(port=listen)
    _say(f"the recorded device is at 127.0.0.1:{listening}")
    finished = asyncio.create_task(replayer.finished.wait())
    await asyncio.wait({stop, finished}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    finished.cancel()
    await replayer.stop()
    for difference in replayer.differences:
        _say(f"differs: {difference}")
    if not replayer.differences:
        _say("as recorded")
    return 1 if replayer.differences else 0


def main() -> int:
    """The exit status: 0, 1 where a replay differs, 2 for a wrong command or file."""
    parser = argparse.ArgumentParser(
        prog="python -m drivers.instruments.wire", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record", help="a proxy to the device that writes down what passes")
    one.add_argument("file", type=Path, help="the capture, a new file")
    one.add_argument("--to", required=True, metavar="HOST:PORT", help="the device")
    one.add_argument("--listen", type=int, default=0, help="port on this machine; 0: any free one")
    one.add_argument("--dialect", choices=tuple(DIALECTS), default="bytes", help="lines: SCPI")
    two = commands.add_parser("replay", help="the recorded device, with no device there")
    two.add_argument("file", type=Path)
    two.add_argument("--listen", type=int, default=0, help="port on this machine; 0: any free one")
    arguments = parser.parse_args()
    try:
        if arguments.command == "replay":
            return asyncio.run(replay(read_capture(arguments.file), arguments.listen))
        host, colon, port = arguments.to.rpartition(":")
        if not (colon and host and port.isdigit()):
            parser.error(f"--to: wanted HOST:PORT, got {arguments.to!r}")
        return asyncio.run(record(arguments.file, host, int(port), arguments.listen, arguments.dialect))
    except FileExistsError:
        parser.error(f"{arguments.file} exists: a capture is a new file")
    except (CaptureError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
