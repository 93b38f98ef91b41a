"""Write all files of an export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.export.columns import tables
from orchestrator.export.files import replacing
from orchestrator.export.readme import readme
from orchestrator.export.tabular import write_csv, write_parquet
from orchestrator.records import Records

FORMAT = 1


def export(records: Records, directory: Path) -> list[Path]:
    """Write the campaign's tables, log and statement to `directory`; the paths written, in order.

    Each file is there whole or not at all, and one of the same name is replaced. campaign.json comes last and
    holds the SHA-256 of all others. Reads `records.events` once. Raises OSError where a file cannot be written,
    ValueError for a number that is not finite.
    """
    about = {
        "alquimia.campaign": records.campaign.name,
        "alquimia.fingerprint": records.fingerprint,
        "alquimia.reality": records.reality,
        "alquimia.lab": records.lab,
        "alquimia.format": str(FORMAT),
    }
    found = tables(records)
    files: dict[str, Callable[[BinaryIO], Any]] = {}
    for table in found:
        files[f"{table.name}.csv"] = partial(write_csv, table)
        files[f"{table.name}.parquet"] = partial(write_parquet, table, about=about)
    files["events.jsonl"] = partial(_write_events, records)
    files["README.txt"] = lambda file: file.write(readme(records, found).encode())
    written, sums = [], {}
    for name, write in files.items():
        path = directory / name
        with replacing(path) as file:
            write(file)
        with path.open("rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
        written.append(path)
    statement = {**_statement(records), "rows": {t.name: len(t.objects) for t in found}, "sha256": sums}
    path = directory / "campaign.json"
    with replacing(path) as file:
        file.write((json.dumps(statement, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())
    return [*written, path]


def _statement(records: Records) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "campaign": records.campaign.to_json(),
        "fingerprint": records.fingerprint,
        "lab": records.lab,
        "reality": records.reality,
        "state": records.state,
        "reason": records.reason,
        "versions": dict(records.versions),
        "phases": [asdict(phase) for phase in records.phases],
        "lab_elapsed_s": records.lab_elapsed_s,
    }


def _write_events(records: Records, file: BinaryIO) -> None:
    for event in records.events:
        line = {**vars(event), "body": dict(event.body)}
        file.write(
            (json.dumps(line, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        )
