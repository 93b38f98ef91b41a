"""JSON from an address: retries, time limits, a limit on the size of an answer; what a server says is quoted, a key
never."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from surrogates.materials.errors import SourceError

CONNECT_S, READ_S = 10.0, 60.0
WHOLE_S = 300.0  # for one answer
MOST_BYTES = 256 * 2**20  # of one answer
RETRIES = 4
PAUSE_S = 1.0  # before the second retry, doubled each time, unless the server says how long
BUSY = (429, 500, 502, 503, 504)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def new_session() -> requests.Session:
    """A session that tries again where a server is busy or a connection breaks."""
    retry = Retry(
        total=RETRIES,
        backoff_factor=PAUSE_S,
        backoff_max=60.0,
        status_forcelist=BUSY,
        allowed_methods=("GET",),
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    session = requests.Session()
    session.headers["User-Agent"] = "alquimia"
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


@contextmanager
def opened(session: requests.Session | None) -> Iterator[requests.Session]:
    """The session given, or a new one for as long as it is needed."""
    if session is not None:
        yield session
    else:
        with new_session() as own:
            yield own


def checked_address(url: str, *, secret: bool = False) -> str:
    """The address if it is one. Raises SourceError: no http, or a secret would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url}: wanted an address that begins with https://")
    if secret and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SourceError(f"{url}: wanted https, for the key must not travel in the clear")
    return url


def get_json(
    session: requests.Session,
    url: str,
    *,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cures: Mapping[int, str] | None = None,
    most_bytes: int | None = None,
) -> dict[str, Any]:
    """The JSON mapping that a GET of `url` gives. `cures`: what helps against a status. Redirections are followed only
    where no `headers` are given, for these would be shown to the other host.

    Raises SourceError: no answer, a status other than 200, too long, no JSON mapping.
    """
    shown = url if len(url) <= 200 else url[:199] + "…"
    try:
        with session.get(
            url,
            params=dict(parameters or {}),
            headers=dict(headers or {}),
            timeout=(CONNECT_S, READ_S),
            stream=True,
            allow_redirects=not headers,
        ) as response:
            status = response.status_code
            data = _limited(response, shown, most_bytes or MOST_BYTES)
    except requests.Timeout as fault:
        raise SourceError(
            f"{shown}: wanted an answer within {READ_S:g} s, got none. Cure: try later."
        ) from fault
    except requests.RequestException as fault:
        reason = type(fault).__name__
        raise SourceError(
            f"{shown}: no answer ({reason}). Cure: check the address and the network."
        ) from fault
    if status != 200:
        cure = f" Cure: {cures[status]}" if cures and status in cures else ""
        raise SourceError(f"{shown}: wanted status 200, got {status}{_said(data)}.{cure}")
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise SourceError(f"{shown}: wanted JSON, got {data[:60]!r}") from fault
    if not isinstance(answer, dict):
        raise SourceError(f"{shown}: wanted a JSON mapping, got {data[:60]!r}")
    return answer


def _limited(response: requests.Response, url: str, most_bytes: int) -> bytes:
    """The body. A server that sends a little now and then is stopped as well as one that sends too much."""
    until = time.monotonic() + WHOLE_S
    parts, size = [], 0
    for part in response.iter_content(2**16):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise SourceError(
                f"{url}: wanted at most {most_bytes} bytes, got more. Cure: ask for less at once."
            )
        if time.monotonic() > until:
            raise SourceError(
                f"{url}: wanted the whole answer within {WHOLE_S:g} s. Cure: ask for less, or later."
            )
    return b"".join(parts)


def _said(data: bytes) -> str:
    """What a server's error says: the Materials Project's `detail` or OPTIMADE's `errors`."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    said = answer.get("detail") or answer.get("message") or answer.get("errors")
    if isinstance(said, list):
        lines = [
            one.get("detail") or one.get("msg") or one.get("title") for one in said if isinstance(one, dict)
        ]
        said = "; ".join(str(line) for line in lines if line)
    return f": {' '.join(said.split())[:200]}" if isinstance(said, str) and said else ""
