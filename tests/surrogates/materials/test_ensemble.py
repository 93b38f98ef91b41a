"""Ensembles of graph networks: what they learn, that they are the same twice, that they say what they do not know."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from campaigns.structure import NUMBER, Structure
from surrogates.materials import members as fitting_of_members
from surrogates.materials import model_file
from surrogates.materials.augmentation import Volumes
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.errors import ModelFileError, StructureRejected
from surrogates.materials.graph import GraphCache
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training

ANIONS, CATIONS = (
    ("O", "S", "Se", "F", "Cl", "Br"),
    ("Li", "Na", "K", "Mg", "Ca", "Sr", "Ti", "V", "Mn", "Fe", "Ni", "Zn"),
)
SMALL = EnsembleSettings(
    members=3,
    network=NetworkSettings(network="cgcnn", width=16, layers=2),
    training=Training(epochs=12, batch=16, rate=5e-3, warm_epochs=3),
)


def crystal(cation: str, anion: str, edge: float, salt: bool) -> Structure:
    """Primitive cell of rock salt, or of caesium chloride."""
    h = edge / 2
    lattice = (
        ((0.0, h, h), (h, 0.0, h), (h, h, 0.0)) if salt else ((h, 0.0, 0.0), (0.0, h, 0.0), (0.0, 0.0, h))
    )
    return Structure(lattice=lattice, species=(cation, anion), frac=((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)))


def table(n: int = 120, seed: int = 0):
    """n crystals of 72 compositions; a target of elements and volume in large units, and a smaller one."""
    rng = np.random.default_rng(seed)
    drawn = [
        crystal(
            str(rng.choice(CATIONS)),
            str(rng.choice(ANIONS)),
            float(rng.uniform(4.5, 6.5)),
            bool(rng.integers(2)),
        )
        for _ in range(n)
    ]
    volume = np.array([s.volume / 2 for s in drawn])
    number = np.array([NUMBER[s.species[0]] for s in drawn], dtype=float)
    first = 700.0 + 100.0 * (np.log(volume / 20.0) + 0.02 * number)
    return drawn, np.stack([first, 1e-3 * number + 1e-4 * rng.standard_normal(n)], axis=1)


@pytest.fixture(scope="module")
def fitted():
    structures, values = table()
    values[::3, 1] = np.nan
    return MaterialsEnsemble.fit(structures, values, ["first", "second"], settings=SMALL, seed=5)


def test_it_learns_and_covers_what_it_has_not_seen(fitted) -> None:
    """Compositions drawn anew, two targets of other units of which one is missing for a third."""
    structures, values = table(200, seed=1)
    said = fitted.predict(structures)
    error = np.abs(said.mean - values)
    dummy = np.abs(values - values.mean(axis=0)).mean(axis=0)
    assert (error.mean(axis=0) < 0.7 * dummy).all()
    low, high = said.interval(0.9)
    assert (((values >= low) & (values <= high)).mean(axis=0) > 0.75).all()
    assert said.members.shape == (3, 200, 2) and np.allclose(said.mean, said.members.mean(axis=0))
    assert np.allclose(said.sd**2, said.epistemic**2 + said.aleatoric**2)
    spread = said.members.std(axis=0, ddof=1) * [c.epistemic for c in fitted.calibration]
    assert np.allclose(said.epistemic, spread)


def test_calibration_is_from_labels_that_no_member_learned_from(monkeypatch) -> None:
    """Also where compositions are there many times, and the members finish with all of the data."""
    seen, asked = [], []
    train, predict = fitting_of_members.train, fitting_of_members.predict
    monkeypatch.setattr(
        fitting_of_members,
        "train",
        lambda net, graphs, *a, **k: (seen.append(graphs), train(net, graphs, *a, **k)),
    )
    monkeypatch.setattr(
        fitting_of_members, "predict", lambda net, graphs: (asked.append(graphs), predict(net, graphs))[1]
    )
    structures, values = table()
    settings = replace(SMALL, members=2, training=replace(SMALL.training, epochs=1, warm_epochs=1))
    for finish in (True, False):
        seen.clear(), asked.clear()
        found = MaterialsEnsemble.fit(
            structures, values[:, :1], ["first"], settings=replace(settings, finish=finish), seed=5
        )
        learned = [[tuple(g.numbers) for g in graphs] for graphs in seen]
        held = {tuple(g.numbers) for graphs in asked for g in graphs}
        assert found.calibration[0].n == len(asked[0]) > 10
        assert not held & set(learned[0]) and len(seen) == (4 if finish else 2)
        assert sum(map(len, asked)) == 2 * found.provenance.held
        if finish:
            assert len(learned[1]) == len(structures) and held <= set(learned[1])
            assert not held & set(learned[2])


def test_members_differ_and_the_same_seed_gives_the_same(fitted) -> None:
    structures, values = table()
    values[::3, 1] = np.nan
    some = structures[:20]
    state = torch.random.get_rng_state()
    again = MaterialsEnsemble.fit(structures, values, ["first", "second"], settings=SMALL, seed=5)
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(again.predict(some).members, fitted.predict(some).members)
    assert again.fingerprint == fitted.fingerprint and again.calibration == fitted.calibration
    members = fitted.predict(some).members
    assert not any(np.allclose(members[i], members[j], rtol=1e-5) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_processes_give_what_one_gives() -> None:
    structures, values = table(60)
    quick = replace(SMALL, members=2, training=replace(SMALL.training, epochs=2, warm_epochs=1))
    alone, apart = (
        MaterialsEnsemble.fit(
            structures, values, ["first", "second"], settings=quick, seed=5, workers=workers
        )
        for workers in (1, 2)
    )
    assert np.array_equal(apart.predict(structures).members, alone.predict(structures).members)
    assert apart.fingerprint == alone.fingerprint and apart.calibration == alone.calibration


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path) -> None:
    structures, _ = table(30, seed=2)
    fitted.save(tmp_path / "model")
    read = MaterialsEnsemble.load(tmp_path / "model")
    mine, its = fitted.predict(structures), read.predict(structures)
    assert np.array_equal(mine.members, its.members) and np.array_equal(mine.sd, its.sd)
    assert np.array_equal(mine.interval(0.8), its.interval(0.8))
    assert np.array_equal(fitted.embed(structures), read.embed(structures))
    assert read.fingerprint == fitted.fingerprint and read.settings == fitted.settings
    assert read.code_matches and read.remarks == fitted.remarks == ()
    assert b"pickle" not in (tmp_path / "model").read_bytes()
    read.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_a_loaded_ensemble_can_be_started_from(fitted, tmp_path) -> None:
    fitted.save(tmp_path / "model")
    structures, values = table(60)
    quick = replace(SMALL, training=replace(SMALL.training, warm_epochs=1))
    both = [
        MaterialsEnsemble.fit(structures, values, ["first", "second"], settings=quick, seed=6, start=start)
        for start in (fitted, MaterialsEnsemble.load(tmp_path / "model"))
    ]
    assert np.array_equal(both[0].predict(structures).members, both[1].predict(structures).members)


def test_the_fingerprint_is_of_data_settings_seed_start_and_code(fitted, monkeypatch) -> None:
    structures, values = table(40)
    quick = replace(SMALL, members=1, training=replace(SMALL.training, epochs=1, warm_epochs=1))

    def one(rows=slice(None), settings=quick, seed=1, **more):
        y = values[rows, :1]
        return MaterialsEnsemble.fit(
            structures[rows], y, ["first"], settings=settings, seed=seed, **more
        ).fingerprint

    found = [
        one(),
        one(slice(1, None)),
        one(settings=replace(quick, centre="median")),
        one(seed=2),
        one(start=fitted),
    ]
    monkeypatch.setattr(model_file, "code_fingerprint", lambda: "other")
    assert len({*found, one()}) == 6
    assert not fitted.code_matches and "fitted with other code" in fitted.remarks[-1]


def test_other_code_is_read_where_the_weights_fit(fitted, tmp_path, monkeypatch) -> None:
    fitted.save(tmp_path / "model")
    monkeypatch.setattr(model_file, "code_fingerprint", lambda: "other")
    read = MaterialsEnsemble.load(tmp_path / "model")
    assert not read.code_matches
    document, arrays = model_file.read(tmp_path / "model")
    name = next(name for name in arrays if name.startswith("member/0/") and arrays[name].ndim == 2)
    model_file.write(tmp_path / "cut", document, {**arrays, name: arrays[name][:, :-1]})
    document["provenance"]["settings"]["network"]["unheard_of"] = 1
    model_file.write(tmp_path / "unknown", document, arrays)
    for broken in ("cut", "unknown"):
        with pytest.raises(ModelFileError, match=f"{broken}: wanted an ensemble of this release"):
            MaterialsEnsemble.load(tmp_path / broken)


def test_a_warm_start_knows_more_than_a_short_fit(fitted) -> None:
    """Three epochs on a few more labels from the earlier weights, against as many from nothing."""
    structures, values = table(140)
    test, truth = table(100, seed=3)
    short = replace(SMALL, training=replace(SMALL.training, epochs=3), finish=False)
    error = {}
    for name, start in (("warm", fitted), ("cold", None)):
        found = MaterialsEnsemble.fit(
            structures, values, ["first", "second"], settings=short, seed=7, start=start
        )
        error[name] = np.abs(found.predict(test).mean - truth).mean(axis=0)
    assert (error["warm"] < 0.8 * error["cold"]).all()


def test_a_warm_start_is_not_calibrated_on_what_it_knows(fitted) -> None:
    """The weights that it goes on from never learned what is held out of it, whatever its seed."""
    structures, values = table(140)
    first = {s.formula for s in table()[0]}
    later = MaterialsEnsemble.fit(
        structures, values, ["first", "second"], settings=SMALL, seed=99, start=fitted
    )
    assert (
        later.provenance.salt == fitted.provenance.salt == 5 and later.provenance.start == fitted.fingerprint
    )
    assert fitted.before is not None
    network = fitting_of_members.loaded(SMALL.network, 2, 0, fitted.before[0])
    own = fitting_of_members.loaded(SMALL.network, 2, 0, fitted.states[0])
    some = fitted.graphs(structures[:5])
    assert not np.allclose(
        fitting_of_members.predict(network, some).mean, fitting_of_members.predict(own, some).mean
    )
    from surrogates.materials.fitting import calibrating, labelled

    held = [
        {s.formula for i, s in enumerate(known.structures) if i in calibrating(known, SMALL, 5)}
        for known in (labelled(*table(n), ("first", "second")) for n in (120, 140))
    ]
    assert held[1] & first <= held[0]


def test_few_labels_carry_the_calibration_over_and_say_so(fitted) -> None:
    structures, values = table(24, seed=4)
    start = MaterialsEnsemble.fit(
        structures, values, ["first", "second"], settings=SMALL, seed=5, start=fitted
    )
    assert [c.source for c in start.calibration] == ["carried over", "carried over"]
    assert start.calibration[0].scores == fitted.calibration[0].scores
    assert [r.split(":")[0] for r in start.remarks] == ["first", "second"]
    alone = MaterialsEnsemble.fit(structures, values, ["first", "second"], settings=SMALL, seed=5)
    assert alone.calibration[1].source == "assumed" and "assumed" in alone.remarks[1]
    low, high = alone.predict(structures).interval(0.9)
    assert np.isfinite(low).all() and (high > low).all()


def test_transfer_takes_the_body_and_leaves_the_heads(fitted, monkeypatch) -> None:
    """With no step of training the body is the start's; the heads are new for targets of other names, and units are
    the new targets'."""
    warm = []
    monkeypatch.setattr(
        fitting_of_members, "train", lambda *a, **k: warm.append((k["warm"], k["transfer"] is not None))
    )
    structures, values = table(60, seed=5)
    found = MaterialsEnsemble.fit(
        structures, values / 50, ["third", "fourth"], settings=SMALL, seed=8, start=fitted
    )
    state, start = found.states[1], fitted.before[1]
    heads = ("mean.", "log_variance.")
    assert all(np.array_equal(state[n], start[n]) for n in state if not n.startswith(heads))
    assert not any(np.array_equal(state[n], start[n]) for n in state if n.startswith(heads))
    assert found.scales.location[0] == pytest.approx(values[:, 0].mean() / 50)
    assert found.calibration[0].source != "carried over"
    assert warm[0] == (False, True) and all(of_others for _, of_others in warm)
    warm.clear()
    again = MaterialsEnsemble.fit(
        structures, values, ["first", "second"], settings=SMALL, seed=8, start=fitted
    )
    assert all(
        np.array_equal(again.states[2][n], fitted.before[2][n]) for n in state if not n.startswith(heads)
    )
    assert warm and all(each == (True, False) for each in warm)
    warm.clear()
    alone = MaterialsEnsemble.fit(structures, values, ["first", "second"], settings=SMALL, seed=8)
    assert not np.array_equal(alone.states[2]["embed.weight"], fitted.before[2]["embed.weight"])
    assert warm[0] == (False, False)


def test_a_warm_start_says_the_same_until_it_learns(fitted, monkeypatch) -> None:
    """Labels of another mean and spread than the start's: the last layers are put in the new units."""
    monkeypatch.setattr(fitting_of_members, "train", lambda *a, **k: None)
    structures, values = table(60, seed=5)
    start = copy(fitted)
    start.states = fitted.before
    start.__dict__.pop("_networks", None)
    again = MaterialsEnsemble.fit(
        structures, 3.0 * values + [100.0, 0.1], ["first", "second"], settings=SMALL, seed=8, start=fitted
    )
    assert again.scales.scale[0] > 2.0 * fitted.scales.scale[0]
    mine, its = again.predict(structures), start.predict(structures)
    assert np.allclose(mine.members, its.members, rtol=1e-4, atol=1e-5)
    raw = [
        said.aleatoric / [c.aleatoric for c in who.calibration] for said, who in ((mine, again), (its, start))
    ]
    assert np.allclose(raw[0], raw[1], rtol=0.2)


def test_what_a_start_without_calibration_knows_is_not_held_out_later() -> None:
    """Twenty labels, all learned from; with more of them, what is held out is new."""
    structures, values = table(120)
    quick = replace(SMALL, members=1, training=replace(SMALL.training, epochs=1, warm_epochs=1))
    first = MaterialsEnsemble.fit(
        structures[:20], values[:20, :1], ["first"], settings=replace(quick, held_out=0.0), seed=1
    )
    later = MaterialsEnsemble.fit(structures, values[:, :1], ["first"], settings=quick, seed=1, start=first)
    known = {s.formula for s in structures[:20]}
    assert first.learned == known and later.calibration[0].n >= 9
    assert later.provenance.held == sum(s.formula not in later.learned for s in structures) > 0


def test_per_atom_targets() -> None:
    """Each atom's own number, for half of the structures, beside a target of the whole."""
    structures, values = table(80)
    atoms = [np.array([[float(NUMBER[x])] for x in s.species]) for s in structures]
    labels = [a if k % 2 else np.full_like(a, np.nan) for k, a in enumerate(atoms)]
    found = MaterialsEnsemble.fit(
        structures, values[:, :1], ["first"], settings=replace(SMALL, training=replace(SMALL.training, epochs=20)),
        seed=1, atoms=labels, atom_targets=["number"],
    )  # fmt: skip
    said = found.predict(structures)
    assert [a.shape for a in said.atoms] == [(2, 1)] * 80
    flat = np.concatenate(atoms)
    error = np.abs(np.concatenate(said.atoms) - flat).mean()
    assert error < 0.6 * np.abs(flat - flat.mean()).mean()
    assert np.concatenate(said.atoms_sd).min() > 0


@pytest.mark.parametrize("draw", ["subset", "bootstrap"])
def test_drawn_members_never_see_their_calibration(draw) -> None:
    structures, values = table(100)
    settings = replace(SMALL, draw=draw, training=replace(SMALL.training, epochs=1, warm_epochs=1))
    from surrogates.materials.fitting import calibrating, labelled, scales_of, tasks_of

    known = labelled(structures, values, ("first", "second"))
    held = calibrating(known, settings, 3)
    tasks = tasks_of(known, GraphCache()(structures), held, scales_of(known), settings, 3, None, False, False)
    formulas = np.array([s.formula for s in structures])
    drawn = [set(formulas[task.rows]) for task in tasks]
    assert all(not set(formulas[held]) & one for one in drawn)
    assert drawn[0] != drawn[1] and len({task.seed for task in tasks}) == 3
    assert all(set(task.finish) == {*task.rows, *held} for task in tasks)


def test_composition_networks_need_no_structure() -> None:
    structures, values = table(60)
    network = NetworkSettings(network="composition", width=16, layers=2)
    found = MaterialsEnsemble.fit(
        structures, values[:, 1:], ["second"], settings=replace(SMALL, network=network), seed=2
    )
    same = [crystal(*structures[0].species, 9.0, False), structures[0]]
    first, second = found.predict(same).members[:, :, 0].T
    assert np.allclose(first, second)


def test_bad_input_says_what_is_wrong(fitted) -> None:
    structures, values = table(20)

    def fit(message, y=values, names=("first", "second"), who=structures, error=ValueError, **more):
        with pytest.raises(error, match=message):
            MaterialsEnsemble.fit(who, y, names, settings=more.pop("settings", SMALL), seed=0, **more)

    fit(r"wanted the shape \(20, 2\) \(structures, targets\), got \(20, 1\)", values[:, :1])
    fit("different names, got first, first", names=("first", "first"))
    fit("second of structure 3 is infinite", np.where(np.arange(20)[:, None] == 3, [1.0, np.inf], values))
    fit(
        "second: wanted two labels at least, got 1",
        np.where(np.arange(20)[:, None] == 3, values, [1.0, np.nan]),
    )
    fit("both per-atom labels and their names", atom_targets=("charge",))
    fit("modulus: wanted one of each structure", modulus=np.ones(3))
    fit("energies: wanted names of targets, got energy", energies=("energy",))
    wider = replace(SMALL, network=replace(SMALL.network, width=8))
    fit("wanted a start with the network", settings=wider, start=fitted)
    fit("a cache of graphs with cutoff, neighbours, kind and falloff", graphs=GraphCache(cutoff=5.0))
    alone = Structure(
        lattice=((30.0, 0, 0), (0, 30.0, 0), (0, 0, 30.0)), species=("H",), frac=((0.0, 0.0, 0.0),)
    )
    fit("isolated", who=[*structures[:-1], alone], error=StructureRejected)
    with pytest.raises(StructureRejected, match="isolated"):
        fitted.predict([alone])
    with pytest.raises(ValueError, match="one member at least"):
        EnsembleSettings(members=0)
    with pytest.raises(ValueError, match="nearest neighbours with volumes"):
        EnsembleSettings(network=replace(SMALL.network, neighbours=None), volumes=Volumes())


def test_settings_go_through_json() -> None:
    for settings in (SMALL, replace(SMALL, volumes=Volumes(copies=2), draw="bootstrap")):
        assert EnsembleSettings.from_json(settings.to_json()) == settings


def test_no_structures_are_no_error(fitted) -> None:
    said = fitted.predict([])
    assert said.mean.shape == said.sd.shape == (0, 2) and said.members.shape == (3, 0, 2)
