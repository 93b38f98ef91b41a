"""The figures of discovery: against published ones, and by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials.discovery_metrics import (
    Confusion,
    bias,
    calibration,
    confusion,
    coverage,
    errors,
    hit_rate,
    new_systems,
)

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "materials"


def rows(name: str) -> list[dict]:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no shared data: {path}")
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def test_the_published_confusion_matrix_of_cgcnn():
    """Matbench Discovery, CGCNN (ensemble of 10)."""
    cgcnn = Confusion(tp=20_191, fp=26_073, tn=156_041, fn=13_183)
    assert cgcnn.n == 215_488
    assert round(cgcnn.f1, 3) == 0.507 and round(cgcnn.precision, 3) == 0.436
    assert cgcnn.recall == pytest.approx(20_191 / 33_374) and cgcnn.prevalence == pytest.approx(
        33_374 / 215_488
    )
    assert cgcnn.accuracy == pytest.approx(176_232 / 215_488)
    # Published with a prevalence of 32,942 / 215,488: 2.86.
    assert cgcnn.acceleration == pytest.approx(2.818, abs=5e-4)
    assert cgcnn.acceleration * cgcnn.prevalence / (32_942 / 215_488) == pytest.approx(2.86, abs=6e-3)


def test_confusion_by_hand():
    predicted, true = [-0.1, 0.0, 0.02, 0.3, -0.2], [0.0, 0.1, -0.05, 0.4, -0.3]
    assert confusion(predicted, true) == Confusion(tp=2, fp=1, tn=1, fn=1)
    assert confusion(predicted, true, threshold=0.1) == Confusion(tp=4, fp=0, tn=1, fn=0)
    perfect = confusion(true, true)
    assert perfect.f1 == 1.0 and perfect.acceleration == pytest.approx(1 / 0.6)
    nothing = confusion([1.0], [1.0])
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1, nothing.acceleration]).all()
    with pytest.raises(ValueError, match="one length"):
        confusion([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        confusion([np.nan], [1.0])


def test_hits_and_new_systems():
    assert hit_rate([0.0, -0.1, 0.03, np.nan]) == 0.5
    assert hit_rate([0.0, -0.1, 0.03, np.nan], threshold=0.05) == 0.75
    assert np.isnan(hit_rate([]))
    known = [("Fe", "O"), ("Li", "O"), ("Fe",)]
    assert new_systems([("O", "Fe"), ("Fe", "Li"), ("Fe", "Li", "O"), ("Fe", "O")], known) == 0.5


def test_errors_and_calibration():
    rng = np.random.default_rng(5)
    mean, sd = rng.normal(size=20_000), rng.uniform(0.5, 2.0, 20_000)
    true = mean + sd * rng.normal(size=20_000)
    found = errors(mean + 0.1, mean)
    assert (found.mae, found.rmse, found.bias) == pytest.approx((0.1, 0.1, 0.1))
    assert found.r2 == pytest.approx(0.99, abs=1e-3)
    right = calibration(true, mean, sd)
    assert list(right) == [0.5, 0.68, 0.8, 0.9, 0.95]
    assert np.allclose(list(right.values()), list(right), atol=0.01)
    assert calibration(true, mean, sd / 2)[0.95] == pytest.approx(0.673, abs=0.01)
    assert coverage([1, 2, 3], [1, 1, 4], [1, 3, 5]) == pytest.approx(2 / 3)
    assert errors([], []).n == 0 and np.isnan(errors([], []).mae)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("mp_binary_elasticity/mp_binary_elasticity.jsonl.gz", (3953, 0.454, 0.070, 0.007, 1747)),
        ("wbm_random_972/wbm_random_972.jsonl.gz", (972, 0.423, 0.102, 0.075, 952)),
        ("mp_chemsys_entries/fe_li_o_p.jsonl.gz", (943, 0.022, 0.941, 0.375, 15)),
    ],
)
def test_the_bias_of_the_shared_sets(name, expected):
    pytest.importorskip("pymatgen", reason="needs the extra `materials`")
    found = bias([Structure.from_json(row) for row in rows(name)])
    shares = tuple(round(x, 3) for x in (found.all_metal, found.with_oxygen, found.doped))
    assert (found.n, *shares, found.systems) == expected
    assert found.elsewhere_unknown == 1.0  # nothing was given to compare with


def test_the_systems_that_other_sets_do_not_have():
    pytest.importorskip("pymatgen", reason="needs the extra `materials`")
    own = [Structure.from_json(row) for row in rows("mp_binary_elasticity/mp_binary_elasticity.jsonl.gz")]
    others = [
        set(row["species"])
        for name in ("wbm_random_972/wbm_random_972", "mp_chemsys_entries/fe_li_o_p")
        for row in rows(f"{name}.jsonl.gz")
    ]
    path = SHARED / "matbench_phonons" / "matbench_phonons.json.gz"
    with gzip.open(path, "rt") as file:
        table = json.load(file)["data"]
    others += [{site["species"][0]["element"] for site in row[0]["sites"]} for row in table]
    found = bias(own, others)
    assert round(found.elsewhere_unknown, 3) == 0.806
    assert next(iter(found.abundance)) == max(found.abundance, key=found.abundance.get)
    assert sum(found.abundance.values()) == pytest.approx(2.0)  # binaries
