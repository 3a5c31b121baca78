"""Gain and offset of counts from the noise of one image, or none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.noise import counts_of_image


def expected_counts(seed, width=3.0, dose=20, shape=(160, 130)):
    rng = np.random.default_rng(seed)
    points = gaussian_filter(rng.random(shape) < 0.02, width, output=float)
    return dose * points / points.mean(), rng


@pytest.mark.parametrize("dose", [2, 20, 300])
@pytest.mark.parametrize(
    ("gain", "offset"), [(1, 0), (2, 0), (100, 0), (1, 1000), (4, 100), (0.7, 30)]
)
def test_gain_and_offset_are_found(gain, offset, dose):
    expected, rng = expected_counts(0, dose=dose)
    found = counts_of_image(gain * rng.poisson(expected) + offset)
    assert found.gain == pytest.approx(gain, rel=0.12)
    spread = found.gain * np.sqrt(expected.mean())
    assert -found.intercept / found.gain == pytest.approx(offset, abs=0.8 * spread)


def test_noise_that_is_not_of_counts_is_none():
    expected, rng = expected_counts(1)
    counts = rng.poisson(expected)
    assert counts_of_image(gaussian_filter(4.0 * counts, 1.0)) is None
    assert counts_of_image(expected + 5 * rng.standard_normal(counts.shape)) is None
    assert counts_of_image(np.ones((64, 64))) is None
    assert counts_of_image(np.zeros((64, 64))) is None
    assert counts_of_image(rng.poisson(9, (12, 12))) is None


def test_structure_of_single_pixels_does_not_pass_for_a_gain():
    expected, rng = expected_counts(2, width=0.8, dose=200)
    assert counts_of_image(3.7 * rng.poisson(expected)) is None
    assert counts_of_image(4 * rng.poisson(expected)).gain == 4
