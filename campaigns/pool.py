"""A pool of structures as the language knows it: a file of canonical rows, its digest and its length."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from campaigns.collect import Collector
from campaigns.errors import Path as Place
from campaigns.errors import Problem, did_you_mean, shown

_SHIPPED = Path(__file__).parent / "library" / "pools"


@dataclass(frozen=True)
class Pool:
    """JSON lines of structures, sorted by id: whoever binds a source by name has read and checked it."""

    path: Path
    digest: str  # SHA-256 of the file's bytes, hex
    n: int  # rows

    @classmethod
    def of(cls, path: Path) -> Pool:
        """The pool in a file of canonical rows. Raises OSError."""
        content = path.read_bytes()
        return cls(path, hashlib.sha256(content).hexdigest(), content.count(b"\n"))


def shipped_pools() -> tuple[str, ...]:
    """The names of the pools that come with the package."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.jsonl")))


def shipped_pool(name: str) -> Pool:
    """A pool that comes with the package. Raises OSError where there is none of that name."""
    return Pool.of(_SHIPPED / f"{name}.jsonl")


def bound_pool(found: Collector, name: str, pools: Mapping[str, Pool], path: Place) -> Pool | None:
    """The pool that the caller, or the package, has under a name; None, and a fault, where there is none."""
    if name in pools:
        return pools[name]
    if name in shipped_pools():
        return shipped_pool(name)
    known = [*pools, *shipped_pools()]
    cure = (
        did_you_mean(name, known)
        or f"say --materials {name}=SOURCE (a file, a folder of CIFs, mp:, optimade:)"
    )
    wanted = "the name of a pool that is bound or shipped"
    found.add(Problem("E281", wanted=wanted, got=shown(name), cure=cure), path)
    return None
