"""A simulated drying oven behind an HTTP interface: jobs, idempotency keys, a token.

OVEN_TOKEN=secret python -m drivers.instruments.simulated.http_oven --port 8001

POST /v1/jobs {"celsius", "seconds"} makes a job, once for each Idempotency-Key; GET /v1/jobs/ID shows it, GET
/v1/jobs?key=KEY lists those of a key; GET /v1/temperature; POST /v1/stop ends what runs; GET /v1/health.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGEST = 65536
HOTTEST_C = 300.0
ROOM_C = 22.0


@dataclass
class OvenJob:
    """What one request asked for, and what became of it."""

    id: str
    key: str
    celsius: float
    seconds: float
    began: float
    state: str = "running"
    reason: str = ""


class Oven:
    """The oven itself. Time runs `speed` times as fast as real time."""

    def __init__(self, *, token: str = "", speed: float = 1.0) -> None:
        self.token, self.speed = token, speed
        self.jobs: list[OvenJob] = []
        self.posts = 0  # requests for a job that came, repeated ones included
        self.faults: deque[str] = deque()  # what goes wrong with the next requests: see `Handler`
        self._lock = threading.Lock()

    def submit(self, key: str, asked: Any) -> tuple[int, Any]:
        """Status and content of a request for a job."""
        with self._lock:
            self.posts += 1
            for job in self.jobs:
                if key and job.key == key:
                    return 200, self.shown(job)
            try:
                celsius, seconds = float(asked["celsius"]), float(asked["seconds"])
            except (TypeError, KeyError, ValueError):
                return 400, {"error": "wanted celsius and seconds"}
            if celsius > HOTTEST_C:
                return 422, {"error": f"at most {HOTTEST_C:g} degC"}
            if any(self._state(job) == "running" for job in self.jobs):
                return 409, {"error": "a job runs"}
            job = OvenJob(str(len(self.jobs) + 1), key, celsius, seconds, time.monotonic())
            self.jobs.append(job)
            return 201, self.shown(job)

    def shown(self, job: OvenJob) -> dict[str, Any]:
        """A job's resource."""
        shown: dict[str, Any] = {"id": job.id, "key": job.key, "state": self._state(job)}
        if shown["state"] == "done":
            shown["result"] = {"celsius": job.celsius - 0.5, "celsius_sd": 0.2}
        elif job.reason:
            shown["reason"] = job.reason
        return shown

    def stop(self, reason: str) -> None:
        """End what runs, as failed."""
        with self._lock:
            for job in self.jobs:
                if self._state(job) == "running":
                    job.state, job.reason = "failed", reason

    def _state(self, job: OvenJob) -> str:
        if job.state == "running" and (time.monotonic() - job.began) * self.speed >= job.seconds:
            job.state = "done"
        return job.state


class Handler(BaseHTTPRequestHandler):
    """One request. A fault is taken from the oven's queue: `500`, `503`, `garbage`, `slow`, `drip`, `reset`: before the
    request is obeyed; `reset after`, `garbage after`, `500 after`: when it has been.
    """

    protocol_version = "HTTP/1.1"
    oven: Oven

    def do_GET(self) -> None:
        """Look at something."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Do something."""
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, method: str) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST))
        fault = self.oven.faults.popleft() if self.oven.faults else ""
        if fault and not fault.endswith(" after"):
            return self._wrong(fault)
        if self.oven.token and self.headers.get("Authorization") != f"Bearer {self.oven.token}":
            return self._send(401, {"error": "a token is needed"})
        status, content = self._obeyed(method, body)
        if fault:
            return self._wrong(fault.removesuffix(" after"))
        return self._send(status, content)

    def _obeyed(self, method: str, body: bytes) -> tuple[int, Any]:
        where = urlsplit(self.path)
        parts = [unquote(part) for part in where.path.split("/")[1:]]
        match method, parts:
            case "GET", ["v1", "health"]:
                return 200, {"ok": True}
            case "GET", ["v1", "temperature"]:
                return 200, {"celsius": ROOM_C}
            case "GET", ["v1", "jobs"]:
                keys = parse_qs(where.query).get("key", [])
                return 200, {"jobs": [self.oven.shown(job) for job in self.oven.jobs if job.key in keys]}
            case "GET", ["v1", "jobs", job_id]:
                found = [job for job in self.oven.jobs if job.id == job_id]
                return (200, self.oven.shown(found[0])) if found else (404, {"error": "no such job"})
            case "POST", ["v1", "jobs"]:
                try:
                    return self.oven.submit(self.headers.get("Idempotency-Key", ""), json.loads(body))
                except ValueError:
                    return 400, {"error": "no JSON"}
            case "POST", ["v1", "stop"]:
                self.oven.stop("stopped")
                return 204, None
        return 404, {"error": "nothing there"}

    def _wrong(self, fault: str) -> None:
        if fault == "reset":
            self.close_connection = True
            self.connection.close()
        elif fault == "garbage":
            self._raw(200, b"<html>it works!</html>")
        elif fault == "slow":
            time.sleep(0.8)
            self._send(200, {})
        elif fault == "drip":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                for _ in range(20):
                    self.wfile.write(b" ")
                    time.sleep(0.05)
        else:
            self._send(int(fault), {"error": "out of order"})

    def _send(self, status: int, content: Any) -> None:
        self._raw(status, b"" if content is None else json.dumps(content).encode())

    def _raw(self, status: int, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


class OvenServer:
    """Serves one oven from threads of its own."""

    def __init__(self, oven: Oven, host: str = "127.0.0.1", port: int = 0) -> None:
        handler = type("OvenHandler", (Handler,), {"oven": oven})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A simulated oven behind HTTP; OVEN_TOKEN is its token.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0: any free one")
    parser.add_argument("--speed", type=float, default=1.0, help="oven seconds in a real one")
    arguments = parser.parse_args()
    oven = Oven(token=os.environ.get("OVEN_TOKEN", ""), speed=arguments.speed)
    server = OvenServer(oven, arguments.host, arguments.port)
    print(f"simulated oven: http://{arguments.host}:{server.port}/v1", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()
