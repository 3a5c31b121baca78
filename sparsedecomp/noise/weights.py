"""What the noise is like, and the weights that make it even.

Automatic relevance determination weighs a component against the noise. Where the noise
differs from channel to channel, a model of even noise takes the louder channels for
signal and keeps every component that it is offered. So the noise is looked at first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.compression import (
    compress,
    power_pass,
    project,
    random_basis,
)
from sparsedecomp.blocks.summary import Summary

_logger = logging.getLogger(__name__)

NOISE_MODELS = ("auto", "uniform", "poisson", "estimated")
# Spread of variances below which uneven noise does not mislead.
_EVEN = 0.1


@dataclass(frozen=True)
class Weighted:
    """The data with their noise made even.

    Attributes
    ----------
    blocks : BlockMatrix
        Scaled so that the noise has the same variance everywhere.
    low_rank : LowRank
        Its compression.
    row_scale, column_scale : arrays
        Entries of the data are those of ``blocks`` times both.
    noise_model : str
        "uniform", "poisson" or "estimated".
    clipped : bool
        Negative noise was set to zero before the data were given.
    summary : Summary
        Of the data as they were given.
    """

    blocks: BlockMatrix
    low_rank: LowRank
    row_scale: np.ndarray
    column_scale: np.ndarray
    noise_model: str
    clipped: bool
    summary: Summary

    @property
    def mean_row_sum(self):
        """What the rows of other data are compared with, for Poisson weights."""
        if self.noise_model != "poisson":
            return None
        return float(self.summary.row_sums.mean())


def weigh(blocks, rank, *, noise="auto", clipping="auto", random_state=None):
    """Choose the noise model, scale the data by it and compress them.

    Parameters
    ----------
    blocks : BlockMatrix
    rank : int
    noise : {"auto", "uniform", "poisson", "estimated"}
        "poisson" takes the variance of an entry from the sums of its pixel and
        channel (Keenan and Kotula), "estimated" from what the leading components
        leave of its pixel and channel. "auto" takes "uniform" for data that were
        scaled already, "poisson" for counts (whole numbers, or multiples of one
        smallest number, or many zeros and nothing near them), and "estimated" for other
        data whose residual is uneven.
    clipping : {"auto", True, False}
        "auto" looks for more zeros than continuous noise can have.
    random_state : int or Generator, optional

    Returns
    -------
    Weighted
        After three passes for counts and four for other data.
    """
    rank = min(rank, *blocks.shape)
    basis = random_basis(blocks.shape[1], rank, random_state)
    basis, summary = power_pass(blocks, basis)
    refuse_negative(summary)
    counts = summary.whole_numbers or summary.quantum > 0
    prescaled = blocks.row_scale is not None
    if noise == "auto" and (counts or prescaled):
        noise = "uniform" if prescaled else "poisson"
    if clipping == "auto" and (counts or prescaled or blocks.sparse):
        clipping = False
    if noise in ("auto", "estimated") or clipping == "auto":
        first_look = project(blocks, basis, summary)
        basis = first_look.basis
        gaps = _zeros_are_gaps(first_look)
        if clipping == "auto":
            clipping = gaps is False
        if noise == "auto" and gaps:
            # Counts with a gain of their own in every channel or pixel.
            noise = "poisson"

    row_scale, column_scale = np.ones(blocks.shape[0]), np.ones(blocks.shape[1])
    weighted = blocks
    if noise == "auto" and clipping:
        # Clipping itself makes the residual uneven.
        noise = "uniform"
    if noise == "poisson":
        weighted = blocks.poisson_scaled(summary)
    elif noise in ("auto", "estimated"):
        scales = residual_scales(first_look)
        noise = "uniform" if scales is None else "estimated"
        if scales is not None:
            weighted = blocks.scaled(*scales)
    if weighted is not blocks:
        row_scale, column_scale = weighted.row_scale, weighted.column_scale
        if prescaled:
            row_scale = row_scale / blocks.row_scale
            column_scale = column_scale / blocks.column_scale
    # Its scores would be held beside those of the second look.
    first_look = None
    start = np.linalg.qr(basis / column_scale[:, None])[0]
    low_rank = compress(weighted, rank, n_power=1, basis=start)
    _logger.info("Noise model: %s%s", noise, ", clipped at zero" if clipping else "")
    return Weighted(
        weighted, low_rank, row_scale, column_scale, noise, bool(clipping), summary
    )


def refuse_negative(summary):
    """Raise ValueError where the data are negative, naming the place."""
    if summary.minimum < 0:
        raise ValueError(
            f"Negative values in data: {summary.minimum:g} at {summary.minimum_at}, "
            "expected non-negative intensities. Mask these pixels or channels, or add "
            "what a background subtraction took too much; clipping at zero biases the "
            "weak channels."
        )


def _zeros_are_gaps(low_rank):
    """Whether frequent zeros are events that did not happen, or noise cut off.

    Continuous noise that was cut off at zero leaves entries in every pixel that the
    noise dwarfs; counts have a gap there.

    Returns
    -------
    bool or None
        None where there are few zeros or no noise to compare with.
    """
    summary = low_rank.summary
    (n, rank), m = low_rank.scores.shape, len(low_rank.basis)
    precision = np.finfo(low_rank.scores.dtype).eps
    rounding = precision * summary.sum_of_squares / (n * m)
    alive = summary.column_zeros < n
    if min(n, m) <= rank or low_rank.noise_variance < 10 * rounding or not alive.any():
        return None
    if summary.column_zeros[alive].mean() < 0.01 * n:
        return None
    sigma = np.sqrt(low_rank.noise_variance)
    return bool(np.median(summary.row_smallest) >= 0.2 * sigma)


def residual_scales(low_rank):
    """Noise of every pixel and channel from what the leading components leave over.

    Parameters
    ----------
    low_rank : LowRank

    Returns
    -------
    (row_scale, column_scale) or None
        None where too little is left over to tell, or where it is even.
    """
    (n, rank), m = low_rank.scores.shape, len(low_rank.basis)
    summary = low_rank.summary
    if min(n, m) - rank < 30:
        return None
    explained = np.square(low_rank.singular_values)
    left = summary.sum_of_squares - explained.sum()
    precision = np.finfo(low_rank.scores.dtype).eps
    if left <= 10 * precision * summary.sum_of_squares:
        return None
    rows = summary.row_squares - np.einsum(
        "ij,ij->i", low_rank.scores, low_rank.scores, dtype=np.float64
    )
    columns = summary.column_squares - np.square(low_rank.basis) @ explained
    uneven = _spread(rows) > max(_EVEN, 4 * np.sqrt(2 / (m - rank)))
    uneven |= _spread(columns) > max(_EVEN, 4 * np.sqrt(2 / (n - rank)))
    return (_scale(rows), _scale(columns)) if uneven else None


def _spread(variance):
    return variance.std() / variance.mean()


def _scale(variance):
    """Standard deviations over their quadratic mean; nearly silent ones are raised."""
    typical = np.median(variance[variance > 0])
    variance = np.where(variance > 0, np.maximum(variance, 1e-3 * typical), typical)
    return np.sqrt(variance / variance.mean())
