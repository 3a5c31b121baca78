"""Matern covariances against their formula, and their slopes against differences."""

import numpy as np
import pytest

from sparsedecomp.kernels.matern import covariance, slopes

from ..naive import resampling as naive


@pytest.mark.parametrize("twice_nu", [1, 3, 5])
def test_covariance(run, rng, twice_nu):
    A, B = rng.normal(size=(6, 2)), rng.normal(size=(4, 2))
    K = np.empty((6, 4))
    run(covariance, A, B, twice_nu, K)
    r = np.linalg.norm(A[:, None] - B[None], axis=-1)
    np.testing.assert_allclose(K, naive.matern(r, twice_nu), rtol=1e-12)


@pytest.mark.parametrize("twice_nu", [3, 5])
def test_slopes(run, rng, twice_nu):
    A, Q = rng.normal(size=(7, 2)), rng.normal(size=(7, 7))
    Q += Q.T

    def total(points):
        r = np.linalg.norm(points[:, None] - points[None], axis=-1)
        return np.sum(Q * naive.matern(r, twice_nu))

    by_point = np.empty((7, 2))
    by_lengths = run(slopes, A, Q, twice_nu, by_point)
    step = 1e-5
    for i in range(7):
        for axis in (0, 1):
            move = np.zeros((7, 2))
            move[i, axis] = step
            expected = (total(A + move) - total(A - move)) / (2 * step)
            np.testing.assert_allclose(
                by_point[i, axis], expected, rtol=1e-5, atol=1e-7
            )
    for axis in (0, 1):
        scaled = [A.copy() for _ in range(2)]
        scaled[0][:, axis] /= np.exp(step)
        scaled[1][:, axis] /= np.exp(-step)
        expected = (total(scaled[0]) - total(scaled[1])) / (2 * step)
        np.testing.assert_allclose(by_lengths[axis], expected, rtol=1e-5, atol=1e-7)
