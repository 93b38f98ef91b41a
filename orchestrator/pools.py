"""From a source of structures, named on the command line, to the pool that a campaign may choose from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import structlog

from campaigns.pool import Pool
from orchestrator.errors import Refused

log = structlog.get_logger()


def pool_of(name: str, source: str) -> Pool:
    """Read, check and write down a source: a JSON-lines table, a file or folder of structures, a CSV with CIFs,
    `mp:` and `optimade:` addresses. Raises `Refused` (E516) with what is wrong and where.

    The file lies in a folder of its own below the system's temporary one until the campaign keeps it beside its log.
    """
    # pymatgen, which reads structures, takes seconds to load: only who names a source pays for it.
    from surrogates.materials.errors import SourceError
    from surrogates.materials.pool_file import write_pool
    from surrogates.materials.sources import read

    try:
        found = read(source)
        written = write_pool(found.rows, Path(tempfile.mkdtemp(prefix="alquimia-pool-")))
    except SourceError as error:
        raise Refused("E516", f"--materials {name}: {error}") from error
    for refused in found.refused:
        log.warning(
            "left out of the pool", pool=name, where=refused.where, reason=f"{refused.code}: {refused.reason}"
        )
    return Pool(written.path, written.digest, written.n)
