"""Candidates that generators make of the known crystals, as the planner of discovery uses them."""

import json

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials.calibration import Calibration
from surrogates.materials.discovery import generation, pool, service
from surrogates.materials.discovery.generation import generate
from surrogates.materials.discovery.service import handle
from surrogates.materials.discovery.state import State, made_id
from surrogates.materials.discovery.trainer import trainer_of
from surrogates.materials.generators import catalogue
from surrogates.materials.generators.catalogue import GeneratorRefused
from surrogates.materials.generators.protocol import Generated
from surrogates.materials.prediction import Prediction

CUBE = [
    [0, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
    [0, 0.5, 0.5],
    [0.5, 0, 0],
    [0, 0.5, 0],
    [0, 0, 0.5],
]


def cell(species, edge=None):
    edge = edge or 2.6 * len(species) ** (1 / 3)
    lattice = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
    return Structure.from_json({"lattice": lattice, "species": list(species), "frac": CUBE[: len(species)]})


def energy(structure):
    x = structure.counts.get("Cu", 0) / structure.n_atoms
    return -3.0 - x - 0.4 * x * (1 - x) + 0.01 * (structure.volume / structure.n_atoms - 17)


class Trainer:
    """Knows the energy of everything within 20 meV."""

    name = "oracle"

    def content(self):
        return {}

    def usable(self, structures):
        return np.ones(len(structures), dtype=bool)

    def relaxed(self, ensemble, structures):
        return None

    def load(self, path):
        return None

    def fit(self, structures, values, *, seed, start):
        return Oracle()


class Oracle:
    fingerprint = "oracle"

    def predict(self, structures):
        x = np.array([s.counts.get("Cu", 0) / s.n_atoms for s in structures])
        level = np.where(x * (1 - x) > 0, -0.05, 0.3)
        members = np.stack([level - 0.01, level + 0.01])[:, :, None]
        known = Calibration(1.0, 1.0, (), "assumed", 0)
        sd = np.full((len(structures), 1), 0.01)
        return Prediction(level[:, None], sd, sd, members, ("decomposition",), (known,))

    def embed(self, structures):
        return np.array([[[s.volume] for s in structures]])


def mixed(known, *, limit, rng, most: int = 4):
    """Cells of copper and gold in random order: what a generator gives, duplicates and nonsense included."""
    for _ in range(limit):
        n = int(rng.integers(2, most + 1))
        yield Generated(cell(rng.choice(["Cu", "Au"], n)), (known[0].id,), f"{n} random sites")


def squashed(known, *, limit, rng, most: int = 4):
    yield Generated(cell(["Cu", "Au"], 1.5), ("Cu",), "too small")


def doubled(known, *, limit, rng):
    """The gold of what is known, with a copper beside it in the same cell."""
    for each in known:
        if each.id == "Au":
            yield Generated(cell(["Au", "Cu"], each.structure.lattice[0][0]), ("Au",), "")


def broken(known, *, limit, rng):
    yield Generated(cell(["Cu", "Au", "Cu"]), ("Cu",), "the only one")
    raise ZeroDivisionError("no volume")


@pytest.fixture(autouse=True)
def _generators(monkeypatch):
    service._learners.clear()
    pool._pools.clear()
    monkeypatch.setattr(generation, "LIMIT", 60)
    usual = catalogue.generator
    ours = {"mixed": mixed, "doubled": doubled, "squashed": squashed, "broken": broken}
    monkeypatch.setattr(catalogue, "generator", lambda name: ours[name] if name in ours else usual(name))


@pytest.fixture
def request_of(tmp_path):
    """A request from a handful of crystals: the two elements, and `more` of their volumes."""

    def make(more=0, generate=("mixed",), observations=(), structures=None, **arguments):
        rows = [
            {"id": s, **cell([s]).to_json(), "values": {"energy": energy(cell([s]))}} for s in ("Cu", "Au")
        ]
        for k in range(more):
            row = cell(["Cu", "Au"], 3.4 + 0.02 * k)
            rows.append({"id": f"p{k}", **row.to_json(), "values": {"energy": energy(row)}})
        path = tmp_path / f"{more}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        chosen = [
            {"generator": name, "arguments": [[k, v] for k, v in arguments.items()]} for name in generate
        ]
        parameter = {
            "kind": "material", "name": "crystal", "pool": "cu-au", "digest": f"{more:064x}", "n": len(rows),
            "generate": chosen, "max_atoms": 6, "when": [], "otherwise": None,
        }  # fmt: skip
        return {
            "op": "propose",
            "aim": {
                "space": {"parameters": [parameter]},
                "objectives": [{"name": "energy", "direction": "minimise"}],
                "goal": "hull", "history": [],
            },
            "observations": list(observations), "pending": [], "n": 4,
            "method": {"mode": "optimise", "name": "probability", "beta": "auto"}, "gate": None, "outlook": False,
            "seed": 5, "index": len(observations),
            "materials": {"pool": str(path), "directory": None, "structures": structures or {}},
        }  # fmt: skip

    return make


def made_of(request, **more):
    return generate(State.of(request), 5, 4, **more)


def test_what_is_made_is_called_after_its_content_and_the_same_every_time(request_of):
    first = made_of(request_of())
    assert first == made_of(request_of()) and len(first.made) > 5
    for id, made in first.made.items():
        assert id == made_id(made.structure) == f"g-{made.structure.key[:12]}"
        assert made.generator == "mixed" and made.parents == ("Au",)
    few = [list(generate(State.of(request_of()), seed, 4, limit=7).made) for seed in (5, 6)]
    assert few[0] != few[1], "another seed"


def test_nothing_is_made_twice_nor_what_is_there_already(request_of):
    found = made_of(request_of())
    keys = [made.structure.key for made in found.made.values()]
    assert len(set(keys)) == len(keys) < 60
    assert found.refused["known"] == 60 - len(keys)
    id, made = next(iter(found.made.items()))
    again = made_of(request_of(structures={id: made.structure.to_json()}))
    assert id not in again.made, "one that the log has met is there already"


def test_what_the_labeler_relaxed_is_what_more_is_made_of_and_is_not_made_again(request_of):
    asked = request_of(generate=("doubled",))
    (usual,) = made_of(asked).made.values()
    asked["materials"]["relaxed"] = {"Au": cell(["Au"], 5.0).to_json()}
    (larger,) = made_of(asked).made.values()
    assert usual.structure.lattice == cell(["Au"]).lattice
    assert larger.structure.lattice == cell(["Au"], 5.0).lattice
    asked["materials"]["relaxed"] |= {"Cu": larger.structure.to_json()}
    found = made_of(asked)
    assert not found.made and found.refused == {"known": 1}, "a crystal that another one relaxed to"


def test_cells_that_are_too_large_or_too_dense_are_refused_and_counted(request_of):
    found = made_of(request_of(generate=("mixed", "squashed"), most=8))
    assert found.refused["too-large"] > 0 and found.refused["overlap"] == 1
    assert max(made.structure.n_atoms for made in found.made.values()) <= 6


def test_a_generator_gives_no_more_than_its_limit(request_of):
    found = made_of(request_of(), limit=7)
    assert len(found.made) + sum(found.refused.values()) == 7


def test_from_the_elements_alone_generated_crystals_are_asked_for(request_of):
    reply = handle(request_of(), Trainer())
    for proposal in reply["proposals"]:
        (id,) = proposal["structures"]
        structure = Structure.from_json(proposal["structures"][id])
        assert id == proposal["candidate"]["crystal"] == made_id(structure)
        why = proposal["material"]
        assert (why["source"], why["parents"]) == ("mixed", ["Au"]) and "random sites" in why["how"]
        assert "too few energies" in proposal["fallback"]
    assert reply["diagnostics"]["discovery"]["n_generated"] > 5


def test_labels_of_generated_crystals_are_learned_from_once_the_log_has_met_them(request_of):
    reply = handle(request_of(), Trainer())
    rows = [
        {
            "candidate": p["candidate"],
            "values": {"energy": {"value": energy(Structure.from_json(s)), "sigma": None}},
            "failed": False,
        }
        for p in reply["proposals"]
        for s in p["structures"].values()
    ]
    reply = handle(request_of(observations=rows, structures=reply["structures"]), Trainer())
    assert reply["diagnostics"]["discovery"]["n_labelled"] == 6
    assert not {p["candidate"]["crystal"] for p in reply["proposals"]} & {
        r["candidate"]["crystal"] for r in rows
    }


def test_of_what_is_generated_only_what_is_believed_near_the_hull_is_asked_for(request_of):
    reply = handle(request_of(more=14), Trainer())
    assert {p["acquisition"] for p in reply["proposals"]} == {"probability"}
    for proposal in reply["proposals"]:
        (record,) = proposal["structures"].values()
        assert len(set(record["species"])) == 2, "the elements' polymorphs are predicted far above the hull"
        assert proposal["material"]["decomposition_energy"] <= 0.05


def test_a_generator_that_breaks_gives_what_it_has_given_and_is_named(request_of):
    found = made_of(request_of(generate=("broken", "mixed"), observations=[]))
    assert [made.generator for made in found.made.values()].count("broken") == 1
    assert len(found.made) > 5 and any("broken" in why and "no volume" in why for why in found.refused)


@pytest.mark.parametrize(("generate", "more"), [(("nonsense",), {}), (("mixed",), {"least": 3})])
def test_an_unknown_generator_or_argument_is_refused_by_name(request_of, generate, more):
    with pytest.raises(GeneratorRefused, match="nonsense" if not more else "least"):
        made_of(request_of(generate=generate, **more))


def test_the_real_generators_work_from_two_elements(request_of):
    found = made_of(request_of(generate=("compositions",), rule="all", most_elements=2), limit=8)
    assert any(len(made.structure.elements) == 2 for made in found.made.values())


def test_generated_cells_are_learned_at_several_volumes_and_pools_are_not(request_of):
    assert trainer_of(request_of()["aim"]).settings.volumes is not None
    assert trainer_of(request_of(generate=())["aim"]).settings.volumes is None
