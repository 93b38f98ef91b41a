"""What a lab file says of an HTTP interface: its address, its verbs, what to send and what comes back."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, model_validator

from drivers.configured import TAKEN, Entry, ParameterEntry, ResultEntry, action_spec
from drivers.instruments.instrument import Instrument
from drivers.instruments.rest.templates import names_in
from drivers.protocol import ActionSpec, Attribution, Repeat

OWN = ("action", "sample", "job")  # names that a template may use besides the parameters
Pointer = Annotated[str, Field(pattern=r"^(/.*)?$")]
Path = Annotated[str, Field(pattern=r"^/([^/]|$)")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Fault = Literal["infeasible", "busy", "logistics", "instrument"]
BUSY: Mapping[str, Fault] = {"409": "busy", "423": "busy", "429": "busy"}
Codes = Annotated[tuple[int, ...], Field(strict=False)]
Words = Annotated[tuple[str, ...], Field(strict=False)]


class Result(ResultEntry):
    """A number of the last reply, at a JSON pointer; `sigma`: the pointer to its standard uncertainty."""

    at: Pointer
    sigma: Pointer | None = None


class Job(Entry):
    """A resource that shows how a job stands. `id`: where the first reply has its id, `{job}` in `path`; `state`: where
    the resource has its state; `done`, `failed`: the states that are ends; `reason`: where it says why it failed.
    `every_s`: between two looks; `limit_s`: a job that is not over by then is given up.
    """

    id: Pointer = "/id"
    path: Path
    state: Pointer = "/state"
    done: Words = Field(default=("done",), min_length=1)
    failed: Words = ("failed",)
    reason: Pointer | None = None
    every_s: float = Field(default=1.0, gt=0)
    limit_s: float = Field(default=3600.0, gt=0)


class Ask(Entry):
    """How to ask what became of an action: GET `path`, `{action}` in it. `found`: where the reply has the job (of
    several: the first); `none`: the statuses that say that there is none, as an empty list or null does, too.
    """

    path: Path
    found: Pointer = ""
    none: Codes = (404,)


class Call(Entry):
    """A request without arguments: of halt and make_safe."""

    method: Method = "POST"
    path: Path
    body: JsonValue = None


class Verb(Entry):
    """One action. `body`: JSON with `{name}` for arguments, `{action}` for its id, `{sample}` for the sample's.
    `repeatable`: a measurement that may simply be done again. `statuses`: what kind of failure an HTTP status is.
    """

    doc: str = Field(min_length=1)
    method: Method = "POST"
    path: Path
    body: JsonValue = None
    parameters: Mapping[str, ParameterEntry] = Field(default_factory=dict)
    results: Mapping[str, Result] = Field(default_factory=dict)
    takes_s: float = Field(default=1.0, ge=0)
    and_s: Words = ()
    repeatable: bool = False
    job: Job | None = None
    ask: Ask | None = None
    statuses: Mapping[str, Fault] = BUSY

    @model_validator(mode="after")
    def _names(self) -> Verb:
        own = {*OWN, *TAKEN} & set(self.parameters)
        if own:
            raise ValueError(f"no parameter can be called {sorted(own)[0]!r}: that name is taken")
        known = {*self.parameters, "action", "sample"}
        places: list[tuple[str, JsonValue, set[str]]] = [
            ("path", self.path, known),
            ("body", self.body, known),
        ]
        if self.job is not None:
            places.append(("job.path", self.job.path, known | {"job"}))
        if self.ask is not None:
            places.append(("ask.path", self.ask.path, known))
        for place, template, allowed in places:
            if strangers := names_in(template) - allowed:
                raise ValueError(f"{place} uses {{{sorted(strangers)[0]}}}, and no parameter is called that")
        for name in self.and_s:
            if name not in self.parameters or self.parameters[name].unit != "s":
                raise ValueError(f"and_s names {name!r}, which is no parameter in seconds")
        return self

    def repeat(self) -> Repeat:
        """Repeatable where the lab file says so or nothing is changed; testable where the device can be asked."""
        if self.repeatable or self.method == "GET":
            return Repeat.REPEATABLE
        return Repeat.OPAQUE if self.ask is None else Repeat.TESTABLE

    def spec(self) -> ActionSpec:
        return action_spec(
            self.parameters, self.results,
            repeat=self.repeat(), takes_s=self.takes_s, and_s=self.and_s, doc=self.doc,
        )  # fmt: skip

    def attribution(self, status: int) -> Attribution:
        return Attribution(self.statuses.get(str(status), "instrument"))


class RestSettings(Instrument.Settings):
    """`url`: scheme, host and port, and a common path. `token_env`: the environment variable with the token, sent as
    `token_header` ("Authorization: Bearer TOKEN"; another header gets the token alone). `ca_file`: certificates to
    trust instead of the system's. `key_header`: the header that gets the action's id, so that a request that is sent
    twice is done once; "" where the device knows none, and then nothing that changes something is sent twice.
    `timeout_s`: for one request; `tries`, `pause_s`: how often, and how long between them, doubled each time.
    """

    url: str
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    token_header: str = "Authorization"
    ca_file: str | None = None
    plain_http: bool = False
    key_header: str = "Idempotency-Key"
    timeout_s: float = Field(default=10.0, gt=0)
    tries: int = Field(default=4, ge=1, le=20)
    pause_s: float = Field(default=0.5, ge=0)
    health: Path | None = None
    actions: Mapping[str, Verb] = Field(min_length=1)
    halt: Call | None = None
    make_safe: Call | None = None

    @model_validator(mode="after")
    def _address(self) -> RestSettings:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"url: wanted http(s)://HOST[:PORT][/PATH], got {self.url!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: no names or passwords in it; name a variable as token_env")
        if parts.scheme == "http" and not (self.plain_http or loopback(parts.hostname)):
            raise ValueError(
                f"url: {self.url!r} is not encrypted: use https, or say 'plain_http: true' for a network you trust"
            )
        for verb in self.actions:
            if not verb.isidentifier():
                raise ValueError(f"actions: a verb is a name, not {verb!r}")
        return self


def loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def number(value: Any) -> float | None:
    """`value` as a float where it is a number; NaN and infinity pass, as the engine must see them to reject them."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
