"""Hyper-parameters that few trials find are those that a fine grid finds."""

import warnings

import numpy as np
import pytest
from scipy.stats import norm

from sparsedecomp.superresolution import (
    FrameOperator,
    Geometry,
    resolve,
    tikhonov,
    tune,
)
from sparsedecomp.superresolution.selection import held_out_samples
from sparsedecomp.superresolution.tuning.search import (
    BayesianSearch,
    expected_improvement,
)

SHIFTS = np.array([(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)])
BOUNDS = {"weight": (0.01, 30.0)}
QUICK = {"method": "tikhonov", "registration": False}


def frames(psf=0.0, noise=0.6, seed=0):
    geometry = Geometry.around(SHIFTS, (12, 12), 2.0)
    truth = np.zeros((*geometry.shape, 1))
    truth[6:17, 8:19] = 4
    clean = FrameOperator(geometry, psf=psf).forward(truth)
    return clean + noise * np.random.default_rng(seed).normal(size=clean.shape)


@pytest.fixture(scope="module")
def found():
    return tune(frames(), SHIFTS, 2.0, BOUNDS, n_trials=12, **QUICK)


def bowl(x, y):
    return (x - 0.7) ** 2 + 0.3 * (np.log(y) - 1) ** 2 + 0.1 * np.sin(8 * x)


@pytest.mark.parametrize("seed", [0, 1])
def test_search_finds_what_a_fine_grid_finds(seed):
    search = BayesianSearch({"x": (-2, 2), "y": (0.01, 100)}, 6, seed)
    values = []
    for _ in range(25):
        values.append(bowl(**search.propose(values)))
    x, y = np.meshgrid(np.linspace(-2, 2, 200), np.geomspace(0.01, 100, 200))
    grid = bowl(x, y)
    assert min(values) < grid.min() + 0.01 * np.ptp(grid)
    assert min(values[6:]) < min(values[:6])


def test_a_limit_on_another_function_is_kept_to():
    search = BayesianSearch({"x": (0.0, 1.0)}, 4)
    x = []
    for _ in range(14):
        tried = np.array(x)
        x.append(search.propose(-tried, tried**2, 0.25)["x"])
    # The least of -x where x^2 stays below a quarter.
    allowed = [v for v in x if v <= 0.5]
    assert 0.45 < max(allowed) and len(allowed) >= 8


def test_improvement_is_the_mean_of_what_is_gained():
    draws = norm.rvs(1.0, 0.5, size=200_000, random_state=0)
    expected = np.maximum(0.8 - draws, 0).mean()
    assert expected_improvement(1.0, 0.5, 0.8) == pytest.approx(expected, rel=0.02)


def test_weight_of_a_fine_grid(found):
    Y = frames()
    A = FrameOperator(Geometry.around(SHIFTS, (12, 12), 2.0))
    out = np.roll(held_out_samples(A.mask), (2, 1), axis=(1, 2))
    fewer = A.without(out)

    def score(weight):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = tikhonov(fewer, Y, weight).x
        return 0.5 * np.log(np.square(A.forward(x) - Y)[out].mean())

    grid = np.geomspace(0.01, 30, 60)
    scores = [score(w) for w in grid]
    best = grid[np.argmin(scores)]
    assert found.score.min() == pytest.approx(min(scores), abs=0.003)
    assert abs(np.log(found.best["weight"] / best)) < 0.5
    assert found.score[found.chosen] == found.score.min()
    assert score(found.best["weight"]) == pytest.approx(found.score.min(), abs=1e-3)


def test_same_seed_same_trials(found):
    again = tune(frames(), SHIFTS, 2.0, BOUNDS, n_trials=5, **QUICK)
    np.testing.assert_array_equal(again.parameters[:4], found.parameters[:4])
    np.testing.assert_array_equal(again.score[:4], found.score[:4])


def test_best_is_given_to_resolve(found):
    fine = resolve(frames(), SHIFTS, 2.0, **QUICK, **found.best)
    assert fine.weight == found.best["weight"]
    text = str(found)
    assert "best of" in text and "by likelihood" in text and "weight" in text


def test_resolution_within_one_error_of_the_likelihood():
    # Lengths that the weight alone decides: the smoother the map, the sharper it is.
    found = tune(
        frames(),
        SHIFTS,
        2.0,
        BOUNDS,
        objective="resolution subject to likelihood",
        resolution=lambda maps: np.square(np.diff(maps, axis=0)).mean(),
        n_trials=9,
        **QUICK,
    )
    best = np.argmin(found.score)
    assert found.admitted[found.chosen] and found.admitted.sum() > 1
    assert found.resolution[found.chosen] == found.resolution[found.admitted].min()
    assert found.score[found.chosen] <= found.score[best] + found.error[best]
    assert found.best["weight"] > found.parameters[best, 0]
    alone = tune(
        frames(),
        SHIFTS,
        2.0,
        BOUNDS,
        objective="resolution",
        resolution=lambda maps: np.square(np.diff(maps, axis=0)).mean(),
        n_trials=4,
        **QUICK,
    )
    assert not alone.admitted[alone.chosen]


def test_a_length_that_is_never_determined_leaves_the_likelihood():
    found = tune(
        frames(),
        SHIFTS,
        2.0,
        BOUNDS,
        objective="resolution",
        resolution=lambda maps: np.nan,
        n_trials=4,
        **QUICK,
    )
    assert found.score[found.chosen] == found.score.min()
    assert np.isnan(found.resolution).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "sharpness"}, "objective='sharpness', expected one of"),
        ({"n_trials": 2}, "n_trials=2, expected at least 3"),
        ({"bounds": {}}, "expected those of at least one parameter"),
        ({"bounds": {"lambda": (0, 1)}}, "'lambda' is no parameter of method='vtv'"),
        ({"bounds": {"psf": (1, 0)}}, r"bounds of 'psf' are \(1, 0\), expected the"),
    ],
)
def test_bad_input(change, message):
    given = {"Y": frames(), "shifts": SHIFTS, "scale": 2.0, "bounds": BOUNDS} | change
    with pytest.raises(ValueError, match=message):
        tune(**given)
