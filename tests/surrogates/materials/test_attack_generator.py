"""Attacks as a generator of discovery: from labels with forces to the next cells, round by round."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from surrogates.errors import SpaceExhausted
from surrogates.materials.crystals import structure_of
from surrogates.materials.discovery import pool, service
from surrogates.materials.discovery.service import handle
from surrogates.materials.discovery.state import State, made_id
from surrogates.materials.generators.adversarial import adversarial
from surrogates.materials.generators.catalogue import GeneratorRefused, drawn
from surrogates.materials.generators.protocol import Known, gives_arrangements
from surrogates.materials.generators.rattled import rattled
from surrogates.materials.generators.substitution import substitution

SITES = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
QUICK = {"starts": 4, "most": 2, "members": 2, "steps": 14, "lessons": 20, "cutoff": 3.6}


def cell(rng, amplitude, species="Cu3Au"):
    atoms = Atoms(species, scaled_positions=SITES[: len(Atoms(species))], cell=[3.75] * 3, pbc=True)
    atoms.positions += rng.normal(0.0, amplitude, atoms.positions.shape)
    return structure_of(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions())


def labelled(one):
    """Energy per atom and forces."""
    atoms = Atoms(one.species, cell=one.lattice, scaled_positions=one.frac, pbc=True, calculator=EMT())
    return float(atoms.get_potential_energy()) / len(atoms), atoms.get_forces()


@pytest.fixture(scope="module")
def known():
    rng, out = np.random.default_rng(0), []
    for k, species in enumerate(["Cu3Au"] * 5 + ["CuAu"] * 2):
        one = cell(rng, 0.05, species)
        energy, forces = labelled(one)
        out.append(Known(f"c{k}", one, energy, arrays={"forces": forces}))
    return out


@pytest.fixture(scope="module")
def attacked(known):
    return list(drawn("adversarial", known, limit=50, rng=np.random.default_rng(1), arguments=QUICK))


def test_attacked_cells_are_of_their_parents_atoms_and_apart(known, attacked):
    assert 1 <= len(attacked) <= 2
    parents = {each.id: each.structure for each in known}
    for one in attacked:
        (parent,) = one.parents
        assert one.structure.species == parents[parent].species
        steps = np.array(one.structure.frac) - np.array(parents[parent].frac)
        steps = (steps - np.round(steps)) @ np.array(one.structure.lattice)
        assert 0.1 < np.sqrt((steps**2).sum(axis=1).mean()) < 3.0
        assert one.how.startswith("attacked: forces differ by ")


def test_a_seed_is_a_sequence_and_few_labels_are_not_attacked(known, attacked):
    again = list(drawn("adversarial", known, limit=50, rng=np.random.default_rng(1), arguments=QUICK))
    assert again == attacked
    assert len(list(drawn("adversarial", known, limit=1, rng=np.random.default_rng(1), arguments=QUICK))) == 1
    assert list(adversarial(known[:3], limit=50, rng=np.random.default_rng(1))) == []
    without = [each._replace(arrays={}) for each in known]
    assert list(adversarial(without, limit=50, rng=np.random.default_rng(1))) == []
    with pytest.raises(GeneratorRefused, match="kT"):
        drawn("adversarial", known, limit=5, rng=np.random.default_rng(1), arguments={"kT": -1.0})


def test_rattled_cells_are_as_far_as_they_say_and_not_of_generated_ones(known):
    made = known[0]._replace(id="g-1", made=True)
    rng = np.random.default_rng(3)
    found = list(rattled([known[1], made], limit=30, rng=rng, amplitude=0.04, count=40))
    assert len(found) == 30 and {one.parents for one in found} == {("c1",)}
    lattice = np.array(known[1].structure.lattice)
    steps = np.array([one.structure.frac for one in found]) - np.array(known[1].structure.frac)
    steps = (steps - np.round(steps)) @ lattice
    assert steps.std() == pytest.approx(0.04, rel=0.1)
    assert list(rattled([made], limit=30, rng=rng)) == []
    assert list(rattled(known, limit=30, rng=rng, until=len(known))) == []


def test_only_what_says_so_gives_arrangements():
    assert gives_arrangements(adversarial) and gives_arrangements(rattled)
    assert not gives_arrangements(substitution)


class Nobody:
    """Trains nothing: arrangements have no hull to learn."""

    name = "nobody"

    def content(self):
        return {}

    def usable(self, structures):
        raise AssertionError("nothing is to be learned")

    fit = load = relaxed = usable


def request_of(tmp_path, known, generate, observations=(), structures=None):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps({"id": k.id, **k.structure.to_json()}) + "\n" for k in known))
    generators = [
        {"generator": name, "arguments": [[k, v] for k, v in arguments.items()]}
        for name, arguments in generate
    ]
    parameter = {
        "kind": "material", "name": "cell", "pool": "cells", "digest": "0" * 64, "n": len(known),
        "generate": generators, "max_atoms": 8, "known": [], "when": [], "otherwise": None,
    }  # fmt: skip
    return {
        "op": "propose",
        "aim": {
            "space": {"parameters": [parameter]}, "objectives": [{"name": "energy", "direction": "minimise"}],
            "goal": "hull", "history": [],
        },
        "observations": list(observations), "pending": [], "n": 3,
        "method": {"mode": "explore", "name": "random", "beta": "auto"}, "gate": None, "outlook": False,
        "seed": 5, "index": len(observations),
        "materials": {"pool": str(path), "directory": None, "structures": structures or {}},
    }  # fmt: skip


def told(id, energy, forces):
    values = {"energy": {"value": energy, "unit": "eV"}}
    arrays = {"forces": {"values": np.asarray(forces).tolist(), "unit": "eV/angstrom"}}
    return {"candidate": {"cell": id}, "values": values, "failed": False, "arrays": arrays}


def test_a_campaign_of_attacks_goes_on_from_what_it_labelled(tmp_path, known):
    """Two rounds by the service of discovery alone; what differs by tenths of an angstrom is asked for all the same."""
    service._learners.clear()
    pool._pools.clear()
    rows = [told(k.id, k.energy, k.arrays["forces"]) for k in known]
    generate = [("adversarial", QUICK)]
    structures, taken = {}, {k.id for k in known}
    for _ in range(2):
        request = request_of(tmp_path, known, generate, rows, structures)
        reply = handle(request, Nobody())
        proposals = [p["candidate"]["cell"] for p in reply["proposals"]]
        assert proposals and not taken & set(proposals)
        for proposal in reply["proposals"]:
            assert proposal["material"]["source"] == "adversarial" and proposal["material"]["parents"]
            assert proposal["fallback"] is None
        taken |= set(proposals)
        structures |= reply["structures"]
        state = State.of({**request, "materials": {**request["materials"], "structures": structures}})
        for id in proposals:
            assert made_id(state.structures[id]) == id
            rows.append(told(id, *labelled(state.structures[id])))
    kept = State.of(request_of(tmp_path, known, generate, rows, structures))
    assert len(kept.arrays) == len(taken) and kept.arrays["c0"]["forces"].shape == (4, 3)


def test_forces_of_what_was_relaxed_are_not_those_of_where_it_ended(tmp_path, known):
    service._learners.clear()
    pool._pools.clear()
    rows = [told(k.id, k.energy, k.arrays["forces"]) for k in known]
    request = request_of(tmp_path, known, [("adversarial", {**QUICK, "at_least": 7})], rows)
    request["materials"]["relaxed"] = {"c0": known[1].structure.to_json()}
    with pytest.raises(SpaceExhausted):  # six are left, one too few
        handle(request, Nobody())
