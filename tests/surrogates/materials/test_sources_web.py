"""Structures from the Materials Project and from OPTIMADE, both on loopback."""

from __future__ import annotations

import pytest

pytest.importorskip("pymatgen", reason="needs the extra `materials`")

from surrogates.materials.errors import SourceError
from surrogates.materials.sources import read, web
from tests.surrogates.materials.served import (
    KEY,
    document,
    materials_project,
    optimade,
    optimade_entry,
    pymatgen_dictionary,
    served,
)

FILTER = 'elements HAS ALL "Na","Cl" AND nelements=2'
DOCUMENTS = [
    document("mp-1", ["Na", "Cl"], -2.1),
    document("mp-2", ["Na", "Na"], 0.0),
    document("mp-3", ["Cl", "Cl"], 0.0),
    document("mp-4", ["K", "Cl"], -2.2),
    document("mp-5", ["Na", "Cl"], -1.0, deprecated=True),
]


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(web, "PAUSE_S", 0.0)


@pytest.fixture
def project(monkeypatch):
    with served(materials_project(DOCUMENTS)) as (address, faults):
        monkeypatch.setenv("MP_API_KEY", KEY)
        monkeypatch.setenv("MP_API_ENDPOINT", address)
        yield faults


def said(source, **how) -> str:
    with pytest.raises(SourceError) as fault:
        read(source, **how)
    return str(fault.value)


def test_a_chemical_system_comes_with_its_subsystems(project):
    found = read("mp:Na-Cl", values={"energy": "formation_energy_per_atom"})
    assert {one.id: dict(one.values) for one in found} == {
        "mp-1": {"energy": -2.1},
        "mp-2": {"energy": 0.0},
        "mp-3": {"energy": 0.0},
    }
    assert found[0].structure.counts == {"Cl": 1, "Na": 1} and found[0].source == "Materials Project mp-1"


def test_all_pages_are_read(project, monkeypatch):
    monkeypatch.setattr("surrogates.materials.sources.materials_project.PAGE", 2)
    assert [one.id for one in read("mp:Cl-Na")] == ["mp-1", "mp-2", "mp-3"]
    assert [asked["_skip"] for _, asked in project.asked] == ["0", "2"]


def test_without_a_total_a_full_page_is_not_the_last(monkeypatch):
    respond = materials_project(DOCUMENTS)

    def without(path, query):
        status, data = respond(path, query)
        return status, {"data": data["data"]}

    monkeypatch.setattr("surrogates.materials.sources.materials_project.PAGE", 2)
    with served(without) as (address, _):
        monkeypatch.setenv("MP_API_KEY", KEY)
        monkeypatch.setenv("MP_API_ENDPOINT", address)
        assert [one.id for one in read("mp:Cl-Na")] == ["mp-1", "mp-2", "mp-3"]


def test_formulas_and_ids(project):
    assert [one.id for one in read("mp:KCl")] == ["mp-4"]
    found = read("mp:mp-1,mp-77")
    assert dict(found[0].values) == {
        "formation_energy_per_atom": -2.1,
        "energy_above_hull": 0.0,
        "band_gap": 5.0,
    }
    assert [(one.id, one.code) for one in found.refused] == [("mp-77", "not-found")]
    assert "wanted elements" in said("mp:water") and "different elements" in said("mp:Na-Na")
    assert "wanted the column 'gap'" in said("mp:KCl", values={"energy": "gap"})


def test_the_key_is_asked_for_and_never_shown(project, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", "wrong")
    text = said("mp:NaCl")
    assert "got 401" in text and "MP_API_KEY" in text and "wrong" not in text.replace("wanted", "")
    monkeypatch.delenv("MP_API_KEY")
    assert "wanted a key" in said("mp:NaCl")
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("MP_API_ENDPOINT", "http://materials.example")
    assert "in the clear" in said("mp:NaCl")


def test_the_key_does_not_follow_to_another_host(project):
    with served(materials_project(DOCUMENTS)) as (other, seen):
        project.answer, project.location = (302, b""), f"{other}/materials/summary/"
        assert "got 302" in said("mp:NaCl")
        assert not seen.asked


def test_a_busy_server_is_asked_again(project):
    project.busy = 3
    assert len(read("mp:KCl")) == 1 and len(project.asked) == 4
    project.busy = 99
    assert "got 503" in said("mp:KCl")


def test_answers_that_are_none(project, monkeypatch):
    for answer, what in (
        (b"<html>", "wanted JSON"),
        (b"[]", "wanted a JSON mapping"),
        (b'{"data": 3}', "wanted a list of documents"),
        (b'{"data": [], "meta": {"total_doc": 3}}', "wanted 3 documents, got 0"),
    ):
        project.answer = (200, answer)
        assert what in said("mp:NaCl")
    project.answer = (422, b'{"detail": [{"loc": ["query", "chemsys"], "msg": "is not a system"}]}')
    assert "got 422: is not a system" in said("mp:NaCl")
    monkeypatch.setattr(web, "MOST_BYTES", 100)
    project.answer = (200, b" " * 101)
    assert "wanted at most 100 bytes" in said("mp:NaCl")


def test_nobody_there(monkeypatch):
    with served(materials_project([])) as (address, _):
        pass
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("MP_API_ENDPOINT", address)
    assert "no answer" in said("mp:NaCl")
    assert "no answer" in said(f"optimade:{address}/db?filter={FILTER}")


def test_a_damaged_document_is_refused_alone(monkeypatch):
    mixed = pymatgen_dictionary(["Na", "Cl"])
    mixed["sites"][0]["species"] = [{"element": "Na", "occu": 0.5}, {"element": "K", "occu": 0.5}]
    bad = [
        document("mp-8", ["Na", "Cl"], -1.0, structure=mixed),
        document("mp-9", ["Na", "Cl"], -1.0, structure=None),
    ]
    with served(materials_project([*DOCUMENTS, *bad])) as (address, _):
        monkeypatch.setenv("MP_API_KEY", KEY)
        monkeypatch.setenv("MP_API_ENDPOINT", address)
        found = read("mp:NaCl")
    assert [one.id for one in found] == ["mp-1"]
    assert {one.id: one.code for one in found.refused} == {"mp-8": "partial-occupancy", "mp-9": "unreadable"}


@pytest.mark.parametrize("link_objects", [False, True])
@pytest.mark.parametrize("path", ["/db", "/db/v1", "/db/v1/structures/"])
def test_optimade_page_by_page(path, link_objects):
    entries = [optimade_entry(f"x{k}", edge=5.6 + 0.1 * k) for k in range(5)]
    with served(optimade(entries, FILTER, link_objects=link_objects)) as (address, faults):
        found = read(f"optimade:{address}{path}?filter={FILTER}", values={"gap": "_exmpl_gap"})
        assert [one.id for one in found] == [f"x{k}" for k in range(5)]
        assert all(one.values == {"gap": 5.0} for one in found) and len(faults.asked) == 3
        assert found[4].source == f"{address}/db/v1/structures/x4"
    structure = found[4].structure
    assert structure.frac == ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)) and structure.volume == pytest.approx(
        6.0**3 / 4
    )


def test_optimade_refuses_one_by_one():
    def species(**one):
        return [{"name": "Na", "chemical_symbols": ["Na"], "concentration": [1.0], **one}, SALT[1]]

    SALT = optimade_entry("")["attributes"]["species"]
    cases = {
        "mixed": (
            {"species": species(chemical_symbols=["Na", "K"], concentration=[0.5, 0.5])},
            "partial-occupancy",
        ),
        "holes": (
            {"species": species(chemical_symbols=["Na", "vacancy"], concentration=[0.9, 0.1])},
            "partial-occupancy",
        ),
        "thin": ({"species": species(concentration=[0.9])}, "partial-occupancy"),
        "any": ({"species": species(chemical_symbols=["X"])}, "unknown-element"),
        "attached": ({"species": species(attached=["H"], nattached=[2])}, "unreadable"),
        "undescribed": ({"species": species(name="K")}, "unreadable"),
        "disorder": ({"structure_features": ["disorder"]}, "partial-occupancy"),
        "implicit": ({"structure_features": ["implicit_atoms"]}, "unreadable"),
        "slab": ({"nperiodic_dimensions": 2}, "unreadable"),
        "open": ({"lattice_vectors": [[5.6, 0, 0], [0, 5.6, 0], [None, None, None]]}, "unreadable"),
        "flat": ({"lattice_vectors": [[5.6, 0, 0], [5.6, 0, 0], [0, 0, 5.6]]}, "unreadable"),
        "short": ({"cartesian_site_positions": [[0, 0, 0]]}, "unreadable"),
        "none": ({"cartesian_site_positions": None}, "unreadable"),
        "nobody": ({"species_at_sites": None}, "unreadable"),
        "empty": ({"species_at_sites": [], "cartesian_site_positions": []}, "empty"),
        "near": ({"cartesian_site_positions": [[0, 0, 0], [0.1, 0, 0]]}, "overlap"),
    }
    entries = [optimade_entry(name, **changes) for name, (changes, _) in cases.items()]
    entries += [optimade_entry("good"), {"id": "bare", "type": "structures"}]
    bare = optimade_entry("plain", edge=5.7)
    bare["attributes"]["species"] = None
    with served(optimade([*entries, bare], FILTER, page=50)) as (address, _):
        found = read(f"optimade:{address}/db?filter={FILTER}")
    assert [one.id for one in found] == ["good", "plain"]
    assert {one.id: one.code for one in found.refused if one.id} == {
        name: code for name, (_, code) in cases.items()
    }
    assert len(found.refused) == len(cases) + 1


def test_optimade_errors(monkeypatch):
    monkeypatch.setattr("surrogates.materials.sources.optimade.MOST_PAGES", 5)
    entries = [optimade_entry(f"x{k}") for k in range(3)]
    with served(optimade(entries, FILTER)) as (address, faults):
        text = said(f"optimade:{address}/db?filter=elements HAS")
        assert "got 400: cannot parse the filter" in text and "double quotes" in text
        assert "got 404" in said(f"optimade:{address}/elsewhere?filter={FILTER}")
        faults.answer = (200, b'{"data": [], "meta": {"more_data_available": true}, "links": {"next": null}}')
        assert "wanted a link to the next page" in said(f"optimade:{address}/db?filter={FILTER}")
        here = f"{address}/db/v1/structures".encode()
        faults.answer = (200, b'{"data": [], "links": {"next": "%s"}}' % here)
        before = len(faults.asked)
        assert "this one again" in said(f"optimade:{address}/db?filter={FILTER}")
        assert len(faults.asked) == before + 1
        faults.answer = (200, b'{"data": [], "links": {"next": "file:///etc/passwd"}}')
        assert "wanted an address" in said(f"optimade:{address}/db?filter={FILTER}")
        faults.answer = (200, b'{"data": []}')
        assert "empty source" in said(f"optimade:{address}/db?filter={FILTER}")
    assert "wanted an address" in said("optimade:ftp://x.org")
