"""The benchmark ``unmixing``: rows of a toy scene, and its targets."""

import json

import pytest

from benchmarks import unmixing
from benchmarks.__main__ import main

from .test_benchmarks import in_this_process


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("unmixing") / "unmixing.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unmixing, "run_case", in_this_process)
        scene = ["--scene", "simulated EDX"]
        main(["unmixing", "--quick", *scene, "--json", str(path)])
    return json.loads(path.read_text())


def test_every_method_is_compared_with_the_truth(report):
    rows = {row["method"]: row for row in report["rows"]}
    assert {*unmixing.OURS, "PoissonNMF", "scikit-learn NMF, KL"} <= set(rows)
    for row in rows.values():
        assert "error" not in row
        assert 0 <= row["angle"] <= row["worst_angle"] < 90
        assert 0 <= row["abundance_rmse"] < 1


def test_targets_are_those_of_the_scene():
    row = {
        "table": "truth, samson",
        "method": "MinimumVolume",
        "target": ["MinimumVolume", "samson"],
        "angle": 1.8,
        "abundance_rmse": 0.05,
    }
    met, missed = unmixing.check([row])
    assert (met.passed, missed.passed) == (True, False)
    assert unmixing.check([row | {"target": ["VCA", "samson"]}]) == []


@pytest.mark.parametrize(("speed", "passed"), [(9.0, False), (11.0, True)])
def test_speed_is_a_target(speed, passed):
    row = {"table": "per iteration", "method": "NMFSO", "speed_up": speed}
    (check,) = unmixing.check([row])
    assert check.passed is passed


def test_scene_that_is_not_there_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(unmixing, "run_case", lambda *_, **__: {"error": "no file"})
    path = tmp_path / "unmixing.json"
    main(["unmixing", "--quick", "--scene", "samson", "--json", str(path)])
    assert json.loads(path.read_text())["rows"] == []
    assert "samson: left out, no file" in capsys.readouterr().err
