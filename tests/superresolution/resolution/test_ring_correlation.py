"""Fourier ring correlation: two halves agree up to the blur, and to the noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.superresolution import ring_resolution, thin


def points(sigma, shape=(128, 96), dose=100, seed=0):
    """Counts of blurred points."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter((rng.random(shape) < 0.02).astype(float), sigma)
    return rng.poisson(dose * image / image.mean())


def test_halves_of_counts_are_independent_and_complete():
    counts = np.random.default_rng(0).poisson(8.0, (300, 300))
    one, other = thin(counts, random_state=3)
    np.testing.assert_array_equal(one + other, counts)
    assert one.mean() == pytest.approx(4, rel=0.02)
    assert one.var() == pytest.approx(4, rel=0.03)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01
    np.testing.assert_array_equal(one, thin(counts, random_state=3)[0])


@pytest.mark.parametrize("threshold", ["1/7", "half_bit"])
@pytest.mark.parametrize("taper", ["hann", "tukey"])
def test_blur_is_ordered(threshold, taper):
    found = [
        ring_resolution(*thin(points(sigma)), threshold=threshold, taper=taper)
        for sigma in (1, 2, 4)
    ]
    sharp, middle, blurred = (f.value for f in found)
    assert 1.3 * sharp < middle < 0.7 * blurred
    # Of the order of the width of the spot.
    widths = 2.355 * np.array([1, 2, 4])
    assert np.all(np.abs(np.log([f.value for f in found] / widths)) < 0.4)


def test_more_counts_show_more():
    values = [ring_resolution(*thin(points(2.0, dose=d))).value for d in (3, 300)]
    assert values[1] < 0.9 * values[0]


def test_interval_holds_what_other_draws_give():
    found = [ring_resolution(*thin(points(2.0, seed=k))) for k in range(20)]
    typical = np.median([f.value for f in found])
    covered = [f.interval[0] <= typical <= f.interval[1] for f in found]
    assert sum(covered) >= 16
    low, high = found[0].interval
    assert low < found[0].value < high < 2 * low


def test_steps_and_shape_set_the_scale():
    counts = points(2.0, (90, 140))
    one = ring_resolution(*thin(counts))
    two = ring_resolution(*thin(counts), step=0.5)
    assert two.value == pytest.approx(0.5 * one.value)
    # Every other row: the blur is the same in units of length.
    halves = [half[::2] for half in thin(counts)]
    coarse = ring_resolution(*halves, step=(2.0, 1.0))
    assert coarse.value == pytest.approx(one.value, rel=0.25)


def test_what_the_sampling_limits_is_a_bound():
    found = ring_resolution(*thin(points(0.3)), step=0.2)
    assert found.is_bound and found.value == pytest.approx(0.4, rel=0.05)
    assert found.describe() == "at most 0.4 px"


def test_noise_agrees_with_nothing():
    rng = np.random.default_rng(0)
    found = [ring_resolution(*rng.normal(size=(2, 64, 64))) for _ in range(20)]
    assert sum(f.determined for f in found) <= 2
    assert "no better than noise" in [f for f in found if not f.determined][0].note
    curve = found[0].curve
    assert np.std(curve["correlation"] * np.sqrt(curve["independent"])) < 2


def test_half_bit_is_stricter_where_rings_are_small():
    found = ring_resolution(*thin(points(2.0)), threshold="half_bit")
    line = found.curve["threshold"]
    assert line[0] > 0.7 > 0.4 > line[-1] > 1 / 7
    # A few pixels hold less than half a bit.
    noise = np.random.default_rng(0).normal(size=(2, 8, 8))
    assert not ring_resolution(*noise, threshold="half_bit").determined


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"other": np.ones((9, 10))}, r"shapes \(10, 10\) and \(9, 10\)"),
        ({"threshold": "3 sigma"}, "threshold='3 sigma', expected one of"),
        ({"taper": "flat"}, "taper='flat', expected one of"),
        ({"step": -1.0}, "step=-1.0 was given, expected a positive length"),
        ({"one": np.full((10, 10), np.inf)}, "first map is NaN or infinite at row 0"),
    ],
)
def test_bad_input(change, message):
    given = {"one": np.eye(10), "other": np.eye(10)} | change
    with pytest.raises(ValueError, match=message):
        ring_resolution(**given)


@pytest.mark.parametrize("values", [[0.5, 1.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_only_counts_are_dealt_out(values):
    with pytest.raises(ValueError, match="Only counts can be dealt out"):
        thin(values)
