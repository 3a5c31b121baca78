"""Whitening: data scaled to noise of one variance, and their compression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, LowRank, compress
from sparsedecomp.noise.model import NoiseModel, find_noise


@dataclass(frozen=True)
class Whitened:
    """The data with white noise, and their compression.

    Attributes
    ----------
    blocks : BlockMatrix
        The data scaled so that the noise has the same variance everywhere.
    low_rank : LowRank
        Compression of `blocks`.
    noise : NoiseModel
        Noise model of the data as they were given.
    """

    blocks: BlockMatrix
    low_rank: LowRank
    noise: NoiseModel

    def noise_variance(self, n_components: int = 0) -> float:
        """Variance of the noise of an entry of `blocks`.

        Parameters
        ----------
        n_components : int, default 0
            Number of components of a model, where it may be more than rise above the
            noise.

        Returns
        -------
        float
            What the components leave over, per degree of freedom; the known variance of
            counts where nothing is left over. Data without noise still have their
            rounding.
        """
        low, (n, m) = self.low_rank, self.blocks.shape
        k = max(n_components, self.noise.n_components)
        k = min(k, len(low.singular_values))
        squares = low.summary.sum_of_squares
        left = squares - np.square(low.singular_values[:k]).sum()
        variance = max(left, 0.0) / max((n - k) * (m - k), 1)
        if self.noise.counts and k >= min(n, m) - 1:
            variance = self.noise.variance
        precision = np.finfo(low.scores.dtype).eps
        return float(max(variance, precision * squares / (n * m)))


def whiten(
    blocks: BlockMatrix,
    rank: int,
    *,
    noise: NoiseModel | str = "auto",
    random_state: int | np.random.Generator | None = None,
) -> Whitened:
    """Scale data by their noise model and compress them, in two passes.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    rank : int
        Directions to keep, cut to what the data have; some ten more than components.
    noise : NoiseModel or str, default "auto"
        From `find_noise`, of the same data, or its argument: two to six passes more.
    random_state : int or Generator, optional
        Seed of directions beyond those that the noise model has seen.

    Returns
    -------
    Whitened
        The scaled data, their compression and their noise model.
    """
    if isinstance(noise, str):
        noise = find_noise(blocks, noise)
    rank = min(rank, *blocks.shape)
    basis = noise.start_basis(rank, np.random.default_rng(random_state))
    scaled = noise.whiten(blocks)
    return Whitened(scaled, compress(scaled, rank, n_power=1, basis=basis), noise)


def turned_to(low: LowRank, regular: NDArray[np.bool_]) -> LowRank:
    """The compression along the singular vectors of some of the pixels.

    Parameters
    ----------
    low : LowRank
        Compression of all pixels.
    regular : (n_pixels,) bool array
        The pixels whose singular vectors are taken.

    Returns
    -------
    LowRank
        Compression of all pixels; the singular values are those of the regular ones.
    """
    Y = low.scores[regular].astype(np.float64)
    squares, turn = np.linalg.eigh(Y.T @ Y)
    squares, turn = np.maximum(squares[::-1], 0.0), turn[:, ::-1]
    scores = low.scores @ turn.astype(low.scores.dtype)
    return LowRank(scores, low.basis @ turn, np.sqrt(squares), low.summary)
