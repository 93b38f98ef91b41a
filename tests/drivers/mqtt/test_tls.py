"""Sensors over TLS: a real broker with a certificate of its own, which is checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.errors import SettingsError
from drivers.instruments.mqtt import Sensors
from tests.drivers.instruments.certificate import self_signed
from tests.drivers.laboratory import request
from tests.drivers.mqtt.conftest import TestBroker


@pytest.fixture
async def encrypted(tmp_path: Path) -> AsyncIterator[tuple[TestBroker, Path]]:
    """The broker, and the file of its certificate."""
    key, certificate = self_signed(tmp_path)
    one = TestBroker(key, certificate)
    await one.start()
    yield one, certificate
    await one.stop()


def sensors(directory: Path, broker: TestBroker, **more: Any) -> Sensors:
    entry = {"host": "127.0.0.1", "port": broker.port, "tls": True, **more}
    settings = {"broker": entry, "sensors": {"o2": {"topic": "o2", "unit": "ppm"}}, "wait_s": 1.0}
    context = LabContext(WallClock(), None, 0, directory)
    return Sensors("glovebox", Sensors.Settings.model_validate(settings), context)


async def test_values_come_over_an_encrypted_line(encrypted: tuple[TestBroker, Path], tmp_path: Path) -> None:
    broker, certificate = encrypted
    one = sensors(tmp_path, broker, root_certificates=str(certificate))
    await one.connect()
    try:
        await broker.publish("o2", "3.5")
        read = await one.act(request("glovebox", "read"))
        assert read.readings["o2"].value == 3.5
        # What is on the line is TLS: its first bytes are a handshake record's, and no MQTT.
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.write(bytes([0x10, 14]) + b"\0\4MQTT\4\2\0\x3c\0\2ab")
        answer = await asyncio.wait_for(reader.read(100), 5)
        assert answer[:1] != b"\x20"  # CONNACK
        writer.close()
    finally:
        await one.disconnect()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    encrypted: tuple[TestBroker, Path], tmp_path: Path
) -> None:
    broker, certificate = encrypted
    (tmp_path / "other").mkdir()
    _, other = self_signed(tmp_path / "other")
    for wrong in ({}, {"root_certificates": str(other)}):
        with pytest.raises(SettingsError, match="CERTIFICATE_VERIFY_FAILED"):
            await sensors(tmp_path, broker, **wrong).connect()
    with pytest.raises(SettingsError, match=r"CERTIFICATE_VERIFY_FAILED.*localhost"):
        await sensors(tmp_path, broker, host="localhost", root_certificates=str(certificate)).connect()


async def test_an_unencrypted_line_to_an_encrypted_broker_does_not_connect(
    encrypted: tuple[TestBroker, Path], tmp_path: Path
) -> None:
    broker, _ = encrypted
    with pytest.raises(SettingsError, match="no MQTT broker answers"):
        await sensors(tmp_path, broker, tls=False).connect()


async def test_a_file_of_certificates_that_is_not_there_is_named(
    encrypted: tuple[TestBroker, Path], tmp_path: Path
) -> None:
    broker, _ = encrypted
    with pytest.raises(SettingsError, match=r"missing\.pem"):
        await sensors(tmp_path, broker, root_certificates=str(tmp_path / "missing.pem")).connect()
