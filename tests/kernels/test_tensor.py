"""Rows with a Gram matrix of their own, and the shares of counts."""

import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.kernels.tensor import (
    add_entries,
    leave_out,
    nonnegative_rows_each,
    shared_counts,
)

from ..naive import tensor as naive


@pytest.mark.parametrize("sweeps", [0, 1, 4])
def test_rows_agree_with_the_oracle(run, rng, sweeps):
    S = rng.random((7, 3, 9))
    G = S @ S.transpose(0, 2, 1)
    A, F = rng.random((7, 3)), rng.normal(0.5, 1, (7, 3))
    expected = naive.nonnegative_rows_each(A, F, G, sweeps)
    run(nonnegative_rows_each, A, F, G, sweeps)
    np.testing.assert_allclose(A, expected, rtol=1e-12)


def test_a_row_without_data_has_nothing(run, rng):
    A = rng.random((2, 3))
    G = np.stack([np.zeros((3, 3)), np.eye(3)])
    run(nonnegative_rows_each, A, np.array([[1.0, 2, 3], [1, -2, 3]]), G, 2)
    np.testing.assert_array_equal(A, [[0, 0, 0], [1, 0, 3]])


def test_entries_are_left_out_and_added(run, rng):
    at, channels = np.array([0, 2, 2, 2]), np.array([1, 0, 3, 3])
    products, values = rng.random((4, 3)), rng.random(4)
    G, scores = rng.random((3, 3, 3)), rng.random((3, 2))
    expected = naive.leave_out(at, products, G)
    run(leave_out, at, products, G)
    np.testing.assert_allclose(G, expected, rtol=1e-12, atol=1e-15)
    basis = rng.random((5, 2))
    expected = naive.add_entries(at, channels, values, basis, scores)
    run(add_entries, at, channels, values, basis, scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def shares(run, X, L, C, dtype):
    counts = scipy.sparse.csr_array(X.astype(dtype))
    of_rows, of_channels = np.full_like(L, 9.0), np.full_like(C, 9.0)
    total = run(
        shared_counts,
        counts.indptr.astype(np.int64),
        counts.indices.astype(np.int32),
        counts.data,
        L,
        C,
        of_rows,
        of_channels,
    )
    return of_rows, of_channels, total


def test_shares_agree_with_the_oracle(run, rng, dtype):
    X = rng.poisson(0.5, (6, 9))
    L, C = rng.random((6, 3)), rng.random((9, 3))
    found = shares(run, X, L, C, dtype)
    for one, other in zip(found, naive.shared_counts(X, L, C), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_every_count_is_shared_out(run, rng, dtype):
    X = rng.poisson(2.0, (5, 8))
    of_rows, of_channels, _ = shares(run, X, rng.random((5, 2)), np.ones((8, 2)), dtype)
    np.testing.assert_allclose(of_rows.sum(axis=1), X.sum(axis=1))
    np.testing.assert_allclose(of_channels.sum(axis=1), X.sum(axis=0))


def test_a_count_that_the_model_excludes_stays_finite(run, dtype):
    found = shares(run, np.array([[1, 2]]), np.zeros((1, 2)), np.ones((2, 2)), dtype)
    assert all(np.all(np.isfinite(each)) for each in found)
