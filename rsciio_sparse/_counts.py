"""Counts of some pixels, as sorted events or as CSR entries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsciio_sparse._kernels.events import (
    count_events,
    csr_of_dense,
    fill_dense,
    merge_events,
    place_events,
    repeat_entries,
    sort_rows,
)


class Counts(NamedTuple):
    """Counts of a number of pixels: a CSR matrix of pixels times channels.

    Attributes
    ----------
    indptr : (n_pixels + 1,) int64 array
        Place of the first entry of every pixel.
    indices : (n,) int32 array
        Channel of each entry, rising within a pixel.
    values : (n,) unsigned integer array
        Number of counts of each entry, at least one.
    n_channels : int
        Number of channels.
    """

    indptr: NDArray
    indices: NDArray
    values: NDArray
    n_channels: int

    @property
    def n_pixels(self) -> int:
        """Number of pixels."""
        return len(self.indptr) - 1

    @property
    def total(self) -> int:
        """Number of counts."""
        return int(self.values.sum(dtype=np.int64))

    def dense(self, dtype: Any) -> NDArray:
        """Dense spectra.

        Parameters
        ----------
        dtype : dtype
            Type of the array.

        Returns
        -------
        (n_pixels, n_channels) array
            Spectra with their zeros.
        """
        out = np.zeros((self.n_pixels, self.n_channels), dtype)
        self.fill(out)
        return out

    def fill(self, out: NDArray) -> None:
        """Write the counts into an array of zeros.

        Parameters
        ----------
        out : (n_pixels, n_channels) array
            Where the counts go; entries without counts are not changed.
        """
        fill_dense(self.indptr, self.indices, self.values, out)

    def events(self) -> tuple[NDArray, NDArray]:
        """Sorted events.

        Returns
        -------
        pointers : (n_pixels + 1,) int64 array
            Place of the first event of every pixel.
        channels : (total,) int32 array
            Channel of each event.
        """
        channels = np.empty(self.total, np.int32)
        repeat_entries(self.indices, self.values, channels)
        sums = np.concatenate([[0], np.cumsum(self.values, dtype=np.int64)])
        return sums[self.indptr], channels


def no_counts(n_pixels: int, n_channels: int) -> Counts:
    """Counts of pixels without any.

    Parameters
    ----------
    n_pixels, n_channels : int
        Number of pixels and channels.

    Returns
    -------
    Counts
        The counts.
    """
    indptr = np.zeros(n_pixels + 1, np.int64)
    return Counts(indptr, np.empty(0, np.int32), np.empty(0, np.uint8), n_channels)


def counts_of_events(pointers: NDArray, channels: NDArray, n_channels: int) -> Counts:
    """Counts of events that are grouped by pixels; sorts the channels in place.

    Parameters
    ----------
    pointers : (n_pixels + 1,) int array
        Place of the first event of every pixel.
    channels : (n,) int array
        Channel of each event, in any order within a pixel.
    n_channels : int
        Number of channels.

    Returns
    -------
    Counts
        The counts.
    """
    sort_rows(pointers, channels)
    indptr = np.empty(len(pointers), np.int64)
    indices = np.empty(len(channels), np.int32)
    values = np.empty(len(channels), np.uint32)
    n = merge_events(pointers, channels, indptr, indices, values)
    return Counts(indptr, indices[:n].copy(), narrow(values[:n]), n_channels)


def group_by_pixel(
    pixels: NDArray, channels: NDArray, n_pixels: int
) -> tuple[NDArray, NDArray]:
    """Group events by their pixels.

    Parameters
    ----------
    pixels, channels : (n,) int arrays
        Pixel and channel of each event.
    n_pixels : int
        Number of pixels.

    Returns
    -------
    pointers : (n_pixels + 1,) int64 array
        Place of the first event of every pixel.
    grouped : (n,) array
        Channels, one pixel after the other.
    """
    number = np.zeros(n_pixels, np.int64)
    count_events(pixels, number)
    pointers = np.concatenate([[0], np.cumsum(number)])
    grouped = np.empty_like(channels)
    place_events(pixels, channels, pointers[:-1].copy(), grouped)
    return pointers, grouped


def counts_of_dense(rows: NDArray) -> Counts:
    """Counts of dense spectra of whole numbers.

    Parameters
    ----------
    rows : (n_pixels, n_channels) array
        Spectra.

    Returns
    -------
    Counts
        The counts.

    Raises
    ------
    ValueError
        If a number is negative, not whole or not finite.
    """
    if rows.dtype.kind == "b":
        rows = rows.view(np.uint8)
    if rows.dtype.kind not in "iuf" or (rows.size and rows.dtype.kind != "u"):
        if rows.dtype.kind not in "iuf":
            raise ValueError(f"data of the type {rows.dtype} are no counts.")
        good = np.isfinite(rows) & (rows >= 0) & (rows == np.floor(rows))
        if not good.all():
            value = rows[np.unravel_index(int(np.argmin(good)), rows.shape)]
            raise ValueError(
                f"{value} is no count: the format holds whole numbers from 0 up."
            )
    n = int(np.count_nonzero(rows))
    largest = rows.max(initial=0)
    if largest >= 2**63:
        raise ValueError(f"{largest} is too large for a number of counts.")
    kind = np.min_scalar_type(int(largest))
    indptr = np.empty(len(rows) + 1, np.int64)
    indices, values = np.empty(n, np.int32), np.empty(n, kind)
    csr_of_dense(np.ascontiguousarray(rows), indptr, indices, values)
    return Counts(indptr, indices, values, rows.shape[1])


def counts_of_csr(matrix: Any) -> Counts:
    """Counts of a SciPy sparse matrix of whole numbers.

    Parameters
    ----------
    matrix : sparse matrix of shape (n_pixels, n_channels)
        Counts in any format.

    Returns
    -------
    Counts
        The counts, without explicit zeros and with sorted rows.

    Raises
    ------
    ValueError
        If a number is negative, not whole or not finite.
    """
    matrix = matrix.tocsr().copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    values = counts_of_dense(matrix.data[None]).values
    return Counts(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32),
        values, matrix.shape[1],
    )  # fmt: skip


def narrow(values: NDArray) -> NDArray:
    """Whole numbers in the smallest unsigned type that holds them.

    Parameters
    ----------
    values : int array
        Numbers from 0 up.

    Returns
    -------
    array
        The same numbers.
    """
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
