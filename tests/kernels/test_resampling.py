"""Separable resampling against dense matrices."""

import numpy as np
import pytest

from sparsedecomp.kernels.resampling import sample, spread

from ..naive import resampling as naive


@pytest.fixture
def case(rng, dtype):
    """Taps, an image and samples; the taps at the edge meet one pixel twice."""
    H, W, n_factors = 9, 7, 3
    row_index = np.clip(rng.integers(-1, H - 2, (5, 1)) + np.arange(4), 0, H - 1)
    column_index = np.clip(rng.integers(-1, W - 2, (6, 1)) + np.arange(4), 0, W - 1)
    weights = [rng.random((n, 4)).astype(dtype) for n in (5, 6)]
    taps = (
        row_index.astype(np.int32),
        weights[0],
        column_index.astype(np.int32),
        weights[1],
    )
    dense = [naive.matrix(*taps[:2], H), naive.matrix(*taps[2:], W)]
    X = rng.random((H, W, n_factors)).astype(dtype)
    Y = rng.random((5, 6, n_factors)).astype(dtype)
    return taps, dense, X, Y


def test_samples_agree_with_dense_matrices(run, case, close):
    taps, (R, C), X, Y = case
    run(sample, X.reshape(9, -1), *taps, 3, Y.reshape(5, -1))
    close(Y, np.einsum("is,jt,stc->ijc", R, C, X))


@pytest.mark.parametrize("band", [slice(0, 9), slice(2, 5), slice(8, 9)])
def test_transpose_of_a_band(run, case, close, band):
    taps, (R, C), X, Y = case
    expected = X[band] + np.einsum("is,jt,ijc->stc", R, C, Y)[band]
    run(spread, Y.reshape(5, -1), *taps, 3, band.start, X[band].reshape(-1, 21))
    close(X[band], expected)
