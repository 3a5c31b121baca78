"""The benchmark of EXAFS: every case runs on a few spectra, targets need their rows."""

import importlib
import json

import numpy as np
import pytest

from benchmarks import exafs, measure
from benchmarks.__main__ import main
from benchmarks.exafs_cases import nickel_oxide, smallest_error
from benchmarks.exafs_coverage import beside
from benchmarks.exafs_measured import beside_crystal


def in_this_process(target, *, threads, limit, **arguments):
    """Stands for `run_case`: a process for each case would take too long."""
    module, _, name = target.partition(":")
    row = getattr(importlib.import_module(module), name)(**arguments)
    return json.loads(json.dumps(row))


@pytest.fixture
def report(tmp_path, monkeypatch):
    """``report(table)``: what the command writes for a table."""
    monkeypatch.setattr(measure, "run_case", in_this_process)
    monkeypatch.setattr(exafs, "CRYSTALS", ("znse",))
    monkeypatch.setattr(exafs, "NOISES", (0.02, 0.08))

    def of(table):
        path = tmp_path / f"{table}.json"
        main(["exafs", "--quick", "--table", table, "--json", str(path)])
        return json.loads(path.read_text())

    return of


@pytest.mark.parametrize("table", ["lasso", "evidence", "image"])
def test_simulated_tables_have_their_rows(report, table):
    found = report(table)
    methods = [row["method"] for row in found["rows"]]
    if table == "image":
        assert methods == [
            f"{how}, noise {noise}"
            for noise in (0.02, 0.08)
            for how in ("joint", "joint, alone", "pixel")
        ]
        # The bound is for fits without a bias, and of 25 pixels a rmse is uncertain.
        together, alone, _ = found["rows"][:3]
        assert alone["exact"] and 0.5 < alone["rmse_O"] / alone["bound_O"] < 2
        assert together["rmse_O"] < 1.1 * alone["rmse_O"]
    else:
        second = {"lasso": "scikit-learn", "evidence": "joint, lazy"}[table]
        assert methods == ["ours", second]
    for row in found["rows"]:
        assert "error" not in row and row["seconds"] > 0
    assert found["checks"]


def test_a_stick_of_another_element_is_told():
    crystal = [("O", 2.0, 6), ("Ni", 3.0, 12)]
    table = [
        {"element": "O", "R": 2.1, "N": 5.0},
        {"element": "O", "R": 2.95, "N": 10.0},
        {"element": "Ni", "R": 3.02, "N": 9.0},
        {"element": "Ni", "R": 4.0, "N": 8.0},
    ]
    found = beside_crystal(table, crystal)
    assert found["shells"]["1"]["dR"] == pytest.approx(0.1)
    assert found["shells"]["2"]["dN"] == pytest.approx(-3)
    assert found["spurious"] == pytest.approx(18 / 32)
    assert found["right_elements"] == pytest.approx(2 / 3)


def test_intervals_are_held_against_merged_shells():
    crystal = [("O", 2.0, 6), ("Ni", 3.0, 8), ("Ni", 3.1, 4)]

    def row(element, r, n):
        return {"element": element, "R": r, "R_std": 0.01, "N": n, "N_std": 1.0}

    rows = [row("O", 2.01, 5), row("Ni", 3.03, 9), row("O", 2.5, 2), row("Ni", 5.0, 9)]
    covered = beside(rows, crystal, 0.15)
    assert covered["R"] == [True, True] and covered["N"] == [True, False]
    assert covered["first"] is True and covered["spurious"] == 1
    assert beside(rows[1:], crystal, 0.15)["first"] is None


def test_scans_agree_with_larch_where_it_is_installed(report, data_dir):
    pytest.importorskip("larch")
    scans = report("agreement")["rows"]
    assert len(scans) >= 24
    assert not any("error" in scan for scan in scans)
    # Where larch stops before its minimum it is our solution that has the lower cost.
    assert max(scan["at_the_end"] for scan in scans) < 1e-4
    assert max(scan["cost"] for scan in scans) < 1e-12
    assert all(scan["cost"] < -1e-6 for scan in scans if scan["difference"] > 1e-4)
    assert max(scan["e0_off"] for scan in scans) <= 0.3
    assert max(scan["step_off"] for scan in scans) < 0.01


@pytest.mark.parametrize("table", ["reduction", "memory", "shells"])
def test_measured_tables_have_their_rows(report, table, data_dir):
    found = report(table)
    expected = {
        "reduction": {"ours"},
        "memory": {"120 pixels", "960 pixels"},
        "shells": {"znse, ours"},
    }
    methods = {row["method"] for row in found["rows"]}
    assert expected[table] <= methods
    assert not any("error" in row for row in found["rows"])
    if table == "shells":
        first = found["rows"][0]["shells"]["1"]
        assert abs(first["dR"]) < 0.02 and abs(first["dN"]) < 1


def test_the_bound_is_the_error_of_least_squares(rng):
    _, k, _, _, atoms = nickel_oxide(1, 0.01)
    bound = smallest_error(atoms, k[1:], (3, 13), 0.01)
    part = atoms[:, (k[1:] >= 3) & (k[1:] <= 13)]
    noise = 0.01 * rng.normal(size=(part.shape[1], 4000))
    found = np.linalg.lstsq(part.T, noise, rcond=None)[0]
    np.testing.assert_allclose(found.std(axis=1), bound, rtol=0.05)


def test_targets_are_missed_by_what_misses_them():
    times = {"cpu_seconds": 0.5, "seconds": 0.5}
    rows = [
        {"table": "lasso", "method": "ours", **times},
        {"table": "lasso", "method": "scikit-learn", "cpu_seconds": 2.0},
        {"table": "memory", "method": "1 pixel", "peak_mib": 10.0},
        {"table": "memory", "method": "8 pixels", "peak_mib": 20.0},
    ]
    told = {check.name: check.passed for check in exafs.check(rows)}
    assert told == {
        "lasso, ours": True,
        "lasso, scikit-learn": False,
        "memory of 8 times the pixels": False,
    }
