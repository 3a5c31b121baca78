"""Sharing out Poisson counts: posterior, penalised likelihood, closed abundances."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import psi

from sparsedecomp.kernels.counts import digamma, likelihood_rows, posterior_rows

from ..naive import counts as naive


def problem(generator, n=12, m=9, k=3, mean=20.0, dtype=np.float64):
    """Counts, as an array and as CSR; abundances to start from, and spectra."""
    S = generator.dirichlet(np.full(m, 0.7), k)
    C = generator.gamma(0.5, mean / k, (n, k)) + 0.1
    X = generator.poisson(C @ S).astype(dtype)
    X[n // 2] = 0
    sparse = scipy.sparse.csr_array(X)
    csr = sparse.indptr, sparse.indices, sparse.data
    start = (0.5 + generator.random((n, k))) * mean / k
    return X, csr, start.astype(dtype), S


def penalties(n, k, generator=None):
    """Stiffness and pull of every row: none, or random ones."""
    if generator is None:
        return np.zeros(n), np.zeros((n, k))
    stiffness = generator.random(n) * (generator.random(n) < 0.7)
    return stiffness, 0.3 * generator.random((n, k))


@pytest.mark.parametrize("x", [1e-4, 0.02, 0.5, 1.0, 5.99, 6.0, 30.0, 1e6])
def test_digamma_is_the_derivative_of_log_gamma(run, x):
    assert run(digamma, x) == pytest.approx(psi(x), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("sweeps", [1, 4])
def test_posterior_agrees_with_the_oracle(run, rng, dtype, close, sweeps):
    X, csr, A, S = problem(rng, dtype=dtype)
    alpha = np.array([0.1, 0.3, 0.6])
    expected, bound, found = naive.posterior_rows(X, A, S, alpha, sweeps)
    N = np.zeros_like(S)
    value = run(posterior_rows, *csr, A, S, alpha, sweeps, 0.0, N)
    close(A, expected)
    close(N, found)
    assert value == pytest.approx(bound, rel=1e-5 if dtype == np.float32 else 1e-10)


def test_posterior_bound_rises_with_every_sweep(run, rng):
    _, csr, A, S = problem(rng)
    alpha = np.full(3, 0.2)
    bounds = [
        run(posterior_rows, *csr, A, S, alpha, 1, 0.0, np.zeros_like(S))
        for _ in range(15)
    ]
    # The bound belongs to what the sweep has found; the first start is anything.
    assert np.all(np.diff(bounds) >= -1e-9)
    assert bounds[-1] > bounds[0] + 1e-3


def test_settled_rows_are_left(run, rng):
    _, csr, A, S = problem(rng)
    alpha = np.full(3, 0.2)
    settled = A.copy()
    run(posterior_rows, *csr, settled, S, alpha, 5000, 1e-10, np.zeros_like(S))
    few = settled.copy()
    run(posterior_rows, *csr, few, S, alpha, 5000, 1e-4, np.zeros_like(S))
    np.testing.assert_allclose(few, settled, atol=1e-7 * settled.max())
    C = settled - alpha
    once = C.copy()
    quiet = (np.ones(3), 0.0, *penalties(12, 3), False)
    run(likelihood_rows, *csr, once, S, *quiet, 5000, 1e-10, np.zeros_like(S))
    again = once.copy()
    run(likelihood_rows, *csr, again, S, *quiet, 5000, 1e-4, np.zeros_like(S))
    np.testing.assert_allclose(again, once, atol=1e-7 * once.max())


def test_row_that_stands_still_is_not_extrapolated(run, rng):
    # All counts belong to the only component; a negative tolerance never settles.
    X, csr, _, S = problem(rng, k=1)
    A = 0.5 + X.sum(axis=1, keepdims=True)
    found = A.copy()
    run(posterior_rows, *csr, found, S, np.full(1, 0.5), 40, -1.0, np.zeros_like(S))
    np.testing.assert_allclose(found, A)


def test_pixel_without_counts_keeps_the_prior(run, rng):
    X, csr, A, S = problem(rng)
    alpha = np.array([0.1, 0.2, 0.7])
    run(posterior_rows, *csr, A, S, alpha, 2, 0.0, np.zeros_like(S))
    np.testing.assert_array_equal(A[6], alpha)
    assert not X[6].any()


@pytest.mark.parametrize("scale", [1e-100, 1e-9, 1e9, 1e100])
def test_logarithms_hold_for_all_magnitudes(run, rng, scale):
    X, (indptr, indices, data), C, S = problem(rng)
    csr, X, C = (indptr, indices, scale * data), scale * X, scale * C
    model = np.ones(3), 0.0, *penalties(12, 3)
    N = np.zeros_like(S)
    value = run(likelihood_rows, *csr, C, S, *model, False, 3000, 1e-13, N)
    expected = naive.log_posterior(X, C, S, *model)
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("sweeps", [1, 4])
def test_likelihood_agrees_with_the_oracle(run, rng, dtype, close, sweeps, penalised):
    X, csr, C, S = problem(rng, dtype=dtype)
    rate = np.array([1.0, 1.2, 1.5])
    overlap = 0.05 * penalised
    stiffness, pull = penalties(12, 3, rng if penalised else None)
    expected, found = naive.likelihood_rows(
        X, C, S, rate, overlap, stiffness, pull, sweeps
    )
    N = np.zeros_like(S)
    run(
        likelihood_rows,
        *csr,
        C,
        S,
        rate,
        overlap,
        stiffness,
        pull,
        False,
        sweeps,
        0.0,
        N,
    )
    close(C, expected)
    close(N, found)


@pytest.mark.parametrize("penalised", [False, True])
def test_bound_is_what_is_maximised_where_it_has_settled(run, rng, penalised):
    X, csr, C, S = problem(rng)
    overlap = 0.02 * penalised
    stiffness, pull = penalties(12, 3, rng if penalised else None)
    model = np.ones(3), overlap, stiffness, pull
    value = run(
        likelihood_rows, *csr, C, S, *model, False, 3000, 1e-13, np.zeros_like(S)
    )
    assert value == pytest.approx(naive.log_posterior(X, C, S, *model), rel=1e-9)


def test_a_pull_beyond_the_rate_is_held_by_the_stiffness(run):
    # q c^2 + b c = n with b < 0, and with no counts at all.
    csr = np.array([0, 1, 1]), np.array([0]), np.array([4.0])
    C, S = np.ones((2, 1)), np.ones((1, 1))
    pull = np.full((2, 1), 3.0)
    N = np.zeros_like(S)
    run(
        likelihood_rows,
        *csr,
        C,
        S,
        np.ones(1),
        0.0,
        np.full(2, 2.0),
        pull,
        False,
        400,
        0.0,
        N,
    )
    np.testing.assert_allclose(C[:, 0], [2.0, 1.0])


def test_likelihood_finds_the_maximum(run, rng):
    X, csr, C, S = problem(rng, n=5)
    model = np.ones(3), 0.0, *penalties(5, 3)
    run(likelihood_rows, *csr, C, S, *model, False, 20000, 1e-15, np.zeros_like(S))
    best = minimize(
        lambda c: -naive.log_posterior(X, c.reshape(5, 3), S, *model),
        np.ones(15),
        bounds=[(1e-12, None)] * 15,
        options={"maxiter": 1000, "ftol": 1e-15},
    )
    assert naive.log_posterior(X, C, S, *model) >= -best.fun - 1e-6


def test_closed_abundances_add_up_to_one(run, rng, dtype, close):
    X, csr, C, S = problem(rng, dtype=dtype)
    C /= C.sum(axis=1, keepdims=True)
    S = 25 * S
    rate = S.sum(axis=1) * np.array([1.0, 0.7, 1.3])
    S *= (rate / S.sum(axis=1))[:, None]
    expected = [
        naive.closed_row(x, c.astype(float), S, rate) if x.any() else np.full(3, 1 / 3)
        for x, c in zip(X, C, strict=True)
    ]
    nothing = penalties(12, 3)
    N = np.zeros_like(S)
    run(likelihood_rows, *csr, C, S, rate, 0.0, *nothing, True, 1, 0.0, N)
    close(C, np.array(expected))
    np.testing.assert_allclose(C.sum(axis=1), 1, rtol=1e-6)
    # A component that is gone stays so.
    C[:, 0] = 0
    run(likelihood_rows, *csr, C, S, rate, 0.0, *nothing, True, 1, 0.0, N)
    assert not C[np.arange(12) != 6, 0].any()
    np.testing.assert_allclose(C.sum(axis=1), 1, rtol=1e-6)


def test_counts_that_no_component_emits(run):
    csr = np.array([0, 1]), np.array([1]), np.array([3.0])
    S = np.array([[1.0, 0.0], [1.0, 0.0]])
    quiet = np.ones(2), 0.0, *penalties(1, 2)
    for closed, expected in ((True, 0.5), (False, 0.0)):
        C, N = np.full((1, 2), 0.7), np.zeros_like(S)
        value = run(likelihood_rows, *csr, C, S, *quiet, closed, 2, 0.0, N)
        assert np.all(C == expected) and not N.any() and np.isfinite(value)


def test_zero_stays_zero(run, rng):
    _, csr, C, S = problem(rng)
    C[:, 1] = 0
    model = np.ones(3), 0.0, *penalties(12, 3)
    run(likelihood_rows, *csr, C, S, *model, False, 5, 0.0, np.zeros_like(S))
    assert not C[:, 1].any() and C[:, 0].any()


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 5))
def test_counts_are_neither_lost_nor_made(seed, k):
    generator = np.random.default_rng(seed)
    X, csr, C, S = problem(generator, k=k)
    # Explicit zeros and entries in two parts say the same.
    indptr, indices, data = csr
    parts = 2 * indptr, np.repeat(indices, 2), np.repeat(data / 2, 2)
    zeros = 2 * indptr, np.repeat(indices, 2), np.kron(data, [1.0, 0.0])
    values = []
    for form in (csr, parts, zeros):
        A, N = C.copy(), np.zeros_like(S)
        bound = posterior_rows(*form, A, S, np.full(k, 0.3), 3, 0.0, N)
        np.testing.assert_allclose(N.sum(axis=0), X.sum(axis=0), atol=1e-9)
        np.testing.assert_allclose(A.sum(axis=1) - 0.3 * k, X.sum(axis=1), atol=1e-9)
        values.append((bound, A))
    for bound, A in values[1:]:
        assert bound == pytest.approx(values[0][0], rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(A, values[0][1], rtol=1e-9)
