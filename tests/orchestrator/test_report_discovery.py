"""A search for stable crystals in the report: rounds, hull and phases, by numbers that can be checked by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator import status
from orchestrator.records import LoopRecord, Records
from orchestrator.report.compositions import elements_of, points, tie_lines
from orchestrator.report.crystals import Known, named
from orchestrator.report.discovery import Discovery, _Growing, discovery
from orchestrator.report.discovery_sections import discovery_sections
from orchestrator.report.figures.placing import place_names
from orchestrator.report.listing import heads, rows
from orchestrator.report.overview import cards, facts
from orchestrator.report.page import page
from orchestrator.report.sections import Section, calibration_section, parallel_section, progress_section
from surrogates.materials.hull import Entry, Hull
from tests.orchestrator import discovery_fake as fake
from tests.orchestrator import records_fake


def whole(records: Records, tmp_path: Path, *pools: Any) -> tuple[Discovery, list[Section]]:
    known = Known(records, fake.kept(tmp_path, *(pools or (fake.POOL_KEPT,))))
    found = discovery(records, known)
    assert found is not None
    return found, discovery_sections(named(records, known), found)


def figures(section: Section) -> dict[str, dict[str, Any]]:
    return {panel.key: json.loads(panel.json) for panel in section.panels}


def traces(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure["data"]}


def test_rounds_are_counted_as_by_hand(tmp_path: Path) -> None:
    found, (section, _) = whole(fake.search(), tmp_path)
    first, second = found.rounds
    assert [len(each.experiments) for each in found.rounds] == [2, 3]
    assert [each.over for each in first.labelled] == pytest.approx([-0.25, 0.15])
    assert [each.over for each in second.labelled] == pytest.approx([-0.3, -0.1 / 6])
    assert (first.hits, first.hit_rate, second.hits, second.hit_rate) == (1, 0.5, 2, 1.0)
    # The second LiO takes LiO2 off the hull again, and the seeds' LiO with it.
    assert (first.precision, second.precision) == (0.5, 0.5)
    assert (len(found.before.stable), first.n_stable, second.n_stable) == (3, 4, 4)
    assert (first.n_found, second.n_found) == (1, 2)
    assert (first.mean_error, second.mean_error) == (None, pytest.approx(0.2))
    assert (second.coverage.inside, second.coverage.n, second.n_failed) == (0, 2, 1)
    assert found.seeds == {"mp-1", "mp-2", "mp-3", "mp-4"}
    assert section.listing is not None
    assert section.listing.rows == (
        ("1", "1–2", "explore · sobol", "2", "0", "1 of 2", "50\u00a0%", "1 (50\u00a0%)", "4", "–", "–",
         "0 (0\u00a0%)", "2 pool"),
        ("2", "3–5", "optimise · probability", "2", "1", "2 of 2", "100\u00a0%", "1 (50\u00a0%)", "4", "0.2",
         "0 of 2", "0 (0\u00a0%)", "1 substitution, 1 pool"),
    )  # fmt: skip
    assert "3 of 4 (75\u00a0%) were on or below the hull known then" in section.lead


def test_the_figures_of_the_rounds_show_these_numbers(tmp_path: Path) -> None:
    _, (section, _) = whole(fake.search(), tmp_path)
    found = figures(section)
    rates = traces(found["rounds-rates"])
    assert (rates["explore"]["y"], rates["optimise"]["y"]) == ([0.5], [1.0])
    assert rates["hit rate so far"]["y"] == [0.5, 0.75]
    assert rates["on the hull at the end"]["y"] == [0.5, 0.5]
    growth = traces(found["rounds-hull"])
    assert (growth["on the hull"]["y"], growth["of these found here"]["y"]) == ([3, 4, 4], [0, 1, 2])
    assert traces(found["rounds-error"])["optimise"]["y"] == pytest.approx([0.2])
    held = traces(found["rounds-coverage"])["optimise"]
    assert held["y"] == [0.0] and held["error_y"]["array"][0] > 0.5  # of two results almost nothing is known


def test_stable_phases_are_listed_with_where_they_come_from(tmp_path: Path) -> None:
    found, (_, section) = whole(fake.search(), tmp_path)
    assert section.listing is not None
    # Without Li3O the hull at a quarter is half of the generated crystal's 0.8; without that, at one half, it is the
    # 0.5 of the seed with the same formula, which pymatgen writes as a peroxide.
    assert section.listing.rows == (
        ("Li3O", "mp-5", "−0.25", "−0.1", "pool", "–", "1"),
        ("Li2O2", "g-1", "−0.3", "−0.3", "substitution", "Li2O2 (mp-3)", "3"),
    )
    assert [each.id for each in found.found] == ["mp-5", "g-1"]
    assert [each.decomposition for each in found.found] == pytest.approx([-0.1, -0.3])
    assert set(found.hull.stable) == {"mp-1", "mp-2", "mp-5", "g-1"}


def test_the_hull_of_a_binary_is_drawn(tmp_path: Path) -> None:
    _, (_, section) = whole(fake.search(), tmp_path)
    figure = figures(section)["hull"]
    shown = traces(figure)
    assert figure["layout"]["xaxis"]["title"]["text"] == "atomic fraction of O"
    assert shown["hull"]["x"] == pytest.approx([0, 0.25, 0.5, 1])
    assert shown["hull"]["y"] == pytest.approx([0, -0.5, -0.8, 0])
    assert shown["hull known before"]["x"] == pytest.approx([0, 0.5, 1])
    assert shown["hull known before"]["y"] == pytest.approx([0, -0.5, 0])
    assert sorted(shown["found: on the hull"]["x"]) == [0.25, 0.5]
    assert sorted(shown["on the hull before"]["x"]) == [0, 1]
    assert shown["labelled: explore"]["x"] == [0.25, 0.75]
    assert shown["labelled: explore"]["y"] == pytest.approx([-0.5, -0.1])
    assert sorted(shown["known before"]["y"]) == pytest.approx([-0.5, 0.02])
    assert "mp-5" in shown["labelled: explore"]["hovertext"][0]
    assert "experiment 1" in shown["labelled: explore"]["hovertext"][0]


TERNARY = {"Li": -2.0, "P": -5.5, "O": -5.0}


def ternary(tmp_path: Path, extra: str = "") -> tuple[Discovery, list[Section]]:
    """Li, P, O and LiO known before; Li3P and LiPO are labelled, the first on the hull, the second above it."""
    elements = TERNARY | ({extra: -4.0} if extra else {})
    pool = [
        {"id": f"s-{f}", **fake.crystal(f), "values": {"energy": fake.energy(f, e, elements)}}
        for f, e in [*((symbol, 0.0) for symbol in elements), ("LiO", -0.5)]
    ]
    parameter, content = fake.material(pool)
    experiments = [
        fake.asked(1, "m-1", "Li3P", fake.energy("Li3P", -0.3, elements), read_to=10),
        fake.asked(2, "m-2", "LiPO", fake.energy("LiPO", -0.1, elements), read_to=10),
    ]
    return whole(fake.search_of(parameter, experiments), tmp_path, (parameter, content))


def test_the_hull_of_a_ternary_has_its_tie_lines(tmp_path: Path) -> None:
    found, (rounds, section) = ternary(tmp_path)
    elements = elements_of(found)
    assert elements == ("Li", "P", "O")
    ties = {frozenset((a.id, b.id)) for a, b in tie_lines(found, points(found, elements))}
    assert ties == set(
        map(
            frozenset,
            [("s-Li", "s-LiO"), ("s-LiO", "s-O"), ("s-O", "s-P"), ("s-P", "m-1"), ("m-1", "s-Li"),
             ("s-LiO", "m-1"), ("s-LiO", "s-P")],
        )
    )  # fmt: skip
    figure = figures(section)["hull"]
    shown = traces(figure)
    assert (shown["found: on the hull"]["a"], shown["found: on the hull"]["b"]) == ([0.75], [0.25])
    assert shown["element"]["text"] == ["Li", "P", "O"]
    assert [figure["layout"]["ternary"][f"{k}axis"]["title"]["text"] for k in "abc"] == ["", "", ""]
    assert shown["formula"]["text"] and not {"Li", "P", "O2"} & set(shown["formula"]["text"])
    above = dict(
        zip(shown["labelled: optimise"]["c"], shown["labelled: optimise"]["marker"]["color"], strict=True)
    )
    assert above[0.0] == pytest.approx(0.0, abs=1e-9)
    # Li + P + O decompose into LiO and P: 2/3 of 0.5.
    assert {round(each.above, 6) for each in points(found, elements)} == {0.0, round(1 / 3 - 0.1, 6)}
    assert len(shown["tie lines"]["a"]) == 3 * 7
    # Both combine elements that no seed combines.
    assert found.rounds[0].new_systems == 2 and rounds.listing is not None
    assert rounds.listing.rows[0][11] == "2 (100\u00a0%)"


def test_of_more_elements_only_a_table_is_shown(tmp_path: Path) -> None:
    _, (_, section) = ternary(tmp_path, extra="S")
    assert section.panels == () and section.listing is not None
    assert section.notes == ("A hull is drawn for two or three elements; there are 4 here.",)
    assert [row[1] for row in section.listing.rows] == ["m-1", "s-Li", "s-LiO", "s-O", "s-P", "s-S"]
    assert [row[3] for row in section.listing.rows[:3]] == ["−0.3", "–", "−0.5"]


def test_a_phase_comes_onto_the_hull_once_its_elements_have_energies(tmp_path: Path) -> None:
    pool = [{"id": f, **fake.crystal(f)} for f in ("LiO", "Li", "O")]
    parameter, content = fake.material(pool)
    experiments = [
        fake.asked(k + 1, f, f, fake.energy(f, e), read_to=10 * k + 10, phase=0)
        for k, (f, e) in enumerate([("LiO", -0.5), ("Li", 0.0), ("O", 0.0)])
    ]
    found, (section, _) = whole(fake.search_of(parameter, experiments), tmp_path, (parameter, content))
    # Li is on a hull by itself; LiO once both are known.
    assert [each.n_stable for each in found.rounds] == [0, 1, 3]
    assert [each.hit_rate for each in found.rounds] == [None, None, None]
    assert [each.precision for each in found.rounds] == [1.0, 1.0, 1.0]
    assert [each.new_systems for each in found.rounds] == [None] * 3  # new against what?
    assert any("No energy was known beforehand" in note for note in section.notes)
    assert any("had no energy of its own" in note for note in section.notes)


def test_what_is_on_the_hull_is_kept_up_with_as_it_grows() -> None:
    rng = random.Random(5)
    symbols = ("Li", "O", "P")
    entries = [Entry(s, {s: 1}, -1.0) for s in symbols]
    for k in range(60):
        counts = Counter(rng.choices(symbols, k=rng.randint(2, 6)))
        entries.append(Entry(f"e{k}", counts, -1.0 - 0.4 * rng.random()))
    rng.shuffle(entries)  # elements late among them
    growing = _Growing(entries[:5])
    for at in range(5, len(entries), 4):
        growing.add(entries[at : at + 4])
        assert growing.stable == set(Hull(entries[: at + 4]).stable)


def test_several_energies_of_a_crystal_are_averaged(tmp_path: Path) -> None:
    again = fake.asked(6, "mp-5", "Li3O", fake.energy("Li3O", -0.38), read_to=60)
    records = fake.search()
    found, _ = whole(records_fake.changed(records, experiments=(*records.experiments, again)), tmp_path)
    assert found.energies["mp-5"] == pytest.approx(fake.energy("Li3O", -0.44))
    assert [each.id for each in found.found] == ["mp-5", "g-1"]
    # At -0.44 it is still below the 0.4 between Li and the generated LiO.
    assert found.found[0].decomposition == pytest.approx(-0.04)
    assert len(found.labelled) == 5


def test_what_was_known_before_is_not_found_again(tmp_path: Path) -> None:
    again = fake.asked(1, "mp-3", "LiO", fake.energy("LiO", -0.5), read_to=10)
    found, (_, section) = whole(fake.search_of(fake.PARAMETER, (again,)), tmp_path)
    assert "mp-3" in found.hull.stable and found.rounds[0].precision == 1.0
    assert found.found == () and found.rounds[0].n_found == 0
    assert section.listing is not None and section.listing.rows == ()
    assert section.listing.caption.startswith("No stable phase was found that was not known before.")


def test_what_was_explored_is_held_against_the_hull_of_its_own_time(tmp_path: Path) -> None:
    first = fake.asked(1, "mp-5", "Li3O", fake.energy("Li3O", -0.5), read_to=10, phase=0)
    second = fake.asked(2, "mp-8", "Li4O", fake.energy("Li4O", -0.35), read_to=20, phase=0)
    found, _ = whole(fake.search_of(fake.PARAMETER, (first, second)), tmp_path)
    # At a fifth the hull was at -0.2 before, and is at -0.4 since Li3O.
    assert [each.over for each in found.labelled] == pytest.approx([-0.25, 0.05])


def test_what_another_loop_measured_counts_from_then_on(tmp_path: Path) -> None:
    records = fake.search()
    begun, ended = records.experiments[0].proposed_at, records.experiments[-1].ended_at
    # Between Li4O at a fifth and LiO the hull is at -0.48 - 0.02/6 at a quarter; before, at -0.25.
    for at, over in ((begun, -0.5 + 0.48 + 0.02 / 6), (ended, -0.25)):
        other = fake.asked(9, "mp-8", "Li4O", fake.energy("Li4O", -0.48), read_to=90)
        other = records_fake.changed(other, ended_at=at, loop="labels")
        loop = LoopRecord("labels", (), (other,), None)
        found, _ = whole(records_fake.changed(records, loops=(loop,)), tmp_path)
        assert found.rounds[0].labelled[0].over == pytest.approx(over)
        assert found.energies["mp-8"] == pytest.approx(fake.energy("Li4O", -0.48))


def test_a_pool_that_is_gone_is_said_and_the_log_alone_is_shown(tmp_path: Path) -> None:
    records = fake.search()
    for crystals, said in ((None, "was not at hand"), (fake.kept(tmp_path), "cannot be read")):
        found = discovery(records, known := Known(records, crystals))
        assert found is not None and said in known.lacking
        # No element has an energy: no hull, and the hits that the proposals themselves tell of.
        assert found.hits == 2 and found.judged == 2 and found.hull.stable == ()
        text = page(records, model=None, crystals=crystals)
        assert "No hull can be drawn" in text and said in text


def test_the_head_and_the_table_of_a_search_for_the_hull(tmp_path: Path) -> None:
    records = fake.search()
    known = Known(records, fake.kept(tmp_path, fake.POOL_KEPT))
    found, shown = discovery(records, known), named(records, known)
    assert dict(facts(shown))["Goal"] == "stable crystals: energies per atom on the convex hull"
    assert "more by substitution" in dict(facts(shown))["Materials"]
    card = cards(shown, found)[0]
    assert (card.title, card.value) == ("Stable phases found", "2")
    assert card.more == (("Li2O2 (g-1)", "−0.3 eV/atom"), ("Li3O (mp-5)", "−0.1 eV/atom"))
    assert "4 phases are on the hull, 3 were before" in card.about
    at = [head.title for head in heads(shown)].index("over the hull")
    listed = rows(shown, found)
    assert [row.cells[at].text for row in listed] == ["−0.25", "0.15", "−0.3", "−0.0167", "–"]
    assert [row.cells[3].text for row in listed][:3] == ["Li3O (mp-5)", "LiO3 (mp-6)", "Li2O2 (g-1)"]
    assert [row.number for row in listed if row.is_best] == [1, 3]
    why = dict(listed[2].why)
    assert why["Crystal from"] == "substitution of Li2O2 (mp-3): Li for Na"
    assert why["Energy over the hull expected"] == "−0.200 ± 0.050 eV/atom"
    assert why["Chance of stability"] == "60\u00a0%"
    assert why["Its doubt"] == "0.03 among the networks, 0.04 in the data (eV/atom)"
    assert why["Energy over the hull measured"] == "−0.3 eV/atom"
    assert "Crystal from" not in dict(listed[0].why)


def test_energies_are_looked_at_from_the_hull(tmp_path: Path) -> None:
    found, _ = whole(fake.search(), tmp_path)
    progress = traces(figures(progress_section(fake.search(), found))["progress-0"])
    assert progress["explore"]["y"] == pytest.approx([-0.25, 0.15])
    assert progress["hit"]["x"] == [1, 3, 4] and progress["the hull known then"]["y"] == [0.0, 0.0]
    assert "best so far" not in progress and progress["failed"]["x"] == [5]
    parity = traces(figures(calibration_section(fake.search()))["parity"])["optimise"]
    assert parity["x"] == pytest.approx([-0.3, -0.1 / 6])
    assert parity["y"] == pytest.approx([-0.2, 0.3 - 0.1 / 6])
    assert parallel_section(fake.search()).missing


def test_status_knows_the_goal() -> None:
    summary = status.summarise(fake.search())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["goal"] == "hull" and summary["hull"]["hits"] == 2  # of the two that were told a hull


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_search_that_has_just_begun_has_a_page(n: int, tmp_path: Path) -> None:
    begun = fake.search().experiments[:n]
    if n == 1:  # asked for, not measured
        begun = (records_fake.changed(begun[0], state="running", values={}, ended_at=None),)
    records = fake.search_of(fake.PARAMETER, begun, state="open", reason="")
    text = page(records, model=None, crystals=fake.kept(tmp_path, fake.POOL_KEPT))
    assert ("No crystal has been proposed yet." in text) == (n == 0)
    assert ("No energy has been measured yet" in text) == (n == 1)
    assert ('id="plot-rounds-rates"' in text) == (n == 2)
    assert 'id="plot-hull"' in text  # of what was known beforehand


def test_text_of_a_pool_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    pool = [{**row, "id": evil if row["id"] == "mp-5" else row["id"]} for row in fake.POOL]
    parameter, content = fake.material(pool)
    first = fake.asked(
        1, evil, "Li3O", fake.energy("Li3O", -0.5), read_to=10, source=evil, how=evil, parents=[evil]
    )
    records = fake.search_of(parameter, [first])
    text = page(records, model=None, crystals=fake.kept(tmp_path, (parameter, content)))
    assert evil not in text and "&lt;script&gt;alert(1)" in text
    _, (_, section) = whole(records, tmp_path, (parameter, content))
    shown = traces(figures(section)["hull"])["labelled: optimise"]["hovertext"]
    assert len(shown) == 1 and "&lt;script&gt;" in shown[0] and "<script" not in shown[0]


def test_no_name_hides_another_or_a_point() -> None:
    at = [(50.0, 50.0), (60.0, 50.0), (70.0, 52.0), (200.0, 95.0)]
    names = ["LiFePO4", "Li3Fe2(PO4)3", "FePO4", "O2"]
    sides = place_names(names, at, at, inside=(0.0, 0.0, 220.0, 100.0))
    assert sides[3] == "bottom center"  # above is outside
    assert len({side for side in sides[:3] if side}) == len([side for side in sides[:3] if side]) >= 2
    crowd = [(x, y) for x in range(0, 200, 6) for y in range(0, 100, 6)]
    assert place_names(["LiFePO4"], [(50.0, 50.0)], crowd, inside=(0.0, 0.0, 220.0, 100.0)) == [None]
