"""Singular values of a data set in bins of channels, from one pass over the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.edge import MOST_COMPONENTS, above_noise

FEW = 64
"""Shorter sides of a matrix for which a known variance of counts bounds the estimate,
since signal that is not removed yet dominates what so few dimensions leave over."""

# Part of the singular values that may be signal.
_RATIO = 2 / 3
SILENT = 1e-12
"""A bin of which the components leave less than this part has no noise but rounding."""
LEAST_FREE = 0.05
"""Part of a bin or pixel that components are taken to leave at least. With less the
variance of what they follow closely would be estimated from next to nothing."""


@dataclass(frozen=True)
class BinnedSpectrum:
    """Squared singular values of the data in bins of channels, scaled.

    Attributes
    ----------
    gram : (n_bins, n_bins) array
        Gram matrix of the bins, pixels scaled and bins not.
    sums : (n_bins,) array
        Sums of the bins over the pixels, each divided by the square of its scale.
    squares : (n_bins,) array
        Squared singular values in falling order.
    vectors : (n_bins, n_bins) array
        Right singular vectors in columns.
    shape : tuple of int
        Numbers of pixels and bins that hold noise, see `effective_pixels`.
    starts : int array
        First channel of each bin.
    row_scale : (n_pixels,) array
        Scale of the pixels.
    bin_scale : (n_bins,) array
        Scale of the bins.
    most_variance : float or None
        The most that the variance of the noise can be: that of counts, for a matrix
        whose shorter side is below `FEW`; else None.
    """

    gram: NDArray
    sums: NDArray
    squares: NDArray
    vectors: NDArray
    shape: tuple[int, int]
    starts: NDArray[np.intp]
    row_scale: NDArray
    bin_scale: NDArray
    most_variance: float | None = None

    @classmethod
    def of(
        cls,
        gram: NDArray,
        sums: NDArray,
        starts: NDArray,
        row_scale: NDArray,
        bin_scale: NDArray,
        shape: tuple[int, int],
        known_variance: float | None = None,
    ) -> BinnedSpectrum:
        """Diagonalise a Gram matrix, its bins scaled.

        Parameters
        ----------
        gram, sums, starts, row_scale, bin_scale, shape
            Attributes of the same names.
        known_variance : float, optional
            Variance of scaled counts. It is used where few dimensions are left over.

        Returns
        -------
        BinnedSpectrum
        """
        squares, vectors = np.linalg.eigh(gram / np.outer(bin_scale, bin_scale))
        shape = int(shape[0]), int(shape[1])
        return cls(
            gram=gram,
            sums=sums,
            squares=np.maximum(squares[::-1], 0.0),
            vectors=vectors[:, ::-1],
            shape=shape,
            starts=starts,
            row_scale=row_scale,
            bin_scale=bin_scale,
            most_variance=known_variance if min(shape) < FEW else None,
        )

    def scaled(self, bin_scale: NDArray) -> BinnedSpectrum:
        """The same data with other scales of the bins.

        Parameters
        ----------
        bin_scale : (n_bins,) array
            Scales that replace those there are.

        Returns
        -------
        BinnedSpectrum
        """
        scales = self.row_scale, bin_scale
        return self.of(self.gram, self.sums, self.starts, *scales, self.shape)

    def above_noise(self) -> tuple[int, float, NDArray]:
        """Count the squared singular values above the edge of white noise.

        Returns
        -------
        count : int
            Number of components above the noise.
        variance : float
            Variance of the noise of a scaled bin.
        edges : (r,) array
            What each value had to exceed, the ones before it being components.
        """
        squares = self.squares[: min(self.shape)]
        most = self.most_variance
        return above_noise(squares, 0.0, *self.shape, most_variance=most)

    @property
    def structured(self) -> bool:
        """Whether so many values exceed the edge that the rest is no white noise."""
        return self.above_noise()[0] > min(MOST_COMPONENTS, _RATIO * min(self.shape))

    def residual_variance(self, k: int) -> NDArray:
        """Variance of each scaled bin, from what the leading components leave of it.

        Divided by the part of the bin that the components cannot take (one minus its
        leverage): noise that a component follows would seem to be missing.

        Parameters
        ----------
        k : int
            Number of components.

        Returns
        -------
        (n_bins,) array
            Zero or less for bins without noise.
        """
        taken = np.square(self.vectors[:, :k])
        total = np.diag(self.gram) / np.square(self.bin_scale)
        left = total - taken @ self.squares[:k]
        left[left <= SILENT * total] = 0.0
        free = np.maximum(1 - taken.sum(axis=1), LEAST_FREE)
        return left / (free * max(len(self.row_scale) - k, 1))

    def level_and_variance(self, k: int, width: NDArray) -> tuple[NDArray, NDArray]:
        """Mean of a channel of each bin and the variance of its noise.

        Both are means over the pixels, weighted by the inverse squares of their scales.

        Parameters
        ----------
        k : int
            Number of components, as for `residual_variance`.
        width : (n_bins,) array
            Number of channels in each bin.

        Returns
        -------
        level, variance : (n_bins,) arrays
            In the units of the data, and in their squares.
        """
        weight = np.mean(1 / np.square(self.row_scale))
        variance = self.residual_variance(k) * np.square(self.bin_scale)
        level = self.sums / len(self.row_scale)
        return level / weight / width, variance / weight / width


def effective_pixels(variance: NDArray) -> int:
    """Number of pixels of equal noise that have the edge of pixels of unequal noise.

    Nearly empty pixels are not scaled to the noise of the others, since stray counts
    in them would look like components. With half of the pixels empty the edge is that
    of the other half with twice the mean variance, not that of all pixels.

    Parameters
    ----------
    variance : (n_pixels,) array
        Variance of the noise of each pixel, in any unit.

    Returns
    -------
    int
        Square of the sum of the variances over the sum of their squares; the number of
        pixels where all have the same.
    """
    squares = np.square(variance).sum()
    return round(float(variance.sum() ** 2 / squares)) if squares > 0 else 0


def bins_of_counts(columns: NDArray, least: float) -> NDArray[np.intp]:
    """First channel of each bin, the bins holding about ``least`` counts or more.

    Parameters
    ----------
    columns : (n_channels,) array
        Counts of each channel.
    least : float
        Counts that a bin must hold; a larger number makes fewer, wider bins.

    Returns
    -------
    (n_bins,) int array
    """
    starts, held = [0], 0.0
    for channel, count in enumerate(columns):
        if held >= least:
            starts.append(channel)
            held = 0.0
        held += count
    # What remains at the end is too little for a bin of its own.
    if held < least and len(starts) > 1:
        starts.pop()
    return np.array(starts)


def equal_bins(n_channels: int, n_bins: int) -> NDArray[np.intp]:
    """First channel of each bin, all bins about equally wide.

    Parameters
    ----------
    n_channels : int
        Number of channels.
    n_bins : int
        Most bins.

    Returns
    -------
    int array
    """
    size = min(n_channels, n_bins)
    return np.unique(np.linspace(0, n_channels, size, endpoint=False).astype(int))


def binned(
    X: NDArray, row_scale: NDArray, starts: NDArray, bin_scale: NDArray | float
) -> NDArray:
    """Sums of the channels of each bin in float64, scaled.

    Parameters
    ----------
    X : (n, n_channels) array or sparse matrix
        Some pixels.
    row_scale : (n,) array
        What the pixels are divided by.
    starts : (n_bins,) int array
        First channel of each bin.
    bin_scale : (n_bins,) array or float
        What the bins are divided by.

    Returns
    -------
    (n, n_bins) array
    """
    if scipy.sparse.issparse(X):
        m = X.shape[1]
        label = np.searchsorted(starts, np.arange(m), side="right") - 1
        member = scipy.sparse.csr_array((np.ones(m), (np.arange(m), label)))
        Z = (X @ member).toarray().astype(np.float64)
    elif len(starts) == X.shape[1]:
        Z = X.astype(np.float64)
    else:
        Z = np.add.reduceat(X, starts, axis=1, dtype=np.float64)
    Z /= row_scale[:, None]
    Z /= bin_scale
    return Z


def gram_and_expectation(
    blocks: BlockMatrix, starts: NDArray, row_scale: NDArray
) -> tuple[NDArray, NDArray]:
    """Gram matrix of bins, and the sum of squares that noise of counts has in it.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    starts : (n_bins,) int array
        First channel of each bin.
    row_scale : (n_pixels,) array
        What the pixels are divided by.

    Returns
    -------
    gram : (n_bins, n_bins) array
    expected : (n_bins,) array
        Sum over the pixels of the counts divided by the square of their scale: the
        variance of a count is what it is itself.
    """
    _, (gram, expected) = blocks.run(_gram, (row_scale,), (starts,))
    return gram, expected


def _gram(X, row_scale, starts):
    Z = binned(X, row_scale, starts, 1.0)
    return (), (Z.T @ Z, (1 / row_scale) @ Z)


def row_variances(blocks: BlockMatrix, spectrum: BinnedSpectrum, k: int) -> NDArray:
    """Variance of each scaled pixel, from what the components leave; in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    spectrum : BinnedSpectrum
        Singular values of the data.
    k : int
        Number of components.

    Returns
    -------
    (n_pixels,) array
        Divided by the part of the pixel that the components cannot take, as in
        `BinnedSpectrum.residual_variance`.
    """
    vectors, squares = spectrum.vectors[:, :k], spectrum.squares[:k]
    shared = (spectrum.starts, spectrum.bin_scale, vectors, squares)
    (rows,), _ = blocks.run(_row_variances, (spectrum.row_scale,), shared)
    return rows


def _row_variances(X, row_scale, starts, bin_scale, vectors, squares):
    Z = binned(X, row_scale, starts, bin_scale)
    Y = Z @ vectors
    Z -= Y @ vectors.T
    free = np.maximum(1 - (np.square(Y) / squares).sum(axis=1), LEAST_FREE)
    return (np.square(Z).sum(axis=1) / (free * (Z.shape[1] - len(squares))),), ()


def scores(blocks: BlockMatrix, spectrum: BinnedSpectrum, k: int) -> NDArray:
    """The scaled data along their leading vectors, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    spectrum : BinnedSpectrum
        Singular values of the data.
    k : int
        Number of vectors.

    Returns
    -------
    (n_pixels, k) float32 array
    """
    shared = (spectrum.starts, spectrum.bin_scale, spectrum.vectors[:, :k])
    (rows,), _ = blocks.run(_along, (spectrum.row_scale,), shared)
    return rows


def _along(X, row_scale, starts, bin_scale, vectors):
    return ((binned(X, row_scale, starts, bin_scale) @ vectors).astype(np.float32),), ()
