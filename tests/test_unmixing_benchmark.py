"""The benchmark ``unmixing``: rows of a toy scene, and its targets."""

import json

import numpy as np
import pytest

from benchmarks import unmixing, unmixing_cases
from benchmarks.__main__ import main
from benchmarks.methods import METHODS, Fit
from sparsedecomp.decomposition.geometric import sss_vca
from sparsedecomp.decomposition.nmf import model as nmf_model
from sparsedecomp.metrics import match_components

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
        assert 0 <= row["share_rmse"] < 1


@pytest.mark.parametrize(("angle", "passed"), [(0.9, True), (1.1, False)])
def test_minimum_volume_is_to_be_as_close_as_the_best_peer(angle, passed):
    row = {"table": "no pure pixel, XANES, seed 0", "method": "MinimumVolume"}
    (check,) = unmixing.check([row | {"angle": angle, "best_peer": 1.0}])
    assert check.passed is passed


def test_the_peer_sisal_finds_spectra_of_which_no_pixel_is_pure():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), 4000)
    shares[np.arange(4000), rng.integers(3, size=4000)] = 0
    shares /= shares.sum(axis=1, keepdims=True)
    shares = shares[shares.max(axis=1) < 0.8]
    spectra = rng.uniform(0, 1, (3, 20))
    fit = METHODS["sisal"](shares @ spectra, 3)
    assert match_components(spectra, fit.spectra)[2].max() < 1


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


def test_quick_iterations_that_do_little_do_not_count():
    row = {"table": "per iteration", "method": "NMFSO", "speed_up": 11.0}
    row |= {"residual": 0.2, "residual_of_peer": 0.1}
    assert [check.passed for check in unmixing.check([row])] == [True, False]


def test_scene_that_is_not_there_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(unmixing, "run_case", lambda *_, **__: {"error": "no file"})
    path = tmp_path / "unmixing.json"
    main(["unmixing", "--quick", "--scene", "samson", "--json", str(path)])
    assert json.loads(path.read_text())["rows"] == []
    assert "samson: left out, no file" in capsys.readouterr().err


def test_shares_do_not_depend_on_the_scale_of_the_maps():
    rng = np.random.default_rng(0)
    maps, spectra = rng.dirichlet([1, 1, 1], 50), np.eye(3, 20)
    fit = Fit(maps[:, [2, 0, 1]] * [2.0, 0.5, 7.0], spectra[[2, 0, 1]])
    assert unmixing_cases.share_rmse(fit, spectra, maps) < 1e-12
    fit = fit._replace(maps=np.ones((50, 3)))
    assert unmixing_cases.share_rmse(fit, spectra, maps) > 0.1


def test_truth_of_scaled_pixels_is_of_spectra_of_one_norm(tmp_path):
    path = tmp_path / "scene.npy"
    scene = {"name": "edx", "path": str(path), "shape": (6, 5)}
    unmixing_cases.write_scene(**scene)
    plain = np.load(path.with_suffix(".truth.npz"))["spectra"]
    assert unmixing_cases.write_scene(**scene, unit_norm=True) == {"n_components": 3}
    truth = np.load(path.with_suffix(".truth.npz"))["spectra"]
    norm = np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(truth, plain / norm)


def test_oxides_are_two_and_in_their_bands(data_dir):
    row = unmixing_cases.find_oxides(draws=1) | {"table": "oxides", "method": "any"}
    assert row["found"] == "two in 1 of 1"
    assert all(check.passed for check in unmixing.check([row]))
    worse = row | {"two_components": 0, "outside": None, "difference": 1e-3}
    assert not any(check.passed for check in unmixing.check([worse]))


@pytest.mark.parametrize(("highest", "outside"), [(20, 0), (50, 5), (17, 3)])
def test_bands_reach_from_the_pixels_to_what_is_not_negative(highest, outside):
    # Pixels fill -20 to 20 degrees of the plane, non-negative spectra -45 to 45.
    def at(*degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.stack([c + s, c - s, np.zeros_like(c)], axis=1)

    clean = at(-20, -10, 10, 20)
    found = unmixing_cases._outside_of_bands(clean, at(-30, highest))
    assert found == pytest.approx(outside, abs=1e-9)
    assert unmixing_cases._outside_of_bands(clean, at(0)) is None


def test_memory_of_lazy_fits_has_a_limit():
    row = {"table": "lazy", "method": "VCA", "peak_mib": 60.0, "predicted_mib": 50.0}
    (met,) = unmixing.check([row])
    (missed,) = unmixing.check([row | {"peak_mib": 63.0}])
    assert (met.passed, missed.passed) == (True, False)


def test_corners_are_exact_and_have_a_limit(monkeypatch):
    monkeypatch.setattr(sss_vca, "whiten", sss_vca.whiten)
    row = unmixing_cases.find_corners(3, n_pixels=200, n_channels=60)
    assert row["components"] == 3 and row["worst_angle"] < 0.01
    row |= {"table": "corners", "method": "SSSVCA"}
    slow = row | {"cpu_seconds": 0.3, "worst_angle": 0.02}
    assert [c.passed for c in unmixing.check([slow])] == [False, False]


@pytest.mark.parametrize("sweeps", [None, 1])
def test_iterations_of_one_sweep_are_told_from_others(monkeypatch, tmp_path, sweeps):
    before = nmf_model.ABUNDANCE_SWEEPS
    for name in ("ABUNDANCE_SWEEPS", "SPECTRUM_SWEEPS"):
        monkeypatch.setattr(nmf_model, name, getattr(nmf_model, name))
    path = tmp_path / "cube.npy"
    np.save(path, np.random.default_rng(0).random((6, 7, 30)).astype(np.float32))
    row = unmixing_cases.time_of_iterations(
        path=str(path),
        n_components=2,
        iterations=4,
        bound="iterations",
        sweeps=sweeps,
        **unmixing.FROBENIUS,
    )
    assert row["iterations"] == 4 and np.isfinite(row["cpu_ms"])
    assert 0 < row["residual"] < 1
    assert nmf_model.ABUNDANCE_SWEEPS == (sweeps or before)
