"""The signal space of data whose noise is even, bad pixels or not."""

from __future__ import annotations

import numpy as np

from sparsedecomp.blocks import LowRank
from sparsedecomp.noise.robust_pca import robust_pca
from sparsedecomp.noise.signal_space import signal_space
from sparsedecomp.noise.weights import Weighted, residual_scales, weigh

# Part of the pixels from which the noise is estimated.
_TRUSTED = 0.98


def even_space(blocks, rank, noise, random_state):
    """The signal space of data weighted by their noise, which may be negative.

    Parameters
    ----------
    blocks : BlockMatrix
    rank : int
    noise : {"auto", "uniform", "poisson", "estimated"}
    random_state : int or Generator

    Returns
    -------
    Weighted
    """
    generator = np.random.default_rng(random_state)
    summary = blocks.describe()
    if not summary.sum_of_squares > 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    if summary.minimum >= 0 or noise == "poisson":
        space = weigh(blocks, rank, noise=noise, random_state=generator)
        if space.noise_model != "estimated":
            return space
    low = signal_space(blocks, rank, generator)
    even = noise == "uniform" or blocks.row_scale is not None
    scales = None if even else _scales_of_regular(blocks, low, generator)
    if scales is None:
        rows, columns = np.ones(blocks.shape[0]), np.ones(blocks.shape[1])
        return Weighted(blocks, low, rows, columns, "uniform", False, summary)
    weighted = blocks.scaled(*scales)
    low = signal_space(weighted, rank, generator)
    return Weighted(weighted, low, *scales, "estimated", False, summary)


def _scales_of_regular(blocks, low, generator):
    """Noise of pixels and channels, to which bad pixels do not contribute."""
    robust = robust_pca(low, coverage=_TRUSTED, random_state=generator)
    regular = ~robust.outliers
    if regular.all():
        return residual_scales(low)
    # Further directions are those of the bad pixels, without noise of the others.
    k = max(robust.n_components, 1)
    turned = turned_to(low, regular)
    part = LowRank(
        turned.scores[regular, :k],
        turned.basis[:, :k],
        turned.singular_values[:k],
        blocks.select(np.flatnonzero(regular)).describe(),
    )
    scales = residual_scales(part)
    if scales is None:
        return None
    rows = np.full(len(regular), np.median(scales[0]))
    rows[regular] = scales[0]
    return rows, scales[1]


def turned_to(low, regular):
    """The low-rank picture along the singular vectors of the regular pixels."""
    Y = low.scores[regular].astype(np.float64)
    squares, turn = np.linalg.eigh(Y.T @ Y)
    squares, turn = np.maximum(squares[::-1], 0.0), turn[:, ::-1]
    scores = low.scores @ turn.astype(low.scores.dtype)
    return LowRank(scores, low.basis @ turn, np.sqrt(squares), low.summary)
