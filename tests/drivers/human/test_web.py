"""The web forms, over real HTTP: who may answer, and what becomes of an answer."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.human.form import FieldEntry
from drivers.human.page import page
from drivers.human.tasks import Escalation, Task, TaskFolder, open_tasks
from drivers.human.web import LARGEST_BODY, TaskServer

ROOT = Path(__file__).parents[3]
FORM = {
    "mass": FieldEntry(unit="mg", at_least=0, at_most=500, doc="mean of three weighings"),
    "look": FieldEntry(kind="choice", choices={"whole": 1, "cracked": 0}),
    "remark": FieldEntry(kind="text", optional=True),
    "photo": FieldEntry(kind="file", optional=True),
}
GOOD = {"action": "x1", "by": "Ada", "mass": "12.5", "look": "whole"}


def task(action: str = "x1", **changes: Any) -> Task:
    now = time.time()
    fields = {
        "action": action, "device": "technician", "verb": "weigh", "sample": "s<1>", "instruction": "Weigh <it> & say.",
        "form": FORM, "asked_at": now, "deadline_at": now + 3600,
    }  # fmt: skip
    return Task(**{**fields, **changes})


@pytest.fixture
def host(tmp_path: Path) -> Path:
    directory = tmp_path / "hosts" / "technician"
    directory.mkdir(parents=True)
    TaskFolder(directory).ask(task())
    return directory


@pytest.fixture
def server(tmp_path: Path, host: Path) -> Iterator[TaskServer]:
    one = TaskServer(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, follow_redirects=True) as one:
        yield one


def secret(text: str) -> str:
    found = re.search(r'name="secret" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def multipart(fields: dict[str, str], **files: Any) -> dict[str, Any]:
    return {"files": {**{name: (None, value) for name, value in fields.items()}, **files}}


def test_an_answer_by_the_form_closes_the_task(
    server: TaskServer, client: httpx.Client, tmp_path: Path, host: Path
) -> None:
    shown = client.get(server.url)
    assert shown.status_code == 200 and "1 open task" in shown.text
    assert "Weigh &lt;it&gt; &amp; say." in shown.text and "<it>" not in shown.text
    photo = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    sent = client.post(
        server.url + "answer",
        **multipart({**GOOD, "secret": secret(shown.text), "remark": "größer"}, photo=("../pan.png", photo)),
    )
    assert sent.status_code == 200 and "No open tasks" in sent.text and "x1: recorded" in sent.text
    assert [one.status_code for one in sent.history] == [303]
    closed = TaskFolder(host).closed("x1")
    assert closed is not None and (closed.how, closed.by) == ("answered", "Ada")
    assert closed.values == {"mass": 12.5, "look": "whole", "remark": "größer"}
    kept = closed.files["photo"]
    assert kept["sha256"] == hashlib.sha256(photo).hexdigest() and kept["name"] == "pan.png"
    assert (host / "tasks" / kept["kept"]).read_bytes() == photo


def test_faults_are_shown_and_what_was_written_stays(
    server: TaskServer, client: httpx.Client, tmp_path: Path
) -> None:
    token = secret(client.get(server.url).text)
    sent = client.post(
        server.url + "answer", **multipart({**GOOD, "secret": token, "mass": "501", "remark": "<b>dusty</b>"})
    )
    assert sent.status_code == 422
    assert "mass: 501 mg given, at most 500 mg is allowed" in sent.text
    assert "&lt;b&gt;dusty&lt;/b&gt;" in sent.text and 'value="501"' in sent.text
    assert [one.action for one in open_tasks(tmp_path)] == ["x1"]


def test_it_can_be_said_that_it_cannot_be_done(server: TaskServer, client: httpx.Client, host: Path) -> None:
    token = secret(client.get(server.url).text)
    fields = {"action": "x1", "secret": token, "by": "Ada", "reason": "it broke", "attribution": "infeasible"}
    assert client.post(server.url + "fail", **multipart(fields)).status_code == 200
    closed = TaskFolder(host).closed("x1")
    assert closed is not None and (closed.how, closed.attribution, closed.reason) == (
        "failed",
        "infeasible",
        "it broke",
    )
    again = client.post(server.url + "fail", **multipart(fields))
    assert again.status_code == 409 and "was failed by Ada" in again.text


def test_without_the_token_everything_is_401(
    server: TaskServer, client: httpx.Client, tmp_path: Path
) -> None:
    root = f"http://127.0.0.1:{server.server_port}"
    for path in (
        "/",
        "",
        "/answer",
        f"/{server.token[:-1]}/",
        f"/x/{server.token}/",
        f"/{server.token}x/",
        "//",
    ):
        assert client.get(root + path).status_code == 401
        sent = client.post(root + path, **multipart({**GOOD, "secret": server.secret}))
        assert sent.status_code == 401 and "weigh" not in sent.text.lower()
    assert len(open_tasks(tmp_path)) == 1


def test_another_site_can_neither_answer_nor_read(
    server: TaskServer, client: httpx.Client, tmp_path: Path
) -> None:
    good = {**GOOD, "secret": server.secret}
    for fields, headers in (
        ({**good, "secret": "guess"}, {}),
        (GOOD, {}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
    ):
        assert client.post(server.url + "answer", headers=headers, **multipart(fields)).status_code == 403
    rebound = {"Host": f"evil.example:{server.server_port}"}
    assert client.get(server.url, headers=rebound).status_code == 401
    assert client.post(server.url + "answer", headers=rebound, **multipart(good)).status_code == 401
    assert client.post(server.url + "answer", data=good).status_code == 400  # no multipart form
    assert client.get(server.url + "answer").status_code == 404
    assert len(open_tasks(tmp_path)) == 1
    own = {"Origin": f"http://127.0.0.1:{server.server_port}"}
    assert client.post(server.url + "answer", headers=own, **multipart(good)).status_code == 200
    assert open_tasks(tmp_path) == []


def test_pages_are_kept_to_themselves(server: TaskServer, client: httpx.Client) -> None:
    headers = client.get(server.url).headers
    assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert (
        headers["Referrer-Policy"] == "same-origin"
        and "default-src 'none'" in headers["Content-Security-Policy"]
    )
    assert server.server_address[0] == "127.0.0.1"


def test_a_path_written_into_a_form_is_no_file_of_this_machine(
    server: TaskServer, client: httpx.Client, host: Path, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.write_text("key")
    fields = {**GOOD, "secret": server.secret, "photo": str(private)}
    assert client.post(server.url + "answer", **multipart(fields)).status_code == 200
    closed = TaskFolder(host).closed("x1")
    assert closed is not None and closed.files == {}


def test_a_body_that_is_too_large_is_not_read(server: TaskServer, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        line.sendall(
            f"POST /{server.token}/answer HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\nx".encode()
        )
        assert b" 400 " in line.recv(200).splitlines()[0]
    for body in (b"", b"--b\r\n", b"garbage", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"):
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        assert client.post(server.url + "answer", headers=kind, content=body).status_code in (400, 403)
    assert client.get(server.url).status_code == 200


def test_an_escalation_is_shown() -> None:
    at = Escalation(to="Bo & Co", due_at=0.0, at=0.0)
    assert "Escalated to Bo &amp; Co" in page([task(escalation=at)], secret="s")
    assert "Escalated" not in page([task(escalation=at.model_copy(update={"at": None}))], secret="s")


async def test_the_command_prints_an_address_that_works(tmp_path: Path, host: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.human.web", str(tmp_path), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        async with httpx.AsyncClient() as client:
            assert "1 open task" in (await client.get(url)).text
    finally:
        process.terminate()
        await process.communicate()
