"""Binomial thinning of counts, the same for every chunk layout."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def thin_counts(X, pixels, share, seed, out):
    """Keep every count with a given probability.

    The random numbers depend on the seed, the pixel and the channel alone. More than
    100 counts are drawn as a rounded normal number.

    Parameters
    ----------
    X : (n, n_channels) array
        Counts of some pixels; rounded to whole numbers.
    pixels : (n,) int array
        Number of each pixel in the whole data.
    share : float
        Probability that a count is kept, 0 to 1.
    seed : int
        Seed of the random numbers.
    out : (n, n_channels) array
        Overwritten with the counts that are kept.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    first, second = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
    scale = 1.0 / 9007199254740992.0
    for i in range(X.shape[0]):
        row = (np.uint64(pixels[i]) + np.uint64(1)) * second + np.uint64(seed) * first
        for j in range(X.shape[1]):
            n = int(round(X[i, j]))
            if n <= 0:
                out[i, j] = 0
                continue
            state = (row ^ (row >> np.uint64(29))) + np.uint64(j + 1) * first
            state = (state ^ (state >> np.uint64(32))) * second
            draws = n if n <= 100 else 2
            kept, one, two = 0, 0.5, 0.5
            for _ in range(draws):
                state += golden
                z = (state ^ (state >> np.uint64(30))) * first
                z = (z ^ (z >> np.uint64(27))) * second
                z = z ^ (z >> np.uint64(31))
                uniform = float(z >> np.uint64(11)) * scale
                one, two = two, uniform
                if uniform < share:
                    kept += 1
            if n > 100:
                normal = math.sqrt(-2 * math.log(max(one, scale)))
                normal *= math.cos(2 * math.pi * two)
                kept = round(n * share + normal * math.sqrt(n * share * (1 - share)))
                kept = min(max(kept, 0), n)
            out[i, j] = kept
