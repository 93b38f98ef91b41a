"""What graphs and networks cost on one core, beside their alternatives in the same run.

    python benchmarks/materials/throughput.py [graphs] [networks] [--structures 512] [--repeats 5]

Real input: binaries of the Materials Project (7 atoms a cell). CPU time of one thread, median over repeats, in which
the alternatives take turns, so that other load on the machine meets all of them. The published layer is
torch-geometric's CGConv with its own DataLoader and the same graphs, features, width, head, loss and optimiser. Its
expanded distances are made beforehand, ours are made in every batch; our edges that repeat are merged beforehand. How
many repeat is a matter of symmetry, so both are also timed on the same crystals with every atom moved a little.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from data import moduli
from torch import nn

from campaigns.structure import Structure
from surrogates.materials.graph import PERIODIC, SELF, structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.networks.base import GaussianExpansion
from surrogates.materials.training import Training, predict, train

CUTOFF, NEIGHBOURS, WIDTH, BATCH = 8.0, 12, 64, 64
EPOCHS = 3  # of one timed training
SLOW = 20  # structures that the slowest alternatives are timed on
BARS = {"graph": 0.7, "train": 3.0, "infer": 1.5}


def timed(work, repeats):
    """Median CPU seconds of each of `work` (name -> function), taken in turns; a first turn is not counted."""
    taken = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, function in work.items():
            began = time.process_time()
            function()
            if turn:
                taken[name].append(time.process_time() - began)
    return {name: float(np.median(times)) for name, times in taken.items()}


def all_pairs(structure: Structure):
    """Neighbours by numpy alone: every pair with every image that the cutoff can reach."""
    lattice, frac = np.array(structure.lattice), np.array(structure.frac)
    reach = np.ceil(CUTOFF * np.linalg.norm(np.linalg.inv(lattice), axis=0)).astype(int) + 1
    images = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    frac = frac - np.floor(frac)
    apart = (frac[None, :, None] - frac[:, None, None] + images) @ lattice
    distances = np.sqrt((apart**2).sum(-1))
    return np.nonzero((distances > SELF) & (distances < CUTOFF))


def graphs(structures, repeats):
    """Milliseconds per structure of each way to find neighbours within 8 A, and of the whole graph."""
    from ase.neighborlist import neighbor_list
    from pymatgen.core import Structure as Crystal
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.optimization.neighbors import find_points_in_spheres

    crystals = [Crystal(s.lattice, s.species, s.frac, to_unit_cell=True) for s in structures]
    atoms = [AseAtomsAdaptor.get_atoms(c) for c in crystals]
    arrays = [(np.ascontiguousarray(c.cart_coords), np.array(c.lattice.matrix)) for c in crystals]

    def points():
        for xyz, cell in arrays:
            find_points_in_spheres(xyz, xyz, r=CUTOFF, pbc=PERIODIC, lattice=cell, tol=SELF)

    some = range(0, len(structures), max(1, len(structures) // SLOW))
    work = {
        "our graph, 12 nearest": lambda: [structure_graph(s).merged for s in structures],
        "our graph, all": lambda: [structure_graph(s, neighbours=None).merged for s in structures],
        "pymatgen find_points_in_spheres": points,
        "pymatgen get_neighbor_list": lambda: [c.get_neighbor_list(CUTOFF) for c in crystals],
        "numpy, all pairs": lambda: [all_pairs(s) for s in structures],
        "pymatgen get_all_neighbors": lambda: [crystals[i].get_all_neighbors(CUTOFF) for i in some],
        "ASE neighbor_list": lambda: [neighbor_list("ijdS", atoms[i], CUTOFF) for i in some],
    }
    slow = {"pymatgen get_all_neighbors", "ASE neighbor_list"}
    seconds = timed(work, repeats)
    of = len(structures)
    rows = {name: 1000 * s / (len(some) if name in slow else of) for name, s in seconds.items()}
    print(
        f"\nneighbours within {CUTOFF:g} A, {of} structures of {np.mean([s.n_atoms for s in structures]):.1f} atoms"
    )
    for name, ms in rows.items():
        count = f"  (on {len(some)} of them)" if name in slow else ""
        print(f"  {name:34s} {ms:8.3f} ms per structure{count}")
    verdict("graph of the 12 nearest, ms", rows["our graph, 12 nearest"], BARS["graph"], below=True)


class Published(nn.Module):
    """CGConv three times, mean over atoms, softplus, one hidden layer: torch-geometric's own parts throughout."""

    def __init__(self, features):
        from torch_geometric.nn import CGConv

        super().__init__()
        self.embed = nn.Linear(features, WIDTH)
        self.layers = nn.ModuleList(CGConv(WIDTH, dim=41, batch_norm=True) for _ in range(3))
        self.head = nn.Sequential(
            nn.Softplus(), nn.Linear(WIDTH, 2 * WIDTH), nn.Softplus(), nn.Linear(2 * WIDTH, 2)
        )

    def forward(self, data):
        from torch_geometric.nn import global_mean_pool

        nodes = self.embed(data.x)
        for layer in self.layers:
            nodes = layer(nodes, data.edge_index, data.edge_attr)
        return self.head(global_mean_pool(nodes, data.batch))


def shaken(structure: Structure) -> Structure:
    """The structure without its symmetry: every coordinate moved by a hundredth of the cell or less."""
    rng = np.random.default_rng([structure.n_atoms, int(1000 * structure.volume)])
    frac = np.array(structure.frac) + rng.uniform(-0.01, 0.01, (structure.n_atoms, 3))
    return Structure.from_json({**structure.to_json(), "frac": frac.tolist()})


def networks(structures, values, repeats, judged):
    """Graphs per second in training, and in prediction."""
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader

    from surrogates.materials.elements import one_hot_features

    made = [structure_graph(s, cutoff=CUTOFF, neighbours=NEIGHBOURS) for s in structures]
    table, expand = torch.tensor(one_hot_features()), GaussianExpansion(CUTOFF, 41)
    wanted = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    data = [
        Data(
            x=table[torch.from_numpy(g.numbers)],
            edge_index=torch.from_numpy(g.edges[::-1].copy()),
            edge_attr=expand(torch.from_numpy(g.distances)),
            y=torch.from_numpy(y[None]),
        )
        for g, y in zip(made, wanted, strict=True)
    ]
    torch.manual_seed(0)
    theirs = Published(table.shape[1])
    optimiser = torch.optim.AdamW(theirs.parameters(), lr=1e-3)

    def train_theirs():
        theirs.train()
        for _ in range(EPOCHS):
            for batch in DataLoader(data, batch_size=BATCH, shuffle=True):
                optimiser.zero_grad()
                nn.functional.smooth_l1_loss(theirs(batch), batch.y).backward()
                optimiser.step()

    @torch.no_grad()
    def infer_theirs():
        theirs.eval()
        return torch.cat([theirs(batch) for batch in DataLoader(data, batch_size=BATCH)])

    brief = Training(epochs=EPOCHS, batch=BATCH)
    default = NetworkSettings()
    ours = {
        "ours: cgcnn, 3 x 64": NetworkSettings("cgcnn", WIDTH, 3),
        "ours: edge_gated, 3 x 64": NetworkSettings("edge_gated", WIDTH, 3),
        f"ours: edge_gated, {default.layers} x {default.width} (default)": default,
    }
    built = {name: build(settings, 2) for name, settings in ours.items()}

    def trains(network):  # packing is inside the time, as collation is inside theirs
        return lambda: train(network, made, wanted, training=brief, seed=0)

    base = "torch-geometric: CGConv x 3, 64"
    fit = timed({base: train_theirs} | {n: trains(net) for n, net in built.items()}, repeats)
    ask = timed(
        {base: infer_theirs} | {n: (lambda net=net: predict(net, made)) for n, net in built.items()}, repeats
    )
    edges, differ = (
        np.mean([len(x) for x in xs]) for xs in ([g.distances for g in made], [g.merged.counts for g in made])
    )
    what = "as they are" if judged else "every atom moved"
    print(
        f"\ngraphs per second, {len(made)} graphs {what}, of {edges:.0f} edges, {differ:.0f} of which differ"
    )
    print(f"  {'':44s} {'train':>9s} {'times':>6s} {'infer':>9s} {'times':>6s}")
    for name in fit:
        a, b = EPOCHS * len(made) / fit[name], len(made) / ask[name]
        print(f"  {name:44s} {a:9.0f} {fit[base] / fit[name]:6.2f} {b:9.0f} {ask[base] / ask[name]:6.2f}")
    if not judged:
        return
    mine = next(iter(ours))
    verdict("training, times the published layer", fit[base] / fit[mine], BARS["train"], below=False)
    verdict("inference, times the published layer", ask[base] / ask[mine], BARS["infer"], below=False)


def verdict(what, got, bar, below):
    """One line: met or missed."""
    met = got <= bar if below else got >= bar
    print(
        f"  {'met' if met else 'MISSED'}: {what} {got:.2f}, wanted {'at most' if below else 'at least'} {bar:g}"
    )


def main() -> None:
    """Measure, print the tables."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("parts", nargs="*", metavar="graphs|networks", default=["graphs", "networks"])
    cli.add_argument("--structures", type=int, default=512)
    cli.add_argument("--repeats", type=int, default=5)
    asked = cli.parse_args()
    if unknown := set(asked.parts) - {"graphs", "networks"}:
        cli.error(f"wanted graphs or networks, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    table = moduli()
    whole = np.flatnonzero(np.isfinite(table.values).all(axis=1))
    rows = np.random.default_rng(0).permutation(whole)[: asked.structures]
    structures = [table.structures[i] for i in rows]
    if "graphs" in asked.parts:
        graphs(structures, asked.repeats)
    if "networks" in asked.parts:
        networks(structures, table.values[rows], asked.repeats, judged=True)
        networks([shaken(s) for s in structures], table.values[rows], asked.repeats, judged=False)


if __name__ == "__main__":
    main()
