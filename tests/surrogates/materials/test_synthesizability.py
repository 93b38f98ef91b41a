"""Learning from positive and unlabelled examples: who is trained on, who scores whom, and that it finds something."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pymatgen", reason="needs the extra `materials`")
pytest.importorskip("torch_geometric", reason="needs the extra `materials`")

from sklearn.linear_model import LogisticRegression

from campaigns.structure import Structure
from surrogates.materials.descriptors import composition_descriptors, descriptors, structure_descriptors
from surrogates.materials.positive_unlabelled import bag, null_run
from surrogates.materials.synthesizability import Synthesizability, boosted_trees

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "materials" / "mp_binary_elasticity"


class Recorder:
    """Remembers what it was shown; its score of an example is its own number plus the example's."""

    made: list[Recorder]

    def __init__(self, k):
        self.k, self.seen, self.labels = k, None, None

    def fit(self, examples, labels):
        self.seen, self.labels = [int(x[0]) for x in examples], labels
        return self

    def predict_proba(self, examples):
        score = np.array([(self.k * 31 + int(x[0]) * 17) % 100 / 100 for x in examples])
        return np.stack([1 - score, score], axis=1)


def recorded(n_positive, n_unlabelled, as_array=True, **how):
    made = []

    def make(seed):
        made.append(Recorder(len(made)))
        return made[-1]

    examples = np.arange(n_positive + n_unlabelled)[:, None]
    positive = np.arange(n_positive + n_unlabelled) < n_positive
    found = bag(make, examples if as_array else list(examples), positive, seed=3, **how)
    return found, made


@pytest.mark.parametrize("as_array", [True, False])
def test_a_bag_is_as_published_where_the_unlabelled_are_many(as_array):
    """K positive, U_n of K drawn without replacement, the same fifth of the positive and a fifth of U_n held out."""
    found, made = recorded(50, 400, as_array, bags=12)
    tested = set(np.flatnonzero(found.tested))
    assert len(tested) == 10 and tested < set(range(50))
    for one in made:
        seen = set(one.seen)
        assert len(seen) == len(one.seen) == 80
        assert seen & set(range(50)) == set(range(50)) - tested
        assert [x < 50 for x in one.seen] == list(one.labels)
    drawn = [frozenset(x for x in one.seen if x >= 50) for one in made]
    assert len(set(drawn)) == 12 and np.isnan(found.scores[:50][~found.tested[:50]]).all()


def test_a_bag_is_balanced_where_the_unlabelled_are_few():
    found, made = recorded(300, 100, bags=15)
    for one in made:
        assert len(one.seen) == 80 and sum(one.labels) == 40
        assert not set(one.seen) & set(np.flatnonzero(found.tested))
    assert np.isfinite(found.scores).all()


def test_a_score_is_the_mean_of_the_bags_that_did_not_train_on_it():
    found, made = recorded(60, 80, bags=10)
    for k in range(140):
        own = [float(one.predict_proba([[k]])[0, 1]) for one in made if k not in one.seen]
        assert found.scores[k] == pytest.approx(np.mean(own)) if own else np.isnan(found.scores[k])
    new = found.probability(np.array([[500], [501]]))
    assert new == pytest.approx(
        [np.mean([one.predict_proba([[x]])[0, 1] for one in made]) for x in (500, 501)]
    )
    assert found.true_positive_rate == np.mean(found.scores[found.tested] > 0.5)
    assert found.called == np.mean(found.scores[60:] > 0.5)
    assert found.probability(np.zeros((0, 1))).shape == (0,)


def hidden(seed=0):
    """Positive, and unlabelled of which half are of the positive's kind."""
    rng = np.random.default_rng(seed)
    of_kind = np.repeat([True, True, False], [200, 150, 150])
    X = rng.normal(size=(500, 4)) + 1.5 * of_kind[:, None] * np.array([1, 1, 0, 0])
    return X, np.arange(500) < 200, of_kind


def logistic(seed):
    return LogisticRegression()


def test_hidden_positives_are_found_and_shuffled_labels_find_nothing():
    X, positive, of_kind = hidden()
    found = bag(logistic, X, positive, bags=25, seed=1)
    scores, truth = found.scores[200:], of_kind[200:]
    above = (scores[truth][:, None] > scores[~truth][None, :]).mean()
    assert above > 0.9 and found.true_positive_rate > 0.7
    rates = [null_run(logistic, X, positive, bags=25, seed=seed).true_positive_rate for seed in range(6)]
    assert 0.4 < np.mean(rates) < 0.6


def test_the_same_seed_gives_the_same_scores():
    X, positive, _ = hidden()
    runs = [bag(logistic, X, positive, bags=4, seed=seed).scores for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1], equal_nan=True) and not np.array_equal(
        runs[0], runs[2], equal_nan=True
    )


class Counted(LogisticRegression):
    """Says in a file that it was fitted."""

    folder: Path

    def fit(self, X, y):
        (self.folder / str(len(list(self.folder.iterdir())))).touch()
        return super().fit(X, y)


def test_a_run_that_was_broken_off_goes_on(tmp_path):
    """What is kept is not made again, what is damaged is; scores are the same, and new examples can still be asked."""
    X, positive, _ = hidden()
    fits, keep = tmp_path / "fits", tmp_path / "bags"
    fits.mkdir()
    Counted.folder = fits

    def make(seed):
        return Counted()

    class Broken(Exception):
        pass

    def until(k, n):
        if k == 3:
            raise Broken

    with pytest.raises(Broken):
        bag(make, X, positive, bags=6, seed=1, keep=keep, progress=until)
    assert len(list(fits.iterdir())) == len(list(keep.glob("*.npz"))) == 3
    found = bag(make, X, positive, bags=6, seed=1, keep=keep)
    assert len(list(fits.iterdir())) == 6
    next(keep.glob("*.npz")).write_bytes(b"cut off")
    again = bag(make, X, positive, bags=6, seed=1, keep=keep)
    assert len(list(fits.iterdir())) == 7
    plain = bag(logistic, X, positive, bags=6, seed=1)
    for one in (found, again):
        assert np.array_equal(one.scores, plain.scores, equal_nan=True)
    assert np.array_equal(again.probability(X[:5]), plain.probability(X[:5]))
    assert len(list(fits.iterdir())) == 12, "five bags of which only the scores were kept are fitted again"
    other = bag(make, X, positive, bags=6, seed=2, keep=keep)
    assert not np.array_equal(other.scores, plain.scores, equal_nan=True)


def test_processes_make_no_difference():
    X, positive, _ = hidden()
    one, two = (bag(boosted_trees, X, positive, bags=3, seed=4, workers=n) for n in (1, 2))
    assert np.array_equal(one.scores, two.scores, equal_nan=True)
    assert np.array_equal(one.probability(X[:9]), two.probability(X[:9]))


def test_what_cannot_be_learned_from_is_refused():
    X, positive, _ = hidden()
    with pytest.raises(ValueError, match="five positive"):
        bag(logistic, X, np.zeros(500, bool), seed=0)
    with pytest.raises(ValueError, match="one flag for each"):
        bag(logistic, X, positive[:-1], seed=0)

    class Wild(Recorder):
        def predict_proba(self, examples):
            return np.full((len(examples), 2), np.nan)

    with pytest.raises(ValueError, match="finite"):
        bag(Wild, X, positive, bags=1, seed=0)


def salt(first, second, stretch=1.0):
    half = 2.82 * stretch
    return Structure(
        lattice=((0.0, half, half), (half, 0.0, half), (half, half, 0.0)),
        species=(first, second),
        frac=((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
    )


SALT = salt("Na", "Cl")


def test_descriptors_are_those_of_the_crystal_not_of_its_cell():
    cubic = Structure(
        lattice=((5.64, 0.0, 0.0), (0.0, 5.64, 0.0), (0.0, 0.0, 5.64)),
        species=("Cl", "Na") * 4,
        frac=tuple(
            (x + 0.1 + h, y + 0.2, z - 1.0)
            for x, y, z in ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
            for h in (0.5, 0.0)
        ),
    )
    one, other = descriptors([SALT, cubic])
    at = composition_descriptors([SALT]).shape[1]
    orbits = at + 6
    assert np.isfinite(one).all() and other[orbits] == one[orbits] == 2
    assert np.allclose(one, other, atol=1e-6)
    primitive, volume, density, _, group, operations, *_ = one[at:]
    assert (primitive, group, operations) == (2, 225, 48)
    assert volume == pytest.approx(5.64**3 / 8) and density == pytest.approx(2.163, abs=0.005)  # of halite
    # Sodium touches six chlorine and twelve sodium atoms, for its covalent radius is large; chlorine six sodium atoms.
    assert one[-2] == 12 and one[-1] == 6


def test_descriptors_know_the_amounts():
    more = salt("Na", "Na")
    rows = composition_descriptors([SALT, more, more])
    assert not np.allclose(rows[0], rows[1]) and np.array_equal(rows[1], rows[2])
    assert descriptors([]).shape[0] == 0 and structure_descriptors([SALT]).shape == (1, 12)


def labelled(n):
    path = SHARED / "icsd_flags.csv"
    if not path.exists():
        pytest.skip(f"no shared data: {path}")
    with path.open() as file:
        flags = {row["id"]: row["has_icsd_entry"] == "1" for row in csv.DictReader(file)}
    with gzip.open(SHARED / "mp_binary_elasticity.jsonl.gz", "rt") as file:
        rows = [row for row in map(json.loads, file) if row["id"] in flags and len(row["species"]) <= 6]
    some = np.random.default_rng(4).choice(len(rows), n, replace=False)
    return [Structure.from_json(rows[k]) for k in some], np.array([flags[rows[k]["id"]] for k in some])


def test_what_was_made_is_told_from_what_was_not(monkeypatch):
    """A tenth of the shared set, few bags. All of it, 100 bags: see `Synthesizability`."""
    monkeypatch.setattr("surrogates.materials.synthesizability.STEPS", 20)
    structures, made = labelled(300)
    fitted = Synthesizability.fit(structures, made, bags=6, seed=0, null=True)
    report = fitted.report
    assert (report.n_positive + report.n_unlabelled, report.bags) == (300, 6)
    assert report.true_positive_rate > 0.65 and report.called < 0.5
    assert 0.3 < report.null < 0.7
    again = [Synthesizability.fit(structures, made, bags=1, seed=2) for _ in range(2)]
    assert np.array_equal(again[0].scores, again[1].scores, equal_nan=True) and again[0].report.null is None
    probability = fitted.probability([SALT, *structures[:5]])
    assert (
        probability.shape == (6,) and np.all((probability >= 0) & (probability <= 1)) and probability[0] > 0.5
    )
    assert "held out" in str(report) and fitted.probability([]).shape == (0,)


def test_a_structure_is_described_once():
    calls = []

    def describe(structures):
        calls.append(len(structures))
        return np.array([[one.volume, one.n_atoms] for one in structures])

    structures = [salt("Na", "Cl", 1 + k / 100) for k in range(30)]
    fitted = Synthesizability.fit(
        structures, np.arange(30) < 15, classifier=logistic, describe=describe, bags=2, seed=0
    )
    assert np.array_equal(fitted.probability(structures[:3]), fitted.probability(structures[:3]))
    new = salt("K", "Cl")
    fitted.probability([new, new, structures[0]])
    assert calls == [30, 1]


def test_what_is_unlike_all_that_was_learned_from_is_said():
    structures, _ = labelled(40)
    some = [one for one in structures if {"Na", "Cl", "K"}.isdisjoint(one.counts)]
    flags = np.arange(len(some)) % 2 == 0
    fitted = Synthesizability.fit([*some, SALT], [*flags, True], bags=1, seed=0)
    ternary = salt("Na", "Cl").model_dump()
    ternary |= {
        "species": ("Na", "Cl", "Na", "S"),
        "frac": ((0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0.75, 0, 0)),
    }
    assert fitted.covers([SALT, salt("K", "Cl"), Structure(**ternary)]).tolist() == [True, False, False]


def test_networks_can_be_the_classifiers():
    """Rocksalts are told from their neighbours in the periodic table by a graph network as well."""
    names = [("Na", "Cl"), ("K", "Br"), ("Li", "F"), ("Na", "Br"), ("K", "Cl")]
    others = [("Fe", "Ni"), ("Co", "Ti"), ("Cr", "V"), ("Mn", "Co"), ("Ni", "Cr")]

    def cells(pairs):
        return [salt(*pair, stretch) for pair in pairs for stretch in (0.96, 0.98, 1.0, 1.02)]

    structures = cells(names) + cells(others)
    fitted = Synthesizability.fit(structures, np.arange(40) < 20, classifier="network", bags=3, seed=0)
    halide, alloy = fitted.probability([*cells([("Li", "Cl")])[:1], *cells([("Fe", "Co")])[:1]])
    assert 0.0 <= alloy < 0.5 < halide <= 1.0
