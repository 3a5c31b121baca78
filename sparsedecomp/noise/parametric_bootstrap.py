"""Parametric bootstrap of the rank-k model: where the noise of counts has its edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks.summary import poisson_row_scale
from sparsedecomp.noise.binned_spectrum import effective_pixels
from sparsedecomp.noise.edge import noise_limit
from sparsedecomp.noise.model import NoiseModel

# Poisson numbers of at least this mean are drawn as rounded normal ones, five times as
# fast: what they lack is a skewness of less than a tenth.
_MANY_COUNTS = 100.0
# Pixels that are drawn; of more, a sample that shows how far noise is from white.
_PIXELS = 2**14


class Bootstrap:
    """Counts drawn from the rank-k model of whitened data [1]_.

    Poisson noise of few counts, and weights that are products of margins, move the
    edge of white noise by some per cent; counts drawn from the model show by how much.

    Parameters
    ----------
    noise : NoiseModel
        Noise model of counts.
    scores : (n_pixels, rank) array
        The whitened data along the leading vectors of the noise model's spectrum.
    n_draws : int
        Number of data sets that are drawn; the shift is their mean.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (Chapman and
       Hall, 1993), section 6.5 (the parametric bootstrap).
    """

    def __init__(
        self,
        noise: NoiseModel,
        scores: NDArray,
        n_draws: int,
    ) -> None:
        n = len(scores)
        # The same counts are drawn for the same data, whichever method asks.
        generator = np.random.default_rng(0)
        chosen = np.arange(n)
        if n > _PIXELS:
            chosen = np.sort(generator.choice(n, _PIXELS, replace=False))
        spectrum = noise.spectrum
        self.scores = scores[chosen].astype(np.float64)
        self.vectors = spectrum.vectors[:, : scores.shape[1]]
        self.row_scale = spectrum.row_scale[chosen]
        # Whitened data times this are counts.
        self.bin_scale = spectrum.bin_scale / noise.gain
        self.generator = generator
        self.n_draws = n_draws

    def shift(self, k: int) -> float:
        """By how much the next square of such counts exceeds that of white noise.

        Parameters
        ----------
        k : int
            Components of the model, at least one.

        Returns
        -------
        float
            Relative to the limit of white noise.
        """
        model = self.scores[:, :k] @ self.vectors[:, :k].T
        expected = np.maximum(model * self.row_scale[:, None] * self.bin_scale, 0.0)
        excess = []
        for _ in range(self.n_draws):
            counts = _poisson(self.generator, expected)
            rows = counts.sum(axis=1)
            row_scale = poisson_row_scale(rows)
            counts /= row_scale[:, None]
            # The variance of a bin is the sum of its weighted counts.
            variance = (1 / row_scale) @ counts / len(counts)
            counts /= np.sqrt(np.where(variance > 0, variance, 1.0))
            squares = np.linalg.eigvalsh(counts.T @ counts)[::-1]
            n = effective_pixels(rows / np.square(row_scale)) - k
            m = np.count_nonzero(variance) - k
            noise = squares[k:].sum() / (n * m)
            excess.append(squares[k] / (noise * noise_limit(n, m, 0.5)) - 1)
        return float(np.mean(excess))


def _poisson(generator, expected):
    """Poisson numbers of given means."""
    counts = generator.standard_normal(expected.shape)
    counts *= np.sqrt(expected)
    np.rint(counts + expected, out=counts)
    few = expected < _MANY_COUNTS
    counts[few] = generator.poisson(expected[few])
    return counts
