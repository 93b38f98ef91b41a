"""The way in: a YAML file, or the name of a shipped campaign, as a Campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from campaigns.build import build
from campaigns.campaign import Campaign
from campaigns.errors import CampaignError, Fault, did_you_mean, shown
from campaigns.overrides import apply
from campaigns.pool import Pool
from campaigns.yaml_reader import LONGEST, Document, read

_LIBRARY = Path(__file__).parent / "library"
_NO_TABLES: Mapping[str, Path] = MappingProxyType({})
_NO_POOLS: Mapping[str, Pool] = MappingProxyType({})


def library() -> tuple[str, ...]:
    """The names of the shipped campaigns."""
    return tuple(sorted(path.stem for path in _LIBRARY.glob("*.yaml")))


def library_text(name: str) -> str:
    """The YAML of a shipped campaign, to read or to copy. KeyError for a name that is none."""
    if name not in library():
        raise KeyError(f"no campaign '{name}' in the library; {did_you_mean(name, library())}")
    return (_LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")


def load(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    tables: Mapping[str, Path] = _NO_TABLES,
    pools: Mapping[str, Pool] = _NO_POOLS,
) -> Campaign:
    """The campaign in a file, or the shipped one of that name ('thin_film'; './thin_film' is a file).

    `overrides` are 'path=value' (`budget.experiments=10`, `plan.2.batch=2`), the value in YAML. `tables` binds
    the table names that `allowed` may use to CSV files, `pools` those that a material may use to checked structures;
    a campaign file itself can name no file.
    Raises CampaignError with every fault at once. Opens the campaign, the bound table it names, nothing else.
    """
    return load_with_document(source, overrides=overrides, tables=tables, pools=pools)[0]


def load_with_document(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    tables: Mapping[str, Path] = _NO_TABLES,
    pools: Mapping[str, Pool] = _NO_POOLS,
) -> tuple[Campaign, Document]:
    """As `load`, with the text's positions, for whoever finds a fault that shows only outside the file."""
    document = apply(_document(source), overrides)
    return build(document, tables, pools), document


def loads(
    text: str | bytes,
    *,
    file: str = "<text>",
    overrides: Sequence[str] = (),
    tables: Mapping[str, Path] = _NO_TABLES,
    pools: Mapping[str, Pool] = _NO_POOLS,
) -> Campaign:
    """The campaign in a text; `file` is the name that its faults carry. Otherwise as `load`."""
    return build(apply(read(text, file=file), overrides), tables, pools)


def _document(source: str | Path) -> Document:
    path = Path(source)
    shipped = isinstance(source, str) and source in library() and not path.is_file()
    if shipped:
        path = _LIBRARY / f"{source}.yaml"
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        got = (error.strerror if isinstance(error, OSError) else None) or str(error)
        cure = "" if path.suffix else f"shipped campaigns: {did_you_mean(path.name, library())}"
        fault = Fault(
            "E100", wanted="a campaign file that can be read", got=f"{shown(str(source))}: {got}", cure=cure
        )
        raise CampaignError([fault]) from error
    return read(text, file=path.name if shipped else str(source))
