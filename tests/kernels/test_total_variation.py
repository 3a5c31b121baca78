"""Steps of the primal-dual method against whole-array arithmetic."""

import numpy as np

from sparsedecomp.kernels.total_variation import ascend, descend, variation

from ..naive import resampling as naive


def test_dual_step_in_two_bands(run, rng, dtype, close):
    X, down, right = rng.normal(size=(3, 6, 5, 2)).astype(dtype)
    wanted = [
        p + 0.3 * d for p, d in zip((down, right), naive.gradient(X), strict=True)
    ]
    size = np.sqrt((wanted[0] ** 2 + wanted[1] ** 2).sum(axis=-1, keepdims=True))
    assert (size > 0.9).any() and (size < 0.9).any()
    for first, last in ((0, 2), (2, 6)):
        run(ascend, X, first, last, dtype(0.3), 0.9, down, right)
    for found, p in zip((down, right), wanted, strict=True):
        close(found, p * np.minimum(1, 0.9 / size))


def test_primal_step_in_two_bands(run, rng, dtype, close):
    X, slope, down, right = rng.normal(size=(4, 6, 5, 2)).astype(dtype)
    # What a dual step leaves at the edges.
    down[-1], right[:, -1] = 0, 0
    divergence = down + right
    divergence[1:] -= down[:-1]
    divergence[:, 1:] -= right[:, :-1]
    before, ahead = X.copy(), np.empty_like(X)
    expected = X - dtype(0.2) * (slope - divergence)
    change = sum(
        run(descend, X, slope, down, right, first, last, dtype(0.2), ahead)
        for first, last in ((0, 3), (3, 6))
    )
    close(X, expected)
    close(ahead, 2 * expected - before)
    np.testing.assert_allclose(change, np.sum((expected - before) ** 2), rtol=1e-4)


def test_divergence_is_the_transpose_of_the_gradient(run, rng):
    X, zero = rng.normal(size=(7, 4, 2)), np.zeros((7, 4, 2))
    down, right = rng.normal(size=(2, 7, 4, 2))
    down[-1], right[:, -1] = 0, 0
    found, ahead = zero.copy(), zero.copy()
    run(descend, found, zero, down, right, 0, 7, 1.0, ahead)
    along = sum(
        np.vdot(g, p) for g, p in zip(naive.gradient(X), (down, right), strict=True)
    )
    np.testing.assert_allclose(np.vdot(X, -found), along, rtol=1e-12)


def test_variation(run, rng, dtype, close):
    X = rng.normal(size=(5, 4, 3)).astype(dtype)
    close(run(variation, X), naive.variation(X.astype(float)))
