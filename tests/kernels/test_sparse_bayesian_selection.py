"""Searches and samples of supports, against sums over all of them."""

import numpy as np
import pytest

from sparsedecomp.kernels.lasso import lasso_path_rows
from sparsedecomp.kernels.parallel_tempering import (
    exchange_chains,
    support_evidence,
)
from sparsedecomp.kernels.sparse_bayesian_selection import greedy_supports

from ..naive import exafs as naive


@pytest.fixture
def problem(rng):
    """Columns, data of two of them with noise, priors and the noise variance."""
    X = rng.normal(size=(7, 12))
    X[1] = 0.9 * X[0] + 0.4 * X[1]
    y = 3 * X[0] + 2 * X[4] + 0.3 * rng.normal(size=12)
    return X, y, np.full(7, 4.0), np.full(7, np.log(0.1)), 0.09


def greedy(run, X, Y, prior, log_odds, variances, max_size=5, blocked=None, steps=40):
    p = len(X)
    if blocked is None:
        blocked = np.column_stack([np.arange(p), np.arange(p) + 1])
    W, D = np.full((2, len(Y), p), 9.0)
    best = np.zeros((len(Y), 2))
    run(
        greedy_supports,
        Y @ X.T,
        X @ X.T,
        np.sum(Y**2, axis=1),
        Y.shape[1],
        prior,
        np.tile(variances, (len(Y), 1)),
        log_odds,
        blocked,
        max_size,
        steps,
        W,
        D,
        best,
    )
    return W, D, best


def test_greedy_finds_the_best_support_and_its_exact_evidence(run, problem):
    X, y, prior, log_odds, variance = problem
    every = naive.posterior(y, X, prior, log_odds, variance, 4)
    W, D, best = greedy(run, X, y[None], prior, log_odds, [variance])
    support = tuple(np.flatnonzero(W[0]))
    assert support == max(every, key=every.get) == (0, 4)
    np.testing.assert_allclose(best[0, 0], every[support], rtol=1e-9)
    mean, covariance = naive.weights(y, X, support, prior, variance)
    np.testing.assert_allclose(W[0, support], mean, rtol=1e-9)
    np.testing.assert_allclose(D[0, support], np.sqrt(np.diag(covariance)), rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_evidence_is_exact_after_deletions(run, seed):
    # Nearly parallel columns: what came first is often dropped or exchanged later.
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1, 9)) + 0.5 * rng.normal(size=(8, 9))
    Y = rng.uniform(0, 2, (4, 8)) * (rng.random((4, 8)) < 0.5) @ X
    Y += 0.1 * rng.normal(size=Y.shape)
    prior, log_odds = np.full(8, 2.0), np.full(8, -1.0)
    W, _, best = greedy(run, X, Y, prior, log_odds, [0.01, 0.04], max_size=4)
    for y, w, (value, variance) in zip(Y, W, best, strict=True):
        support = tuple(np.flatnonzero(w))
        expected = naive.evidence(y, X, support, prior, variance)
        np.testing.assert_allclose(value, expected - len(support), rtol=1e-8)
        assert np.all(w >= 0)
        if support:
            mean, _ = naive.weights(y, X, support, prior, variance)
            np.testing.assert_allclose(w[list(support)], mean, rtol=1e-7)


def test_greedy_keeps_nothing_of_noise_and_nothing_negative(run, problem, rng):
    X, y, prior, log_odds, _ = problem
    W, D, _ = greedy(run, X, np.array([0 * y, -X[2]]), prior, log_odds, [1.0])
    assert not W[0].any() and not D[0].any()
    assert W[1].min() >= 0


def test_greedy_does_not_add_blocked_neighbours(run, problem):
    X, y, prior, log_odds, variance = problem
    blocked = np.tile([0, 7], (7, 1))
    W, _, _ = greedy(run, X, y[None], prior, log_odds, [variance], 5, blocked)
    assert np.count_nonzero(W) == 1


def test_greedy_stops_after_the_steps_it_was_given(run, problem):
    X, y, prior, log_odds, variance = problem
    W, _, best = greedy(run, X, y[None], prior, log_odds, [variance], steps=1)
    support = tuple(np.flatnonzero(W[0]))
    assert len(support) == 1
    expected = naive.evidence(y, X, support, prior, variance) + log_odds[0]
    np.testing.assert_allclose(best[0, 0], expected, rtol=1e-9)


def test_evidence_of_one_support(run, problem):
    X, y, prior, _, variance = problem
    mean, factor = np.zeros(4), np.zeros((4, 4))
    columns = np.array([4, 1, 0, -1])
    for count in range(4):
        value = run(
            support_evidence,
            X @ y,
            X @ X.T,
            y @ y,
            len(y),
            prior,
            variance,
            columns,
            count,
            mean,
            factor,
        )
        expected = naive.evidence(y, X, columns[:count], prior, variance)
        np.testing.assert_allclose(value, expected, rtol=1e-10)
    expected, _ = naive.weights(y, X, columns[:3], prior, variance)
    np.testing.assert_allclose(mean[:3], expected, rtol=1e-10)


def sample(run, problem, n_replicas, n_sweeps, variances, max_size=3, seed=0):
    X, y, prior, log_odds, _ = problem
    p = len(X)
    inclusion, first, second = np.zeros((3, p))
    trace, moves = np.zeros((n_sweeps, 3)), np.zeros((n_replicas, 2))
    run(
        exchange_chains,
        X @ y,
        X @ X.T,
        y @ y,
        len(y),
        prior,
        log_odds,
        np.geomspace(1, 0.1, n_replicas) if n_replicas > 1 else np.ones(1),
        np.log(variances),
        max_size,
        np.zeros((n_replicas, max_size), dtype=np.int64),
        np.zeros((n_replicas, 2), dtype=np.int64),
        np.random.default_rng(seed).random((n_sweeps, n_replicas + 1, 4)),
        n_sweeps // 5,
        2,
        inclusion,
        first,
        second,
        trace,
        moves,
    )
    return inclusion, first, second, trace, moves


def test_chains_visit_supports_as_often_as_they_are_probable(problem):
    def compiled(kernel, *arguments):
        return kernel(*arguments)

    X, y, prior, log_odds, variance = problem
    noisy = (X, y + 2 * np.sin(np.arange(12)), prior, log_odds, variance)
    every = naive.posterior(noisy[1], X, prior, log_odds, 1.5, 3)
    values = np.array(list(every.values()))
    probability = np.exp(values - np.logaddexp.reduce(values))
    expected = [
        sum(q for support, q in zip(every, probability, strict=True) if j in support)
        for j in range(len(X))
    ]
    sweeps = 100_000 if hasattr(exchange_chains, "py_func") else 4000
    inclusion, first, second, trace, moves = sample(compiled, noisy, 4, sweeps, [1.5])
    np.testing.assert_allclose(inclusion, expected, atol=0.02 if sweeps > 4000 else 0.1)
    assert moves[:, 0].min() > 0.01 and moves[0, 1] > 0.01
    assert np.all(second >= first**2)
    size = sum(len(s) * q for s, q in zip(every, probability, strict=True))
    np.testing.assert_allclose(trace[sweeps // 5 :, 1].mean(), size, rtol=0.1)


def test_chains_move_in_every_form(run, problem):
    inclusion, first, _, trace, _ = sample(run, problem, 3, 400, [0.05, 0.09, 0.5])
    assert set(np.unique(trace[:, 2])) <= set(np.log([0.05, 0.09, 0.5]))
    assert inclusion[4] > 0.8 and first[4] > 1
    again = sample(run, problem, 3, 400, [0.05, 0.09, 0.5])
    np.testing.assert_array_equal(again[0], inclusion)
    # One replica, and no room for more than one column.
    inclusion, _, _, trace, moves = sample(run, problem, 1, 300, [0.09], max_size=1)
    assert trace[:, 1].max() == 1 and moves[0, 1] == 0
    assert inclusion.sum() <= 1 + 1e-12


def lasso(run, F, G, lambdas, first=0, sweeps=500, tol=1e-12):
    W = np.zeros((lambdas.shape[1] - first, *F.shape))
    late = run(
        lasso_path_rows, F, G, np.ones(F.shape[1]), lambdas, sweeps, tol, first, W
    )
    return W, late


def test_lasso_meets_the_conditions_of_its_optimum(run, problem, rng):
    X, y, *_ = problem
    X = np.vstack([X, np.zeros(12)])
    Y = np.array([y, rng.normal(size=12)])
    F, G = Y @ X.T, X @ X.T
    lambdas = F.max(axis=1)[:, None] * np.array([0.9, 0.3, 0.05])
    W, late = lasso(run, F, G, lambdas)
    assert late == 0
    for w, weight in zip(W, lambdas.T, strict=True):
        slack = F - w @ G - weight[:, None]
        assert slack.max() < 1e-5
        np.testing.assert_allclose(slack[w > 0], 0, atol=1e-5)
        assert w.min() == 0
    assert np.count_nonzero(W[0]) < np.count_nonzero(W[2])
    np.testing.assert_array_equal(lasso(run, F, G, lambdas, first=2)[0][0], W[2])
    assert lasso(run, F, G, lambdas, sweeps=1)[1] > 0
