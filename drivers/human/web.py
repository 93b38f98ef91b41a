"""`python -m drivers.human.web RUN_FOLDER`: the open tasks of a run as web forms, on this machine only.

The address holds a random token; without it every request is 401. Answers carry a second secret, which only the pages
hold, and must come from a page of this very address (Host and Origin), so that no other site can answer.
"""

from __future__ import annotations

import argparse
import hmac
import secrets
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from drivers.human.form import Convert
from drivers.human.page import page
from drivers.human.tasks import AnswerRejected, TaskError, answer, fail, open_tasks
from drivers.protocol import Attribution

LARGEST_BODY = 30 * 1024 * 1024  # bytes of one answer, photographs included
PATIENCE_S = 30.0
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


class TaskServer(ThreadingHTTPServer):
    """The forms of one run folder, at `url`. Serves in a thread of its own between `start` and `stop`."""

    daemon_threads = True

    def __init__(self, run_folder: Path, *, port: int = 0, convert: Convert | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.run_folder = run_folder
        self.convert = convert
        self.token = secrets.token_urlsafe(32)
        self.secret = secrets.token_urlsafe(32)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: TaskServer
    timeout = PATIENCE_S
    server_version = "tasks"
    sys_version = ""

    def do_GET(self) -> None:
        if self._let_in():
            if self._path() == "":
                done = parse_qs(urlsplit(self.path).query).get("done", [""])[0]
                self._list(note=f"{done}: recorded, thank you" if done else "")
            else:
                self._say(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        if not self._let_in():
            return
        if (origin := self.headers.get("Origin")) is not None and urlsplit(
            origin
        ).netloc not in self.server.hosts:
            self._say(HTTPStatus.FORBIDDEN, "answers come from this page only")
            return
        if self._path() not in ("answer", "fail"):
            self._say(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        try:
            form = self._form()
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
            return
        fields = {name: _text(part) for name, part in form.items() if part.get_filename() is None}
        if not hmac.compare_digest(fields.pop("secret", "").encode(), self.server.secret.encode()):
            self._say(HTTPStatus.FORBIDDEN, "answers come from this page only; load it again")
            return
        self._answer(form, fields)

    def _answer(self, form: Mapping[str, Message], fields: dict[str, str]) -> None:
        action, by = fields.pop("action", ""), fields.pop("by", "")
        try:
            if self._path() == "fail":
                whose = Attribution(fields.get("attribution", Attribution.LOGISTICS))
                fail(self.server.run_folder, action, fields.get("reason", ""), by=by, attribution=whose)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    # A path that somebody writes into a form names no file of this machine.
                    written = {
                        name: text for name, text in fields.items() if name not in self._file_fields(action)
                    }
                    given = {**written, **_files(form, Path(folder))}
                    answer(self.server.run_folder, action, given, by=by, convert=self.server.convert)
        except AnswerRejected as rejected:
            shown = {**fields, "by": by}
            self._list(HTTPStatus.UNPROCESSABLE_ENTITY, faults=rejected.faults, action=action, given=shown)
        except TaskError as error:
            self._list(HTTPStatus.CONFLICT, faults=[str(error)], action=action)
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self.send_response(HTTPStatus.SEE_OTHER)  # so that loading the page again sends nothing again
            self.send_header("Location", f"/{self.server.token}/?{urlencode({'done': action})}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _file_fields(self, action: str) -> set[str]:
        tasks = [task for task in open_tasks(self.server.run_folder) if task.action == action]
        return {name for task in tasks for name, field in task.form.items() if field.kind == "file"}

    def _let_in(self) -> bool:
        """Whether the address holds the token, and names this server: a page of another site can do neither."""
        token = self.path.lstrip("/").partition("/")[0]
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._say(HTTPStatus.UNAUTHORIZED, "the address needs its token")
            return False
        if self.headers.get("Host", "") not in self.server.hosts:
            self._say(HTTPStatus.UNAUTHORIZED, "this server is known by another name")
            return False
        return True

    def _path(self) -> str:
        return urlsplit(self.path).path.lstrip("/").partition("/")[2]

    def _form(self) -> dict[str, Message]:
        """The parts of a multipart form by name. Raises ValueError."""
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            raise ValueError("wanted a form (multipart/form-data)")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            raise ValueError(f"wanted an answer of at most {LARGEST_BODY} bytes, got {length or 'no length'}")
        body = self.rfile.read(int(length))
        parsed = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body
        )
        if not parsed.is_multipart():
            raise ValueError("the form cannot be read")
        parts: dict[str, Message] = {}
        for part in parsed.iter_parts():
            name = part.get_param("name", header="content-disposition")
            if isinstance(name, str):
                parts[name] = part
        return parts

    def _list(
        self,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        note: str = "",
        faults: Sequence[str] = (),
        action: str | None = None,
        given: Mapping[str, str] | None = None,
    ) -> None:
        tasks = open_tasks(self.server.run_folder)
        text = page(tasks, secret=self.server.secret, note=note, faults=faults, action=action, given=given)
        self._send(status, "text/html; charset=utf-8", text)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True  # what the body holds is not read
        self._send(status, "text/plain; charset=utf-8", text + "\n")

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Content-Security-Policy", POLICY),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request's line holds the token."""


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    return content.decode("utf-8", errors="replace") if isinstance(content, bytes) else ""


def _files(form: Mapping[str, Message], folder: Path) -> dict[str, Path]:
    """Uploaded files, each under its own name in a folder of its own. Fields left empty are no files."""
    found = {}
    for i, (name, part) in enumerate(form.items()):
        filename, content = part.get_filename(), part.get_payload(decode=True)
        if not filename or not isinstance(content, bytes):
            continue
        own = folder / str(i)
        own.mkdir()
        path = own / (PurePath(filename.replace("\\", "/").replace("\0", "")).name[:100] or "file")
        path.write_bytes(content)
        found[name] = path
    return found


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m drivers.human.web", description=__doc__)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    if not options.run_folder.is_dir():
        sys.stderr.write(f"{options.run_folder} is no folder of a run\n")
        return 1
    server = TaskServer(options.run_folder, port=options.port)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
