"""The benchmark of trust: what counts as right, as silently wrong, as a false alarm."""

import argparse
import json

import pytest

from benchmarks import bands, trust
from benchmarks.trust_cases import cover_scene, fit_scene
from benchmarks.trust_scenes import KINDS, make_scene


def blind(angle, flagged, right_number=True):
    return {
        "method": "nmf_so_ard",
        "components": 3,
        "right_number": right_number,
        "worst_angle": angle,
        "flagged": flagged,
        "seconds": 1.0,
    }


def given(angle, name="VCA"):
    return {"method": name, "given": True, "worst_angle": angle, "seconds": 1.0}


@pytest.fixture
def answers(monkeypatch):
    """Run the benchmark on invented answers, one scene for each."""

    def run(*scenes, known=None):
        answered = iter(scenes)
        monkeypatch.setattr(
            trust, "run_case", lambda *_, **__: {"rows": next(answered)}
        )
        arguments = argparse.Namespace(
            kinds=["plain EELS"],
            seeds=list(range(len(scenes))),
            methods=["nmf_so_ard"],
            given=known,
            threads=1,
            limit=None,
        )
        return trust.run(arguments)

    return run


def test_right_is_twice_the_best_angle_given_the_number_plus_one_degree(answers):
    rows = answers(
        [blind(2.9, False), given(1.0), given(5.0, "MCRALS")],
        [blind(3.1, False), given(1.0)],
        [blind(0.1, True, right_number=False), given(1.0)],
        [blind(1.0, True), given(1.0)],
    )
    found = [row["found"] for row in rows if "found" in row]
    assert found == ["right", "wrong", "wrong, flagged", "right, flagged"]
    (line,) = (row for row in rows if row["table"] == "summary")
    assert line["right_share"] == 0.5 and line["silently_wrong"] == 1
    assert line["false_alarms"] == 0.5
    # A wrong number is as far off as can be.
    assert line["far_flagged"] == 1 and line["near_flagged"] == 1
    failed = {each.name for each in trust.check(rows) if not each.passed}
    assert failed == {
        "nmf_so_ard: right",
        "nmf_so_ard: silently wrong",
        "nmf_so_ard: flagged though right",
        "nmf_so_ard: flagged, within 2 degrees",
    }


def test_angles_of_an_earlier_run_are_used(answers, tmp_path):
    earlier = answers([blind(1.0, False), given(1.0)])
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps({"rows": earlier}))
    rows = answers([blind(2.5, False)], known=path)
    assert rows[0]["best_given"] == 1 and rows[0]["right"]


def test_a_case_that_fails_is_a_row_with_an_error(answers, monkeypatch):
    answers([])
    monkeypatch.setattr(trust, "run_case", lambda *_, **__: {"error": "no memory"})
    arguments = argparse.Namespace(
        kinds=["vacuum"], seeds=[7], methods=[], given=None, threads=1, limit=None
    )
    (row,) = trust.run(arguments)
    assert row["error"] == "no memory" and row["method"] == "seed 7"


def test_a_scene_is_fitted_without_and_with_its_number():
    rows = fit_scene("8 channels", 0, ["nmf_so_ard"], ["VCA", "PoissonNMF"])["rows"]
    assert [row["method"] for row in rows] == [
        "nmf_so_ard",
        "VCA, number given",
        "PoissonNMF, number given",
    ]
    assert all(0 <= row["worst_angle"] <= 90 for row in rows)
    assert rows[0]["flagged"] == bool(rows[0]["doubts"])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_scenes(kind):
    one, other = make_scene(kind, 0), make_scene(kind, 0)
    assert (one.cube == other.cube).all() and one.cube.ndim == 3
    assert one.spectra.shape[1] == one.cube.shape[2]


def test_coverage_of_one_scene_and_the_targets_of_the_benchmark_bands():
    row = cover_scene("line of 30", 0)
    assert 0.8 < row["covered"] < 1 and 0.8 < row["maps_covered"] < 1
    assert row["noise_covered"] <= row["covered"]
    good = row | {"covered": 0.9, "maps_covered": 0.95}
    poor = row | {"covered": 0.84, "maps_covered": 0.96}
    rows = [{"method": str(n)} | each for n, each in enumerate([good] * 8 + [poor])]
    spectra, maps, cost = bands.check(rows)
    assert spectra.measured == maps.measured == 8
    assert spectra.passed and maps.passed and cost.passed
    assert not bands.check(rows[1:])[0].passed
