"""The page as a reader and a browser get it: whole, escaped, without a single request."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from campaigns.space import Categorical, Space
from orchestrator.records import Records
from orchestrator.report import page as pages
from orchestrator.report.figures.spec import panel
from orchestrator.report.model import ModelView, PlannerView
from tests.orchestrator import records_fake as fake

# Attributes by which a browser loads something.
LOADS = {
    "src",
    "href",
    "srcset",
    "data",
    "poster",
    "action",
    "formaction",
    "background",
    "xlink:href",
    "ping",
}


class Reader(HTMLParser):
    """Text, loads, figures and the experiments' rows of a page; plotly's own script is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.figures: dict[str, dict[str, Any]] = {}
        self.plots: list[str] = []
        self._script: str | None = None
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.loads += [(tag, value or "") for name, value in attrs if name in LOADS]
        self.loads += [(tag, name) for name, _ in attrs if name.startswith("on")]
        if tag == "script":
            self._script = given.get("data-for") or ""
        self._style = tag == "style"
        if given.get("class") == "plot":
            self.plots.append(given["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._script:
            self.figures[self._script.removeprefix("plot-")] = json.loads(data)
        elif self._script is None and not self._style and data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def read(records: Records, model: ModelView | None = None, **given: Any) -> Reader:
    reader = Reader()
    reader.feed(pages.page(records, model=model, **given))
    reader.close()
    return reader


def traces(reader: Reader, key: str) -> dict[str, dict[str, Any]]:
    return {trace.get("name", trace["type"]): trace for trace in reader.figures[key]["data"]}


EVERY = {
    "film": fake.records(40, failing=(5, 30), fallback=(22,)),
    "minimise": fake.records(40, direction="minimise", failing=(11,)),
    "mixture": fake.records(30, space=fake.mixture()),
    "table": fake.records(30, space=fake.table()),
    "no sigma": fake.records(20, sigma=False),
    "no prediction": fake.records(20, predicted=False),
    "empty": fake.records(0, state="open"),
    "one": fake.records(1, state="open"),
    "two": fake.records(2, state="open"),
    "only failures": fake.records(6, failing=range(1, 7), state="open"),
    "real": fake.records(5, reality="real"),
    "no actions": fake.records(5, actions=()),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_whole_and_loads_nothing(name: str) -> None:
    reader = read(EVERY[name], fake.TrueBelief())
    assert [load for load in reader.loads if not load[1].startswith("#")] == []
    assert not {"iframe", "object", "embed", "link", "base"} & set(reader.tags)
    assert len(set(reader.plots)) == len(reader.plots) == len(reader.figures)
    assert {f"plot-{key}" for key in reader.figures} == set(reader.plots)
    for key, figure in reader.figures.items():
        for axis in (value for name, value in figure["layout"].items() if name in ("xaxis", "yaxis")):
            assert "title" in axis, key
    assert "nan" not in reader.text.lower().split()
    assert "None" not in reader.text


def test_the_security_policy_forbids_every_request() -> None:
    text = pages.page(EVERY["film"], model=None)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert not any("http" in value or "*" in value for value in rules.values())
    assert not {"connect-src", "font-src", "frame-src"} & set(rules)


def test_plotly_is_inside_once_and_only_where_there_is_a_figure() -> None:
    assert pages.page(EVERY["film"], model=None).count("* plotly.js v") == 1
    assert "* plotly.js v" not in pages.page(EVERY["empty"], model=None)


def test_text_of_campaign_and_log_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    records = fake.records(12, failing=(3,), reason=evil)
    campaign = records.campaign.model_copy(update={"name": evil, "description": "</style>" + evil})
    experiments = tuple(
        fake.changed(e, failure=("infeasible", evil), state="failed")
        if e.number == 3
        else fake.changed(e, proposal=fake.changed(e.proposal, rule=evil, model=evil, acquisition=evil))
        for e in records.experiments
    )
    records = fake.changed(
        records, campaign=campaign, experiments=experiments, lab=evil, versions={evil: evil}
    )
    plain = read(EVERY["film"], fake.TrueBelief())
    reader = read(records, fake.TrueBelief())
    assert reader.tags.count("script") == plain.tags.count("script")
    assert "img" not in reader.tags and reader.loads.count(("img", "x")) == 0
    assert evil in reader.text
    assert not any("<script" in text for text in hovers(reader)) and any(
        "&lt;script" in text for text in hovers(reader)
    )


def hovers(reader: Reader) -> list[str]:
    return [
        text
        for figure in reader.figures.values()
        for trace in figure["data"]
        for text in trace.get("hovertext") or []
    ]


def test_a_choice_cannot_become_markup_in_figures_either() -> None:
    evil = "<b>x</b><script>"
    choices = Categorical(name="solvent", choices=(evil, "toluene"))
    space = Space(parameters=(*fake.film().parameters[:-1], choices))
    records = fake.records(20)
    experiments = tuple(
        fake.changed(e, candidate={**e.candidate, "solvent": evil if e.number % 2 else "toluene"})
        for e in records.experiments
    )
    campaign = records.campaign.model_copy(update={"space": space})
    reader = read(fake.changed(records, campaign=campaign, experiments=experiments), fake.Flat())
    assert "<script>" not in json.dumps(reader.figures)
    slice_ = reader.figures["slice-solvent"]
    assert slice_["layout"]["xaxis"]["categoryarray"][0] == "&lt;b&gt;x&lt;/b&gt;&lt;script&gt;"


@pytest.mark.parametrize("reality", ["simulated", "real"])
def test_simulated_is_in_plain_sight_and_only_where_true(reality: str) -> None:
    text = pages.page(fake.records(3, reality=reality), model=None)
    visible = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    assert ("[simulated]" in visible) == ('class="ribbon"' in visible) == (reality == "simulated")
    assert ("real laboratory</span>" in visible) == (reality == "real")


def test_the_head_says_what_it_is_and_why_it_ended() -> None:
    records = EVERY["film"]
    text = read(records).text
    for wanted in (
        "thin-film-mobility",
        "maximise hole mobility (cm²/V/s)",
        "finished: no better experiment in 15 (stalled_for: 15)",
        "simulated/thin_film",
        records.fingerprint,
        "of 60 planned",
        "botorch 0.18.1",
        "of 12 h",
        *fake.RULES.values(),
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize("direction", ["maximise", "minimise"])
def test_progress_shows_every_value_mode_and_failure(direction: str) -> None:
    records = fake.records(40, direction=direction, failing=(5, 30), fallback=(22,))
    shown = traces(read(records), "progress-0")
    values = {e.number: v.value for e in records.experiments if (v := e.values.get("hole_mobility"))}
    points = {
        x: y
        for mode in ("explore", "learn", "optimise", "fall-back")
        for x, y in zip(shown[mode]["x"], shown[mode]["y"], strict=True)
    }
    assert points == values
    assert shown["fall-back"]["x"] == [22]
    assert shown["failed"]["x"] == [5, 30]
    pick = max if direction == "maximise" else min
    path = shown["best so far"]
    assert path["y"] == [pick(v for n, v in values.items() if n <= x) for x in path["x"]]
    assert shown["best"]["y"] == [pick(values.values())]
    symbols = {shown[mode]["marker"]["symbol"] for mode in ("explore", "learn", "optimise", "fall-back")}
    assert len(symbols) == 4
    assert "the brain did not answer within 30 s" in shown["fall-back"]["hovertext"][0]


def test_parity_holds_the_predictions_of_proposal_time_and_says_how_many_there_were_not() -> None:
    records = EVERY["film"]
    reader = read(records)
    shown = traces(reader, "parity")
    known = [e for e in records.experiments if e.proposal.mean is not None and e.state == "measured"]
    told = {
        (x, y)
        for mode in ("learn", "optimise")
        for x, y in zip(shown[mode]["x"], shown[mode]["y"], strict=True)
    }
    assert told == {(e.values["hole_mobility"].value, e.proposal.mean) for e in known}
    n_measured = sum(e.state == "measured" for e in records.experiments)
    assert f"{n_measured - len(known)} of {n_measured} measured experiments had no prediction" in reader.text
    inside = 0
    for e in known:
        assert e.proposal.mean is not None and e.proposal.sd is not None
        half = 1.6448536 * (e.proposal.sd**2 + fake.NOISE**2) ** 0.5
        inside += abs(e.values["hole_mobility"].value - e.proposal.mean) <= half
    assert f"Observed coverage: {inside} of {len(known)} " in reader.text


def test_without_predictions_or_actions_or_model_the_section_says_why() -> None:
    assert "No measured experiment carries a prediction" in read(EVERY["no prediction"]).text
    assert "No action has been sent" in read(EVERY["no actions"]).text
    assert "written without a model" in read(EVERY["film"]).text
    assert "torch is not here" in read(EVERY["film"], no_model="torch is not here").text
    assert (
        "A model needs at least 2 measured experiments" in read(EVERY["one"], PlannerView(EVERY["one"])).text
    )
    assert "it exploded" in read(EVERY["film"], fake.Broken("it exploded")).text


def test_parallel_coordinates_hold_every_candidate_with_choices_as_labels() -> None:
    records = EVERY["film"]
    (trace,) = read(records).figures["parallel"]["data"]
    measured = sorted(
        (e.values["hole_mobility"].value, e) for e in records.experiments if e.state == "measured"
    )
    dimensions = {d["label"].replace("<br>", " "): d for d in trace["dimensions"]}
    assert dimensions["dopant fraction"]["values"] == [e.candidate["dopant_fraction"] for _, e in measured]
    assert dimensions["solvent"]["ticktext"] == list(fake.SOLVENTS)
    assert (
        dimensions["hole mobility (cm²/V/s)"]["values"] == trace["line"]["color"] == [v for v, _ in measured]
    )
    time = dimensions["anneal time (s)"]
    assert [10**x for x in time["values"]] == pytest.approx([e.candidate["anneal_time"] for _, e in measured])
    assert time["ticktext"][0] == "10" and time["ticktext"][-1] == "300"


def test_the_timeline_holds_every_action_in_one_row_per_device() -> None:
    records = EVERY["film"]
    figure = read(records).figures["timeline"]
    bars = [
        (row.split(" · ")[0], base * 3600, (base + x) * 3600)
        for trace in figure["data"]
        for row, base, x in zip(trace["y"], trace["base"], trace["x"], strict=True)
    ]
    wanted = [(a.device, a.began_s, a.ended_s) for a in records.actions]
    assert len(bars) == len(wanted)
    for bar, action in zip(sorted(bars), sorted(wanted), strict=True):
        assert bar[0] == action[0] and bar[1:] == pytest.approx(action[1:])
    assert len({trace["name"] for trace in figure["data"]} & {"failed"}) == 1


def test_the_table_unfolds_to_the_whole_reason_of_each_proposal() -> None:
    text = pages.page(EVERY["film"], model=None)
    rows = re.findall(r"<tbody data-state=.*?</tbody>", text, flags=re.DOTALL)
    assert len(rows) == 40
    for wanted in (
        "event 360",
        "gp-matern52",
        fake.RULES["optimise"],
        "ucb =",
        "phase 3 of the plan",
        "x-0030",
    ):
        assert wanted in rows[29], wanted
    assert "infeasible: the film de-wetted" in rows[29]
    assert sum('class="row measured best"' in row for row in rows) == 1


def test_without_lab_times_there_is_no_timeline_and_no_column_for_them() -> None:
    records = fake.records(5)
    untimed = fake.changed(
        records,
        experiments=tuple(fake.changed(e, lab_began_s=None, lab_ended_s=None) for e in records.experiments),
        actions=tuple(fake.changed(a, began_s=None, ended_s=None) for a in records.actions),
    )
    reader = read(untimed)
    assert "The actions carry no lab times" in reader.text
    assert "took" not in reader.texts and "took" in read(records).texts


def test_five_hundred_experiments_fit() -> None:
    reader = read(fake.records(500, planned=500), fake.TrueBelief())
    shown = traces(reader, "progress-0")
    assert sum(len(shown[mode]["x"]) for mode in ("explore", "learn", "optimise")) == 500


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    pages.write(EVERY["one"], target, model=None)
    before = target.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        pages.write(EVERY["two"], target, model=None)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_without_a_model_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from orchestrator.report.model import PlannerView\n"
        "from orchestrator.report.page import write\n"
        "from tests.orchestrator import records_fake as fake\n"
        "records = fake.records(3)\n"
        "view = PlannerView(records)\n"
        f"write(records, Path({str(tmp_path / 'r.html')!r}), model=None)\n"
        "assert 'torch' not in sys.modules and 'surrogates' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_planner_s_own_model_is_drawn() -> None:
    reader = read(EVERY["film"], PlannerView(EVERY["film"]))
    assert "plane-mean" in reader.figures and "slice-dopant_fraction" in reader.figures


def test_figure_text_cannot_end_its_script_whoever_forgot_to_escape_it() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[2], name="</script><!-- &amp; \u2028"), layout={"height": 100})
    found = panel("k", figure)
    assert not set("<>&\u2028") & set(found.json)
    assert json.loads(found.json)["data"][0]["name"] == "</script><!-- &amp; \u2028"
