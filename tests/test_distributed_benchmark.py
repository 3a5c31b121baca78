"""The benchmark ``distributed``: its figures on a toy, and its extrapolation."""

import functools

import numpy as np
import pytest

pytest.importorskip("distributed")

from benchmarks import distributed, distributed_cases
from benchmarks.distributed_cases import (
    dies_in_the_middle,
    fit_here,
    fit_on_cluster,
)
from benchmarks.nmf_data import write_cube


@pytest.fixture
def files(tmp_path):
    path = str(tmp_path / "cube.hspy")
    write_cube("edx", (8, 6), 64, 3, path)
    return {
        "path": path,
        "reference": str(tmp_path / "cube.npz"),
        "fits": ["estimate_rank"],
    }


def test_fits_and_maps_on_a_cluster_are_those_without_one(files):
    (here,) = fit_here(**files)["rows"]
    rank, maps = fit_on_cluster(**files, n_workers=1, processes=False)["rows"]
    assert rank["passes"] == here["passes"] > 0
    assert rank["tasks"] >= rank["passes"]
    assert rank["received_mib"] > 0 and rank["sent_mib"] > 0
    assert maps["held_mib"] == maps["maps_mib"] == 8 * 6 * 3 * 4 / 2**20
    assert maps["received_mib"] == 0
    for row in (rank, maps):
        assert row["difference"] < distributed.BOUND
    checks = distributed.check(
        [row | {"table": "", "method": ""} for row in (rank, maps)]
    )
    assert len(checks) == 4 and all(check.passed for check in checks)


def test_difference_sees_other_values_and_other_shapes():
    a = np.array([1.0, 4.0])
    assert distributed_cases._difference([a, a], [a, a + [0.0, 4.0]]) == 0.5
    assert distributed_cases._difference([a], [a[:1]]) == np.inf


def test_the_process_dies_at_one_call_of_a_pass(tmp_path, monkeypatch):
    killed = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    call = functools.partial(dies_in_the_middle, np.add, str(tmp_path / "mark"), 3)
    assert [call(i, 1) for i in range(5)] == [1, 2, 3, 4, 5]
    assert len(killed) == 1


def test_extrapolation_is_a_constant_plus_a_rate_times_the_pixels():
    def row(n_pixels):
        return {
            "n_pixels": n_pixels,
            "passes": 4,
            "tasks": n_pixels / 10,
            "received_mib": 0.5 + 1e-4 * n_pixels,
            "sent_mib": 0.0,
            "worker_cpu_seconds": 2.0 + 1e-3 * n_pixels,
            "cpu_seconds": 1.0,
        }

    found = distributed.extrapolate(row(100), row(400), 250, cube_bytes=1e9)
    assert found["n_pixels"] == 10**6
    assert found["received_mib"] == pytest.approx(100.5)
    parts = {
        "workers_hours": 1002.0 / 16,
        "client_hours": 1.0,
        "network_hours": 100.5 * 2**20 / 1e9,
        "scheduler_hours": 1e-3 * int(1e5 * 1e6 / distributed.FAR_BLOCK),
    }
    for name, seconds in parts.items():
        assert found[name] == pytest.approx(seconds / 3600, rel=1e-2), name
    assert found["hours"] == pytest.approx(sum(parts.values()) / 3600, rel=1e-2)


def test_a_pass_without_a_lost_worker_misses_the_target():
    row = {"table": "lost workers", "method": "rank", "passes": 3, "difference": 0.0}
    missed, met = (distributed.check([row | {"lost": n}])[1].passed for n in (2, 3))
    assert (missed, met) == (False, True)
