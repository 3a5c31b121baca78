"""Linear programmes of few variables against SciPy's solver."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from sparsedecomp.kernels.polytope import dual_simplex


def polytope(rng, n, d):
    """Facets at random places around zero."""
    slopes = rng.normal(size=(n, d))
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    return slopes, rng.uniform(0.5, 2, n)


def solve(run, slopes, offsets, f, most=1000):
    active = np.full(len(f), -9)
    run(dual_simplex, slopes, offsets, f, 1e3, 1e-11, most, active)
    return active


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_agrees_with_scipy(run, rng, d):
    slopes, offsets = polytope(rng, 40 * d, d)
    for _ in range(5):
        f = rng.normal(size=d)
        active = solve(run, slopes, offsets, f)
        corner = np.linalg.solve(slopes[active], -offsets[active])
        assert (slopes @ corner + offsets).min() > -1e-9
        best = linprog(-f, -slopes, offsets, bounds=(None, None))
        np.testing.assert_allclose(f @ corner, -best.fun, rtol=1e-8)


def test_facets_given_many_times_and_meeting_in_one_corner(run):
    # A square, each side three times, and lines that touch its corner only.
    sides = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    touching = np.array([[-0.6, -0.8], [-0.8, -0.6]])
    slopes = np.vstack([np.repeat(sides, 3, axis=0), touching])
    offsets = np.append(np.ones(12), [1.4, 1.4])
    active = solve(run, slopes, offsets, np.array([1.0, 2.0]))
    corner = np.linalg.solve(slopes[active], -offsets[active])
    np.testing.assert_allclose(corner, [1, 1], atol=1e-12)


def test_open_side_ends_at_the_box(run):
    slopes, offsets = np.array([[-1.0, 0.0], [0.0, 1.0]]), np.ones(2)
    active = solve(run, slopes, offsets, np.array([1.0, 1.0]))
    np.testing.assert_array_equal(active, [0, -1])


def test_what_no_point_satisfies_ends_too(run):
    slopes, offsets = np.array([[1.0], [-1.0]]), np.array([-1.0, -1.0])
    assert solve(run, slopes, offsets, np.array([1.0]))[0] in (0, 1)


def test_first_violated_facet_leads_to_the_same_corner(run, rng):
    slopes, offsets = polytope(rng, 60, 3)
    f = rng.normal(size=3)
    worst = solve(run, slopes, offsets, f)
    # Half of so few exchanges go to the worst facets, the rest to the first ones.
    for most in range(2, 40):
        active = solve(run, slopes, offsets, f, most)
    assert set(active) == set(worst)


def test_gives_up_after_so_many_exchanges(run, rng):
    slopes, offsets = polytope(rng, 60, 3)
    active = solve(run, slopes, offsets, rng.normal(size=3), most=1)
    assert np.count_nonzero(active >= 0) == 1


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_corner_is_inside_and_optimal(seed, d):
    rng = np.random.default_rng(seed)
    slopes, offsets = polytope(rng, 30 * d, d)
    f = rng.normal(size=d)
    active = np.empty(d, np.int64)
    dual_simplex(slopes, offsets, f, 1e3, 1e-11, 1000, active)
    if np.any(active < 0):
        return
    corner = np.linalg.solve(slopes[active], -offsets[active])
    assert (slopes @ corner + offsets).min() > -1e-8
    # The objective is a mixture of the facets that meet there: none can be left.
    assert np.linalg.solve(slopes[active].T, -f).min() > -1e-8
