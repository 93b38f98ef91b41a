"""Databases on loopback that answer as the Materials Project and an OPTIMADE provider document it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

KEY = "k" * 32


class Faults:
    """What goes wrong: `busy` answers of 503 first; `answer`: sent in place of everything else, (status, bytes)."""

    def __init__(self) -> None:
        self.busy = 0
        self.answer: tuple[int, bytes] | None = None
        self.location = ""
        self.asked: list[tuple[str, dict[str, str]]] = []


@contextmanager
def served(respond):
    """`respond(path, query)` -> (status, mapping); yields the base address and the faults."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            faults.asked.append((parts.path, {**query, "X-API-KEY": self.headers.get("X-API-KEY", "")}))
            if faults.busy > 0:
                faults.busy -= 1
                status, body = 503, b"busy"
            elif faults.answer is not None:
                status, body = faults.answer
            else:
                status, data = respond(parts.path, {**query, "key": self.headers.get("X-API-KEY", "")})
                body = json.dumps(data).encode()
            self.send_response(status)
            if faults.location:
                self.send_header("Location", faults.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", faults
        finally:
            server.shutdown()
            thread.join()


def pymatgen_dictionary(symbols, edge=5.6):
    """A rocksalt cell as the Materials Project sends it."""
    half = edge / 2
    matrix = [[0.0, half, half], [half, 0.0, half], [half, half, 0.0]]
    places = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "charge": 0.0,
        "lattice": {"matrix": matrix, "pbc": [True, True, True], "volume": edge**3 / 4},
        "properties": {},
        "sites": [
            {"species": [{"element": s, "occu": 1.0}], "abc": p, "properties": {"magmom": 0.0}, "label": s}
            for s, p in zip(symbols, places, strict=True)
        ],
    }


def materials_project(documents):
    """/materials/summary/ with the filters, fields and pages of api.materialsproject.org."""

    def respond(path, query):
        if query["key"] != KEY:
            return 401, {"message": "No API key found in request"}
        if path != "/materials/summary/":
            return 404, {"detail": "Not Found"}
        found = documents
        if "chemsys" in query:
            found = [one for one in found if one["chemsys"] in query["chemsys"].split(",")]
        if "material_ids" in query:
            found = [one for one in found if one["material_id"] in query["material_ids"].split(",")]
        if "formula" in query:
            found = [one for one in found if one["formula_pretty"] == query["formula"]]
        found = [one for one in found if str(one["deprecated"]).lower() == query["deprecated"]]
        skip, limit = int(query["_skip"]), int(query["_limit"])
        fields = query["_fields"].split(",")
        page = [{key: one[key] for key in fields if key in one} for one in found[skip : skip + limit]]
        meta = {"api_version": "0.86.0", "time_stamp": "2026-01-01T00:00:00", "total_doc": len(found)}
        return 200, {"data": page, "meta": meta}

    return respond


def document(name, symbols, energy, **changes):
    """A summary document."""
    return {
        "material_id": name,
        "chemsys": "-".join(sorted(set(symbols))),
        "formula_pretty": "".join(symbols),
        "deprecated": False,
        "structure": pymatgen_dictionary(symbols),
        "formation_energy_per_atom": energy,
        "energy_above_hull": 0.0,
        "band_gap": 5.0,
        **changes,
    }


def optimade_entry(name, symbols=("Na", "Cl"), edge=5.6, **changes):
    """A structure of the OPTIMADE specification, all fields of the entry list `structures`."""
    half = edge / 2
    elements = sorted(set(symbols))
    formula = "".join(elements)
    attributes = {
        "last_modified": "2026-01-01T00:00:00Z",
        "elements": elements,
        "nelements": len(elements),
        "elements_ratios": [1 / len(elements)] * len(elements),
        "chemical_formula_descriptive": formula,
        "chemical_formula_reduced": formula,
        "chemical_formula_anonymous": "AB",
        "dimension_types": [1, 1, 1],
        "nperiodic_dimensions": 3,
        "lattice_vectors": [[0.0, half, half], [half, 0.0, half], [half, half, 0.0]],
        "cartesian_site_positions": [[0.0, 0.0, 0.0], [half, half, half]],
        "nsites": 2,
        "species": [{"name": s, "chemical_symbols": [s], "concentration": [1.0]} for s in symbols],
        "species_at_sites": list(symbols),
        "structure_features": [],
        "_exmpl_gap": 5.0,
        **changes,
    }
    return {"id": name, "type": "structures", "attributes": attributes}


def optimade(entries, wanted_filter, *, page=2, link_objects=False):
    """/v1/structures, `page` entries at a time, for one filter."""

    def respond(path, query):
        if path != "/db/v1/structures":
            return 404, {
                "errors": [{"status": "404", "title": "Not Found", "detail": f"{path} is not there"}]
            }
        if query.get("filter") != wanted_filter:
            return 400, {
                "errors": [{"status": "400", "title": "Bad Request", "detail": "cannot parse the filter"}]
            }
        start = int(query.get("page_offset", 0))
        fields = query["response_fields"].split(",")
        data = [
            {**one, "attributes": {key: one["attributes"].get(key) for key in fields}}
            if "attributes" in one
            else one
            for one in entries[start : start + page]
        ]
        following = None
        if start + page < len(entries):
            given = {key: query[key] for key in ("filter", "response_fields")}
            following = f"{path}?" + urlencode({**given, "page_offset": start + page})
        meta = {
            "query": {"representation": path},
            "api_version": "1.2.0",
            "more_data_available": following is not None,
            "data_returned": len(entries),
        }
        link = {"href": following} if link_objects and following else following
        return 200, {"data": data, "meta": meta, "links": {"next": link}}

    return respond
