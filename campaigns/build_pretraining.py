"""From `surrogate: {materials: {pretrained: ...}}` to what is learned from which pools."""

from __future__ import annotations

import json
from collections.abc import Mapping

from campaigns.collect import Collector
from campaigns.errors import Path, Problem, did_you_mean, shown
from campaigns.pool import Pool, bound_pool
from campaigns.pretraining import Lesson, Pretraining
from campaigns.surface.sought import PretrainedEntry


def build_pretraining(
    found: Collector, entry: PretrainedEntry, pools: Mapping[str, Pool], path: Path
) -> Pretraining | None:
    """None where a pool or a value of it is not there, and a fault for each."""
    lessons = []
    for name, values in entry.on.items():
        at = (*path, "on", name)
        pool = bound_pool(found, name, pools, at)
        if pool is None:
            continue
        known = values_of(pool)
        lacking = [k for k, value in enumerate(values) if value not in known]
        for k in lacking:
            cure = did_you_mean(values[k], known) or (
                f"bind it with --materials {name}='FILE{{{values[k]}=COLUMN}}'"
            )
            wanted = f"a value that the pool {name} has"
            found.add(Problem("E286", wanted=wanted, got=shown(values[k]), cure=cure), (*at, k))
        lesson = found.make(Lesson, at, pool=name, digest=pool.digest, n=pool.n, values=tuple(values))
        if lesson is not None and not lacking:
            lessons.append(lesson)
    if len(lessons) < len(entry.on):
        return None
    about = {"epochs": entry.epochs, "frozen": entry.frozen, "rate": entry.rate}
    return found.make(Pretraining, path, lessons=tuple(lessons), **about)


def values_of(pool: Pool) -> tuple[str, ...]:
    """The names of the values that rows of a pool have. Raises OSError."""
    names = set[str]()
    with pool.path.open(encoding="utf-8") as lines:
        for line in lines:
            names |= json.loads(line).get("values", {}).keys()
    return tuple(sorted(names))
