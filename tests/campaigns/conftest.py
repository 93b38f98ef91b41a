"""A small valid campaign that tests bend, and tables to bind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError, Fault
from campaigns.load import load, loads
from campaigns.pool import Pool, shipped_pool

BASE = """\
alquimia: 1
campaign: small
space:
  x: {continuous: [0, 1]}
  t: {continuous: [300, 500], unit: K}
objectives:
  - {maximise: y, unit: '%'}
recipe:
  - {id: run, do: rig.run, with: {x: $x, temperature: $t}, gives: {y: reading}}
plan:
  - {explore: sobol, experiments: 5}
  - {optimise: ucb}
budget: {experiments: 20}
lab: simulated/rig
"""
TABLED = ("p3ht_cnt", "agnp", "crossed_barrel")
_HEADERS = {
    "p3ht_cnt": "P3HT content (%),D1 content (%),D2 content (%),D6 content (%),D8 content (%),Conductivity (S/cm)",
    "agnp": "QAgNO3(%),Qpva(%),Qtsc(%),Qseed(%),Qtot(uL/min),loss",
    "crossed_barrel": "n,theta,r,t,toughness",
}
_ROWS = {
    "p3ht_cnt": ["45,0,55,0,0,12.77", "30,0,69.95,0,0,14.8", "45,0,55,0,0,13.1"],
    "agnp": ["13.10132159,32.99559471,5.603524229,4.528634361,227,0.57", "20,20,10,10,300,0.4"],
    "crossed_barrel": ["6,0,1.5,0.7,1.14", "8,25,1.6,1.05,3.1", "8,25,1.6,1.05,3.2"],
}


@pytest.fixture
def base() -> str:
    return BASE


@pytest.fixture
def bent() -> Callable[..., str]:
    """BASE with pieces replaced, each of which must be there exactly once."""

    def bend(*pairs: tuple[str, str]) -> str:
        text = BASE
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text

    return bend


@pytest.fixture
def faults() -> Callable[..., tuple[Fault, ...]]:
    """The faults of a text that must be refused."""

    def find(text: str | bytes, **options: object) -> tuple[Fault, ...]:
        with pytest.raises(CampaignError) as refused:
            loads(text, file="f.yaml", **options)  # type: ignore[arg-type]
        return refused.value.faults

    return find


def with_moduli(folder: Path) -> Pool:
    """The metals, each with values of both moduli."""
    rows = [json.loads(line) for line in shipped_pool("fcc_metals").path.read_text("utf-8").splitlines()]
    values = {"bulk_modulus": 100.0, "shear_modulus": 50.0}
    path = folder / "moduli.jsonl"
    path.write_text("".join(json.dumps({**row, "values": values}) + "\n" for row in rows), "utf-8")
    return Pool.of(path)


@pytest.fixture
def shipped(tmp_path: Path) -> Callable[[str], Campaign]:
    """A campaign of the library, with a small table or pool bound where it needs one."""

    def get(name: str) -> Campaign:
        if name not in TABLED:
            metals = {name: shipped_pool("fcc_metals") for name in ("perovskites", "oxides", "crystals")}
            return load(name, pools={**metals, "moduli": with_moduli(tmp_path)})
        table = tmp_path / f"{name}.csv"
        table.write_text("\ufeff" + "\r\n".join([_HEADERS[name], *_ROWS[name]]) + "\r\n", encoding="utf-8")
        return load(name, tables={"table": table})

    return get
