"""Widths of edges: the truth lies in the interval, and what cannot be known is said."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import expit, ndtr

from sparsedecomp.superresolution import edge_resolution, edge_width
from sparsedecomp.superresolution.resolution.edges import noise_of

# Width at half height of the slope: 2 ln(3 + 2 sqrt 2) / alpha.
LOGISTIC = 2 * np.log(3 + 2 * np.sqrt(2))


def edge_lines(width, n_lines=30, n_points=16, noise=0.05, seed=0, step=1.0):
    rng = np.random.default_rng(seed)
    centre = (n_points - 1) / 2 + rng.uniform(-1, 1, (n_lines, 1))
    x = step * (np.arange(n_points) - centre)
    low, high = rng.uniform(0, 1, (n_lines, 1)), rng.uniform(3, 4, (n_lines, 1))
    y = low + (high - low) * expit(LOGISTIC / width * x)
    return y + 3 * noise * rng.normal(size=y.shape)


def test_one_slope_is_fitted_to_all_lines():
    found = edge_width(edge_lines(0.6, noise=0.01, step=0.2), 0.2)
    low, high = found.interval
    assert low < 0.6 < high and high - low < 0.05
    alpha = LOGISTIC / found.value
    assert found.lengths["20-80 %"] == pytest.approx(2 * np.log(4) / alpha)
    assert found.lengths["10-90 %"] == pytest.approx(2 * np.log(9) / alpha)
    x, y, fit = found.curve.values()
    assert np.all(np.diff(x) >= 0) and len(x) == 30 * 16
    assert np.sqrt(np.mean((y - fit) ** 2)) == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize(
    ("width", "n_lines", "noise"),
    [(2.0, 1, 0.05), (1.0, 12, 0.05), (3.0, 12, 0.05), (2.5, 24, 0.25)],
)
def test_interval_covers_the_truth_as_often_as_it_says(width, n_lines, noise):
    found = [edge_width(edge_lines(width, n_lines, 16, noise, k)) for k in range(40)]
    covered = [f.interval[0] <= width <= f.interval[1] for f in found]
    # Of 40 draws at 95 %, fewer than 34 are less likely than one in a thousand.
    assert sum(covered) >= 34
    values = [f.value for f in found if f.determined and not f.is_bound]
    assert np.median(values) == pytest.approx(width, rel=0.15)


def test_an_edge_sharper_than_half_a_step_is_a_bound():
    for seed in range(10):
        for n_lines in (1, 20):
            found = edge_width(edge_lines(0.3, n_lines, seed=seed), step=0.5)
            assert found.is_bound and found.value >= 0.5 * 0.5
            assert found.describe().startswith("at most")
            assert "cannot resolve" in str(found) and not found.lengths


def test_noise_has_no_width():
    noise = np.random.default_rng(0).normal(size=(30, 16))
    found = edge_width(noise)
    assert not found.determined or found.is_bound
    ramp = np.arange(12.0) + 0.1 * np.random.default_rng(0).normal(size=(5, 12))
    assert edge_width(ramp).describe() == "not determined"


def test_noise_shared_by_neighbours_widens_the_interval():
    rng = np.random.default_rng(0)
    clean = edge_lines(2.0, 80, 20, 0.0)
    covered = {True: 0, False: 0}
    for _ in range(30):
        noise = gaussian_filter(rng.normal(size=clean.shape), 1.5)
        y = clean + 0.15 * noise / noise.std()
        for shuffled in covered:
            lines = rng.permutation(y) if shuffled else y
            low, high = edge_width(lines).interval
            covered[shuffled] += low <= 2.0 <= high
    # In random order neighbours cannot be known, and the interval is too narrow.
    assert covered[False] >= 24 > covered[True]


def test_both_sides_of_a_bar():
    x = np.arange(40) - 19.7
    bar = expit(LOGISTIC / 1.5 * (x + 9)) - expit(LOGISTIC / 3 * (x - 9))
    lines = bar + 0.02 * np.random.default_rng(0).normal(size=(20, 40))
    found = edge_width(lines, step=10, bar=True)
    dark = edge_width(3 - lines, step=10, bar=True)
    assert dark.value == pytest.approx(found.value)
    assert found.lengths["left"] == pytest.approx(15, rel=0.1)
    assert found.lengths["right"] == pytest.approx(30, rel=0.1)
    assert 15 < found.value < 30
    falling = edge_width(lines[:, 20:], step=10)
    assert falling.value == pytest.approx(30, rel=0.1)


def test_the_shape_matters_by_an_eighth():
    x = np.arange(20) - 9.5 + np.random.default_rng(0).uniform(-1, 1, (20, 1))
    lines = ndtr(x / 1.5)
    width = 1.5 * 2 * np.sqrt(2 * np.log(2))
    assert edge_width(lines, shape="gaussian").value == pytest.approx(width, rel=0.01)
    assert edge_width(lines).value == pytest.approx(0.88 * width, rel=0.03)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 5.0])
def test_edges_of_a_map_are_found(sigma):
    y, x = np.mgrid[:140, :140]
    # A square, a little turned, so that its edges are seen aslant.
    u, v = x - 70 + 0.3 * (y - 70), y - 70 - 0.3 * (x - 70)
    image = gaussian_filter(((np.abs(u) < 35) & (np.abs(v) < 30)).astype(float), sigma)
    image += 0.02 * np.random.default_rng(0).normal(size=image.shape)
    found = edge_resolution(image, 2.0, shape="gaussian")
    # The pixels of the square have steps themselves.
    width = 2.0 * 2.355 * np.hypot(sigma, 0.3)
    assert found.value == pytest.approx(width, rel=0.1)


def test_edges_stand_out_of_noise_or_there_are_none():
    rng = np.random.default_rng(0)
    square = np.zeros((80, 80))
    square[20:60, 25:55] = 1
    square = gaussian_filter(square, 1.5)
    for noise in (0.05, 0.15):
        noisy = square + noise * rng.normal(size=square.shape)
        found = edge_resolution(noisy, shape="gaussian")
        assert found.value == pytest.approx(2.355 * 1.5, rel=0.08)
        assert noise_of(noisy) == pytest.approx(noise, rel=0.1)
    for lost in (rng.normal(size=(80, 80)), 10 * rng.normal(size=(80, 80)) + square):
        assert not edge_resolution(lost).determined


def test_a_flat_map_has_no_edges():
    assert not edge_resolution(np.ones((20, 20))).determined
    tiny = edge_resolution(np.eye(9))
    assert "stands out" in tiny.note and tiny.describe() == "not determined"


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (np.ones((3, 4)), {}, "at least 5 points"),
        (np.ones((3, 9)), {"bar": True}, "at least 10 points"),
        (np.array([[0, 1, np.nan, 2, 3, 4]]), {}, "Line 0 is NaN or infinite at point"),
        (np.ones((3, 9)), {"shape": "erf"}, "shape='erf', expected one of"),
        (np.ones((3, 9)), {"step": 0}, "step=0 was given, expected a positive"),
    ],
)
def test_bad_lines(lines, options, message):
    with pytest.raises(ValueError, match=message):
        edge_width(lines, **options)


def test_bad_maps():
    with pytest.raises(ValueError, match="expected rows and columns, at least 8"):
        edge_resolution(np.ones((4, 30)))
    with pytest.raises(ValueError, match="NaN or infinite at row 3, column 5"):
        edge_resolution(np.where(np.arange(100).reshape(10, 10) == 35, np.nan, 1.0))
    with pytest.raises(ValueError, match="expected equal ones"):
        edge_resolution(np.ones((10, 10)), (1.0, 2.0))
