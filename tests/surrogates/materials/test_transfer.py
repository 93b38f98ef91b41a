"""Learning new targets from a network that has learned others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surrogates.materials import members as fitting_of_members
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.networks import NETWORKS, NetworkSettings, build
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training
from surrogates.materials.transfer import HEADS, Transfer, still
from tests.surrogates.materials.test_ensemble import table

SMALL = EnsembleSettings(
    members=1,
    network=NetworkSettings(network="cgcnn", width=16, layers=2),
    training=Training(epochs=12, batch=16, rate=5e-3, warm_epochs=3),
)


@pytest.fixture(scope="module")
def rich():
    """Taught by 120 crystals what the small data set's target depends on, too."""
    structures, values = table(120, seed=2)
    return MaterialsEnsemble.fit(structures, values[:, :1], ["rich"], settings=SMALL, seed=5)


def poor(n: int, seed: int):
    structures, values = table(n, seed=seed)
    return structures, 3.0 - np.log(values[:, :1])


def test_few_labels_go_farther_from_a_body_that_knows_something_related(rich) -> None:
    """Twelve labels; a test set that neither has seen; the dummy is beaten by far and so are networks from nothing."""
    structures, values = poor(12, 7)
    test, truth = poor(120, 8)
    learning = Training(epochs=20, batch=4, rate=5e-3)
    slow = Transfer(rate=0.3)
    settings = replace(SMALL, finish=False, held_out=0.0, training=learning, transfer=slow)
    error = {
        name: float(
            np.abs(
                MaterialsEnsemble.fit(structures, values, ["poor"], settings=settings, seed=1, start=start)
                .predict(test)
                .mean
                - truth
            ).mean()
        )
        for name, start in (("transfer", rich), ("nothing", None))
    }
    dummy = float(np.abs(truth - values.mean()).mean())
    assert error["transfer"] < 0.7 * error["nothing"] and error["transfer"] < 0.5 * dummy


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("frozen", ["nothing", "layers", "body"])
def test_what_is_frozen_stays_as_it_was_and_all_else_learns(network, frozen) -> None:
    """Weights and running statistics, of every network."""
    structures, values = poor(24, 3)
    settings = replace(
        SMALL, members=1, held_out=0.0, network=NetworkSettings(network=network, width=8, layers=1),
        training=Training(epochs=2, batch=8, rate=1e-2), transfer=Transfer(frozen=frozen),
    )  # fmt: skip
    body = MaterialsEnsemble.fit(structures, values + 1.0, ["other"], settings=settings, seed=1)
    found = MaterialsEnsemble.fit(structures, values, ["poor"], settings=settings, seed=2, start=body)
    new, old = found.states[0], body.states[0]
    assert all(np.isfinite(value).all() for value in new.values())
    parts = {name.partition(".")[0] for name in new if not name.startswith(HEADS)}
    for part in parts:
        own = [name for name in new if name.startswith(f"{part}.")]
        same = frozen == "body" or (frozen == "layers" and part != "hidden")
        assert all(np.array_equal(new[name], old[name]) for name in own) == same, part
    assert new["mean.weight"].shape == old["mean.weight"].shape
    assert not np.array_equal(new["mean.weight"], old["mean.weight"])


def test_the_body_learns_at_its_share_of_the_rate() -> None:
    network = build(NetworkSettings(network="cgcnn", width=8, layers=1), 1)
    slow = Transfer(rate=0.1)
    shares = {name: slow.share(name) for name, _ in network.named_parameters()}
    assert set(shares.values()) == {1.0, 0.1}
    assert all((share == 1.0) == name.startswith(HEADS) for name, share in shares.items())
    assert not still(network, slow)
    frozen = Transfer(frozen="body")
    names = {name for name, module in network.named_modules() if module in still(network, frozen)}
    assert {"embed", "hidden", "layers.0.norm_nodes"} <= names and not any(
        f"{name}.".startswith(HEADS) for name in names
    )


def test_who_goes_on_from_a_transfer_still_treats_the_body_as_one(rich, monkeypatch, tmp_path) -> None:
    """A warm start of a transferred ensemble, written and read: few epochs, the body at its share."""
    structures, values = poor(40, 4)
    settings = replace(SMALL, training=replace(SMALL.training, epochs=1, warm_epochs=1))
    first = MaterialsEnsemble.fit(structures, values, ["poor"], settings=settings, seed=1, start=rich)
    first.save(tmp_path / "model")
    read = MaterialsEnsemble.load(tmp_path / "model")
    assert read.provenance.body == first.provenance.start == rich.fingerprint
    assert read.settings.transfer == settings.transfer
    seen = []
    monkeypatch.setattr(fitting_of_members, "train", lambda *a, **k: seen.append((k["warm"], k["transfer"])))
    later = MaterialsEnsemble.fit(structures, values, ["poor"], settings=settings, seed=1, start=read)
    assert set(seen) == {(True, settings.transfer)}
    assert later.provenance.body == rich.fingerprint and later.provenance.start == read.fingerprint
    assert rich.provenance.body is None


def test_settings_of_files_without_a_transfer_are_read() -> None:
    old = SMALL.to_json()
    del old["transfer"]
    assert EnsembleSettings.from_json(old) == SMALL
    chosen = replace(SMALL, transfer=Transfer(frozen="layers", rate=0.1, epochs=5))
    assert EnsembleSettings.from_json(chosen.to_json()) == chosen


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"frozen": "heads"}, "frozen"),
        ({"rate": 0.0}, "share"),
        ({"rate": 1.5}, "share"),
        ({"epochs": 0}, "one epoch"),
    ],
)
def test_bad_settings_are_refused(wrong, what) -> None:
    with pytest.raises(ValueError, match=what):
        Transfer(**wrong)
