"""The simulated series and scans: trilinear, countable, the same lazy and eager."""

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.datasets.maps import smooth_maps


def test_series_is_trilinear_with_the_counts_asked_for():
    truth = datasets.tilt_series_truth((12, 10), n_steps=7, n_channels=64, counts=30.0)
    cube = truth.as_truth().expected()
    assert cube.shape == (7, 12, 10, 64)
    assert cube.sum(axis=-1).mean() == pytest.approx(30.0, rel=0.05)
    trilinear = np.einsum("tr,pr,er->tpe", *truth.factors)
    np.testing.assert_allclose(cube.reshape(7, 120, 64), trilinear)
    np.testing.assert_allclose(truth.profiles.mean(axis=0), 1)
    assert truth.profiles.min() > 0


def test_counts_are_poisson_around_the_truth():
    s = datasets.tilt_series((16, 16), n_steps=6, n_channels=32, counts=400.0, seed=3)
    expected = datasets.truth(s).expected()
    chi = np.square(s.data - expected) / np.maximum(expected, 1e-9)
    bright = expected > 1
    assert chi[bright].mean() == pytest.approx(1, abs=0.05)
    assert s.data.sum() == pytest.approx(expected.sum(), rel=0.01)


@pytest.mark.parametrize("chunks", [None, (1, 3), (4, 8)])
def test_lazy_counts_are_the_eager_ones(chunks):
    size = {"shape": (8, 6), "n_steps": 5, "n_channels": 32, "dtype": "uint8"}
    eager = datasets.tilt_series(**size)
    lazy = datasets.tilt_series(**size, lazy=True, chunks=chunks)
    assert lazy._lazy and lazy.data.dtype == np.uint8
    np.testing.assert_array_equal(lazy.data.compute(), eager.data)


def test_axes_are_calibrated():
    s = datasets.tilt_series((8, 6), n_steps=5, n_channels=32)
    axes = s.axes_manager
    assert [a.name for a in axes.navigation_axes] == ["x", "y", "tilt"]
    assert axes["tilt"].axis[[0, -1]].tolist() == [-10, 10]
    assert axes["x"].units == "nm"


def test_maps_are_shares():
    maps = smooth_maps((9, 7), 4, np.random.default_rng(0))
    np.testing.assert_allclose(maps.sum(axis=-1), 1)
    # The same field of view at twice the pixels: averages over two are close.
    fine = smooth_maps((90, 70), 4, np.random.default_rng(0), n_waves=1)
    coarse = smooth_maps((45, 35), 4, np.random.default_rng(0), n_waves=1)
    mean = fine.reshape(45, 2, 35, 2, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(mean, coarse, atol=0.01)


def test_a_scan_has_two_detectors_and_one_specimen():
    edx, eels = datasets.edx_eels_scan((16, 12), n_channels=64, edx_counts=50.0)
    one, other = datasets.truth(edx), datasets.truth(eels)
    np.testing.assert_array_equal(one.maps, other.maps)
    assert edx.data.sum(axis=-1).mean() == pytest.approx(50, rel=0.05)
    assert eels.data.sum(axis=-1).mean() == pytest.approx(2000, rel=0.05)
    assert one.pure_fraction().max() == 0
