"""What docs/operating.md shows is a laboratory as printed, and every command in it exists with these options."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.labfile import bind_lab, read_lab

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()


def test_the_laboratory_of_the_page_binds_as_it_is_printed(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    watched = bind_lab(*read_lab("whatever", path)).monitoring
    assert len(watched.rules) == 3 and len(watched.suspenders) == 2 and len(watched.sources) == 2
    assert watched.suspenders[0].high == 100.0 and watched.suspenders[1].devices == ("furnace",)


def test_every_command_of_the_page_has_its_options() -> None:
    shown = re.findall(r"alquimia (\w+)([^`\n]*)", PAGE)
    assert {name for name, _ in shown} >= {
        "stop",
        "release",
        "pause",
        "continue",
        "abort",
        "device",
        "status",
        "doubts",
    }
    for name, rest in shown:
        help_ = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        assert "Usage:" in help_, name
        for option in re.findall(r"--[a-z]+", rest):
            assert option in help_, (name, option)
