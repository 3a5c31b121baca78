"""Noise that was cut off at zero, against SciPy's truncated normal distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.kernels.clipped import fill_clipped

from ..naive import kernels as naive


def block(generator, shape, sigma, dtype=np.float64):
    """Model and clipped data, about a third of which are zero."""
    M = np.abs(generator.normal(0, sigma, shape)).astype(dtype)
    X = np.maximum(M + generator.normal(0, sigma, shape), 0).astype(dtype)
    return X, M


@pytest.mark.parametrize("sigma", [1e-6, 0.3, 1e6])
def test_block_agrees_with_the_oracle(run, rng, dtype, close, sigma):
    X, M = block(rng, (15, 9), sigma, dtype)
    filled, loss, variance, n_positive = naive.fill_clipped(X, M, sigma)
    assert 0 < n_positive < X.size
    found = run(fill_clipped, X, M, sigma)
    close(X, filled)
    np.testing.assert_allclose(found[:2], (loss, variance), rtol=1e-9)
    assert found[2] == n_positive


@pytest.mark.parametrize("a", [-6, -1, 0, 0.5, 4, 12, 19.99, 20.01, 26, 37, 60])
def test_zero_where_the_model_is_far_above_it(run, a):
    sigma = 0.7
    X = np.zeros((1, 1))
    filled, loss, variance, _ = naive.fill_clipped(X, np.array([[a * sigma]]), sigma)
    found = run(fill_clipped, X, np.array([[a * sigma]]), sigma)
    np.testing.assert_allclose(found[0], loss, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(X, filled, rtol=1e-6)
    np.testing.assert_allclose(found[1], variance, rtol=1e-3)
    assert X[0, 0] < 0 < found[1] < sigma**2


@pytest.mark.parametrize("model", [0.0, 1.0])
def test_positive_entries_are_left_as_they_are(run, model):
    X = np.full((4, 3), 2.5)
    loss, variance, n_positive = run(fill_clipped, X, np.full((4, 3), model), 2.0)
    assert np.all(X == 2.5)
    assert (variance, n_positive) == (0.0, 12)
    np.testing.assert_allclose(loss, 12 * (2.5 - model) ** 2 / 8)


def test_no_rows(run):
    assert run(fill_clipped, np.zeros((0, 3)), np.zeros((0, 3)), 1.0) == (0, 0, 0)


@given(
    st.floats(0, 40),
    st.floats(-3, 3).map(lambda power: 10**power),
)
def test_loss_falls_where_the_fill_says(a, sigma):
    # The expectation is the gradient's: d loss / d model = (model - filled) / s^2.
    model, step = a * sigma, 1e-4 * sigma

    def at(value):
        X = np.zeros((1, 1))
        return fill_clipped(X, np.full((1, 1), value), sigma)[0], X[0, 0]

    slope = (at(model + step)[0] - at(model - step)[0]) / (2 * step)
    _, filled = at(model)
    np.testing.assert_allclose(slope, (model - filled) / sigma**2, rtol=1e-5)


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_filled_entries_lie_below_zero_and_below_the_model(seed, sigma):
    X, M = block(np.random.default_rng(seed), (8, 5), sigma)
    zeros = X == 0
    _, variance, n_positive = fill_clipped(X, M, sigma)
    assert np.all(X[zeros] < 0) and np.all(X[~zeros] > 0)
    assert 0 <= variance <= zeros.sum() * sigma**2
    assert n_positive == np.count_nonzero(~zeros)
