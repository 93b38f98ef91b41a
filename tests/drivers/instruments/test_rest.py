"""A device behind HTTP, against a real server that fails in every way: one request is one job, or a plain doubt."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.errors import ArgumentRejected, SettingsError
from drivers.instruments.instrument import LinkLost
from drivers.instruments.rest.device import RestDevice
from drivers.instruments.rest.templates import at, filled, path
from drivers.instruments.simulated.http_oven import Oven, OvenServer
from drivers.protocol import ActionFailed, Attribution, Repeat
from tests.drivers.instruments.bench import connected, device, request
from tests.drivers.instruments.certificate import self_signed
from tests.drivers.rig import until

TOKEN = "s3cret-t0ken"
DRY: dict[str, Any] = {
    "doc": "Dry at a temperature.",
    "path": "/v1/jobs",
    "body": {"celsius": "{temperature}", "seconds": "{hold}", "label": "for {sample}"},
    "parameters": {
        "temperature": {"unit": "degC", "at_least": 30.0, "at_most": 400.0},
        "hold": {"unit": "s", "at_least": 0.0, "at_most": 1000.0},
    },
    "results": {
        "reached": {"at": "/result/celsius", "sigma": "/result/celsius_sd", "unit": "degC", "at_least": 0.0}
    },
    "and_s": ["hold"],
    "job": {"path": "/v1/jobs/{job}", "every_s": 0.02, "reason": "/reason"},
    "ask": {"path": "/v1/jobs?key={action}", "found": "/jobs"},
    "statuses": {"409": "busy", "422": "infeasible"},
}
LOOK: dict[str, Any] = {
    "doc": "Read the temperature.",
    "method": "GET",
    "path": "/v1/temperature",
    "results": {"temperature": {"at": "/celsius", "unit": "degC"}},
}
ARGS = {"temperature": 120.0, "hold": 1.0}


@pytest.fixture
def oven(monkeypatch: pytest.MonkeyPatch) -> Iterator[Oven]:
    monkeypatch.setenv("TEST_OVEN_TOKEN", TOKEN)
    one = Oven(token=TOKEN, speed=20.0)
    server = OvenServer(one)
    one.url = f"http://127.0.0.1:{server.port}"  # type: ignore[attr-defined]
    one.server = server  # type: ignore[attr-defined]
    yield one
    server.stop()


def settings(oven: Any, **more: Any) -> dict[str, Any]:
    return {
        "url": oven.url, "token_env": "TEST_OVEN_TOKEN", "timeout_s": 0.4, "pause_s": 0.02, "health": "/v1/health",
        "actions": {"dry": DRY, "look": LOOK}, "halt": {"path": "/v1/stop"}, **more,
    }  # fmt: skip


async def test_a_job_is_submitted_polled_and_read(oven: Oven, tmp_path: Path) -> None:
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        outcome = await one.act(request("dry", "a-1", **ARGS))
        assert outcome.status == "succeeded", outcome.reason
        reached = outcome.readings["reached"]
        assert (reached.value, reached.unit, reached.sigma) == (119.5, "degC", 0.2)
        assert outcome.record["reply"]["state"] == "done"
        looked = await one.act(request("look"))
        assert looked.readings["temperature"].value == 22.0
    assert [(job.key, job.celsius, job.seconds) for job in oven.jobs] == [("a-1", 120.0, 1.0)]


def test_actions_are_those_of_the_settings(oven: Oven, tmp_path: Path) -> None:
    one = device(RestDevice, tmp_path, settings(oven))
    assert set(one.spec.actions) == {"dry", "look"}
    assert (
        one.spec.actions["dry"].repeat is Repeat.TESTABLE
        and one.spec.actions["look"].repeat is Repeat.REPEATABLE
    )
    assert one.spec.actions["dry"].lasts_s({"hold": 50.0}) == 51.0
    opaque = {key: value for key, value in DRY.items() if key != "ask"}
    one = device(RestDevice, tmp_path, settings(oven, actions={"dry": opaque}))
    assert one.spec.actions["dry"].repeat is Repeat.OPAQUE


@pytest.mark.parametrize(
    "fault", ["reset after", "500 after", "garbage after", "reset", "503", "slow", "drip"]
)
async def test_a_request_that_went_wrong_is_sent_again_and_is_one_job(
    oven: Oven, tmp_path: Path, fault: str
) -> None:
    """The second one carries the same key: however the first ended, there is one job and its result."""
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        oven.faults.append(fault)
        outcome = await one.act(request("dry", "a-2", **ARGS))
        assert outcome.status == "succeeded", outcome.reason
    assert len(oven.jobs) == 1 and oven.posts == (2 if fault.endswith("after") else 1)


@pytest.mark.parametrize("fault", ["reset after", "slow"])
async def test_without_a_key_nothing_is_sent_twice(oven: Oven, tmp_path: Path, fault: str) -> None:
    async with connected(RestDevice, tmp_path, settings(oven, key_header="")) as one:
        oven.faults.append(fault)
        with pytest.raises(LinkLost):
            await one.act(request("dry", **ARGS))
    assert oven.posts <= 1


@pytest.mark.parametrize("fault", ["500", "garbage", "slow", "reset", "drip"])
async def test_one_that_stays_wrong_is_a_doubt_in_bounded_time(
    oven: Oven, tmp_path: Path, fault: str
) -> None:
    async with connected(RestDevice, tmp_path, settings(oven, tries=2)) as one:
        oven.faults.extend([fault] * 10)
        began = time.monotonic()
        with pytest.raises(LinkLost) as lost:
            await one.act(request("dry", **ARGS))
        assert time.monotonic() - began < 2.5
        assert TOKEN not in str(lost.value)
    oven.faults.clear()


async def test_a_refusal_after_a_doubtful_request_stays_a_doubt(oven: Oven, tmp_path: Path) -> None:
    """The first may have started a job that now makes the second one 'busy': that is not 'nothing was done'."""
    plain = {key: value for key, value in DRY.items()}
    async with connected(
        RestDevice, tmp_path, settings(oven, actions={"dry": plain}, key_header="X-Other-Key")
    ) as one:
        oven.speed = 0.1
        oven.faults.append("reset after")
        with pytest.raises(LinkLost, match="409"):
            await one.act(request("dry", **ARGS))
    assert len(oven.jobs) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [({"temperature": 350.0, "hold": 1.0}, Attribution.INFEASIBLE, "at most 300")],
)
async def test_a_refusal_is_a_failure_of_the_declared_kind(
    oven: Oven, tmp_path: Path, arguments: dict[str, float], kind: Attribution, said: str
) -> None:
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        outcome = await one.act(request("dry", **arguments))
        assert outcome.status == "failed" and outcome.attribution is kind and said in outcome.reason
        assert oven.posts == 1  # a refusal is not tried again
        oven.speed = 0.01
        first = asyncio.create_task(one.act(request("dry", **ARGS)))
        await until(lambda: oven.jobs)
        busy = await one.act(request("dry", **ARGS))
        assert busy.attribution is Attribution.BUSY
        await one.halt()
        assert (await first).status == "failed"


async def test_what_it_says_of_an_interrupted_act(
    oven: Oven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.instruments.rest.device.ASK_S", 0.05)
    action = request("dry", "a-9", **{**ARGS, "hold": 20.0})
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        assert (await one.testify(action)).verdict == "not done"
        act = asyncio.create_task(one.act(action))
        await until(lambda: oven.jobs)
        act.cancel()
        await asyncio.gather(act, return_exceptions=True)
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        running = await one.testify(action)
        assert running.verdict == "unknown" and "running" in running.reason
        await asyncio.sleep(1.1)
        done = await one.testify(action)
        assert done.verdict == "done" and done.readings["reached"].value == 119.5
        assert (await one.testify(request("dry", "a-10", **ARGS))).verdict == "not done"
        oven.faults.extend(["500"] * 10)
        with pytest.raises(LinkLost):  # the host makes 'unknown' of it
            await one.testify(action)
    oven.faults.clear()


async def test_a_failed_job_says_why_and_halt_stops_it(oven: Oven, tmp_path: Path) -> None:
    async with connected(RestDevice, tmp_path, settings(oven)) as one:
        action = request("dry", **{**ARGS, "hold": 900.0})
        act = asyncio.create_task(one.act(action))
        await until(lambda: oven.jobs)
        await one.halt()
        outcome = await asyncio.wait_for(act, 2)
        assert outcome.status == "failed" and "stopped" in outcome.reason
        assert oven.jobs[0].state == "failed"
        assert (await one.testify(action)).verdict == "unknown"


@pytest.mark.parametrize(
    ("result", "said"),
    [({"at": "/no/such"}, "nothing at /no"), ({"at": ""}, "wanted a number")],
)
async def test_readings_that_are_not_there_are_bad_readings(
    oven: Oven, tmp_path: Path, result: dict[str, Any], said: str
) -> None:
    look = {**LOOK, "results": {"temperature": result}}
    async with connected(RestDevice, tmp_path, settings(oven, actions={"look": look})) as one:
        outcome = await one.act(request("look"))
        assert outcome.attribution is Attribution.BAD_READING and said in outcome.reason


async def test_a_wrong_or_missing_token(oven: Oven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = device(RestDevice, tmp_path, settings(oven, token_env="NO_SUCH_TOKEN"))
    with pytest.raises(SettingsError, match="NO_SUCH_TOKEN is not set"):
        await one.connect()
    monkeypatch.setenv("TEST_OVEN_TOKEN", "wrong")
    one = device(RestDevice, tmp_path, settings(oven, health=None))
    await one.connect()
    outcome = await one.act(request("dry", **ARGS))
    assert (
        outcome.status == "failed" and "check the token" in outcome.reason and "wrong" not in outcome.reason
    )
    await one.disconnect()


async def test_nobody_there_is_a_failure_and_no_doubt(oven: Any, tmp_path: Path) -> None:
    async with connected(RestDevice, tmp_path, settings(oven, health=None)) as one:
        oven.server.stop()
        outcome = await one.act(request("dry", **ARGS))
        assert outcome.status == "failed" and "nothing was sent" in outcome.reason
        oven.server = OvenServer(oven)


def test_a_certificate_is_checked_by_default(tmp_path: Path) -> None:
    """A server with a certificate that nobody vouches for gets no request, unless its certificate is named."""
    key, certificate = self_signed(tmp_path)
    one = Oven()
    server = OvenServer(one)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    try:
        look = {"url": f"https://127.0.0.1:{server.port}", "tries": 1, "actions": {"look": LOOK}}

        async def looked(**more: Any) -> Any:
            made = device(RestDevice, tmp_path, {**look, **more})
            outcome = await made.act(request("look"))
            await made.disconnect()
            return outcome

        refused = asyncio.run(looked())
        assert refused.status == "failed" and "CERTIFICATE_VERIFY_FAILED" in refused.reason
        assert asyncio.run(looked(ca_file=str(certificate))).status == "succeeded"
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"url": "http://192.0.2.7:80"}, "not encrypted"),
        ({"url": "https://me:secret@192.0.2.7"}, "token_env"),
        ({"url": "ftp://192.0.2.7"}, "wanted http"),
        ({"actions": {"dry": {**DRY, "path": "/v1/{nothing}"}}}, "uses {nothing}"),
        ({"actions": {"dry": {**DRY, "path": "//other.example/x"}}}, "pattern"),
        ({"actions": {"dry": {**DRY, "and_s": ["temperature"]}}}, "no parameter in seconds"),
        ({"actions": {"dry": {**DRY, "parameters": {"action": {}}}}}, "taken"),
        ({"actions": {}}, "at least 1"),
    ],
)
def test_wrong_settings_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RestDevice.Settings.model_validate({"url": "https://192.0.2.7", "actions": {"dry": DRY}, **more})


async def test_arguments_cannot_leave_their_place(oven: Oven, tmp_path: Path) -> None:
    verb = {
        "doc": "Look at a place.",
        "method": "GET",
        "path": "/v1/jobs/{name}",
        "parameters": {"name": {"kind": "text"}},
    }
    async with connected(RestDevice, tmp_path, settings(oven, actions={"look": verb})) as one:
        for name in ("../temperature", "x?key=1", "%2e%2e/temperature"):
            outcome = await one.act(request("look", name=name))
            assert outcome.status == "failed" and "404" in outcome.reason, name
        assert "cannot be part" in (await one.act(request("look", name=".."))).reason
        with pytest.raises(ArgumentRejected):
            await one.act(request("look", name=1.0))


def test_templates_and_pointers() -> None:
    values = {"t": 120.5, "on": True, "name": 'a "quoted" {t}'}
    body = filled(
        {"t": "{t}", "on": "{on}", "text": "at {t} K", "name": "{name}", "list": ["{t}", 1]}, values
    )
    assert body == {
        "t": 120.5,
        "on": True,
        "text": "at 120.5 K",
        "name": 'a "quoted" {t}',
        "list": [120.5, 1],
    }
    assert json.loads(json.dumps(body)) == body
    assert path("/a/{name}", values) == "/a/a%20%22quoted%22%20%7Bt%7D"
    with pytest.raises(ActionFailed):
        path("/a/{name}", {"name": ".."})
    document = {"a/b": [{"m~n": 3}]}
    assert at(document, "/a~1b/0/m~0n") == 3 and at(document, "") == document
    with pytest.raises(LookupError, match="/a~1b/1"):
        at(document, "/a~1b/1/x")
