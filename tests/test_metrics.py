"""How far a result is from the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparsedecomp.metrics import (
    abundance_rmse,
    match_components,
    relative_residual,
    spectral_angle,
)


@pytest.mark.parametrize(
    ("a", "b", "degrees"),
    [
        ([1, 0], [0, 2], 90),
        ([1, 1], [5, 5], 0),
        ([1, 0], [-3, 0], 180),
        ([1, 0, 0], [1, np.sqrt(3), 0], 60),
        ([3, 4], [4, 3], np.degrees(np.arccos(24 / 25))),
    ],
)
def test_angles_that_are_known(a, b, degrees):
    assert spectral_angle(a, b) == pytest.approx(degrees)


@pytest.mark.parametrize("degrees", [1e-9, 1e-5, 1.0, 89.9, 179.9999999])
def test_small_angles_keep_their_precision(degrees):
    angle = np.radians(degrees)
    found = spectral_angle([1, 0], [np.cos(angle), np.sin(angle)])
    assert found == pytest.approx(degrees, rel=1e-6)


spectra = arrays(float, 6, elements=st.floats(0.01, 100))


@given(spectra, spectra, st.floats(1e-6, 1e6))
def test_angle_knows_neither_order_nor_scale(a, b, scale):
    angle = spectral_angle(a, b)
    assert 0 <= angle < 90
    assert spectral_angle(b, a) == pytest.approx(angle, abs=1e-9)
    assert spectral_angle(scale * a, b) == pytest.approx(angle, abs=1e-9)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert np.cos(np.radians(angle)) == pytest.approx(cosine, abs=1e-12)


def test_angles_broadcast():
    a, b = np.random.default_rng(0).random((2, 4, 7))
    table = spectral_angle(a[:, None], b[None])
    assert table.shape == (4, 4)
    np.testing.assert_allclose(np.diag(table), spectral_angle(a, b))


def test_spectrum_of_zeros_has_no_angle():
    assert np.isnan(spectral_angle([0, 0], [1, 2]))


def test_spectra_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="3 and 2 channels"):
        spectral_angle([1, 2, 3], [1, 2])


@given(st.permutations(range(5)))
def test_a_permutation_is_undone(order):
    true = np.random.default_rng(1).random((5, 30))
    noise = 0.01 * np.random.default_rng(2).random((5, 30))
    found = (7 * true + noise)[list(order)]
    rows, columns, angles = match_components(true, found)
    np.testing.assert_array_equal(rows, np.arange(5))
    np.testing.assert_array_equal(np.asarray(order)[columns], np.arange(5))
    assert np.all(angles < 1)


def test_sum_of_angles_is_least():
    # The nearest of both is the same; to choose greedily would cost more.
    true = np.array([[1.0, 0.0], [np.cos(0.5), np.sin(0.5)]])
    found = np.array([[np.cos(0.3), np.sin(0.3)], [np.cos(1.2), np.sin(1.2)]])
    _, columns, angles = match_components(true, found)
    assert columns.tolist() == [0, 1]
    np.testing.assert_allclose(np.radians(angles), [0.3, 0.7])


@pytest.mark.parametrize(("k", "k2"), [(2, 4), (4, 2)])
def test_what_has_no_partner_is_left_over(k, k2):
    spectra = np.eye(4)
    rows, columns, angles = match_components(spectra[:k], spectra[:k2])
    np.testing.assert_array_equal(rows, [0, 1])
    np.testing.assert_array_equal(columns, [0, 1])
    np.testing.assert_array_equal(angles, 0)


def test_spectrum_of_zeros_is_matched_last():
    true = np.eye(2, 3)
    rows, columns, angles = match_components(true, [[0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert columns.tolist() == [2, 1]
    rows, columns, angles = match_components(true, [[0, 0, 0], [0, 1, 0]])
    assert columns.tolist() == [0, 1] and np.isnan(angles[0])


def test_abundances_are_compared_as_shares():
    true = np.array([[[1.0, 3.0], [2.0, 0.0]]])
    assert abundance_rmse(true, 10 * true) == 0
    found = np.array([[[1.0, 1.0], [1.0, 0.0]]])
    assert abundance_rmse(true, found) == pytest.approx(np.sqrt(2 * 0.25**2 / 4))


def test_empty_pixel_counts_as_equal_parts():
    assert abundance_rmse([[0.0, 0.0]], [[2.0, 2.0]]) == 0
    assert abundance_rmse([[1.0, 0.0]], [[0.0, 0.0]]) == pytest.approx(0.5)


def test_maps_of_other_components_are_refused():
    with pytest.raises(ValueError, match=r"\(5, 2\) and \(5, 3\).*match_components"):
        abundance_rmse(np.ones((5, 2)), np.ones((5, 3)))


def test_relative_residual():
    generator = np.random.default_rng(0)
    W, H = generator.random((8, 2)), generator.random((2, 9))
    assert relative_residual(W @ H, W, H) < 1e-15
    assert relative_residual(W @ H, 0 * W, H) == 1
    X = (W @ H).astype(np.float32)
    expected = np.linalg.norm(X - 2 * W @ H) / np.linalg.norm(X)
    assert relative_residual(X, 2 * W, H) == pytest.approx(expected, rel=1e-6)
