"""Bodies: what several tables teach together, that they are made once, and that a campaign's networks start there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surrogates.materials import kept_members
from surrogates.materials.body import Body, body_of
from surrogates.materials.discovery.trainer import trainer_of
from surrogates.materials.ensemble import MaterialsEnsemble, graph_cache
from surrogates.materials.errors import ModelFileError, SourceError
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.pool_file import write_pool
from surrogates.materials.pretraining import by_logarithm, lesson, pretrained
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.sources.rows import PoolRow
from surrogates.materials.training import Training
from surrogates.materials.transfer import HEADS, Transfer
from tests.surrogates.materials.test_ensemble import table

TINY = EnsembleSettings(
    members=3,
    network=NetworkSettings(width=8, layers=1),
    training=Training(epochs=1, warm_epochs=1),
)


def test_tables_teach_together_each_its_own_values() -> None:
    structures, values = table(70)
    known = [{"k": float(v), "unused": 1.0} for v in values[:, 0]]
    some = [{"k": 2.0} if k % 7 else {} for k in range(70)]
    found = lesson({"a": (structures, known), "b": (structures, some)}, {"a": ["k"], "b": ["k"]})
    assert found.targets == ("a/k", "b/k") and len(found.structures) == 70 + 60
    assert np.isfinite(found.values).sum(axis=0).tolist() == [70, 60]
    assert not np.isfinite(found.values).all(axis=1).any()
    with pytest.raises(SourceError, match=r"b: wanted at least 50 structures with the value 'gap'.*it has k"):
        lesson({"b": (structures, some)}, {"b": ["gap"]})


def test_the_less_skewed_scale_is_learned() -> None:
    rng = np.random.default_rng(0)
    assert by_logarithm(np.append(rng.lognormal(3, 1, 200), np.nan))
    assert not by_logarithm(rng.normal(10, 1, 200)) and not by_logarithm(-rng.lognormal(3, 1, 200))
    structures, values = table(60)
    skewed = np.exp(np.stack([values[:, 0] / 50, values[:, 0] / 50], axis=1)) * [1.0, -1.0]
    made = pretrained(
        lesson({"a": (structures, [{"x": a, "y": b} for a, b in skewed.tolist()])}, {"a": ["x", "y"]}),
        TINY,
        1,
    )
    assert made.scales.location[0] == pytest.approx(np.log10(skewed[:, 0]).mean())
    assert made.scales.location[1] == pytest.approx(skewed[:, 1].mean())
    assert made.before is None  # the held-out tenth was not learned from in the end


@pytest.fixture
def said(tmp_path: Path):
    """A campaign's `pretrained` and the folder with its pool."""
    structures, values = table(60, seed=3)
    rows = [PoolRow(str(k), s, {"rich": float(values[k, 0])}) for k, s in enumerate(structures)]
    pool = write_pool(rows, tmp_path)
    lessons = [{"pool": "others", "digest": pool.digest, "n": 60, "values": ["rich"]}]
    return {"lessons": lessons, "epochs": 2, "frozen": "layers", "rate": 0.5}, tmp_path


def test_a_body_is_made_once_and_goes_on_where_it_was_broken_off(said, monkeypatch) -> None:
    told, folder = said
    fitted = []
    usual = kept_members.fit_members

    def breaks(tasks, workers):
        if len(fitted) == 2:
            raise KeyboardInterrupt
        fitted.append(len(tasks))
        return usual(tasks, workers)

    monkeypatch.setattr(kept_members, "fit_members", breaks)
    cache = graph_cache(TINY)
    with pytest.raises(KeyboardInterrupt):
        Body(told, TINY, folder).ensemble(4, cache)
    monkeypatch.setattr(kept_members, "fit_members", lambda *a: fitted.append(0) or usual(*a))
    first = Body(told, TINY, folder).ensemble(4, cache)
    assert fitted == [1, 1, 0]  # the third member alone
    again = Body(told, TINY, folder).ensemble(4, cache)
    assert len(fitted) == 3 and again.fingerprint == first.fingerprint
    alone = Body(told, TINY, folder)
    assert alone.key(5) != alone.key(4) and alone.settings.training.epochs == 2
    whole = alone._trained(4, cache, folder / "elsewhere")
    assert all(
        np.array_equal(whole.states[k][name], first.states[k][name])
        for k in range(3)
        for name in first.states[k]
    )
    pool = folder / f"{told['lessons'][0]['digest']}.jsonl"
    pool.write_bytes(pool.read_bytes() + b"\n")
    with pytest.raises(ModelFileError, match="changed or damaged"):
        Body(told, TINY, folder).ensemble(6, cache)


def test_a_campaigns_networks_start_from_the_body(said, monkeypatch) -> None:
    """Those of the discovery loop and of the planner of materials and processes alike."""
    from surrogates.joint.trainer import trainer_of as of_joint

    told, folder = said
    networks = {"members": 2, "width": 8, "layers": 1, "epochs": 1, "pretrained": told}
    aim = {"surrogate": {"materials": networks}, "space": {"parameters": [{"generate": []}]}}
    structures, values = table(30, seed=6)
    for trainer, targets in ((trainer_of(aim, folder), ()), (of_joint(aim, folder), (("poor",),))):
        assert "rich of others" in trainer.name
        assert trainer.settings.transfer == Transfer(frozen="layers", rate=0.5)
        plain = type(trainer)(trainer.settings)
        assert trainer.content() != plain.content() and "others" not in plain.name
        found = trainer.fit(structures, values[:, :1], *targets, seed=4, start=None)
        assert isinstance(found, MaterialsEnsemble)
        body = trainer.body.ensemble(4, graph_cache(trainer.settings))
        assert found.provenance.body == body.fingerprint
        same = [np.array_equal(found.states[0][name], value) for name, value in body.states[0].items()
                if not name.startswith((*HEADS, "hidden."))]  # fmt: skip
        assert same and all(same)
        warm = trainer.fit(structures, values[:, :1], *targets, seed=4, start=found)
        assert warm.provenance.body == body.fingerprint and warm.provenance.start == found.fingerprint
    assert body_of(None, TINY, None) == (None, TINY)
    with pytest.raises(ValueError, match="folder with the pools"):
        trainer_of(aim)
