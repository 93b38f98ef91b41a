"""The planner of discovery with real graph networks, small ones."""

import json

import numpy as np
import pytest
import torch

from campaigns.structure import Structure
from surrogates.materials.discovery import pool, service
from surrogates.materials.discovery.orbits import OrbitCache, equivalent_sites, reduced
from surrogates.materials.discovery.service import handle
from surrogates.materials.discovery.trainer import GraphTrainer, trainer_of
from surrogates.materials.graph import GraphCache, structure_graph
from surrogates.materials.networks import NETWORKS, NetworkSettings, build
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training, predict

FCC = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
ROCKSALT = [*FCC, *[[(x + 0.5) % 1, y, z] for x, y, z in FCC]]


def cubic(species, frac, edge):
    lattice = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
    return Structure.from_json({"lattice": lattice, "species": species, "frac": frac})


def crystals():
    """Of high, some and no symmetry."""
    rng = np.random.default_rng([8])
    perovskite = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    skewed = [[5.1, 0.2, 0.1], [0.3, 6.2, -0.4], [0.7, 0.1, 7.3]]
    loose = {"lattice": skewed, "species": ["Fe", "O", "O", "Li"], "frac": rng.random((4, 3)).tolist()}
    return [
        cubic(["Na"] * 4 + ["Cl"] * 4, ROCKSALT, 5.64),
        cubic(["Sr", "Ti", "O", "O", "O"], perovskite, 3.9),
        cubic(["Cu", "Au", "Cu", "Au"], FCC, 3.8),
        Structure.from_json(loose),
    ]


def test_equivalent_sites_are_one_node_and_different_ones_are_not():
    assert [len(set(equivalent_sites(s).tolist())) for s in crystals()] == [2, 3, 2, 4]


@pytest.mark.parametrize("falloff", [0.0, 0.4])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_says_the_same_of_the_different_sites_alone(name, falloff):
    settings = NetworkSettings(network=name, width=16, layers=3, neighbours=12)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = build(settings, 2).eval()
    whole = predict(network, GraphCache(8.0, 12, settings.kind, falloff=falloff)(crystals()))
    small = predict(network, OrbitCache(8.0, 12, settings.kind, falloff=falloff)(crystals()))
    np.testing.assert_allclose(small.mean, whole.mean, atol=2e-5)
    np.testing.assert_allclose(small.embedding, whole.embedding, atol=2e-5)


def test_the_different_sites_weigh_as_many_as_they_are():
    structure = crystals()[1]
    graph = structure_graph(structure)
    small = reduced(graph, equivalent_sites(structure))
    np.testing.assert_allclose(sorted(small.weights), [0.2, 0.2, 0.6], rtol=1e-6)
    assert small.edges.max() < 3 and np.all(np.diff(small.edges[0]) >= 0)
    cache = OrbitCache()
    assert cache([structure, structure])[0] is cache([structure])[0]
    assert cache.nbytes == cache([structure])[0].nbytes


def energy(structure):
    x = structure.counts.get("Au", 0) / structure.n_atoms
    return -3.0 - x - 0.6 * x * (1 - x) + 0.5 * (structure.volume / structure.n_atoms / 16 - 1) ** 2


@pytest.fixture
def request_():
    def make(path, directory=None):
        material = {"kind": "material", "name": "crystal", "pool": "cu-au", "digest": "a" * 64, "n": 1}
        return {
            "op": "propose",
            "aim": {
                "space": {"parameters": [{**material, "generate": [], "max_atoms": 200}]},
                "objectives": [{"name": "energy", "direction": "minimise"}],
                "surrogate": {"materials": {"network": "cgcnn", "members": 2, "epochs": 3, "width": 8}},
            },
            "observations": [], "pending": [], "n": 3,
            "method": {"mode": "optimise", "name": "probability", "beta": "auto"}, "gate": None, "outlook": False,
            "seed": 2, "index": 0,
            "materials": {"pool": str(path), "directory": directory, "structures": {}},
        }  # fmt: skip

    service._learners.clear()
    pool._pools.clear()
    return make


def test_a_campaign_asks_real_networks_and_a_damaged_model_is_fitted_again(request_, tmp_path):
    rows = []
    for k in range(32):
        species = ["Cu" if (k >> site) & 1 else "Au" for site in range(4)]
        structure = cubic(species, FCC, 3.7 + 0.01 * k)
        known = {"values": {"energy": energy(structure)}} if k % 4 or k in (0, 15) else {}
        rows.append({"id": f"c{k}", **structure.to_json(), **known})
    path, directory = tmp_path / "pool.jsonl", tmp_path / "run"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = handle(request_(path))
    assert len(first["proposals"]) == 3 and all(p["sd"] > 0 for p in first["proposals"])
    assert handle(request_(path, str(directory))) == first
    (model,) = (directory / "discovery").iterdir()
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    service._learners.clear()
    assert handle(request_(path, str(directory))) == first
    assert len(model.read_bytes()) > 0.9 * len(whole), "fitted and kept again"


def test_the_campaign_says_which_networks():
    said = {"network": "cgcnn", "members": 7, "epochs": 50, "width": 24, "layers": 3}
    said |= {"normalise": "after", "norm": "layer", "falloff": 0.2}
    aim = {"space": {"parameters": [{"generate": []}]}, "surrogate": {"materials": said}}
    settings = trainer_of(aim).settings
    assert settings.members == 7
    wanted = NetworkSettings("cgcnn", width=24, layers=3, normalise="after", norm="layer", falloff=0.2)
    assert settings.network == wanted
    assert (settings.training.epochs, settings.training.warm_epochs) == (50, 10)
    usual = trainer_of({"space": {"parameters": [{"generate": []}]}}).settings
    assert usual == EnsembleSettings(members=5, network=NetworkSettings(), training=Training())


def test_what_has_no_graph_is_left_out_not_fatal():
    far = cubic(["Cu"], [[0, 0, 0]], 30.0)
    found = GraphTrainer(EnsembleSettings(members=1)).usable([far, crystals()[2]])
    assert found.tolist() == [False, True]
