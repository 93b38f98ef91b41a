"""The connection to one SiLA 2 server: features read when connecting, calls that neither block nor hang.

The library's calls block and have no deadline. Each runs in a thread; one that is late or broken off is ended by
closing the channel under it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.errors import SettingsError
from drivers.instruments.sila.settings import SilaSettings

if TYPE_CHECKING:
    from sila2.client import SilaClient

T = TypeVar("T")

LOOK_S = 0.02  # between two looks at a running command's status
ASK_S = 1.0  # between two requests for its result, which also tell whether the server is there
KEPT = 200  # intermediate responses kept in the record, the latest


CANCEL = "CancelController"  # org.silastandard/core.commands


class ServerAway(Exception):
    """The server does not answer, or the connection broke in the middle of a call."""


class ExecutionLost(Exception):
    """The server no longer knows the command that it was carrying out."""


def library() -> Any:
    """The SiLA library. Raises SettingsError naming the cure where it is not installed."""
    try:
        import sila2.client
        import sila2.framework
        import sila2.server
    except ImportError as error:
        raise SettingsError(
            "sila2 is not installed in this environment: pip install 'alquimia-lab[instruments]'"
        ) from error
    return sila2


class Connection:
    """One client, opened when needed and opened anew after it was closed."""

    def __init__(self, settings: SilaSettings) -> None:
        self.settings = settings
        self._client: SilaClient | None = None
        self._opening = asyncio.Lock()
        self._executing: set[str] = set()  # UUIDs of the observable commands that are waited for
        self._n_cancels = 0

    async def open(self) -> SilaClient:
        """The client, connected. Raises ServerAway, SettingsError (no library, unreadable certificates)."""
        async with self._opening:
            if self._client is None:
                self._client = await self._opened()
            return self._client

    async def _opened(self) -> SilaClient:
        settings, sila2 = self.settings, library()
        where = f"{settings.host}:{settings.port}"
        options: dict[str, Any] = {"insecure": True} if settings.insecure else {}
        if settings.root_certificates is not None:
            try:
                options["root_certs"] = await asyncio.to_thread(_read, settings.root_certificates)
            except OSError as error:
                raise SettingsError(f"root_certificates: {error}") from error
        try:
            async with asyncio.timeout(settings.answers_within_s):
                # The library's constructor cannot be broken off: ask first whether anybody listens.
                _, writer = await asyncio.open_connection(settings.host, settings.port)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                make = sila2.client.SilaClient
                return await asyncio.to_thread(make, settings.host, settings.port, **options)
        except TimeoutError as error:
            raise ServerAway(f"{where} did not answer in {settings.answers_within_s:g} s") from error
        except OSError as error:
            raise ServerAway(f"{where} cannot be reached: {error}") from error
        except (sila2.framework.SilaConnectionError, RuntimeError) as error:
            raise ServerAway(f"no SiLA server answers at {where}: {error}") from error

    async def close(self) -> None:
        """Close the channel; calls that are under way end with an error."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)
            client._task_executor.shutdown(wait=False)  # its threads end with the streams of the channel

    async def call(self, function: Callable[[SilaClient], T], *, within_s: float | None = None) -> T:
        """`function(client)` in a thread. Raises ServerAway where it ends by the connection or is late, SilaError."""
        client = await self.open()
        limit = self.settings.answers_within_s if within_s is None else within_s
        sila2 = library()
        try:
            async with asyncio.timeout(None if math.isinf(limit) else limit):
                return await asyncio.to_thread(function, client)
        except TimeoutError as error:
            await self.close()
            raise ServerAway(f"no answer in {limit:g} s") from error
        except asyncio.CancelledError:
            await asyncio.shield(self.close())
            raise
        except sila2.framework.SilaConnectionError as error:
            raise ServerAway(str(error)) from error
        except ValueError as error:  # grpc's word for a channel that was closed meanwhile
            if "closed channel" in str(error):
                raise ServerAway("the connection was closed") from error
            raise

    async def read(self, member: str) -> Any:
        """The value of the property `Feature.Property`."""
        feature, _, name = member.partition(".")
        return await self.call(lambda client: getattr(getattr(client, feature), name).get())

    async def execute(
        self, member: str, parameters: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Carry out `Feature.Command`: its responses by identifier, and what it said on the way.

        Raises SilaError as the server does, ServerAway and ExecutionLost where the end was not seen.
        """
        feature, _, name = member.partition(".")
        client = await self.open()
        command = getattr(getattr(client, feature), name)
        if name not in client._features[feature]._observable_commands:
            got = await self.call(lambda _: command(**parameters), within_s=math.inf)
            return _named(got), {}
        n_cancels = self._n_cancels
        instance = await self.call(lambda _: command(**parameters))
        execution = str(instance.execution_uuid)
        self._executing.add(execution)
        try:
            if self._n_cancels > n_cancels:  # while it was sent, when nobody knew its UUID yet
                await self.cancel()
            return await self._followed(instance)
        finally:
            self._executing.discard(execution)

    async def cancel(self) -> None:
        """Cancel the observable commands that are waited for, where the server offers that by the standard's feature.

        One that has ended meanwhile, or that cannot be cancelled by itself, is no error.
        """
        self._n_cancels += 1
        executions = tuple(self._executing)
        if not executions or CANCEL not in (await self.open())._features:
            return
        for execution in executions:
            with contextlib.suppress(library().framework.DefinedExecutionError):
                await self.execute(f"{CANCEL}.CancelCommand", {"CommandExecutionUUID": execution})

    async def _followed(self, instance: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Wait for an observable command. The server knows it by its UUID: a connection that breaks is waited for."""
        framework = library().framework
        loop = asyncio.get_running_loop()
        said: list[dict[str, Any]] = []
        stream, listening = None, None
        if hasattr(instance, "subscribe_to_intermediate_responses"):
            stream = await self.call(lambda _: instance.subscribe_to_intermediate_responses())
            listening = asyncio.create_task(asyncio.to_thread(_listen, stream, said))
        away_since: float | None = None
        try:
            while True:
                asked = loop.time()
                while not instance.done and loop.time() - asked < ASK_S:  # noqa: ASYNC110 (set by a thread)
                    await asyncio.sleep(LOOK_S)
                try:
                    responses = _named(await self.call(lambda _: instance.get_responses()))
                except framework.CommandExecutionNotFinished:
                    away_since = None
                except framework.InvalidCommandExecutionUUID as error:
                    raise ExecutionLost(f"the server lost the command: {error}") from error
                except ServerAway:
                    away_since = loop.time() if away_since is None else away_since
                    if loop.time() - away_since > self.settings.away_s or self._client is None:
                        raise
                else:
                    if listening is not None:
                        await asyncio.wait(
                            [listening], timeout=ASK_S
                        )  # what was said last may still be on its way
                    about: dict[str, Any] = {"execution": str(instance.execution_uuid)}
                    if said:
                        about["intermediate"] = {"count": len(said), "latest": said[-KEPT:]}
                    return responses, about
        finally:
            instance.cancel_execution_info_subscription()
            if stream is not None:
                stream.cancel()  # the listening thread ends by it


def _listen(stream: Any, said: list[dict[str, Any]]) -> None:
    """Keep what an intermediate stream says until it ends. A stream that breaks is not what a command hangs on."""
    with contextlib.suppress(Exception):
        for item in stream:
            said.append(_plain(_named(item)))


def _read(path: str) -> bytes:
    return Path(path).expanduser().read_bytes()


def _named(responses: Any) -> dict[str, Any]:
    return dict(responses._asdict()) if hasattr(responses, "_asdict") else {}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """SiLA values in JSON types; what JSON has no type for, as text."""
    return {key: plain(value) for key, value in values.items()}


def plain(value: Any) -> Any:
    """A SiLA value in JSON types: structures as mappings, binaries by their length, dates as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)
