"""A stranger's SiLA 2 server: a box furnace whose feature was written by hand, as a vendor would."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sila2.framework import DefinedExecutionError, Feature
from sila2.server import FeatureImplementationBase, SilaServer

from drivers.instruments.sila.server import announce_nothing

KELVIN = """<Unit><Label>K</Label><Factor>1</Factor><Offset>0</Offset>
 <UnitComponent><SIUnit>Kelvin</SIUnit><Exponent>1</Exponent></UnitComponent></Unit>"""
TEMPERATURE = f"""<DataType><Constrained><DataType><Basic>Real</Basic></DataType>
 <Constraints>{KELVIN}</Constraints></Constrained></DataType>"""
FURNACE = f"""<?xml version="1.0" encoding="utf-8"?>
<Feature xmlns="http://www.sila-standard.org" SiLA2Version="1.0" FeatureVersion="1.3" Originator="com.example"
         Category="heating">
 <Identifier>BoxFurnace</Identifier><DisplayName>Box Furnace</DisplayName><Description>Heats.</Description>
 <Command><Identifier>Anneal</Identifier><DisplayName>Anneal</DisplayName><Description>Heat and hold.</Description>
  <Observable>Yes</Observable>
  <Parameter><Identifier>Setpoint</Identifier><DisplayName>Setpoint</DisplayName><Description>-</Description>
   {TEMPERATURE}</Parameter>
  <Parameter><Identifier>Hold</Identifier><DisplayName>Hold</DisplayName><Description>s</Description>
   <DataType><Basic>Real</Basic></DataType></Parameter>
  <Response><Identifier>Reached</Identifier><DisplayName>Reached</DisplayName><Description>-</Description>
   {TEMPERATURE}</Response>
  <IntermediateResponse><Identifier>Now</Identifier><DisplayName>Now</DisplayName><Description>-</Description>
   {TEMPERATURE}</IntermediateResponse>
  <DefinedExecutionErrors><Identifier>OverTemperature</Identifier><Identifier>Stopped</Identifier>
  </DefinedExecutionErrors></Command>
 <Command><Identifier>Level</Identifier><DisplayName>Level</DisplayName><Description>Be level.</Description>
  <Observable>No</Observable>
  <Parameter><Identifier>Feet</Identifier><DisplayName>Feet</DisplayName><Description>-</Description>
   <DataType><Basic>Integer</Basic></DataType></Parameter>
  <Response><Identifier>Tilt</Identifier><DisplayName>Tilt</DisplayName><Description>-</Description>
   <DataType><Basic>Real</Basic></DataType></Response></Command>
 <Command><Identifier>Stop</Identifier><DisplayName>Stop</DisplayName><Description>Stop.</Description>
  <Observable>No</Observable></Command>
 <Property><Identifier>Temperature</Identifier><DisplayName>Temperature</DisplayName><Description>-</Description>
  <Observable>No</Observable>{TEMPERATURE}</Property>
 <Property><Identifier>Working</Identifier><DisplayName>Working</DisplayName><Description>-</Description>
  <Observable>No</Observable><DataType><Basic>Boolean</Basic></DataType></Property>
 <DefinedExecutionError><Identifier>OverTemperature</Identifier><DisplayName>Over Temperature</DisplayName>
  <Description>Too hot.</Description></DefinedExecutionError>
 <DefinedExecutionError><Identifier>Stopped</Identifier><DisplayName>Stopped</DisplayName>
  <Description>Stopped by somebody.</Description></DefinedExecutionError>
</Feature>"""
UUID = "0d2a6a50-8e10-4c4d-9f0e-5d1a1f6f7a11"


class Furnace(FeatureImplementationBase):
    """Goes to the setpoint in ten steps over the hold time, which is in seconds."""

    def __init__(self, server: SilaServer, feature: Feature) -> None:
        super().__init__(server)
        self.feature = feature
        self.temperature = 300.0
        self.working = False
        self.anneals = 0
        self.stop_asked = threading.Event()

    def fail(self, name: str, why: str) -> DefinedExecutionError:
        return DefinedExecutionError(self.feature.defined_execution_errors[name], why)

    def Anneal(self, setpoint: float, hold: float, *, metadata: Any, instance: Any) -> float:
        instance.begin_execution()
        self.anneals += 1
        if setpoint > 1200:
            raise self.fail("OverTemperature", f"{setpoint} K is above 1200 K")
        self.stop_asked.clear()
        self.working = True
        start = self.temperature
        try:
            for step in range(1, 11):
                if self.stop_asked.wait(hold / 10):
                    raise self.fail("Stopped", "by Stop")
                self.temperature = start + (setpoint - start) * step / 10
                instance.send_intermediate_response(self.temperature)
                instance.progress = step / 10
        finally:
            self.working = False
        return self.temperature

    def Level(self, feet: int, *, metadata: Any) -> float:
        if feet == 13:
            raise RuntimeError("a foot is missing")
        if feet == 60:
            time.sleep(60)
        return feet / 10

    def Stop(self, *, metadata: Any) -> None:
        self.stop_asked.set()

    def get_Temperature(self, *, metadata: Any) -> float:
        return self.temperature

    def get_Working(self, *, metadata: Any) -> bool:
        return self.working


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def certificate(directory: Path, name: str) -> tuple[bytes, bytes, Path]:
    """(key, certificate, its file) of a server at 127.0.0.1, its own authority. PEM."""
    key, pem = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(pem), "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key.read_bytes(), pem.read_bytes(), pem


@contextlib.contextmanager
def furnace_server(port: int, tls: tuple[bytes, bytes] | None = None) -> Iterator[Furnace]:
    """The furnace, answering on loopback until the block ends."""
    server = SilaServer("Furnace", "BoxFurnace", "A furnace", "0.1", "https://example.org", UUID)
    announce_nothing(server)
    feature = Feature(FURNACE)
    furnace = Furnace(server, feature)
    server.set_feature_implementation(feature, furnace)
    if tls is None:
        server.start_insecure("127.0.0.1", port, enable_discovery=False)
    else:
        server.start("127.0.0.1", port, *tls, enable_discovery=False)
    try:
        yield furnace
    finally:
        furnace.stop_asked.set()
        server.stop(0)
