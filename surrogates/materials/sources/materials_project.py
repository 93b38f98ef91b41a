"""The Materials Project by its REST interface (api.materialsproject.org): a whole chemical system, a formula, or ids.

The key is read from the environment (MP_API_KEY); MP_API_ENDPOINT names another address of the same interface. The
field names are the interface's own: `formation_energy_per_atom` and `energy_above_hull` (eV per atom) are one scale
over all its functionals; `energy_per_atom` is not, so no reading is called `energy` unless the campaign says which.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import requests

from campaigns.errors import shown
from campaigns.structure import NUMBER
from surrogates.materials.errors import SourceError
from surrogates.materials.sources.json_lines import chosen, fails
from surrogates.materials.sources.records import structure_of_record
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.web import checked_address, get_json, opened

ENDPOINT = "https://api.materialsproject.org"
FIELDS = (
    "formation_energy_per_atom",
    "energy_above_hull",
    "energy_per_atom",
    "uncorrected_energy_per_atom",
    "band_gap",
    "density",
)
PAGE = 200
MOST_ELEMENTS = 9  # of a chemical system: 511 systems are named in the address
IDS = re.compile(r"(mp|mvc)-[a-z0-9]+(,(mp|mvc)-[a-z0-9]+)*")
FORMULA = re.compile(r"([A-Z][a-z]?\d*)+")
CURES = {
    401: "check MP_API_KEY: next-gen.materialsproject.org/api shows yours.",
    403: "check MP_API_KEY: next-gen.materialsproject.org/api shows yours.",
    429: "wait, and ask for less at once.",
}


def items(query: str, columns: Mapping[str, str] | None, session: requests.Session | None) -> Iterator[Item]:
    """`Fe-Li-O`: every material of these elements or some of them, so that the hull is whole; `LiFePO4`: of a formula;
    `mp-149,mp-13`: by id. Deprecated entries are left out."""
    asked = _asked(query)
    key = os.environ.get("MP_API_KEY", "").strip()
    if not key:
        raise SourceError(
            f"mp:{query}: wanted a key of the Materials Project in the environment, got none. "
            "Cure: export MP_API_KEY=... (next-gen.materialsproject.org/api shows yours)"
        )
    endpoint = checked_address(os.environ.get("MP_API_ENDPOINT", ENDPOINT).rstrip("/"), secret=True)
    fields = dict.fromkeys(columns.values() if columns is not None else FIELDS)
    parameters = {
        **asked,
        "deprecated": "false",
        "_fields": ",".join(("material_id", "structure", *fields)),
        "_all_fields": "false",
        "_limit": str(PAGE),
    }
    missing = dict.fromkeys(filter(None, asked.get("material_ids", "").split(",")))
    for document in _documents(session, f"{endpoint}/materials/summary/", parameters, key):
        known = str(document.get("material_id"))
        missing.pop(known, None)
        where = f"mp:{query}: {known}"
        if columns is not None:
            values = chosen(document, columns)
        else:
            values = {name: document.get(name) for name in FIELDS if document.get(name) is not None}
        make = partial(structure_of_record, document.get("structure"))
        yield Item(known, where, f"Materials Project {known}", make, values, tuple(document))
    for known in missing:
        yield Item(known, f"mp:{query}", "", fails("not-found", f"the Materials Project has no {known}"))


def _asked(query: str) -> dict[str, str]:
    """The parameters of the interface that ask for it."""
    if IDS.fullmatch(query):
        return {"material_ids": query}
    elements = query.split("-")
    if all(symbol in NUMBER for symbol in elements):
        if len(set(elements)) != len(elements) or len(elements) > MOST_ELEMENTS:
            raise SourceError(
                f"mp:{query}: wanted up to {MOST_ELEMENTS} different elements, got {len(elements)}"
            )
        parts = sorted(elements)
        systems = [
            "-".join(some) for n in range(1, len(parts) + 1) for some in itertools.combinations(parts, n)
        ]
        return {"chemsys": ",".join(systems)}
    if FORMULA.fullmatch(query) and all(symbol in NUMBER for symbol in re.findall("[A-Z][a-z]?", query)):
        return {"formula": query}
    raise SourceError(
        f"mp:{shown(query)}: wanted elements (Fe-Li-O), a formula (LiFePO4) or ids (mp-149,mp-13)"
    )


def _documents(
    session: requests.Session | None, url: str, parameters: Mapping[str, str], key: str
) -> Iterator[dict[str, Any]]:
    """All pages. Raises SourceError where the interface gives fewer documents than it says there are."""
    seen, more = 0, True
    with opened(session) as client:
        while more:
            asked = {**parameters, "_skip": str(seen)}
            page = get_json(client, url, parameters=asked, headers={"X-API-KEY": key}, cures=CURES)
            documents, meta = page.get("data"), page.get("meta")
            if not isinstance(documents, list) or not all(isinstance(one, dict) for one in documents):
                raise SourceError(f"{url}: wanted a list of documents as 'data', got {shown(documents)}")
            yield from documents
            seen += len(documents)
            total = meta.get("total_doc") if isinstance(meta, dict) else None
            more = seen < total if isinstance(total, int) else len(documents) == PAGE
            if more and not documents:
                raise SourceError(f"{url}: wanted {total} documents, got {seen}. Cure: try again later.")
