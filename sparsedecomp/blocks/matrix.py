"""A matrix of pixels times channels, larger than memory, read block by block."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sparsedecomp.blocks.reading import (
    Corrections,
    Reading,
    Replacements,
    on_tiles,
)
from sparsedecomp.blocks.sources import ArraySource, DaskSource
from sparsedecomp.blocks.summary import (
    Summary,
    poisson_column_scale,
    poisson_row_scale,
    row_summary,
)
from sparsedecomp.blocks.watching import report


class BlockMatrix:
    """A matrix of pixels times channels that is read in passes over its blocks.

    `as_blocks` makes it. It has no rows and columns for masked pixels and channels.
    Scaling is applied to a block when it is read and never to the data.

    Parameters
    ----------
    source : ArraySource or DaskSource
        Source of the blocks.
    rows, columns : int arrays
        Flat C-order index of the pixel (channel) of each row (column).
    navigation_shape : tuple of int
        Shape of the navigation axes of all the data, in array order.
    dtype : dtype
        Type of the entries of the blocks that are handed out.

    Attributes
    ----------
    shape : tuple of int
        Numbers of pixels and channels that are not masked.
    navigation_shape : tuple of int
        Shape of the navigation axes of all the data, in array order.
    n_blocks : int
        Number of blocks that a pass reads.
    lazy : bool
        Whether every pass reads the data anew through dask.
    sparse : bool
        Whether blocks are handed out as CSR matrices.
    source_dtype : dtype
        Type of the data as they are stored.
    row_scale, column_scale : float64 arrays or None
        Numbers by which the entries of each row and column are divided.
    passes : int
        Number of reads of the whole data so far, together with those of every matrix
        derived from this one.
    """

    def __init__(
        self,
        source: ArraySource | DaskSource,
        rows: NDArray,
        columns: NDArray,
        *,
        navigation_shape: Sequence[int],
        dtype: DTypeLike,
    ):
        self.rows = rows
        self.columns = columns
        self.dtype = np.dtype(dtype)
        self.row_scale: NDArray | None = None
        self.column_scale: NDArray | None = None
        self._corrections = Corrections()
        self._source = source
        self.lazy: bool = source.lazy
        self.sparse: bool = source.sparse
        self.source_dtype: np.dtype = source.dtype
        self.navigation_shape = tuple(navigation_shape)
        self._count = [0]
        self._found: dict[Hashable, Any] = {}
        self._blocks = self._cut()

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of pixels and channels that are not masked."""
        return self.rows.size, self.columns.size

    @property
    def passes(self) -> int:
        """Number of reads of the whole data so far."""
        return self._count[0]

    @property
    def n_blocks(self) -> int:
        """Number of blocks that a pass reads."""
        return len(self._blocks)

    def _cut(self) -> list[tuple[Any, NDArray | None, Any]]:
        """Rows that each block holds, their places in the stored block, its data."""
        if self.rows.size == self._source.shape[0]:
            return [(pixels, None, data) for pixels, data in self._source.blocks()]
        position = np.full(self._source.shape[0], -1)
        position[self.rows] = np.arange(self.rows.size)
        blocks = []
        for pixels, data in self._source.blocks():
            where = position[pixels]
            kept = np.flatnonzero(where >= 0)
            if kept.size:
                blocks.append((where[kept], kept, data))
        return blocks

    def run(
        self,
        function: Callable[..., tuple[tuple, tuple]],
        rows: Sequence[NDArray] = (),
        shared: Sequence[Any] = (),
    ) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
        """Read every block once and call a function with it: one pass.

        Parameters
        ----------
        function : callable
            ``function(X, *rows, *shared) -> (row_results, sums)`` with the entries
            ``X`` of some rows (an array, or a CSR matrix for sparse data), the same
            rows of ``rows``, and two tuples as result: arrays with one entry for each
            row, and arrays that are added up over all rows. It may be called for
            parts of a block and on another machine, so it must be picklable.
        rows : sequence of arrays
            Arrays with ``shape[0]`` entries each, one for each row of the matrix.
        shared : sequence
            Further arguments, passed to every call unchanged.

        Returns
        -------
        row_results : tuple of arrays
            Row results of all blocks, in the order of the rows of the matrix.
        sums : tuple of arrays
            Sums over all rows in float64. The blocks fix the order of summation, so
            the same blocks give the same bits.
        """
        columns = None if self.columns.size == self._source.shape[1] else self.columns
        tasks = []
        for where, kept, data in self._blocks:
            scale = None if self.row_scale is None else self.row_scale[where]
            read = Reading(
                kept,
                columns,
                self.dtype,
                scale,
                self.column_scale,
                self._corrections.within(where),
            )
            tasks.append(
                (on_tiles, data, (read, function, [r[where] for r in rows], shared))
            )
        row_results: tuple[NDArray, ...] | None = None
        sums: tuple[NDArray, ...] | None = None
        places, done = iter(self._blocks), 0
        for group, terms in self._source.run(tasks):
            if sums is None:
                row_results = tuple(
                    np.empty((self.shape[0], *part.shape[1:]), part.dtype)
                    for part in group[0]
                )
                sums = tuple(np.zeros(np.shape(term)) for term in terms)
            for parts in group:
                where = next(places)[0]
                for whole, part in zip(row_results, parts, strict=True):
                    whole[where] = part
            for total, term in zip(sums, terms, strict=True):
                total += term
            done += len(group)
            report(done, len(tasks))
        self._count[0] += 1
        return row_results, sums

    def matmul(self, M: ArrayLike) -> NDArray:
        """Multiply by a matrix from the right, in one pass.

        Parameters
        ----------
        M : (n_channels, k) array
            Matrix with a row for each channel.

        Returns
        -------
        (n_pixels, k) array
            ``X @ M``, in the dtype of the blocks.
        """
        M = self._operand(M, self.shape[1], "channels")
        (product,), _ = self.run(_times, shared=(M,))
        return product

    def rmatmul(self, A: ArrayLike) -> NDArray:
        """Multiply the transpose by a matrix from the right, in one pass.

        Parameters
        ----------
        A : (n_pixels, k) array
            Matrix with a row for each pixel.

        Returns
        -------
        (n_channels, k) float64 array
            ``X.T @ A``.
        """
        A = self._operand(A, self.shape[0], "pixels")
        _, (product,) = self.run(_transposed_times, rows=(A,))
        return product

    def _operand(self, M: ArrayLike, expected: int, name: str) -> NDArray:
        M = np.asarray(M, self.dtype)
        if M.ndim != 2 or M.shape[0] != expected:
            raise ValueError(
                f"The operand has the shape {M.shape}, expected ({expected}, k) for a "
                f"matrix with {expected} {name}."
            )
        return M

    def describe(self) -> Summary:
        """Sums, squares and minimum, in one pass when first asked for.

        Returns
        -------
        Summary
            Statistics of the entries that are not masked.

        Raises
        ------
        ValueError
            If there is a NaN or an infinity; the message names its pixel and channel.
        """
        return self.once(
            "summary", lambda: Summary.of(*self.run(row_summary), self.place)
        )

    def once(self, key: Hashable, find: Callable[[], Any]) -> Any:
        """What is found from the matrix alone, found when it is first asked for.

        Parameters
        ----------
        key : hashable
            Name of what is found.
        find : callable
            ``find()`` finds it.

        Returns
        -------
        object
            The same object for the same key as long as the matrix exists.
        """
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]

    def _derived(self) -> BlockMatrix:
        derived = copy.copy(self)
        derived._found = {}
        return derived

    def place(self, row: int, column: int) -> str:
        """Name the pixel and channel of an entry, e.g. for an error message.

        Parameters
        ----------
        row, column : int
            Row and column of this matrix, not of the data.

        Returns
        -------
        str
            Pixel and channel of the data, such as ``"pixel (3, 4), channel 17"``.
        """
        index = np.unravel_index(self.rows[row], self.navigation_shape)
        pixel = ", ".join(str(int(i)) for i in index)
        return f"pixel ({pixel}), channel {int(self.columns[column])}"

    def select(self, chosen: NDArray) -> BlockMatrix:
        """Keep some of the rows.

        Parameters
        ----------
        chosen : int array
            Rows to keep, in rising order.

        Returns
        -------
        BlockMatrix
            Matrix of these rows; shares the data and the count of passes.
        """
        part = self._derived()
        part.rows = self.rows[chosen]
        if self.row_scale is not None:
            part.row_scale = self.row_scale[chosen]
        part._corrections = self._corrections.within(chosen)
        part._blocks = part._cut()
        return part

    def scaled(self, row_scale: ArrayLike, column_scale: ArrayLike) -> BlockMatrix:
        """Divide the entries by a number for each row and one for each column.

        Parameters
        ----------
        row_scale : (n_pixels,) array
            Divisor of each row.
        column_scale : (n_channels,) array
            Divisor of each column.

        Returns
        -------
        BlockMatrix
            Shares the data and the count of passes with this one.
        """
        if self.row_scale is not None:
            row_scale = self.row_scale * row_scale
            column_scale = self.column_scale * column_scale
        scaled = self._derived()
        scaled.row_scale = np.asarray(row_scale, float)
        scaled.column_scale = np.asarray(column_scale, float)
        return scaled

    def corrected(
        self, replacements: Replacements | None = None, shift: ArrayLike | None = None
    ) -> BlockMatrix:
        """Replace entries, or move spectra, whenever the matrix is read.

        Parameters
        ----------
        replacements : Replacements, optional
            Single entries that replace what is stored.
        shift : (n_pixels,) array, optional
            Number of channels by which each spectrum lies too far up. The spectra are
            interpolated by a quadratic B-spline, which blurs all of them alike.

        Returns
        -------
        BlockMatrix
            Shares the data, which do not change, and the count of passes.

        Raises
        ------
        ValueError
            If the matrix is sparse.
        """
        if self.sparse:
            raise ValueError("A sparse matrix cannot be corrected.")
        whole = self._derived()
        whole._corrections = self._corrections.then(replacements, shift)
        return whole

    def unscaled(self) -> BlockMatrix:
        """Undo the scaling of the entries.

        Returns
        -------
        BlockMatrix
            Shares the data and the count of passes with this one.
        """
        plain = self._derived()
        plain.row_scale = plain.column_scale = None
        return plain

    def poisson_scaled(self) -> BlockMatrix:
        """Scale by Keenan and Kotula's weights, which whiten Poisson noise.

        The variance of a count is taken as the product of its pixel's and its
        channel's mean, divided by the mean of all [1]_. Entries are divided by the
        roots of both, scaled to a mean variance of one. A nearly empty pixel is
        weighted as if it had half the mean count; an empty channel is not scaled.

        Returns
        -------
        BlockMatrix
            Scaled matrix; shares the data and the count of passes with this one.

        Raises
        ------
        ValueError
            If there are negative entries.

        References
        ----------
        .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
           https://doi.org/10.1002/sia.1657
        """
        summary = self.describe()
        if summary.minimum < 0:
            raise ValueError(
                "Poisson scaling needs counts, but the data are negative "
                f"({summary.minimum:g}) at {summary.minimum_at}. Mask these pixels, "
                "clip the data or do without the scaling."
            )
        return self.scaled(
            poisson_row_scale(summary.row_sums),
            poisson_column_scale(summary.column_sums),
        )


def _times(X, M):
    return (X @ M,), ()


def _transposed_times(X, A):
    return (), ((A.T @ X).T,)
