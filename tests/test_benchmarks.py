"""The benchmarks: every case runs, on toys, and the report says what was measured."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import BENCHMARKS, nmf
from benchmarks.__main__ import main
from benchmarks.measure import Meter, quickest, run_case
from benchmarks.nmf_data import cube_of, lazy_cube_of, truth_of
from benchmarks.report import Check, table

# What each table compares.
METHODS = {
    "same residual": [
        "scikit-learn NMF, cd, 5 it",
        "NMFSO to the residual of scikit-learn NMF, cd",
        "published rules, 5 it",
        "NMFSO to the residual of published rules",
        "NMFSO, 5 it",
        "NMFSO exact, 5 it",
        "HyperSpy ORNMF, X / mean",
        "HyperSpy lazy NMF (mini-batch)",
    ],
    "truth": [
        "NMFSOARD",
        "NMFSOARD exact",
        "NMFSO",
        "scikit-learn NMF, cd",
        "HyperSpy ORNMF, Poisson",
        "HyperSpy lazy NMF, Poisson",
        "published NMF-SO, wo=0.1",
        "published NMF-ARD-SO, wo=0.05",
    ],
    "out of core": ["nmf_so_ard", "HyperSpy lazy NMF (mini-batch)"],
    "generated": ["NMFSOARD"],
}


def in_this_process(target, *, threads, limit, **arguments):
    """Stands for `run_case`: a process for each toy would take a minute together."""
    module, _, name = target.partition(":")
    arguments = json.loads(json.dumps(arguments))
    row = getattr(importlib.import_module(module), name)(**arguments)
    return json.loads(json.dumps(row))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The report that ``python -m benchmarks nmf --quick`` writes for some sizes."""
    report = {"rows": [], "checks": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nmf, "run_case", in_this_process)
        for size in ("small", "large", "huge"):
            path = tmp_path_factory.mktemp(size) / "new folder" / "nmf.json"
            main(["nmf", "--quick", "--size", size, "--json", str(path)])
            found = json.loads(path.read_text())
            for part in ("rows", "checks"):
                found[part] = report[part] + found[part]
            report = found
    return report


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_row(quick, name):
    rows = [row for row in quick["rows"] if row["table"].startswith(name)]
    assert [row["method"] for row in rows] == METHODS[name]
    for row in rows:
        assert "error" not in row
        assert row["seconds"] > 0 and row["peak_mib"] >= 0


def test_rows_hold_what_their_table_is_about(quick):
    for row in quick["rows"]:
        assert row["components"] == 0 or 0 <= row["angle"] <= row["worst_angle"] < 90
        if not row["table"].startswith("generated"):
            assert 0 < row["residual"] <= 1
        if row["method"].startswith(("NMFSO", "nmf_so")):
            assert row["passes"] >= 6 and row["iterations"] >= 1


def test_time_to_a_residual_counts_when_it_was_reached(quick):
    rows = {row["method"]: row for row in quick["rows"]}
    for peer in ("scikit-learn NMF, cd", "published rules"):
        ours = rows[f"NMFSO to the residual of {peer}"]
        theirs = rows[f"{peer}, 5 it"]
        assert ours["residual"] <= theirs["residual"]
        ratio = theirs["cpu_seconds"] / ours["cpu_seconds"]
        assert theirs["times_slower"] == ours["speed_up"] == pytest.approx(ratio)


def test_report_says_where_and_with_what_it_was_measured(quick):
    assert quick["environment"]["threads"] == 1
    assert quick["environment"]["processor"]
    assert {"numpy", "hyperspy", "scikit-learn"} <= set(
        quick["environment"]["versions"]
    )
    assert quick["options"]["quick"] is True


def test_targets_are_told_with_their_figures(quick):
    told = {check["name"]: check for check in quick["checks"]}
    for words in ("compressed against exact, cosine", "peak over formula", "passes"):
        assert any(words in name for name in told), words
    for check in told.values():
        met = check["measured"] <= check["target"]
        if not check["at_most"]:
            met = check["measured"] >= check["target"]
        assert check["passed"] == met


def test_speed_is_a_target_at_the_size_that_it_was_set_for():
    row = {
        "table": "same residual, eels",
        "method": "NMFSO",
        "size": "medium",
        "peer": "published rules",
        "speed_up": 19.0,
    }
    (missed,) = nmf.check([row])
    (met,) = nmf.check([row | {"speed_up": 21.0}])
    assert (missed.passed, met.passed) == (False, True)
    assert nmf.check([row | {"size": "small"}]) == []
    # A residual that was not reached is no speed at all.
    assert not nmf.check([row | {"speed_up": None}])[0].passed


def test_a_check_reads_as_a_sentence():
    check = Check("peak", 512.0, 1024, at_most=True, unit=" MiB")
    assert str(check) == "PASS  peak: 512 MiB, target at most 1024 MiB"
    missed = Check("cosine", None, 0.999)
    assert str(missed) == "FAIL  cosine: nothing, target at least 0.999"


def test_table_is_aligned_and_leaves_out_empty_columns():
    rows = [
        {"method": "a", "seconds": 1.0, "passes": 6},
        {"method": "longer", "seconds": 123.456, "passes": None},
        {"method": "b", "error": "it broke"},
    ]
    assert table(rows).splitlines() == [
        "method  passes  wall s",
        "a            6    1.00",
        "longer          123.46",
        "b                       it broke",
    ]


def test_a_case_runs_in_a_process_of_its_own(tmp_path):
    row = run_case(
        "benchmarks.nmf_data:write_cube",
        kind="edx",
        shape=(6, 5),
        n_channels=32,
        n_components=3,
        path=str(tmp_path / "cube.npy"),
    )
    assert row == {"n_components": 3, "bytes": 3840, "block": 3840}
    assert np.load(tmp_path / "cube.npy").shape == (6, 5, 32)


def test_a_case_that_fails_says_why():
    broken = run_case("benchmarks.nmf_cases:fit_cube", method="guess", path="")
    assert broken == {"error": "KeyError: 'guess'"}
    late = run_case("benchmarks.nmf_cases:fit_cube", limit=0.01)
    assert late == {"error": "not done after 0.01 s"}


def test_meter_sees_memory_that_was_given_back():
    meter = Meter()
    # So much is never taken from what was freed before.
    np.ones(64 * 2**17).sum()
    assert meter.peak_mib() == pytest.approx(64, abs=3)


def test_quickest_counts_the_calls():
    calls = iter(range(100))
    result, times = quickest(lambda: next(calls), repeats=3)
    assert result in (0, 1, 2) and times["repeats"] == 3
    assert next(calls) == 3
    assert quickest(lambda: None, repeats=3, enough=0)[1]["repeats"] == 1


@pytest.mark.parametrize("kind", ["product", "edges", "eels", "edx"])
def test_a_cube_is_the_same_however_it_is_cut(kind):
    truth = truth_of(kind, (7, 5), 32, 3)
    cube = cube_of(kind, truth)
    lazy = lazy_cube_of(kind, truth, (3, 2))
    assert cube.dtype == lazy.dtype == np.float32 and lazy.shape == cube.shape
    np.testing.assert_allclose(lazy.compute(), cube, rtol=1e-6)
    assert cube.min() >= 0


def test_noise_of_the_product_is_white():
    truth = truth_of("product", (40, 30), 400, 3)
    noise = cube_of("product", truth).reshape(1200, 400) - truth.expected().reshape(
        1200, 400
    )
    largest = np.linalg.svd(noise, compute_uv=False)[0]
    edge = noise.std() * (np.sqrt(1200) + np.sqrt(400))
    assert noise.std() == pytest.approx(2.0, rel=0.01)
    assert largest == pytest.approx(edge, rel=0.02)


def test_help_lists_the_benchmarks():
    command = [sys.executable, "-m", "benchmarks", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in BENCHMARKS:
        assert name in told
