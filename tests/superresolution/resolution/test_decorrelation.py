"""Decorrelation analysis: blur is ordered, noise hardly matters, limits are said."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.superresolution import decorrelation_resolution


def points(sigma, shape=(160, 130), noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    image = gaussian_filter((rng.random(shape) < 0.02).astype(float), sigma)
    return image + noise * image.std() * rng.normal(size=shape)


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_width_of_points(noise):
    for sigma in (1.5, 2, 3, 4):
        found = decorrelation_resolution(points(sigma, noise=noise), 0.2)
        assert found.value == pytest.approx(0.2 * 2.355 * sigma, rel=0.25)
        assert not found.is_bound and np.isnan(found.interval).all()


def test_scale_and_level_of_the_map_do_not_matter():
    image = points(2.0, noise=0.05)
    one = decorrelation_resolution(image)
    assert decorrelation_resolution(5 - 3 * image).value == pytest.approx(one.value)
    assert decorrelation_resolution(image.T).value == pytest.approx(one.value)


def test_unequal_steps():
    image = points(2.0, noise=0.02)
    found = decorrelation_resolution(image[::2], (2.0, 1.0))
    assert found.value == pytest.approx(decorrelation_resolution(image).value, rel=0.25)


def test_curve_is_the_agreement_with_the_normalised_spectrum():
    image = points(2.0, noise=0.05)
    curve = decorrelation_resolution(image).curve
    d = curve["correlation"]
    assert d.max() <= 1 and d.min() >= 0
    # Half of white noise is what the phases alone keep: sqrt(pi) / 2.
    white = np.random.default_rng(0).normal(size=(200, 200))
    last = decorrelation_resolution(white).curve["correlation"][-1]
    assert last == pytest.approx(np.sqrt(np.pi) / 2, abs=0.01)


def test_noise_is_not_determined():
    rng = np.random.default_rng(0)
    found = [decorrelation_resolution(rng.normal(size=(64, 64))) for _ in range(30)]
    assert sum(f.determined for f in found) <= 3
    assert "nothing but noise" in str([f for f in found if not f.determined][0])


def test_signal_up_to_the_sampling_is_a_bound():
    steps = np.zeros((120, 120))
    for i, j in np.random.default_rng(0).integers(0, 100, (40, 2)):
        steps[i : i + 15, j : j + 12] += 1
    found = decorrelation_resolution(steps)
    assert found.is_bound and found.value == pytest.approx(2, rel=0.08)
    assert found.describe().startswith("at most")


def test_bad_input():
    with pytest.raises(ValueError, match="expected rows and columns, at least 8"):
        decorrelation_resolution(np.ones(30))
    with pytest.raises(ValueError, match="expected a positive length"):
        decorrelation_resolution(np.eye(9), (1.0, np.nan))
