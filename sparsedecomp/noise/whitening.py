"""The Gram matrix of data whose noise was made even, in one more pass or a few."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from sparsedecomp.blocks.summary import Summary
from sparsedecomp.noise.scree import above_noise

_logger = logging.getLogger(__name__)

# A bin of channels holds at least so many counts of all pixels together: with fewer,
# single counts look like components.
LEAST_COUNTS = 1500
# A pixel with less than this part of the mean count is weighted as if it had that.
_DARKEST = 0.5
_ROUNDS, _ROW_ROUNDS, _MOST = 3, 2, 40
# A bin without this part of its squares left is known without noise; one with less
# than this part of the usual variance is taken to have that.
_SILENT, _QUIET = 1e-12, 1e-4
_UNEVEN = 0.05


@dataclass(frozen=True)
class Whitened:
    """Squared singular values of the data in bins of channels, their noise even.

    Attributes
    ----------
    squares : (n_bins,) array
        Squared singular values, falling.
    vectors : (n_bins, n_bins) array
        Right singular vectors in columns.
    shape : tuple of int
        Pixels and bins that hold anything.
    starts : int array
        First channel of each bin.
    row_scale : (n_pixels,) array
    bin_scale : (n_bins,) array
        What binned data are divided by.
    noise_model : str
        "poisson", "uniform" or "estimated".
    summary : Summary
    clipped : bool
        Negative noise was set to zero before the data were given.
    """

    squares: np.ndarray
    vectors: np.ndarray
    shape: tuple
    starts: np.ndarray
    row_scale: np.ndarray
    bin_scale: np.ndarray
    noise_model: str
    summary: Summary
    clipped: bool = False

    @property
    def unit(self):
        """The size of one count."""
        return self.summary.quantum or 1.0


def is_counts(summary):
    """Whether data are counts, or counts times a constant."""
    return summary.minimum >= 0 and (summary.whole_numbers or summary.quantum > 0)


def whiten(blocks, noise, n_bins):
    """Weigh pixels and bins of channels so that their noise is even.

    Counts take two passes: their variance follows from the sums of pixels and channels
    (Keenan and Kotula), their bins hold about as many counts each. Other data take
    three: the variance of a bin is what the components leave of it, and that of a
    pixel too; where it differs between pixels there are up to three more.

    Parameters
    ----------
    blocks : BlockMatrix
    noise : {"auto", "uniform", "poisson", "estimated"}
    n_bins : int
        Most bins of channels.

    Returns
    -------
    Whitened
    """
    summary = blocks.describe()
    if not summary.sum_of_squares > 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    if noise == "auto":
        noise = "poisson" if is_counts(summary) else "auto"
        noise = "uniform" if blocks.row_scale is not None else noise
    if noise == "poisson":
        if summary.minimum < 0:
            raise ValueError(
                f"noise='poisson' needs counts, but the data are negative "
                f"({summary.minimum:g}) at {summary.minimum_at}. Use "
                "noise='estimated', or mask these pixels."
            )
        return _whiten_counts(blocks, summary, n_bins)
    return _whiten_evenly(blocks, summary, noise, n_bins)


def _whiten_counts(blocks, summary, n_bins):
    unit = summary.quantum or 1.0
    columns, rows = summary.column_sums / unit, summary.row_sums / unit
    total = columns.sum()
    starts = bins_of_counts(columns, max(LEAST_COUNTS, total / n_bins))
    sums = np.add.reduceat(columns, starts)
    row_scale, bin_scale = count_scales(rows, sums)
    row_scale *= unit
    gram = _gram(blocks, starts, row_scale, bin_scale)
    squares, vectors = _spectrum(gram)
    shape = np.count_nonzero(rows), np.count_nonzero(sums)
    return Whitened(
        squares, vectors, shape, starts, row_scale, bin_scale, "poisson", summary
    )


def count_scales(rows, columns):
    """What counts are divided by: the variance is the product of sums over the total.

    Parameters
    ----------
    rows, columns : (n,) and (m,) arrays
        Counts of pixels and of bins.

    Returns
    -------
    row_scale, bin_scale : (n,) and (m,) arrays
    """
    mean = rows.mean()
    row_scale = np.sqrt(np.maximum(rows, _DARKEST * mean) / mean)
    return row_scale, np.sqrt(np.where(columns > 0, columns, 1.0) / len(rows))


def _whiten_evenly(blocks, summary, noise, n_bins):
    n, m = blocks.shape
    starts = np.unique(np.linspace(0, m, min(m, n_bins), endpoint=False).astype(int))
    row_scale, ones = np.ones(n), np.ones(len(starts))
    gram = _gram(blocks, starts, row_scale, ones)
    # Channels that are always the same zero hold no noise.
    shape = n, int(np.count_nonzero(np.diag(gram)))
    width = np.diff(np.append(starts, m))
    bin_scale = np.sqrt(width / width.mean())
    squares, vectors = _spectrum(gram / np.outer(bin_scale, bin_scale))
    seen = Whitened(
        squares, vectors, shape, starts, row_scale, bin_scale, "uniform", summary
    )
    if noise == "auto" and _is_clipped(seen, width):
        # Clipping itself makes the noise uneven, and weights would follow the signal.
        return replace(seen, clipped=True)
    if noise == "uniform":
        return seen
    seen = _even_bins(seen, gram)
    for _ in range(_ROW_ROUNDS):
        rows = _row_residuals(blocks, seen)
        spread = rows.std() / rows.mean() if rows.mean() > 0 else 0.0
        if spread**2 < 2 / max(shape[1] - 1, 1) + _UNEVEN:
            break
        typical = np.median(rows[rows > 0])
        louder = np.sqrt(np.maximum(rows, 0.01 * typical) / typical)
        row_scale = seen.row_scale * louder
        gram = _gram(blocks, starts, row_scale, ones)
        seen = _even_bins(replace(seen, row_scale=row_scale), gram)
    return seen


def _is_clipped(seen, width):
    """Whether zeros are frequent, and the values above them less than the noise."""
    summary, n = seen.summary, seen.shape[0]
    alive = summary.column_zeros < n
    if summary.minimum < 0 or summary.column_zeros[alive].mean() < 0.01 * n:
        return False
    sigma = np.sqrt(count_above_noise(seen)[1] / width.mean())
    return bool(np.median(summary.row_smallest) < 0.2 * sigma)


def _even_bins(seen, gram):
    """Divide every bin by what the components leave of it, one more at a time.

    With too few components bins with signal seem louder than they are, which leaves
    the next component visible; with too many, bins would seem quieter than they are,
    and ever more components would follow.
    """
    diagonal = np.diag(gram)
    count = 0
    while True:
        for _ in range(_ROUNDS):
            explained = np.square(seen.vectors[:, :count]) @ seen.squares[:count]
            left = diagonal - explained * np.square(seen.bin_scale)
            known = left > _SILENT * diagonal
            if np.count_nonzero(known) < 2:
                return seen
            typical = np.median(left[known]) / seen.shape[0]
            variance = np.where(known, left / (seen.shape[0] - count), typical)
            scale = np.sqrt(np.maximum(variance, _QUIET * typical))
            squares, vectors = _spectrum(gram / np.outer(scale, scale))
            seen = replace(
                seen,
                squares=squares,
                vectors=vectors,
                bin_scale=scale,
                noise_model="estimated",
            )
        edges = count_above_noise(seen)[2]
        if count == min(len(edges) - 1, _MOST) or seen.squares[count] <= edges[count]:
            return seen
        count += 1


def bins_of_counts(columns, least):
    """First channel of each bin, the bins holding about ``least`` counts or more.

    Parameters
    ----------
    columns : (n_channels,) array
        Counts of each channel.
    least : float

    Returns
    -------
    int array
    """
    starts, held = [0], 0.0
    for channel, count in enumerate(columns):
        if held >= least:
            starts.append(channel)
            held = 0.0
        held += count
    # What is left at the end is too little for a bin of its own.
    if held < least and len(starts) > 1:
        starts.pop()
    return np.array(starts)


def count_above_noise(seen):
    """Count, noise variance and edges of whitened data, see `above_noise`."""
    return above_noise(seen.squares[: min(seen.shape)], 0.0, *seen.shape)


def _spectrum(gram):
    squares, vectors = np.linalg.eigh(gram)
    return np.maximum(squares[::-1], 0.0), vectors[:, ::-1]


def _gram(blocks, starts, row_scale, bin_scale):
    _, (gram,) = blocks.run(_binned_gram, (row_scale,), (starts, bin_scale))
    return gram


def binned(X, row_scale, starts, bin_scale):
    """Sums of the channels of each bin in float64, scaled."""
    if scipy.sparse.issparse(X):
        m = X.shape[1]
        label = np.searchsorted(starts, np.arange(m), side="right") - 1
        member = scipy.sparse.csr_array((np.ones(m), (np.arange(m), label)))
        Z = (X @ member).toarray().astype(np.float64)
    else:
        Z = np.add.reduceat(X, starts, axis=1, dtype=np.float64)
    return Z / row_scale[:, None] / bin_scale


def _binned_gram(X, row_scale, starts, bin_scale):
    Z = binned(X, row_scale, starts, bin_scale)
    return (), (Z.T @ Z,)


def _row_residuals(blocks, seen):
    # Uneven pixels look like components: not too many of them may explain the noise.
    k = min(count_above_noise(seen)[0], seen.shape[1] // 8)
    shared = (seen.starts, seen.bin_scale, seen.vectors[:, :k])
    (rows,), _ = blocks.run(_left_of_rows, (seen.row_scale,), shared)
    return rows


def _left_of_rows(X, row_scale, starts, bin_scale, vectors):
    Z = binned(X, row_scale, starts, bin_scale)
    Z -= (Z @ vectors) @ vectors.T
    return (np.square(Z).mean(axis=1),), ()


def scores(blocks, seen, n_components):
    """The whitened data along their leading vectors, in one pass.

    Returns
    -------
    (n_pixels, n_components) float32 array
    """
    shared = (seen.starts, seen.bin_scale, seen.vectors[:, :n_components])
    (rows,), _ = blocks.run(_along, (seen.row_scale,), shared)
    return rows


def _along(X, row_scale, starts, bin_scale, vectors):
    return ((binned(X, row_scale, starts, bin_scale) @ vectors).astype(np.float32),), ()
