"""Pools that the networks learn from first: bound like materials, known by their content, refused with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError
from campaigns.load import library_text, loads
from campaigns.pool import Pool, shipped_pool
from campaigns.pretraining import Lesson
from tests.campaigns.conftest import with_moduli

ON = "pretrained: {on: {moduli: [bulk_modulus, shear_modulus]}, epochs: 30}"


def campaign(folder: Path, change: str = ON, **pools: Pool) -> Campaign:
    text = library_text("phonons")
    assert ON in text
    bound = {"crystals": shipped_pool("fcc_metals"), "moduli": with_moduli(folder), **pools}
    return loads(text.replace(ON, change), file="phonons.yaml", pools=bound)


def test_a_lesson_is_known_by_what_is_in_its_pool(tmp_path: Path) -> None:
    found = campaign(tmp_path)
    pool = with_moduli(tmp_path)
    wanted = Lesson(pool="moduli", digest=pool.digest, n=pool.n, values=("bulk_modulus", "shear_modulus"))
    assert found.lessons == (wanted,)
    said = found.surrogate.materials.pretrained
    assert said is not None and (said.epochs, said.frozen, said.rate) == (30, "nothing", 1.0)
    assert Campaign.from_json(found.to_json()) == found
    other = tmp_path / "other.jsonl"
    other.write_text(pool.path.read_text("utf-8").replace("100.0", "101.0"), "utf-8")
    changed = campaign(tmp_path, moduli=Pool.of(other))
    assert changed.fingerprint != found.fingerprint
    assert campaign(tmp_path, "network: edge_gated").lessons == ()


@pytest.mark.parametrize(
    ("change", "code", "what"),
    [
        ("pretrained: {on: {nowhere: [k]}}", "E281", "nowhere"),
        ("pretrained: {on: {moduli: [bulk_modulos]}}", "E286", "did you mean 'bulk_modulus'"),
        ("pretrained: {on: {moduli: [bulk_modulus, bulk_modulus]}}", "E286", "each value once"),
        ("pretrained: {on: {moduli: []}}", "E207", "moduli"),
        ("pretrained: {on: {}}", "E207", "on"),
        ("pretrained: {on: {moduli: [bulk_modulus]}, frozen: heads}", "E204", "frozen"),
        ("pretrained: {on: {moduli: [bulk_modulus]}, rate: 0}", "E204", "rate"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_at_its_place(
    tmp_path: Path, change: str, code: str, what: str
) -> None:
    with pytest.raises(CampaignError) as refused:
        campaign(tmp_path, change)
    (fault,) = refused.value.faults
    assert (
        fault.code == code and what in str(fault) and fault.path.startswith("surrogate.materials.pretrained")
    )
