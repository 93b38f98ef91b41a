"""Asks of a campaign whose goal is the hull, with a small linear ensemble in the place of the graph networks."""

import copy
import json

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from campaigns.structure import Structure
from orchestrator.advice import SAID_BY_THE_PLANNER
from surrogates.errors import InvalidObservation, SpaceExhausted, UnsupportedObjectives
from surrogates.materials import synthesizability
from surrogates.materials.calibration import Calibration
from surrogates.materials.discovery import pool, service
from surrogates.materials.discovery.learner import Learner
from surrogates.materials.discovery.service import handle
from surrogates.materials.discovery.state import State
from surrogates.materials.prediction import Prediction

SYMBOLS = ("Fe", "Li", "O")


def crystal(n, counts):
    """A cell of these atoms, `n` of which makes it a polymorph with an energy of its own."""
    species = [symbol for symbol, k in counts.items() for _ in range(k)]
    edge = (len(species) * (10 + n)) ** (1 / 3)
    frac = [[(0.37 * k) % 1, (0.11 * k * k) % 1, (0.29 * k) % 1] for k in range(len(species))]
    lattice = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
    return Structure.from_json({"lattice": lattice, "species": species, "frac": frac})


def features(structure):
    x = np.array([structure.counts.get(symbol, 0) / structure.n_atoms for symbol in SYMBOLS])
    return np.array([*x, *(x[[0, 0, 1]] * x[[1, 2, 2]]), structure.volume / structure.n_atoms / 10 - 1, 1.0])


def energy(structure):
    """eV per atom: bonds between unlike elements, and a price for a loose cell."""
    return float(features(structure) @ [-8.0, -2.0, -5.0, 0.3, -3.0, -2.5, 0.4, 0.0])


class Ridge:
    """Members of a ridge regression on bootstrap draws."""

    def __init__(self, weights, sd):
        self.weights, self.sd, self.fingerprint = weights, sd, str(weights.sum())

    def predict(self, structures):
        rows = np.array([features(s) for s in structures])
        members = np.einsum("mk,nk->mn", self.weights, rows)[:, :, None]
        known = Calibration(1.0, 1.0, (0.5, 1.0, 1.5), "held-out", 3)
        aleatoric = np.full(members.shape[1:], self.sd)
        return Prediction(members.mean(0), members.std(0), aleatoric, members, ("decomposition",), (known,))

    def embed(self, structures):
        return np.array([features(s) for s in structures])[None]

    def save(self, path):
        np.savez(path, weights=self.weights, sd=self.sd)


class RidgeTrainer:
    name = "ridge"

    def __init__(self):
        self.fitted = []  # (number of labels, whether it was a warm start)

    def content(self):
        return {"members": 5}

    def usable(self, structures):
        return np.array([s.volume / s.n_atoms < 100 for s in structures], dtype=bool)

    def fit(self, structures, values, *, seed, start):
        self.fitted.append((len(structures), start is not None))
        rows, rng = (
            np.array([features(s) for s in structures]),
            np.random.default_rng([seed, len(structures)]),
        )
        weights = []
        for _ in range(5):
            at = rng.integers(0, len(rows), len(rows))
            inner = rows[at].T @ rows[at] + 1e-3 * np.eye(rows.shape[1])
            weights.append(np.linalg.solve(inner, rows[at].T @ values[at, 0]))
        return Ridge(np.array(weights), 0.02)

    def relaxed(self, ensemble, structures):
        return None

    def load(self, path):
        if not path.exists():
            return None
        with np.load(path) as kept:
            return Ridge(kept["weights"], float(kept["sd"]))


@pytest.fixture(autouse=True)
def _nothing_remembered():
    service._learners.clear()
    pool._pools.clear()


def compounds():
    cells = [
        {"Fe": a, "Li": b, "O": c}
        for a in range(3)
        for b in range(3)
        for c in range(4)
        if (a > 0) + (b > 0) + (c > 0) > 1
    ]
    return {
        f"m{k:02d}-{n}": crystal(n, {symbol: i for symbol, i in counts.items() if i})
        for k, counts in enumerate(cells)
        for n in range(3)
    }


def rows_of(structures, known):
    return [
        {"id": id, **s.to_json(), **({"values": {"energy": energy(s)}} if id in known else {})}
        for id, s in structures.items()
    ]


@pytest.fixture
def world(tmp_path):
    """Elements and a third of the compounds are known."""
    structures = {symbol: crystal(0, {symbol: 1}) for symbol in SYMBOLS} | compounds()
    known = {*SYMBOLS, *list(compounds())[::3][::2], *list(compounds())[1::6]}
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(structures, known)))
    return structures, known, path


def request(path, *, n=4, mode="optimise", name="probability", observations=(), pending=(), seed=3, **more):
    parameter = {
        "kind": "material", "name": "crystal", "pool": "toy", "digest": "0" * 64, "n": 9, "generate": [],
        "max_atoms": 60, "when": [], "otherwise": None,
    }  # fmt: skip
    return {
        "op": "propose",
        "aim": {
            "space": {"parameters": [parameter]},
            "objectives": [{"name": "energy", "direction": "minimise"}],
            "goal": "hull",
            "history": [],
        },
        "observations": list(observations),
        "pending": list(pending),
        "n": n,
        "method": {"mode": mode, "name": name, "beta": "auto", "level": None, "trust_region": "auto"},
        "gate": None,
        "outlook": False,
        "seed": seed,
        "index": len(observations) + len(pending),
        "materials": {"pool": str(path), "directory": None, "structures": {}},
        "loop": "",
        "others": {},
    } | more


def row(id, structures, *, failed=False):
    values = {} if failed else {"energy": {"value": energy(structures[id]), "sigma": None}}
    return {"candidate": {"crystal": id}, "values": values, "failed": failed}


def asked(reply):
    return [proposal["candidate"]["crystal"] for proposal in reply["proposals"]]


def campaign(world, rounds, n=4, **more):
    """Labels in order, and the last reply."""
    structures, _, path = world
    observations = []
    for _ in range(rounds):
        reply = handle(request(path, n=n, observations=observations, **more), RidgeTrainer())
        observations += [row(id, structures) for id in asked(reply)]
    return observations, reply


# -- the reply -------------------------------------------------------------------------------------------------------
def test_a_proposal_says_all_that_the_log_wants_and_why_this_crystal(world):
    structures, known, path = world
    reply = json.loads(json.dumps(handle(request(path), RidgeTrainer()), allow_nan=False))
    assert len(asked(reply)) == len(set(asked(reply))) == 4 and not set(asked(reply)) & known
    for proposal in reply["proposals"]:
        assert proposal.keys() >= SAID_BY_THE_PLANNER
        id, why = proposal["candidate"]["crystal"], proposal["material"]
        assert Structure.from_json(proposal["structures"][id]) == structures[id]
        assert why["decomposition_energy"] == pytest.approx(proposal["mean"] - why["hull_reference"])
        assert why["sd"] ** 2 == pytest.approx(why["epistemic"] ** 2 + why["aleatoric"] ** 2)
        assert 0 <= why["probability_stable"] <= 1 and why["source"] == "pool"
        assert abs(proposal["mean"] - energy(structures[id])) < 0.3
    assert reply["structures"].keys() == set(asked(reply))
    said = reply["diagnostics"]
    assert said["n"] > 12 and said["discovery"]["n_seeds"] == len(known) and said["max_sd"] > 0


@pytest.mark.parametrize(
    ("mode", "name"),
    [("optimise", "probability"), ("optimise", "ucb"), ("optimise", "thompson"), ("learn", "variance"),
     ("learn", "integrated_variance"), ("explore", "random"), ("explore", "sobol")],
)  # fmt: skip
def test_the_same_request_has_the_same_reply_whatever_is_still_there(world, tmp_path, mode, name):
    path = world[2]
    observations, _ = campaign(world, 2)
    asking = request(path, mode=mode, name=name, observations=observations)
    first = handle(asking, RidgeTrainer())
    assert handle(asking, RidgeTrainer()) == first, "remembered by this process"
    kept = copy.deepcopy(asking)
    kept["materials"]["directory"] = str(tmp_path / "run")
    for _ in range(2):  # fitted and written, then read
        service._learners.clear()
        trainer = RidgeTrainer()
        assert handle(kept, trainer) == first
    assert not trainer.fitted, "read from the folder, not fitted again"


def test_the_next_model_is_a_warm_start_from_the_last_full_training(world):
    _, known, path = world
    observations, _ = campaign(world, 1)
    service._learners.clear()
    trainer = RidgeTrainer()
    handle(request(path, observations=observations), trainer)
    labels = len(known) - len(SYMBOLS)  # an element alone has nothing to decompose into
    assert trainer.fitted == [(labels, False), (labels + 4, True)]


def test_a_search_by_probability_finds_more_of_the_hull_than_chance(world):
    structures, known, _ = world
    from surrogates.materials.hull import Entry, Hull

    hull = Hull(Entry(id, s.counts, energy(s)) for id, s in structures.items())
    hidden = set(hull.stable) - known
    observations, _ = campaign(world, 3)
    found = hidden & {o["candidate"]["crystal"] for o in observations}
    by_chance = len(hidden) * len(observations) / (len(structures) - len(known))
    assert len(found) >= 2 * by_chance


# -- what is not asked for -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "name"), [("optimise", "probability"), ("learn", "variance"), ("explore", "random")]
)
def test_neither_measured_nor_pending_nor_failed_crystals_are_asked_for_again(world, mode, name):
    structures, known, path = world
    free = [id for id in structures if id not in known]
    observations = [row(free[0], structures), row(free[1], structures, failed=True)]
    others = {"labels": [row(free[2], structures), row(free[3], structures, failed=True)]}
    pending = [{"crystal": free[4]}]
    asking = request(
        path, mode=mode, name=name, observations=observations, pending=pending, n=99, others=others
    )
    reply = handle(asking, RidgeTrainer())
    assert sorted(asked(reply)) == sorted(free[5:]), "a batch may be smaller than asked for"
    said = reply["diagnostics"]["discovery"]
    assert said["n_failed"] == 2 and said["n_labelled"] == len(known) + 2


def test_a_pool_that_is_used_up_says_so(world):
    structures, known, path = world
    observations = [row(id, structures) for id in structures if id not in known]
    with pytest.raises(SpaceExhausted, match="crystal: each of the"):
        handle(request(path, observations=observations), RidgeTrainer())


def test_a_crystal_without_a_graph_is_not_proposed_by_a_model(world, tmp_path):
    structures, known, _ = world
    loose = crystal(500, {"Fe": 1, "O": 1})
    path = tmp_path / "loose.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows_of({**structures, "loose": loose}, known)))
    reply = handle(request(path, n=999), RidgeTrainer())
    assert "loose" not in asked(reply) and len(asked(reply)) == len(structures) - len(known)


def test_cells_larger_than_the_campaign_allows_are_left_out(world):
    structures, _, path = world
    asking = request(path, n=999)
    asking["aim"]["space"]["parameters"][0]["max_atoms"] = 3
    assert max(structures[id].n_atoms for id in asked(handle(asking, RidgeTrainer()))) == 3


# -- before there is a model -----------------------------------------------------------------------------------------
def test_elements_are_asked_for_before_what_holds_them(world, tmp_path):
    structures, _, _ = world
    path = tmp_path / "bare.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows_of(structures, ())))
    reply = handle(request(path, n=5), RidgeTrainer())
    assert asked(reply)[:3] == ["Fe", "Li", "O"] and reply["diagnostics"] is None
    assert [p["acquisition"] for p in reply["proposals"]] == ["elements"] * 3 + ["sobol"] * 2
    assert "too few energies" in reply["proposals"][4]["fallback"]


def test_what_holds_an_element_without_an_energy_waits(world, tmp_path):
    structures, known, _ = world
    known = {id for id in known if "Li" not in structures[id].counts}
    bare = {id: s for id, s in structures.items() if id != "Li"}
    more = {f"x{k}": crystal(k, {"Fe": 1, "O": 1}) for k in range(20, 32)}
    path = tmp_path / "bare.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows_of(bare | more, known | set(more))))
    found = asked(handle(request(path, n=999), RidgeTrainer()))
    assert found and not any("Li" in structures[id].counts for id in found)


# -- honesty ---------------------------------------------------------------------------------------------------------
def test_errors_are_of_predictions_made_before_the_label_came(world):
    path = world[2]
    observations, _ = campaign(world, 3)
    said = handle(request(path, observations=observations), RidgeTrainer())["diagnostics"]["discovery"]
    assert said["n_before"] == 12
    observations[-1]["values"]["energy"]["value"] += 6.0
    worse = handle(request(path, observations=observations), RidgeTrainer())["diagnostics"]["discovery"]
    assert worse["mae_before"] == pytest.approx(said["mae_before"] + 6.0 / 12, abs=0.06)


def test_what_is_judged_by_its_label_has_not_learned_from_it(world):
    observations, _ = campaign(world, 3)
    trainer = RidgeTrainer()
    base, labels = Learner(trainer, None, 3).before(State.of(request(world[2], observations=observations)))
    assert [label.id for label in labels] == [o["candidate"]["crystal"] for o in observations]
    assert not base.labelled & {label.id for label in labels}
    assert trainer.fitted == [(base.n, False)] and base.labelled == world[1]


def test_hits_are_labels_on_the_hull_as_it_stands(world):
    path = world[2]
    observations, _ = campaign(world, 3)
    said = handle(request(path, observations=observations), RidgeTrainer())["diagnostics"]["discovery"]
    new = {o["candidate"]["crystal"] for o in observations} & set(said["stable"])
    assert said["n_new"] == len(new) and said["hit_rate"] == pytest.approx(len(new) / 12)
    assert (
        said["hits"] == len({o["candidate"]["crystal"] for o in observations[-4:]} & new)
        and said["asked"] == 4
    )


def test_the_gate_lets_an_overconfident_model_only_learn(world):
    path = world[2]
    observations, _ = campaign(world, 3)
    for observation in observations:
        observation["values"]["energy"]["value"] += 0.5
    shut = handle(request(path, observations=observations, gate={"low": 0.8, "high": 1.0}), RidgeTrainer())
    assert "90 % intervals cover" in shut["gated"]
    assert {(p["mode"], p["acquisition"]) for p in shut["proposals"]} == {("learn", "variance")}
    learn = handle(request(path, observations=observations, mode="learn", name="variance"), RidgeTrainer())
    assert asked(shut) == asked(learn)
    open_ = handle(request(path, observations=observations, gate={"low": 0.0, "high": 1.0}), RidgeTrainer())
    assert open_["gated"] is None and {p["mode"] for p in open_["proposals"]} == {"optimise"}


def test_a_method_that_cannot_be_used_is_replaced_and_said(world):
    reply = handle(request(world[2], mode="learn", name="straddle"), RidgeTrainer())
    assert {p["acquisition"] for p in reply["proposals"]} == {"variance"}
    assert all("straddle" in p["fallback"] for p in reply["proposals"])


# -- requests that are none ------------------------------------------------------------------------------------------
def test_an_energy_of_an_unknown_crystal_is_refused(world):
    observation = {"candidate": {"crystal": "g-1"}, "values": {"energy": {"value": -1.0}}, "failed": False}
    with pytest.raises(InvalidObservation, match="g-1"):
        handle(request(world[2], observations=[observation]), RidgeTrainer())


def test_an_energy_to_maximise_is_refused(world):
    asking = request(world[2])
    asking["aim"]["objectives"][0]["direction"] = "maximise"
    with pytest.raises(UnsupportedObjectives, match="maximise energy"):
        handle(asking, RidgeTrainer())


def test_a_process_parameter_is_refused(world):
    asking = request(world[2])
    asking["aim"]["space"]["parameters"].append({"kind": "continuous", "name": "anneal"})
    with pytest.raises(UnsupportedObjectives, match="anneal"):
        handle(asking, RidgeTrainer())


# -- crystals that can be made -------------------------------------------------------------------------------------
def flagged(world, tmp_path, at_least):
    """Whatever has lithium was made, nothing else was; half of the crystals say so, of the others nobody knows."""
    structures, known, _ = world
    rows = rows_of(structures, known)
    for k, row_ in enumerate(rows):
        if k % 2 == 0:
            row_["values"] = row_.get("values", {}) | {"icsd": float("Li" in row_["species"])}
    path = tmp_path / "flagged.jsonl"
    path.write_text("".join(json.dumps(row_) + "\n" for row_ in rows))
    asking = request(path, n=12)
    asking["aim"]["space"]["parameters"][0] |= {"digest": "1" * 64, "known": ["energy"]}
    choice = {"flag": "icsd", "at_least": at_least, "classifier": "trees", "bags": 4}
    asking["aim"]["surrogate"] = {"materials": {"synthesizability": choice}}
    return asking


@pytest.fixture
def quick_trees(monkeypatch):
    """Trees that split what is as small as this pool, on how much lithium there is."""
    monkeypatch.setattr(
        synthesizability, "boosted_trees",
        lambda seed: HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2, random_state=seed),
    )  # fmt: skip
    monkeypatch.setattr(
        synthesizability, "_descriptors", lambda found: np.array([features(s) for s in found])
    )


def test_crystals_that_cannot_be_made_are_left_out_or_weighed(world, tmp_path, quick_trees):
    structures = world[0]
    strict = handle(flagged(world, tmp_path, 0.5), RidgeTrainer())
    assert all("Li" in structures[id].species for id in asked(strict))
    assert all(p["material"]["synthesizability"] == 1.0 for p in strict["proposals"])
    by_bound = flagged(world, tmp_path, 0.5)
    by_bound["method"]["name"] = "ucb"
    assert all("Li" in structures[id].species for id in asked(handle(by_bound, RidgeTrainer())))
    weighed = handle(flagged(world, tmp_path, None), RidgeTrainer())
    chances = [p["material"]["synthesizability"] for p in weighed["proposals"]]
    stable = [p["material"]["probability_stable"] for p in weighed["proposals"]]
    assert weighed["proposals"][0]["value"] == pytest.approx(chances[0] * stable[0], abs=1e-6)
    plain = handle(request(world[2], n=12), RidgeTrainer())
    lithium = [np.mean(["Li" in structures[id].species for id in asked(r)]) for r in (plain, weighed)]
    assert (
        asked(plain) != asked(weighed)
        and lithium[0] <= lithium[1]
        and "synthesizability" not in plain["proposals"][0]["material"]
    )
