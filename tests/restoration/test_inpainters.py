"""Spatial priors that fill gaps: close to the truth, and blind to what gaps hold."""

import numpy as np
import pytest

from sparsedecomp.kernels.total_variation import variation
from sparsedecomp.restoration import INPAINTERS
from sparsedecomp.restoration.field import Field
from sparsedecomp.restoration.inpainters import gaussian_process, none, total_variation

PARAMETERS = {
    "tv": {"weight": 1.0},
    "dct": {"threshold": 2.0, "block": 16},
    "patches": {"threshold": 2.0, "block": 16},
    "gp": {"length": 6.0},
    "dictionary": {"gain": 1.2},
    "smooth": {},
}


@pytest.fixture(scope="module")
def phases():
    """Two maps, ten units of the noise high, of which two thirds are missing."""
    y, x = np.mgrid[:36, :32]
    disc = (y - 18) ** 2 + (x - 16) ** 2 < 110
    maps = np.stack([10.0 * disc, 5.0 * np.sin(x / 4.0) + 5], axis=2)
    rng = np.random.default_rng(1)
    noisy = (maps + rng.normal(size=maps.shape)).astype(np.float32)
    return maps, noisy, rng.random((36, 32)) < 0.33


def test_all_inpainters_are_tested():
    assert PARAMETERS.keys() == INPAINTERS.keys() - {"auto", "low_rank"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_gaps_are_filled_and_what_they_hold_is_not_used(phases, name):
    clean, noisy, measured = phases
    function = INPAINTERS[name].load()
    given = noisy.copy()
    filled = function(noisy, measured, **PARAMETERS[name])
    np.testing.assert_array_equal(noisy, given)
    assert filled.shape == clean.shape and filled.dtype == np.float32
    limit = 2.2 if name in ("smooth", "dictionary") else 1.7
    assert np.sqrt(np.mean(np.square(filled - clean)[~measured])) < limit
    other = np.where(measured[..., None], noisy, 99.0).astype(np.float32)
    again = function(other, measured, **PARAMETERS[name])
    np.testing.assert_allclose(again, filled, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (3, 5)])
def test_lines_and_small_fields_are_filled(name, shape, rng):
    Z = np.full((*shape, 1), 7.0, np.float32)
    measured = rng.random(shape) < 0.6
    measured.flat[0] = True
    filled = INPAINTERS[name].load()(Z, measured, **PARAMETERS[name])
    np.testing.assert_allclose(filled, 7, atol=0.6)


def test_a_texture_is_continued_by_cosines_and_patches():
    y, x = np.mgrid[:48, :48]
    clean = (20 * np.sin(x * 1.1 + y * 0.7))[..., None].astype(np.float32)
    measured = np.random.default_rng(0).random((48, 48)) < 0.25
    errors = {
        name: np.std(INPAINTERS[name].load()(clean, measured, **values) - clean)
        for name, values in PARAMETERS.items()
        if name in ("dct", "patches", "smooth")
    }
    assert errors["dct"] < 0.35 * errors["smooth"]
    assert errors["patches"] < 0.5 * errors["smooth"]


def test_kriging_is_that_of_dense_matrices(rng):
    measured = rng.random((7, 6)) < 0.6
    Z = rng.normal(size=(7, 6, 1)).astype(np.float32) * 3
    found = gaussian_process(Z, measured, 1.5)
    places = np.argwhere(np.ones_like(measured))
    distance = np.sqrt(3) / 1.5 * np.linalg.norm(places[:, None] - places, axis=2)
    known = measured.ravel()
    K = max(Z[measured].var() - 1, 1e-2) * (1 + distance) * np.exp(-distance)
    mean = Field(measured).filled(Z).mean()
    right = np.linalg.solve(
        K[np.ix_(known, known)] + np.eye(known.sum()), Z[measured][:, 0] - mean
    )
    expected = mean + K[:, known] @ right
    # The field is put on a ring that is twice as large, which changes it a little.
    np.testing.assert_allclose(found.ravel(), expected, atol=0.02)


def test_total_variation_has_the_smallest_objective(phases, rng):
    _, noisy, measured = phases
    found = total_variation(noisy, measured, 1.5, max_iter=1500, tol=1e-5)

    def objective(X):
        misfit = 0.5 * np.square(X - noisy)[measured].sum()
        return misfit + 1.5 * variation(X)

    least = objective(found)
    for scale in (0.03, 0.3):
        other = found + scale * rng.normal(size=found.shape).astype(np.float32)
        assert objective(other) > least
    for factor in (0.97, 1.03):
        mean = found.mean(axis=(0, 1))
        assert objective(mean + factor * (found - mean)) > 0.9999 * least


def test_low_rank_alone_fills_no_pixel(phases):
    _, noisy, measured = phases
    np.testing.assert_array_equal(none(noisy, np.ones_like(measured)), noisy)
    with pytest.raises(ValueError, match="cannot fill"):
        none(noisy, measured)


def test_the_mean_of_neighbours_fills_the_largest_gap():
    measured = np.zeros((40, 50), bool)
    measured[3, 4] = True
    filled = Field(measured).filled(np.full((40, 50), 2.5))
    np.testing.assert_allclose(filled, 2.5)
