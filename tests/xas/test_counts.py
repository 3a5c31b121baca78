"""Absorption from counts: both modes, their noise, and detectors that saw nothing."""

import numpy as np
import pytest

from sparsedecomp.xas import absorption, absorption_variance


def test_transmission_is_the_logarithm_and_fluorescence_the_ratio():
    i0, it = np.array([1000.0, 2000.0]), np.array([[500.0, 500.0], [1000.0, 100.0]])
    np.testing.assert_allclose(absorption(i0, it), np.log(i0 / it))
    np.testing.assert_allclose(absorption(i0, it, "fluorescence"), it / i0)


def test_points_without_counts_are_nan_and_the_others_are_not():
    i0, it = [100.0, 0.0, -3.0, 100.0], [50.0, 50.0, 50.0, 0.0]
    found = absorption(i0, it)
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, True])
    fluorescence = absorption(i0, it, "fluorescence")
    np.testing.assert_array_equal(np.isnan(fluorescence), [False, True, True, False])
    variance = absorption_variance(i0, it)
    np.testing.assert_array_equal(np.isnan(variance), [False, True, True, True])


@pytest.mark.parametrize("mode", ["transmission", "fluorescence"])
def test_variance_is_that_of_drawn_counts(rng, mode):
    i0, i1 = rng.poisson(4e4, 20000), rng.poisson(1e4, 20000)
    drawn = absorption(i0, i1, mode).var()
    assert absorption_variance(4e4, 1e4, mode) == pytest.approx(drawn, rel=0.04)


def test_types():
    counts = np.full((2, 3), 5, dtype=np.float32)
    assert absorption(counts, counts).dtype == np.float32
    assert absorption(counts.astype("uint16"), counts.astype("uint8")).dtype == float


def test_nothing_counted_is_refused():
    with pytest.raises(ValueError, match="i0 is zero or negative at every point"):
        absorption(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="the transmitted intensity is zero"):
        absorption(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match=r"i0 has shape \(4,\), which does not fit"):
        absorption(np.ones(4), np.ones((2, 3)))
    with pytest.raises(ValueError, match="mode='yield', expected one of 'transm"):
        absorption(np.ones(3), np.ones(3), "yield")
