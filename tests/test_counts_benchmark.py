"""The benchmark ``counts``: every table on a toy, and what its checks compare."""

import importlib
import json
from argparse import Namespace

import pytest

from benchmarks import counts, scube_cases
from benchmarks.measure import Rows


@pytest.fixture(scope="module")
def rows():
    """Rows of all tables but the makers', from small cubes in this process."""

    def here(target, *, threads, limit, **arguments):
        module, _, name = target.partition(":")
        arguments = json.loads(json.dumps(arguments))
        row = getattr(importlib.import_module(module), name)(**arguments)
        return json.loads(json.dumps(row))

    options = Namespace(
        shape=(16, 24, 128), parts=(4, 2), huge=32, peer_iterations=3, threads=1,
        limit=60, tables=("large", "fit", "scaling"),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.measure.run_case", here)
        patch.setattr("benchmarks.counts.HUGE_COUNTS", 5 * 4096**2)
        return counts.run(options)


def test_every_table_has_its_rows(rows):
    tables = [row["table"] for row in rows]
    assert tables == ["large cube"] * 4 + ["hspy"] * 5 + ["fit"] * 3 + ["scaling"] * 4
    assert all("error" not in row for row in rows)
    written = rows[0]
    assert written["mcounts"] == pytest.approx(0.01 * 128 * 16 * 24 / 1e6, rel=0.1)
    passes = [row for row in rows if row["method"].startswith("pass")]
    assert passes[1]["mcounts"] == pytest.approx(2 * passes[0]["mcounts"], rel=0.1)


def test_fit_reaches_the_loss_of_the_peer(rows):
    peer, ours, _ = (row for row in rows if row["table"] == "fit")
    assert ours["loss"] <= peer["loss"] and ours["passes"] > 0


def test_every_target_is_compared(rows):
    names = [check.name for check in counts.check(rows)]
    assert len(names) == len(set(names)) == 9
    assert "scikit-learn over nmf_kl, time to its loss" in names


def test_converted_file_is_compared_with_its_entropy(data_dir):
    name = "P45_the_default_job.bcf"
    row = scube_cases.convert_makers_file(name)
    assert row["entropy"] == pytest.approx(7.63, abs=0.01)
    checks = counts.check([{"table": "makers", "method": name, **row}])
    assert [check.passed for check in checks] == [True, True, True]
    missing = Rows("benchmarks.scube_cases:", Namespace(threads=1, limit=60))
    assert not missing
