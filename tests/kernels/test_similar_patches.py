"""Gaussian models of similar patches, against their equations written out."""

import numpy as np
import pytest

from sparsedecomp.kernels.similar_patches import fill_similar


def written_out(X, Z, measured, noise, ridge, step, size, search, n_most):
    """The same with sorted distances and NumPy's solver."""
    H, W, n_factors = X.shape
    total, count = np.zeros(X.shape), np.zeros((H, W))
    rows = sorted({min(i, H - size) for i in range(0, H - size + step, step)})
    for i in rows:
        for j in sorted({min(j, W - size) for j in range(0, W - size + step, step)}):
            near = []
            for y in range(max(0, i - search), min(H - size, i + search) + 1):
                for x in range(max(0, j - search), min(W - size, j + search) + 1):
                    difference = (
                        X[i : i + size, j : j + size] - X[y : y + size, x : x + size]
                    )
                    near.append((np.square(difference).sum(), y, x))
            places = [
                (slice(y, y + size), slice(x, x + size))
                for _, y, x in sorted(near)[:n_most]
            ]
            for c in range(n_factors):
                patches = np.array([X[place][..., c].ravel() for place in places])
                mean = patches.mean(axis=0)
                C = np.cov(patches.T) + ridge * np.eye(size**2)
                for place in places:
                    o = measured[place].ravel()
                    z = Z[place][..., c].ravel()
                    G = C[np.ix_(o, o)] + noise * np.eye(o.sum())
                    patch = mean + C[:, o] @ np.linalg.solve(G, (z - mean)[o])
                    total[place][..., c] += patch.reshape(size, size)
                    if c == 0:
                        count[place] += 1
    return total, count


@pytest.mark.parametrize("shape", [(9, 8), (1, 14)])
def test_patches_are_the_expectations_written_out(run, rng, shape):
    X = rng.normal(size=(*shape, 2)).astype(np.float32)
    Z = (X + 0.3 * rng.normal(size=X.shape)).astype(np.float32)
    measured = rng.random(shape) < 0.6
    total, count = np.zeros_like(X), np.zeros(shape, np.float32)
    size = 3 if shape[0] > 1 else 1
    for first, last in ((0, 4), (4, shape[0])):
        if first < shape[0] - size + 2:
            run(
                fill_similar, X, Z, measured, 0.1, 0.2, first,
                min(last, shape[0] - size + 2), 2, size, 4, 6, total, count,
            )  # fmt: skip
    expected = written_out(X, Z, measured, 0.1, 0.2, 2, size, 4, 6)
    np.testing.assert_allclose(count, expected[1])
    np.testing.assert_allclose(total, expected[0], rtol=1e-3, atol=1e-3)
