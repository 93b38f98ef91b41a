"""The only YAML parser of the project: text in, plain data with positions out.

YAML is used as data and nothing else. What could surprise (tags, anchors, merge keys, keys written twice) or
exhaust (length, depth, number of values) is refused while the events of the parser go by, before anything is
built. Nothing here recurses, so nesting cannot exhaust the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from campaigns.errors import CampaignError, Fault, Path, dotted, shown
from campaigns.yaml_scalars import NotANumber, Scalar, resolve

LONGEST = 256 * 1024  # bytes of UTF-8
DEEPEST = 20
MOST_VALUES = 20_000
_MOST_FAULTS = 50

# Control characters, lone surrogates and non-characters; NEL, LS and PS, which break a line in YAML 1.1 and not
# in 1.2; and the marks that make an editor show text in another order than the one it is read in.
_ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff0-\uffff]"
)


@dataclass
class Document:
    """A document as dict, list and scalars, and where each of its values stands.

    `override` notes that a value came from the command line rather than from the file.
    """

    file: str
    data: Any
    values: dict[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    overridden: dict[Path, str] = field(default_factory=dict)

    def position(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at `path` (or of its key); of the nearest ancestor when absent."""
        if key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return (1, 1)

    def fault(
        self,
        code: str,
        path: Path,
        *,
        message: str = "",
        wanted: str = "",
        got: str = "",
        cure: str = "",
        key: bool = False,
    ) -> Fault:
        """A fault at the place of `path`: the file's line and column, or the override that set it."""
        said: dict[str, Any] = {
            "message": message,
            "wanted": wanted,
            "got": got,
            "cure": cure,
            "path": dotted(path),
        }
        for length in range(len(path), 0, -1):
            if path[:length] in self.overridden:
                return Fault(code, file=f"--set {self.overridden[path[:length]]}", **said)
        line, column = self.position(path, key=key)
        return Fault(code, file=self.file, line=line, column=column, **said)


class _Mark(Protocol):
    line: int
    column: int


@dataclass
class _Open:
    """A mapping or sequence that is being read; `key` is the key that waits for its value."""

    path: Path
    container: dict[str, Any] | list[Any]
    key: str | None = None
    waiting: bool = False  # a key has been read, its value has not
    n_bad: int = 0


def read(text: str | bytes, *, file: str) -> Document:
    """Reads one YAML document. Raises CampaignError with every fault found, each with line and column.

    `file` is only the name that faults carry.
    """
    clean = _decoded(text, file)
    reader = _Reader(file)
    reader.run(clean)
    if reader.faults:
        raise CampaignError(reader.faults)
    if not reader.has_root:
        raise CampaignError(
            [Fault("E111", wanted="a YAML document", got="no value at all", file=file, line=1, column=1)]
        )
    return Document(file, reader.root, reader.values, reader.keys)


def _decoded(text: str | bytes, file: str) -> str:
    def refuse(code: str, before: str, **said: str) -> CampaignError:
        lines = re.split(r"\r\n|\r|\n", before)
        return CampaignError([Fault(code, file=file, line=len(lines), column=len(lines[-1]) + 1, **said)])

    # The length is looked at before the text is, so that a long one costs nothing.
    size = len(text) if isinstance(text, bytes) else _utf8_length(text)
    if size > LONGEST:
        raise refuse(
            "E101",
            "",
            wanted=f"at most {LONGEST} bytes",
            got=str(size),
            cure="bind long tables with --table NAME=PATH",
        )
    if isinstance(text, bytes):
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8")
            got = f"byte 0x{text[error.start]:02x}"
            cure = "save the file as UTF-8"
            raise refuse("E102", before, wanted="UTF-8", got=got, cure=cure) from None
    else:
        decoded = text
    text = decoded.removeprefix("\ufeff")
    found = _ODD.search(text)
    if found is not None:
        got = f"character U+{ord(found[0]):04X}"
        raise refuse("E103", text[: found.start()], wanted="text", got=got, cure="delete it")
    return text


def _utf8_length(text: str) -> int:
    return len(text) if len(text) > LONGEST else len(text.encode("utf-8", "surrogatepass"))


class _Refused(Exception):
    """Nothing after this point can be read."""


class _Reader:
    """Builds the document from the parser's events, one frame per open mapping or sequence."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Any = None
        self.has_root = False
        self.values: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self.faults: list[Fault] = []
        self.open: list[_Open] = []
        self.n_values = 0
        self.n_documents = 0

    def run(self, text: str) -> None:
        try:
            for event in _events(text):
                self.take(event)
        except _Refused:
            pass
        except _SyntaxFault as fault:
            self.say("E104", fault.line, fault.column, message=fault.message, cure=fault.cure)

    def say(self, code: str, line: int, column: int, **said: str) -> None:
        path = dotted(self.path_of_next()) if self.open else ""
        self.faults.append(Fault(code, file=self.file, line=line, column=column, path=path, **said))
        if len(self.faults) >= _MOST_FAULTS:
            raise _Refused

    def path_of_next(self) -> Path:
        frame = self.open[-1]
        if isinstance(frame.container, list):
            return (*frame.path, len(frame.container))
        return (*frame.path, frame.key) if frame.waiting and frame.key is not None else frame.path

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self.begin_document(event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self.decorated(event)
            self.begin(event, {} if kind == "MappingStartEvent" else [])
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.open.pop()
        elif kind == "ScalarEvent":
            self.decorated(event)
            self.scalar(event)
        elif kind == "AliasEvent":
            line, column = _place(event.start_mark)
            self.say(
                "E106", line, column, wanted="a value", got=shown(f"*{event.anchor}"), cure="write it out"
            )
            self.put(f"*{event.anchor}", line, column, is_text=True)

    def begin_document(self, event: Any) -> None:
        self.n_documents += 1
        line, column = _place(event.start_mark)
        if self.n_documents > 1:
            self.say(
                "E110", line, column, wanted="one document", got="a second one", cure="one file per campaign"
            )
            raise _Refused
        if event.version not in (None, (1, 2)) or event.tags:
            self.say(
                "E115",
                line,
                column,
                wanted="YAML 1.2 without directives",
                got="a directive",
                cure="delete it",
            )

    def decorated(self, event: Any) -> None:
        """Refuses a tag and an anchor; the value itself is read all the same, to find what else is wrong."""
        line, column = _place(event.start_mark)
        if event.anchor is not None:
            self.say(
                "E106",
                line,
                column,
                wanted="a value without anchor",
                got=shown(f"&{event.anchor}"),
                cure="write it out",
            )
        if event.ctag is not None:
            got = shown(str(event.tag))
            self.say(
                "E105",
                line,
                column,
                wanted="a value without tag",
                got=got,
                cure="delete the tag; YAML is only data",
            )

    def begin(self, event: Any, container: dict[str, Any] | list[Any]) -> None:
        line, column = _place(event.start_mark)
        if len(self.open) >= DEEPEST:
            self.say("E112", line, column, wanted=f"at most {DEEPEST} levels", got="one more")
            raise _Refused
        if self.expects_key():
            what = "a mapping" if isinstance(container, dict) else "a list"
            self.say("E109", line, column, wanted="text as key", got=what)
            raise _Refused
        path = self.path_of_next() if self.open else ()
        self.put(container, line, column, is_text=False)
        self.open.append(_Open(path, container))

    def expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].container, dict) and not self.open[-1].waiting

    def scalar(self, event: Any) -> None:
        line, column = _place(event.start_mark)
        plain = event.style is None or event.style == ""
        value: Scalar = event.value
        if event.style == '"' and (odd := _ODD.search(event.value)):
            got = f"an escape for U+{ord(odd[0]):04X}"
            self.say("E103", line, column, wanted="text", got=got, cure="delete it")
        if plain:
            try:
                value = resolve(event.value)
            except NotANumber as error:
                self.say(
                    "E114",
                    line,
                    column,
                    wanted=str(error),
                    got=shown(event.value),
                    cure="quotes make it text",
                )
                value = None if not self.expects_key() else event.value
        if plain and self.expects_key() and event.value == "<<":
            self.say(
                "E107", line, column, wanted="keys written out", got="a merge key '<<'", cure="write them out"
            )
        self.put(value, line, column, is_text=isinstance(value, str))

    def put(self, value: Any, line: int, column: int, *, is_text: bool) -> None:
        """The value (or key) that comes next, into the innermost open container."""
        self.n_values += 1
        if self.n_values > MOST_VALUES:
            self.say(
                "E113",
                line,
                column,
                wanted=f"at most {MOST_VALUES} values",
                got="more",
                cure="--table NAME=PATH for rows",
            )
            raise _Refused
        if not self.open:
            self.root, self.has_root = value, value is not None
            self.values[()] = (line, column)
            return
        frame = self.open[-1]
        if isinstance(frame.container, list):
            self.values[(*frame.path, len(frame.container))] = (line, column)
            frame.container.append(value)
        elif frame.waiting:
            assert frame.key is not None
            self.values[(*frame.path, frame.key)] = (line, column)
            frame.container[frame.key] = value
            frame.waiting = False
        else:
            self.put_key(frame, value, line, column, is_text=is_text)

    def put_key(self, frame: _Open, value: Any, line: int, column: int, *, is_text: bool) -> None:
        assert isinstance(frame.container, dict)
        if not is_text:
            self.say("E109", line, column, wanted="text as key", got=shown(value), cure="put it in quotes")
        elif value in frame.container:
            first = self.keys[(*frame.path, value)][0]
            self.say(
                "E108",
                line,
                column,
                wanted="each key once",
                got=shown(value),
                cure=f"it stands in line {first} already",
            )
        if not is_text or value in frame.container:
            # The value that follows is kept under a name no file can hold, so that its own faults still show.
            frame.n_bad += 1
            value = f"\0{frame.n_bad}"
        frame.key, frame.waiting = value, True
        self.keys[(*frame.path, value)] = (line, column)


class _SyntaxFault(Exception):
    def __init__(self, line: int, column: int, message: str, cure: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message, self.cure = line, column, message, cure


def _place(mark: _Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _events(text: str) -> Iterator[Any]:
    """The parser's events; whatever it raises becomes a syntax fault with a place."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    parser = YAML(typ="safe", pure=True)
    line, column = 1, 1
    try:
        for event in parser.parse(text):
            line, column = _place(event.end_mark)
            yield event
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            line, column = _place(mark)
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise _SyntaxFault(line, column, " ".join(said.split()) or "not YAML", _cure(said)) from None
    except (
        YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        AssertionError,
        OverflowError,
    ) as error:
        raise _SyntaxFault(line, column, " ".join(str(error).split())[:200] or "not YAML", "") from None


def _cure(problem: str) -> str:
    if "\\t" in problem or "tab" in problem.lower():
        return "indent with spaces, never with tabs"
    if "mapping values are not allowed" in problem:
        return "put text with ': ' in it in quotes, or mend the indentation"
    if "expected ',' or" in problem:
        return "close the bracket, or put a comma between the entries"
    if "block end" in problem:
        return "mend the indentation"
    return ""
