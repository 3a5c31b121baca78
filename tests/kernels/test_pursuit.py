"""Batch pursuit, the update of atoms and the Lasso, against plain linear algebra."""

import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.kernels.pursuit import batch_omp, lasso_rows, update_atoms

from ..naive import pursuit as naive


@pytest.fixture
def problem(rng, dtype):
    """Signals of three atoms each with a little noise, and the atoms."""
    D = rng.normal(size=(14, 9))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    codes = rng.normal(size=(6, 14)) * (rng.random((6, 14)) < 0.2)
    X = codes @ D + 0.05 * rng.normal(size=(6, 9))
    X[2] = 0
    return X.astype(dtype), D.astype(dtype)


def pursue(run, X, D, tolerance, most):
    n = len(X)
    ends, columns = np.empty(n, np.int64), np.empty(n * most, np.int32)
    weights = np.empty(n * most, X.dtype)
    squares = np.einsum("ij,ij->i", X, X)
    tolerances = np.full_like(squares, tolerance)
    run(
        batch_omp,
        X @ D.T,
        D @ D.T,
        squares,
        tolerances,
        most,
        ends,
        columns,
        weights,
    )
    starts = np.append(0, ends)
    return [
        (columns[a:b], weights[a:b]) for a, b in zip(starts, starts[1:], strict=False)
    ]


@pytest.mark.parametrize(("tolerance", "most"), [(0.0, 3), (0.02, 9), (0.5, 2)])
def test_pursuit_takes_the_atoms_and_weights_of_least_squares(
    run, problem, close, tolerance, most
):
    X, D = problem
    for x, (columns, weights) in zip(
        X, pursue(run, X, D, tolerance, most), strict=True
    ):
        taken, expected = naive.omp(x.astype(float), D.astype(float), tolerance, most)
        assert columns.tolist() == taken
        close(weights / 10, expected / 10)


def test_pursuit_ends_when_no_atom_says_anything_new(run, dtype):
    # Three atoms of a plane, and a signal that rises out of it.
    D = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0]], dtype)
    ((columns, weights),) = pursue(run, np.array([[1, 2, 3]], dtype), D, 1e-3, 3)
    assert len(columns) == 2
    np.testing.assert_allclose(weights @ D[columns], [1, 2, 0], atol=1e-5)


def swept(run, X, codes, D, n_power):
    E, D = X - codes @ D, D.copy()
    by_atom = scipy.sparse.csc_array(codes)
    run(update_atoms, E, D, by_atom.indptr, by_atom.indices, by_atom.data, n_power)
    return E, D, by_atom.toarray()


def test_atoms_become_singular_vectors_of_what_others_leave(run, problem, rng):
    X, D = problem
    codes = rng.normal(size=(6, 14)).astype(X.dtype)
    codes[:, 1:] *= rng.random((6, 13)) < 0.3
    codes[:, 5] = 0
    single = codes.copy()
    single[:, 1:] = 0
    used, atom, weights = naive.atom_and_weights(X, single, D, 0)
    E, found, after = swept(run, X, single, D, 300)
    np.testing.assert_allclose(found[0], atom, atol=2e-3)
    np.testing.assert_allclose(after[used, 0], weights, atol=5e-3)
    E, found, after = swept(run, X, codes, D, 1)
    np.testing.assert_array_equal(found[5], D[5])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    # The residual is that of the new codes and atoms, smaller than it was.
    np.testing.assert_allclose(E, X - after @ found, atol=2e-5)
    assert np.square(E).sum() < np.square(X - codes @ D).sum()


def lasso(run, X, D, penalty, sweeps=200, start=None):
    W = np.zeros((len(X), len(D)), X.dtype) if start is None else start.copy()
    penalties = np.full(len(X), penalty, X.dtype)
    late = run(lasso_rows, X @ D.T, D @ D.T, penalties, sweeps, 1e-5, W)
    return W, late


def test_lasso_meets_the_conditions_of_its_optimum(run, problem):
    X, D = problem
    D = D.copy()
    D[3] = 0
    W, late = lasso(run, X, D, 0.1)
    assert late == 0 and not W[2].any() and not W[:, 3].any()
    slack = (X - W @ D) @ D.T
    assert np.abs(slack).max() < 0.1 + 1e-4
    np.testing.assert_allclose(slack[W != 0], 0.1 * np.sign(W[W != 0]), atol=1e-4)
    assert 0 < np.count_nonzero(W) < W.size
    value = naive.lasso_value(X, D, W, 0.1)
    move = 1e-2 * np.random.default_rng(1).normal(size=W.shape)
    assert naive.lasso_value(X, D, W + move, 0.1) > value


def test_lasso_goes_on_from_given_weights(run, problem):
    X, D = problem
    W, _ = lasso(run, X, D, 0.1)
    again, late = lasso(run, X, D, 0.1, sweeps=2, start=W)
    assert late == 0
    np.testing.assert_allclose(again, W, atol=1e-4)
    assert lasso(run, X, D, 0.01, sweeps=1)[1] > 0
