"""Wire captures: what was recorded is replayed with no device there, and one changed byte is found with its place."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import Driver
from drivers.instruments.instrument import LinkLost
from drivers.instruments.modbus.furnace import ModbusFurnace
from drivers.instruments.rest.device import RestDevice
from drivers.instruments.scpi.smu import SourceMeasureUnit
from drivers.instruments.simulated.furnace_plant import PlantConstants
from drivers.instruments.simulated.http_oven import Oven, OvenServer
from drivers.instruments.simulated.modbus_furnace import FurnaceController
from drivers.instruments.simulated.scpi_smu import Film, SourceMeter, SourceMeterServer
from drivers.instruments.wire.capture import CaptureError, read_capture
from drivers.instruments.wire.dialects import DIALECTS
from drivers.instruments.wire.recorder import Recorder
from drivers.instruments.wire.replayer import Difference, Replayer
from drivers.protocol import Action, Outcome
from tests.drivers.instruments.bench import ROOT, device, request
from tests.drivers.instruments.test_rest import DRY, TOKEN

ANNEAL = request("anneal", "anneal-1", temperature=773.15, ramp=10.0, hold=600.0)
MEASURE = request("sheet_resistance", "measure-1", current=1e-3, compliance=2.0)
SOAK = request("dry", "dry-1", temperature=80.0, hold=1.0)


@contextlib.asynccontextmanager
async def recorded(path: Path, port: int, dialect: str) -> AsyncIterator[int]:
    recorder = Recorder(path, "127.0.0.1", port, dialect)
    yield await recorder.start()
    await recorder.stop()


@contextlib.asynccontextmanager
async def replayed(path: Path) -> AsyncIterator[tuple[Replayer, int]]:
    replayer = Replayer(read_capture(path))
    yield replayer, await replayer.start()
    await replayer.stop()


async def did(kind: type[Driver], directory: Path, settings: dict[str, Any], action: Action) -> Outcome:
    """Connect, act once, disconnect."""
    one = device(kind, directory, settings)
    try:
        await one.connect()
        return await one.act(action)
    finally:
        await one.disconnect()


def furnace(port: int) -> dict[str, Any]:
    quick = {"poll_s": 0.01, "timeout_s": 1.0, "reconnect_s": 0.0}
    return {"host": "127.0.0.1", "port": port, "simulated": True, **quick}


def smu(port: int) -> dict[str, Any]:
    return {"resource": f"TCPIP0::127.0.0.1::{port}::SOCKET", "simulated": True, "timeout_s": 1.0}


def oven(port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    return {"url": url, "token_env": "TEST_OVEN_TOKEN", "tries": 1, "timeout_s": 2.0, "actions": {"dry": DRY}}


@pytest.fixture
async def annealed(tmp_path: Path) -> tuple[Path, Outcome]:
    """A capture of an anneal, and what came of it. The devices are gone."""
    controller = FurnaceController(PlantConstants(noise_K=0.3), speed=6000, seed=2)
    path = tmp_path / "anneal.jsonl"
    async with recorded(path, await controller.start(), "modbus") as port:
        outcome = await did(ModbusFurnace, tmp_path, furnace(port), ANNEAL)
    await controller.stop()
    assert outcome.status == "succeeded", outcome.reason
    return path, outcome


@pytest.fixture
async def measured(tmp_path: Path) -> tuple[Path, Outcome]:
    """A capture of a four-point measurement, and what came of it."""
    server = SourceMeterServer(SourceMeter(Film(), speed=50.0, seed=4))
    path = tmp_path / "measure.jsonl"
    async with recorded(path, await server.start(), "lines") as port:
        outcome = await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
    await server.stop()
    assert outcome.status == "succeeded", outcome.reason
    return path, outcome


async def test_an_anneal_is_replayed_to_the_last_digit(
    annealed: tuple[Path, Outcome], tmp_path: Path
) -> None:
    path, before = annealed
    async with replayed(path) as (replayer, port):
        after = await did(ModbusFurnace, tmp_path, furnace(port), ANNEAL)
    assert replayer.differences == []
    assert after.readings == before.readings and after.record["trace"] == before.record["trace"]


async def test_a_measurement_is_replayed_to_the_last_digit(
    measured: tuple[Path, Outcome], tmp_path: Path
) -> None:
    path, before = measured
    async with replayed(path) as (replayer, port):
        after = await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
    assert replayer.differences == []
    assert after.readings == before.readings


async def test_http_is_replayed_and_the_token_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_OVEN_TOKEN", TOKEN)
    server = OvenServer(Oven(token=TOKEN, speed=20.0))
    path = tmp_path / "dry.jsonl"
    async with recorded(path, server.port, "http") as port:
        before = await did(RestDevice, tmp_path, oven(port), SOAK)
    server.stop()
    assert before.status == "succeeded"
    assert path.stat().st_mode & 0o077 == 0
    sent = b"".join(entry.data for entry in read_capture(path).entries)
    assert b"Idempotency-Key: dry-1" in sent and TOKEN.encode() not in sent
    monkeypatch.setenv("TEST_OVEN_TOKEN", "another token")
    async with replayed(path) as (replayer, port):
        after = await did(RestDevice, tmp_path, oven(port), SOAK)
    assert replayer.differences == [] and after.readings == before.readings


async def test_a_changed_byte_is_found_with_its_place(
    annealed: tuple[Path, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold of 601 s instead of 600 s: 0x44164000 instead of 0x44160000, in the third register that is written."""
    path, _ = annealed
    action = ANNEAL.model_copy(update={"args": {**ANNEAL.args, "hold": 601.0}})
    async with replayed(path) as (replayer, port):
        outcome = await did(ModbusFurnace, tmp_path, furnace(port), action)
    assert outcome.status == "failed"
    (difference,) = replayer.differences
    # Header of 7, function, address (2), count (2), length (1), then the number: its third byte is 0x40, not 0x00.
    assert difference.offset == 7 + 1 + 2 + 2 + 1 + 2
    assert (difference.recorded[difference.offset], difference.got[difference.offset]) == (0x00, 0x40)
    lines = path.read_text().splitlines()
    assert '"to device"' in lines[difference.line - 1]
    messages = [entry for entry in read_capture(path).entries if entry.what == "to device"]
    assert messages[difference.message - 1].line == difference.line
    assert f"message {difference.message} (line {difference.line} of the capture), byte 15" in str(difference)


async def test_a_changed_command_is_found_with_its_place(
    measured: tuple[Path, Outcome], tmp_path: Path
) -> None:
    path, _ = measured
    action = MEASURE.model_copy(update={"args": {**MEASURE.args, "nplc": 2.0}})
    async with replayed(path) as (replayer, port):
        with pytest.raises(LinkLost):
            await did(SourceMeasureUnit, tmp_path, smu(port), action)
    difference = replayer.differences[0]
    assert difference.recorded == b":SENS:VOLT:NPLC 1\n" and difference.got == b":SENS:VOLT:NPLC 2\n"
    assert difference.offset == len(":SENS:VOLT:NPLC ")


async def test_a_driver_that_leaves_something_out_differs_too(
    measured: tuple[Path, Outcome], tmp_path: Path
) -> None:
    path, _ = measured
    async with replayed(path) as (replayer, port):
        one = device(SourceMeasureUnit, tmp_path, smu(port))
        await one.connect()
        await one.disconnect()
    (difference,) = replayer.differences
    assert difference.got == b"" and difference.recorded


async def test_transactions_may_be_counted_otherwise(tmp_path: Path) -> None:
    """A client that begins at another number gets its own numbers back."""
    dialect = DIALECTS["modbus"]
    one, other = bytes.fromhex("000100000006010300000014"), bytes.fromhex("004200000006010300000014")
    assert dialect.compared(one) == dialect.compared(other)
    assert dialect.reply(bytes.fromhex("000100000003010304"), other)[:2] == b"\x00\x42"


@pytest.mark.parametrize(
    ("dialect", "stream", "n"),
    [
        ("lines", b"*IDN?\n:READ?\n:OU", 2),
        ("modbus", bytes.fromhex("000100000006010300000014" + "00020000000601030000"), 1),
        ("http", b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", 1),
        ("http", b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET", 1),
        ("bytes", b"anything", 1),
    ],
)
def test_streams_are_cut_into_messages_wherever_they_come_apart(dialect: str, stream: bytes, n: int) -> None:
    whole, rest = DIALECTS[dialect].split(stream, to_device=True)
    assert len(whole) == n and b"".join(whole) + rest == stream
    if dialect != "bytes":
        found, left = [], b""
        for i in range(len(stream)):
            messages, left = DIALECTS[dialect].split(left + stream[i : i + 1], to_device=True)
            found += messages
        assert (found, left) == (whole, rest)


async def test_raw_bytes_are_recorded_and_replayed(tmp_path: Path) -> None:
    """A protocol that no dialect knows: whatever the pieces it comes in."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data[::-1])
        writer.close()

    async def talk(port: int, *pieces: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        answer = await asyncio.wait_for(reader.read(100), 2)
        writer.close()
        return answer

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    path = tmp_path / "raw.jsonl"
    async with recorded(path, server.sockets[0].getsockname()[1], "bytes") as port:
        assert await talk(port, b"\x02abc\x03") == b"\x03cba\x02"
        await asyncio.sleep(0.05)
    server.close()
    async with replayed(path) as (replayer, port):
        assert await talk(port, b"\x02a", b"bc\x03") == b"\x03cba\x02"
        await asyncio.wait_for(replayer.finished.wait(), 2)
    assert replayer.differences == []
    async with replayed(path) as (replayer, port):
        assert await talk(port, b"\x02aX") == b""  # at the first byte, not at the end of a message
    assert replayer.differences[0].offset == 2


async def test_connections_too_many_and_too_few_differ(
    measured: tuple[Path, Outcome], tmp_path: Path
) -> None:
    path, _ = measured
    async with replayed(path) as (replayer, port):
        await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
        with pytest.raises(LinkLost):
            await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
    assert "more than were recorded" in str(replayer.differences[0])
    async with replayed(path) as (replayer, _):
        pass
    assert [difference.what for difference in replayer.differences] == ["it was never opened"]
    assert str(Difference(1, 2, 3, 4, b"abc", b"")).endswith("recorded nothing more, got nothing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: wanted the heading"),
        ('{"alquimia_capture": 1, "dialect": "morse"}', "dialect"),
        ('{"alquimia_capture": 1, "dialect": "lines"}\n{"connection": 1, "what": "sung"}', ":2: "),
        (
            '{"alquimia_capture": 1, "dialect": "lines"}\n{"connection": 1, "what": "opened", "bytes": "?"}',
            ":2: ",
        ),
        ('{"alquimia_capture": 1, "dialect": "lines"}\nnothing', ":2: no JSON"),
    ],
)
def test_files_that_are_no_captures_are_refused_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text(text)
    with pytest.raises(CaptureError, match=said):
        read_capture(path)


async def command(*arguments: str) -> tuple[asyncio.subprocess.Process, int]:
    """A command of the module, and the port that it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.instruments.wire", *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    return process, int(line.rpartition(":")[2])


async def test_from_the_command_line(tmp_path: Path) -> None:
    server = SourceMeterServer(SourceMeter(Film(), speed=50.0, seed=4))
    path = tmp_path / "measure.jsonl"
    to = f"127.0.0.1:{await server.start()}"
    recording, port = await command("record", "--to", to, "--dialect", "lines", str(path))
    before = await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
    recording.send_signal(signal.SIGINT)
    assert await recording.wait() == 0
    await server.stop()
    replaying, port = await command("replay", str(path))
    after = await did(SourceMeasureUnit, tmp_path, smu(port), MEASURE)
    assert await asyncio.wait_for(replaying.wait(), 10) == 0
    assert after.readings == before.readings
    replaying, port = await command("replay", str(path))
    with pytest.raises(LinkLost):
        await did(
            SourceMeasureUnit,
            tmp_path,
            smu(port),
            MEASURE.model_copy(update={"args": {**MEASURE.args, "settle": 0.0, "compliance": 1.0}}),
        )
    out, _ = await asyncio.wait_for(replaying.communicate(), 10)
    assert replaying.returncode == 1 and b"differs: connection 1, message " in out
