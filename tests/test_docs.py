"""Documents cannot rot: what exists is documented, and what a document shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from campaigns.errors import CODES as CAMPAIGN_CODES
from campaigns.load import loads
from campaigns.plan import METHODS
from drivers import registry
from drivers.lab import LabFile
from orchestrator.cli.main import app
from orchestrator.errors import CODES
from orchestrator.events import KINDS
from orchestrator.labfile import bind_lab, read_lab

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_every_event_is_documented() -> None:
    assert [kind for kind in KINDS if f"| `{kind}` | {KINDS[kind]} |" not in DOCS["interfaces.md"]] == []


def test_every_error_code_is_documented() -> None:
    every = {**CAMPAIGN_CODES, **CODES}
    assert [code for code in every if f"| {code} | {every[code]} |" not in DOCS["errors.md"]] == []


def test_every_command_is_documented() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"`{name}`" not in DOCS["interfaces.md"]] == []
    assert [name for name in commands if name not in README] == []


def test_every_driver_is_documented() -> None:
    assert [name for name in registry.known() if f"`{name}`" not in DOCS["drivers.md"]] == []


def test_every_method_and_rule_is_documented() -> None:
    from campaigns.plan import Until

    words = [method for methods in METHODS.values() for method in methods] + list(Until.model_fields)
    assert [word for word in words if f"`{word}`" not in DOCS["language.md"]] == []


def test_the_campaign_of_the_readme_is_valid() -> None:
    campaigns = [block for block in blocks(README, "yaml") if block.startswith("alquimia: 1")]
    assert campaigns
    for text in campaigns:
        loads(text, file="README.md")


def test_the_driver_of_the_readme_is_the_one_that_keeps_the_contract() -> None:
    """`tests/drivers/balance.py` is run against a real socket; the README shows that very text."""
    source = (ROOT / "tests" / "drivers" / "balance.py").read_text()
    shown = next(block for block in blocks(README, "python") if "class Balance" in block)
    assert shown.strip() in source
    assert len([line for line in shown.splitlines() if line.strip()]) <= 40


def test_the_planner_of_the_readme_runs() -> None:
    code = next(block for block in blocks(README, "python") if "Planner" in block)
    here: dict[str, object] = {"measure": lambda temperature, solvent: -abs(temperature - 420.0)}
    exec(code, here)  # noqa: S102  the document's own code
    assert len(here["mean"]) == len(here["sd"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DOCS)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", DOCS[name]):
        assert (ROOT / "docs" / target).exists(), f"docs/{name} links to {target}"


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), f"README.md links to {target}"


def test_the_shown_backtest_binds(tmp_path: Path) -> None:
    from orchestrator.binding import bind_campaign

    lab_text, campaign_text = blocks(DOCS["backtest.md"], "yaml")
    table = tmp_path / "history.csv"
    table.write_text("T (C),A/B,Yield (%)\n20,1.0,31\n80,2.0,77\n80,2.0,75\n120,4.0,52\n")
    (tmp_path / "lab.yaml").write_text(lab_text)
    campaign = loads(campaign_text, tables={"table": table})
    file, _, _ = read_lab(campaign.lab, tmp_path / "lab.yaml")
    bound = bind_campaign(campaign, bind_lab(file.with_settings("table", table=str(table))))
    assert isinstance(bound.laboratory.file, LabFile)
    assert bound.campaign.space.allowed is not None and len(bound.campaign.space.allowed.rows) == 3
