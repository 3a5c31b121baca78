"""The benchmark of tensors: every case runs on toys, targets are told with figures."""

import importlib
import json

import numpy as np
import pytest

from benchmarks import measure, tensor
from benchmarks.__main__ import main
from benchmarks.tensor_cases import map_error, overlapping, residual_of


def in_this_process(target, *, threads, limit, **arguments):
    """Stands for `run_case`: a process for each toy would take too long."""
    module, _, name = target.partition(":")
    arguments = json.loads(json.dumps(arguments))
    row = getattr(importlib.import_module(module), name)(**arguments)
    return json.loads(json.dumps(row))


@pytest.mark.parametrize("table", ["dense", "counts", "scan", "generated"])
def test_every_table_has_its_rows(table, tmp_path, monkeypatch):
    if table in ("dense", "counts"):
        pytest.importorskip("tensorly")
    monkeypatch.setattr(measure, "run_case", in_this_process)
    path = tmp_path / "tensor.json"
    main(["tensor", "--quick", "--table", table, "--json", str(path)])
    report = json.loads(path.read_text())
    methods = {row["method"] for row in report["rows"]}
    scans = {"EDX", "EELS", "both"}
    scans |= {f"{which}, smoothed" for which in scans}
    expected = {"scan": scans, "generated": {"ours"}}
    assert methods == expected.get(table, {"ours", "TensorLy"})
    for row in report["rows"]:
        assert "error" not in row and row["seconds"] > 0
        assert 0 <= row.get("match", 0) <= 1 and row.get("passes") in (3, 4, None)
    assert report["checks"]


def test_targets_are_missed_by_what_misses_them():
    good = {"match": 0.9995, "peak_mib": 20.0, "cpu_seconds": 1.0, "residual": 0.1}
    rows = [
        {"table": "dense, cpd", "method": "ours", **good},
        {"table": "dense, cpd", "method": "TensorLy", **good, "cpu_seconds": 9.0},
    ]
    told = {check.name: check.passed for check in tensor.check(rows)}
    assert told == {
        "dense, cpd, memory": True,
        "dense, cpd, worst factor match": True,
        "dense, cpd, speed": False,
        "dense, cpd, excess residual": True,
    }


def test_residual_of_a_tucker_model(rng):
    X = rng.random((4, 5, 6))
    core, factors = rng.random((2, 2, 2)), [rng.random((n, 2)) for n in X.shape]
    left = X - np.einsum("xyz,ax,by,cz->abc", core, *factors)
    expected = np.linalg.norm(left) / np.linalg.norm(X)
    assert residual_of(X, core, factors) == pytest.approx(expected)


def test_noise_is_as_loud_as_asked_for():
    X, factors = overlapping((20, 30, 40), 3, 0, decibel=20.0)
    clean = np.einsum("ir,jr,er->ije", *factors)
    ratio = np.linalg.norm(X - clean) / np.linalg.norm(clean)
    assert ratio == pytest.approx(0.1, rel=1e-3)


def test_maps_are_paired_and_scaled(rng):
    maps = rng.random((50, 3))
    assert map_error(maps, maps[:, [2, 0, 1]] * [1.0, 5.0, 0.1]) < 1e-7
