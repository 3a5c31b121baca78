"""Small quadratic programmes against brute force, and the soft hinge."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, nnls

from sparsedecomp.decomposition.abundances import support_maps
from sparsedecomp.kernels.simplex import (
    soft_hinge,
    solve_by_active_set,
    solve_by_supports,
)


def problem(generator, n, k, dtype=np.float64):
    """Correlations of noisy mixtures with random spectra, and their Gram matrix."""
    S = generator.random((k, 3 * k + 2))
    X = generator.dirichlet(np.full(k, 0.4), n) @ S
    X += 0.4 * generator.standard_normal(X.shape)
    return (X @ S.T).astype(dtype), S @ S.T, X, S


def best_of_all_sets(f, G, closed):
    """The minimum over every set of components, from its own linear equations."""
    k = len(f)
    least, best = (np.inf, None) if closed else (0.0, np.zeros(k))
    for size in range(1, k + 1):
        for chosen in map(list, itertools.combinations(range(k), size)):
            A, b = G[np.ix_(chosen, chosen)], f[chosen]
            if closed:
                edge = np.ones((size, 1))
                A = np.block([[A, edge], [edge.T, np.zeros((1, 1))]])
                b = np.append(b, 1.0)
            c = np.zeros(k)
            c[chosen] = np.linalg.solve(A, b)[:size]
            value = 0.5 * c @ G @ c - f @ c
            if np.all(c >= 0) and value < least:
                least, best = value, c
    return best


def solve(run, method, F, G, closed):
    C = np.full_like(F, np.nan)
    if method == "supports":
        run(solve_by_supports, C, F, G, closed, *support_maps(G, closed))
    else:
        run(solve_by_active_set, C, F, G, closed)
    return C


@pytest.mark.parametrize("method", ["supports", "active set"])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_rows_are_the_best_of_all_sets(run, rng, dtype, close, method, closed, k):
    F, G, _, _ = problem(rng, 40, k, dtype)
    expected = [best_of_all_sets(f, G, closed) for f in F.astype(float)]
    close(solve(run, method, F, G, closed), np.array(expected))


@pytest.mark.parametrize("method", ["supports", "active set"])
def test_rows_agree_with_scipy(run, rng, method):
    F, G, X, S = problem(rng, 30, 7)
    expected = np.array([nnls(S.T, x)[0] for x in X])
    found = solve(run, method, F, G, False)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert (expected == 0).any() and not found[expected == 0].any()


@pytest.mark.parametrize("method", ["supports", "active set"])
def test_closed_rows_may_hold_a_shadow(run, rng, method):
    F, G, _, _ = problem(rng, 30, 3)
    F, G = np.pad(F, [(0, 0), (0, 1)]), np.pad(G, (0, 1))
    expected = np.array([best_of_all_sets(f, G, True) for f in F])
    assert (expected[:, 3] > 0.1).any()
    np.testing.assert_allclose(solve(run, method, F, G, True), expected, atol=1e-10)


@pytest.mark.parametrize("method", ["supports", "active set"])
@pytest.mark.parametrize("closed", [False, True])
def test_spectrum_given_twice_is_fitted_all_the_same(run, rng, method, closed):
    F, G, _, _ = problem(rng, 30, 3)
    twice = [0, 1, 2, 1]
    expected = np.array([best_of_all_sets(f, G, closed) for f in F])
    found = solve(run, method, F[:, twice].copy(), G[np.ix_(twice, twice)], closed)
    assert np.all(found >= 0)
    found[:, 1] += found[:, 3]
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-8)


@pytest.mark.parametrize("method", ["supports", "active set"])
def test_spectrum_of_zeros_and_pixel_of_zeros_get_nothing(run, method):
    G = np.diag([2.0, 0.0, 1.0])
    F = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 3.0]])
    found = solve(run, method, F, G, False)
    np.testing.assert_allclose(found, [[0, 0, 0], [2, 0, 3]])


@pytest.mark.parametrize("method", ["supports", "active set"])
def test_multiple_of_a_spectrum_that_seems_to_fit_better(run, method):
    # Rounding of the correlations makes the second spectrum want to enter.
    G, F = np.array([[4.0, 2.0], [2.0, 1.0]]), np.array([[2.0, 1.0 + 1e-9]])
    found = solve(run, method, F, G, False)
    np.testing.assert_allclose(found @ [2.0, 1.0], [1.0], rtol=1e-6)


@pytest.mark.parametrize("method", ["supports", "active set"])
def test_component_that_pushes_two_others_out(run, method):
    S = np.array([[3, 1, 1, 2, 3], [2, 0, 3, 0, 3], [3, 1, 1, 3, 0], [2, 0, 1, 1, 2]])
    f, G = np.array([[0.0, 3.0, 3.0, 3.0]]), (S @ S.T).astype(float)
    np.testing.assert_allclose(solve(run, method, f, G, False), [[0, 0, 0, 0.3]])


@given(st.integers(0, 2**31), st.integers(1, 14), st.booleans())
def test_active_set_meets_the_conditions_of_a_minimum(seed, k, closed):
    F, G, _, _ = problem(np.random.default_rng(seed), 12, k)
    C = np.empty_like(F)
    solve_by_active_set(C, F, G, closed)
    slope = C @ G - F
    if closed:
        np.testing.assert_allclose(C.sum(axis=1), 1.0, rtol=1e-12)
        slope -= (slope * C).sum(axis=1, keepdims=True)
    scale = 1e-8 * np.abs(F).max()
    assert np.all(C >= 0)
    assert np.all(slope >= -scale) and np.all(np.abs(slope[C > 0]) <= scale)


@given(st.integers(0, 2**31), st.integers(1, 7), st.booleans())
def test_both_methods_find_the_same(seed, k, closed):
    F, G, _, _ = problem(np.random.default_rng(seed), 12, k)
    C, D = np.empty_like(F), np.empty_like(F)
    solve_by_active_set(C, F, G, closed)
    solve_by_supports(D, F, G, closed, *support_maps(G, closed))
    np.testing.assert_allclose(C, D, atol=1e-7)


def hinge_problem(rng):
    T = np.column_stack([rng.normal(size=(30, 2)), np.ones(30)])
    return T, rng.normal(size=(3, 3)), np.array([0.1, 0.5, 2.0]), rng.random(3)


def test_hinge_agrees_with_the_formula(run, rng):
    T, Q, width, weight = hinge_problem(rng)
    expected = (weight * width * np.logaddexp(0, -T @ Q / width)).sum()
    found = run(soft_hinge, T, Q, width, weight, np.empty((3, 3)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_hinge_has_the_slope_that_it_says(run, rng):
    T, Q, width, weight = hinge_problem(rng)
    slope, waste = np.empty((3, 3)), np.empty((3, 3))
    run(soft_hinge, T, Q, width, weight, slope)
    expected = approx_fprime(
        Q.ravel(),
        lambda q: soft_hinge(T, q.reshape(3, 3), width, weight, waste),
        1e-7,
    )
    np.testing.assert_allclose(slope.ravel(), expected, atol=1e-5)


def test_sharp_hinge_is_the_overshoot(run, rng):
    T, Q, _, _ = hinge_problem(rng)
    found = run(soft_hinge, T, Q, np.full(3, 1e-12), np.ones(3), np.empty((3, 3)))
    np.testing.assert_allclose(found, np.maximum(-T @ Q, 0).sum(), rtol=1e-9)
