"""OPTIMADE, version 1: structures of any database that speaks it, page by page.

Structures with partial occupancies, vacancies, attached or missing atoms are refused one by one.
(OPTIMADE specification 1.2, entry list `structures`; Andersen et al., Sci. Data 8, 217, 2021.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit

import numpy as np
import requests

from campaigns.errors import shown
from campaigns.structure import Structure
from surrogates.materials.crystals import structure_of
from surrogates.materials.errors import SourceError, StructureRejected
from surrogates.materials.sources.json_lines import fails
from surrogates.materials.sources.records import check_species
from surrogates.materials.sources.rows import Item
from surrogates.materials.sources.web import checked_address, get_json, opened

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "nperiodic_dimensions",
    "structure_features",
)
FEATURES = {  # of a structure that its sites alone do not describe
    "disorder": "partial-occupancy",
    "assemblies": "partial-occupancy",
    "unknown_positions": "unreadable",
    "implicit_atoms": "unreadable",
    "site_attachments": "unreadable",
}
VERSION = re.compile(r"/v1(\.\d+)*$")
MOST_PAGES = 10_000
CURES = {
    400: 'check the filter; strings stand in double quotes: elements HAS ALL "Na","Cl"',
    404: "give the base address of the database, without what follows /v1",
}


def items(
    address: str, columns: Mapping[str, str] | None, session: requests.Session | None
) -> Iterator[Item]:
    """Every structure that the address's `filter` matches. `columns`: reading -> property of the database
    (`_exmpl_gap`), dots for what is inside one; without it there are no values."""
    base, parameters = _request(address, columns)
    url: str | None = base
    seen: set[str] = set()
    with opened(session) as client:
        while url is not None:
            if url in seen or len(seen) >= MOST_PAGES:
                raise SourceError(f"{url}: wanted at most {MOST_PAGES} different pages, got this one again")
            seen.add(url)
            page = get_json(client, url, parameters=parameters if url == base else None, cures=CURES)
            entries = page.get("data")
            if not isinstance(entries, list):
                raise SourceError(f"{url}: wanted a list of structures as 'data', got {shown(entries)}")
            for k, entry in enumerate(entries):
                yield _item(entry, f"{url}: entry {k}", base, columns)
            url = _next(page, url)


def _request(address: str, columns: Mapping[str, str] | None) -> tuple[str, dict[str, str]]:
    parts = urlsplit(checked_address(address))
    path = parts.path.rstrip("/").removesuffix("/structures")
    path = path if VERSION.search(path) else f"{path}/v1"
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    roots = dict.fromkeys(column.split(".")[0] for column in (columns or {}).values())
    given["response_fields"] = ",".join(dict.fromkeys((*FIELDS, *roots)))
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/structures", "", "")), given


def _next(page: Mapping[str, Any], url: str) -> str | None:
    """The address of the page after this one, written as text or as a link object."""
    links = page.get("links")
    link = links.get("next") if isinstance(links, Mapping) else None
    if isinstance(link, Mapping):
        link = link.get("href")
    if link:
        return checked_address(urljoin(url, str(link)))
    meta = page.get("meta")
    if isinstance(meta, Mapping) and meta.get("more_data_available") is True:
        raise SourceError(f"{url}: wanted a link to the next page, for more is said to be there, got none")
    return None


def _item(entry: Any, where: str, base: str, columns: Mapping[str, str] | None) -> Item:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("attributes"), Mapping):
        return Item(
            None, where, "", fails("unreadable", f"wanted an entry with attributes, got {shown(entry)}")
        )
    attributes, known = entry["attributes"], entry.get("id")
    values = {reading: _inside(attributes, column) for reading, column in (columns or {}).items()}
    return Item(known, where, f"{base}/{known}", partial(_structure, attributes), values, tuple(attributes))


def _inside(attributes: Mapping[str, Any], column: str) -> Any:
    value: Any = attributes
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _structure(attributes: Mapping[str, Any]) -> Structure:
    features = attributes.get("structure_features")
    for feature in features if isinstance(features, list) else ():
        if str(feature) in FEATURES:
            raise StructureRejected(FEATURES[str(feature)], f"the database says that it has {feature}")
    dimensions = attributes.get("nperiodic_dimensions")
    if dimensions is not None and dimensions != 3:
        raise StructureRejected(
            "unreadable", f"wanted a crystal, got one periodic in {dimensions} dimensions"
        )
    names = attributes.get("species_at_sites")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StructureRejected("unreadable", f"species_at_sites: wanted a list of names, got {shown(names)}")
    symbols = _symbols(attributes.get("species"))
    if unnamed := sorted(set(names) - symbols.keys()) if symbols else ():
        raise StructureRejected(
            "unreadable", f"species: wanted {', '.join(unnamed)} to be described, got nothing"
        )
    species = [symbols[name] for name in names] if symbols else list(names)
    check_species(species)
    lattice = _numbers(attributes.get("lattice_vectors"), (3, 3), "lattice_vectors")
    positions = _numbers(
        attributes.get("cartesian_site_positions"), (len(species), 3), "cartesian_site_positions"
    )
    if abs(np.linalg.det(lattice)) < 1e-6:
        raise StructureRejected("unreadable", "lattice_vectors: wanted a cell with a volume, got a flat one")
    return structure_of(lattice, species, np.linalg.solve(lattice.T, positions.T).T)


def _symbols(described: Any) -> dict[str, str]:
    """Species name -> element. Raises StructureRejected for a species that is not one whole atom."""
    symbols: dict[str, str] = {}
    for one in described if isinstance(described, list) else ():
        if not isinstance(one, Mapping) or not isinstance(one.get("chemical_symbols"), list):
            raise StructureRejected(
                "unreadable", f"species: wanted names with chemical_symbols, got {shown(one)}"
            )
        name, elements = str(one.get("name")), one["chemical_symbols"]
        share = one.get("concentration", [1.0])
        whole = isinstance(share, list) and len(share) == 1 and isinstance(share[0], int | float)
        if len(elements) != 1 or "vacancy" in elements or not whole or not 1.0 - 1e-6 < share[0] < 1.0 + 1e-6:
            text = f"species {name}: wanted one whole atom, got {shown(elements)} with shares {shown(share)}"
            raise StructureRejected("partial-occupancy", text)
        if one.get("attached"):
            raise StructureRejected("unreadable", f"species {name}: atoms are attached that have no place")
        symbols[name] = str(elements[0])
    return symbols


def _numbers(data: Any, shape: tuple[int, int], what: str) -> np.ndarray:
    try:
        array = np.asarray(data, dtype=float)
    except (TypeError, ValueError, OverflowError) as fault:
        raise StructureRejected("unreadable", f"{what}: wanted numbers, got {shown(data)}") from fault
    if array.shape == shape and not np.all(np.isfinite(array)):
        raise StructureRejected("unreadable", f"{what}: wanted finite numbers, got {shown(data)}")
    if array.shape != shape:
        raise StructureRejected(
            "unreadable", f"{what}: wanted {shape[0]} x {shape[1]} numbers, got {array.shape}"
        )
    return array
