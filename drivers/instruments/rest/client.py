"""HTTP requests, bounded in time, size and repetitions; they tell what was not done from what may have been."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.errors import SettingsError
from drivers.instruments.instrument import LinkLost
from drivers.instruments.rest.declaration import RestSettings
from drivers.protocol import ActionFailed, Attribution

if TYPE_CHECKING:
    import httpx

LARGEST = 4 * 1024 * 1024  # bytes of a reply
EXCERPT = 200  # characters of a reply in a reason
AGAIN = (500, 502, 503, 504)


@dataclass(frozen=True)
class Answer:
    """A status and the JSON that came with it, None where there was no content."""

    status: int
    content: Any


class NotSent(Exception):
    """No connection could be made: nothing was done."""


class RestClient:
    """One server. The connection is kept; redirections are not followed, as they would carry the token elsewhere."""

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, once: bool = False
    ) -> Answer:
        """The answer, whatever its status is below 500. `once`: it is not repeated unless it was certainly not sent.

        Raises ActionFailed where nothing was done; LinkLost where that is not known.
        """
        settings, sent = self._settings, False
        why = ""
        for attempt in range(settings.tries):
            if attempt:
                await asyncio.sleep(settings.pause_s * 2 ** (attempt - 1))
            try:
                answer = await self._once(method, path, body, key)
            except NotSent as error:
                why = str(error)
                continue
            except LinkLost as error:
                why, sent = str(error), True
            else:
                if answer.status not in AGAIN:
                    if sent and method != "GET" and not 200 <= answer.status < 300:
                        # An earlier attempt may have been done, and this one be refused because of that.
                        why = f"{why}; then status {answer.status}{_excerpt(answer.content)}"
                        break
                    return answer
                why, sent = f"status {answer.status}{_excerpt(answer.content)}", True
            if once:
                break
        reason = f"{method} {settings.url}{path}: {why}"
        if sent:
            raise LinkLost(reason)
        raise ActionFailed(Attribution.INSTRUMENT, f"{reason}; nothing was sent")

    async def _once(self, method: str, path: str, body: Any, key: str | None) -> Answer:
        import httpx

        client = self._opened()
        headers = {} if key is None or not self._settings.key_header else {self._settings.key_header: key}
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = self._settings.url.rstrip("/") + path
        try:
            # httpx bounds each read; a server that drips bytes would hold it for ever.
            async with asyncio.timeout(self._settings.timeout_s):
                async with client.stream(method, url, headers=headers, content=content) as reply:
                    text = await _bounded(reply)
                    return Answer(reply.status_code, _json(text, reply.status_code))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(f"no connection: {error}") from error
        except TimeoutError as error:
            raise LinkLost(f"no answer within {self._settings.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise LinkLost(f"{type(error).__name__} {error}".strip()) from error

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            settings = self._settings
            headers = {"Accept": "application/json", **self._token()}
            try:
                context = ssl.create_default_context(cafile=settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"ca_file {settings.ca_file!r} cannot be used: {error}") from error
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=settings.timeout_s,
                verify=context,
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    def _token(self) -> Mapping[str, str]:
        name, header = self._settings.token_env, self._settings.token_header
        if name is None:
            return {}
        token = os.environ.get(name, "").strip()
        if not token:
            raise SettingsError(
                f"token_env: the environment variable {name} is not set; put the token for {self._settings.url} into it"
            )
        return {header: f"Bearer {token}" if header.lower() == "authorization" else token}


async def _bounded(reply: httpx.Response) -> bytes:
    text = b""
    async for chunk in reply.aiter_bytes():
        text += chunk
        if len(text) > LARGEST:
            raise LinkLost(f"more than {LARGEST} bytes came")
    return text


def _json(text: bytes, status: int) -> Any:
    """The content. A success that cannot be read is no answer: what it was about may have been done."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = text.decode("utf-8", errors="replace")[:EXCERPT]
        if 200 <= status < 300:
            raise LinkLost(f"status {status} with what is no JSON: {shown!r}") from error
        return shown


def _excerpt(content: Any) -> str:
    if content is None:
        return ""
    text = content if isinstance(content, str) else json.dumps(content)
    return f": {text[:EXCERPT]}"


def refusal(answer: Answer, attribution: Attribution, where: str) -> ActionFailed:
    """What a status that is no success means."""
    cures = {401: "; check the token", 403: "; check what the token allows"}
    redirected = "; redirections are not followed" if 300 <= answer.status < 400 else ""
    excerpt = _excerpt(answer.content)
    return ActionFailed(
        attribution, f"{where}: status {answer.status}{excerpt}{cures.get(answer.status, redirected)}"
    )
