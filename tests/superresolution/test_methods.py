"""The table of methods: what each takes, what it refuses, and how one is added."""

import warnings
from typing import NamedTuple

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.superresolution import METHODS, interpolate, resolve, tune
from sparsedecomp.superresolution.methods import Method

from ..naive.frames import SHIFTS, frames

VALUES = {"psf": 0.5, "weight": 1.0, "pull": 2.0, "order": 2, "dictionary": np.eye(64)}
FOREIGN = [
    (name, parameter)
    for name, method in METHODS.items()
    for parameter in VALUES
    if parameter not in method.parameters and parameter not in method.renamed
]


@pytest.fixture(scope="module")
def Y():
    return frames(n=12, noise=0.1)


def signals(Y):
    found = []
    for frame, (y, x) in zip(Y, SHIFTS, strict=True):
        s = hs.signals.Signal1D(np.repeat(frame, 3, axis=-1))
        s.axes_manager[0].offset, s.axes_manager[1].offset = x, y
        found.append(s)
    return found


@pytest.mark.parametrize(("name", "parameter"), FOREIGN)
def test_a_parameter_that_a_method_does_not_take_is_refused(Y, name, parameter):
    given = {"method": name, parameter: VALUES[parameter]}
    takes = ", ".join(METHODS[name].parameters) or "no parameters"
    message = f"method='{name}' does not take {parameter}=.*, it takes {takes}"
    with pytest.raises(ValueError, match=message):
        resolve(Y, SHIFTS, 2.0, **given)
    with pytest.raises(ValueError, match=message):
        sparsedecomp.super_resolve(signals(Y), 2.0, **given)


def test_methods_that_take_the_parameter_are_named(Y):
    with pytest.raises(ValueError, match="Methods with 'weight': vtv, tikhonov, spars"):
        resolve(Y, SHIFTS, 2.0, method="auto", weight=1.0)
    with pytest.raises(TypeError, match="does not take wieght=1.0, .*mean 'weight'"):
        resolve(Y, SHIFTS, 2.0, method="vtv", wieght=1.0)


@pytest.mark.parametrize("name", ["gaussian_process", "interpolation"])
def test_what_is_no_parameter_may_be_none_or_no_spot(Y, name):
    options = {"registration": False, "weight": None, "psf": 0.0}
    assert resolve(Y, SHIFTS, 2.0, method=name, **options).parameters == {}


@pytest.mark.parametrize("name", ["vtv", "tikhonov"])
def test_a_weight_that_is_given_is_used_and_scored(Y, name):
    fine = sparsedecomp.super_resolve(
        signals(Y), 2.0, method=name, weight=0.3, registration=False
    )
    report = fine.super_resolution.as_dict()
    assert report["weight"] == 0.3 and name in report["held_out_error"]
    assert np.isfinite(report["gain_over_interpolation_dB"])
    assert f"  {name}" in str(fine.super_resolution)


def test_score_of_a_given_weight_is_that_of_the_same_weight_chosen(Y):
    options = {"method": "tikhonov", "registration": False}
    chosen = resolve(Y, SHIFTS, 2.0, **options)
    given = resolve(Y, SHIFTS, 2.0, weight=chosen.weight, **options)
    np.testing.assert_array_equal(given.maps, chosen.maps)
    assert given.scores["tikhonov"] == pytest.approx(chosen.scores["tikhonov"], 0.01)


def test_the_order_of_the_markov_field_was_called_weight(Y):
    options = {"method": "bayes_cmrf", "registration": False, "max_iter": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new = resolve(Y, SHIFTS, 2.0, order=1, **options)
    with pytest.warns(FutureWarning, match="weight of method='bayes_cmrf' .* order"):
        old = resolve(Y, SHIFTS, 2.0, weight=1, **options)
    np.testing.assert_array_equal(old.maps, new.maps)


def test_iterations_of_every_solver_can_be_limited(Y):
    with pytest.warns(UserWarning, match="stopped after 2 iterations"):
        found = resolve(Y, SHIFTS, 2.0, method="vtv", max_iter=2, registration=False)
    assert len(found.history) == 2


class Shrunk(NamedTuple):
    """Result of the solver below."""

    x: np.ndarray
    history: np.ndarray


def shrunk(A, Y, *, start, callback, part=0.0):
    """Solver for the tests: a first map, moved towards its mean."""
    x = start + part * (start.mean(axis=(0, 1)) - start)
    return Shrunk(x, np.zeros(1))


@pytest.fixture
def added(monkeypatch):
    """A method added as the recipe in CONTRIBUTING says: a function and an entry."""
    entry = Method(
        name="shrunk",
        target=f"{__name__}:shrunk",
        summary="a first map, moved towards its mean",
        parameters={"psf": 0.0, "part": 0.0},
        in_auto=True,
    )
    monkeypatch.setitem(METHODS, "shrunk", entry)


def test_an_added_method_runs_by_every_function(Y, added):
    assert "shrunk            a first map, moved" in repr(METHODS)
    options = {"registration": False}
    start = resolve(Y, SHIFTS, 2.0, method="gaussian_process", **options)
    plain = resolve(Y, SHIFTS, 2.0, method="shrunk", **options)
    # Without a part to move the solver returns the posterior mean that it starts from.
    np.testing.assert_allclose(plain.maps, start.maps, rtol=1e-6)
    half = resolve(Y, SHIFTS, 2.0, method="shrunk", part=0.5, **options)
    assert half.maps.std() == pytest.approx(0.5 * start.maps.std())
    assert half.parameters == {"part": 0.5}
    assert half.scores["shrunk"] > plain.scores["shrunk"]
    fine = sparsedecomp.super_resolve(signals(Y), 2.0, method="shrunk", **options)
    assert fine.metadata.Super_resolution.method == "shrunk"
    found = tune(
        Y, SHIFTS, 2.0, {"part": (0.0, 0.9)}, method="shrunk", n_trials=4, **options
    )
    assert found.best["part"] == found.parameters.min()
    with pytest.raises(ValueError, match="'shrunk' does not take weight=1, it takes p"):
        resolve(Y, SHIFTS, 2.0, method="shrunk", weight=1)


def test_an_added_method_takes_part_in_the_choice(Y, added):
    found = resolve(Y, SHIFTS, 2.0, registration=False)
    assert found.scores["shrunk"] >= found.scores[found.method]


def test_every_method_makes_a_map_and_scores_itself(Y):
    quick = {"sparse": {"dictionary": 5 * np.eye(64)[:10], "weight": 1.0}}
    baseline = None
    for name in METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = resolve(
                Y, SHIFTS, 2.0, method=name, registration=False, **quick.get(name, {})
            )
        assert np.isfinite(found.maps).all() and found.method in found.scores
        baseline = baseline or found.scores["interpolation"]
        assert found.scores["interpolation"] == baseline
    np.testing.assert_allclose(
        found.maps / found.noise, interpolate(found.geometry, Y / found.noise)
    )
