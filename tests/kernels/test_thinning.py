"""Binomial thinning: its distribution, and that it depends on places alone."""

import numpy as np
import pytest

from sparsedecomp.kernels.thinning import thin_counts


def thinned(X, pixels, share=0.8, seed=3):
    out = np.empty_like(X)
    thin_counts(X, pixels, share, seed, out)
    return out


@pytest.mark.parametrize("mean", [0.2, 7.0, 400.0])
def test_parts_are_independent_poisson_numbers(rng, mean):
    X = rng.poisson(mean, (400, 300)).astype(np.float32)
    one = thinned(X, np.arange(400))
    other = X - one
    assert other.min() >= 0
    n = X.size
    for part, share in ((one, 0.8), (other, 0.2)):
        expected = share * mean
        assert abs(part.mean() - expected) < 5 * np.sqrt(expected / n)
        assert abs(part.var() / expected - 1) < 5 * np.sqrt((2 + 1 / expected) / n)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_do_not_change_what_is_kept(run, rng, dtype):
    X = rng.poisson(60.0, (20, 30)).astype(dtype)
    X[0, 0] = 1000
    pixels = np.arange(20)
    whole = thinned(X, pixels)
    parts = [thinned(X[rows], pixels[rows]) for rows in (slice(0, 7), slice(7, 20))]
    np.testing.assert_array_equal(np.vstack(parts), whole)
    plain = np.empty_like(X)
    with np.errstate(over="ignore"):
        run(thin_counts, X, pixels, 0.8, 3, plain)
    np.testing.assert_array_equal(plain, whole)
    assert (thinned(X, pixels, seed=4) != whole).mean() > 0.5
