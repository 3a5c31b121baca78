"""The out-of-core matrix: pixels times channels, met one pass at a time."""

from __future__ import annotations

import copy

import numpy as np
import scipy.sparse

from sparsedecomp.blocks.reading import Corrections, Reading, on_tiles
from sparsedecomp.blocks.sources import as_source
from sparsedecomp.blocks.summary import Summary, root_of_sums, row_summary


def as_blocks(
    data, signal_dimension=1, navigation_mask=None, signal_mask=None, dtype=None
):
    """See an array as a matrix of pixels times channels, without copying it.

    Parameters
    ----------
    data : ndarray, dask array, SciPy sparse matrix or BlockMatrix
        Navigation axes first (array order), then ``signal_dimension`` signal axes.
        A dask array is read in its own navigation chunks; a sparse matrix has one row
        for each pixel. A `BlockMatrix` is returned as it is.
    signal_dimension : int, default 1
        Number of signal axes.
    navigation_mask, signal_mask : bool array, optional
        Of navigation and signal shape; True leaves a pixel or channel out.
    dtype : float32 or float64, optional
        In which blocks are computed. Default: float64 data stay so, anything else is
        cast to float32 block by block.

    Returns
    -------
    BlockMatrix

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        When a mask has another shape than the data or leaves nothing over.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> cube = np.arange(24.0).reshape(2, 3, 4)
    >>> blocks = as_blocks(cube, signal_mask=[False, True, False, False])
    >>> blocks.shape
    (6, 3)
    >>> float(blocks.describe().sum_of_squares)
    3318.0
    """
    if isinstance(data, BlockMatrix):
        return data
    if not (hasattr(data, "dask") or scipy.sparse.issparse(data)):
        data = np.asarray(data)
    if data.dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {data.dtype}, expected real floating point or "
            "integer numbers. Convert them first, e.g. with s.change_dtype('float32')."
        )
    if data.ndim <= signal_dimension:
        raise ValueError(
            f"The data have the shape {data.shape} with {signal_dimension} signal "
            "axes, expected at least one navigation axis before them."
        )
    navigation_shape = data.shape[: data.ndim - signal_dimension]
    signal_shape = data.shape[data.ndim - signal_dimension :]
    rows = _kept(navigation_mask, navigation_shape, "navigation")
    columns = _kept(signal_mask, signal_shape, "signal")
    if dtype is None:
        dtype = np.float64 if data.dtype == np.float64 else np.float32
    return BlockMatrix(
        as_source(data, signal_dimension),
        rows,
        columns,
        navigation_shape=navigation_shape,
        dtype=dtype,
    )


def _kept(mask, shape, name):
    """Flat indices of what a mask leaves over, or of everything."""
    if mask is None:
        return np.arange(np.prod(shape, dtype=int))
    mask = np.asarray(mask)
    if mask.shape != tuple(shape):
        raise ValueError(
            f"The {name} mask has the shape {mask.shape}, expected {tuple(shape)}, the "
            f"{name} shape of the data in array order."
        )
    kept = np.flatnonzero(~mask.astype(bool))
    if kept.size == 0:
        raise ValueError("All the data are masked, change the mask.")
    return kept


class BlockMatrix:
    """A matrix of pixels times channels that is read in passes over its blocks.

    Made by `as_blocks`. Rows and columns that are masked do not exist for it; scaling
    is applied to a block when it is read and never to the data.

    Parameters
    ----------
    source : ArraySource or DaskSource
        Where the blocks come from.
    rows, columns : int arrays
        Flat C-order index of the pixel (channel) of each row (column).
    navigation_shape : tuple of int
        To name pixels by.
    dtype : dtype
        In which blocks are handed out.

    Attributes
    ----------
    shape : tuple of int
        Pixels and channels that are not masked.
    navigation_shape : tuple of int
        Of the data with all pixels, in array order.
    n_blocks : int
    lazy, sparse : bool
    source_dtype : dtype
    row_scale, column_scale : float64 arrays or None
        Entries are divided by both.
    passes : int
        Reads of the whole data so far; shared with every matrix derived from this one.
    """

    def __init__(self, source, rows, columns, *, navigation_shape, dtype):
        self.rows = rows
        self.columns = columns
        self.dtype = np.dtype(dtype)
        self.row_scale = None
        self.column_scale = None
        self._corrections = Corrections()
        self._source = source
        self.navigation_shape = tuple(navigation_shape)
        self._count = [0]
        self._blocks = self._cut()

    @property
    def shape(self):
        """Pixels and channels that are not masked."""
        return self.rows.size, self.columns.size

    @property
    def passes(self):
        """Reads of the whole data so far."""
        return self._count[0]

    @property
    def n_blocks(self):
        """Number of blocks that a pass reads."""
        return len(self._blocks)

    @property
    def lazy(self):
        """Whether every pass reads the data anew through dask."""
        return self._source.lazy

    @property
    def sparse(self):
        """Whether blocks are handed out as CSR matrices."""
        return self._source.sparse

    @property
    def source_dtype(self):
        """The dtype of the data as they are stored."""
        return self._source.dtype

    def _cut(self):
        """The blocks of the source with the rows that the mask leaves in each."""
        everything = self.rows.size == self._source.shape[0]
        if everything:
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

    def run(self, function, rows=(), shared=()):
        """Read every block once and let ``function`` work on it.

        Parameters
        ----------
        function : callable
            ``function(X, *rows, *shared) -> (row_results, sums)`` with the entries
            ``X`` of some rows (an array, or a CSR matrix for sparse data), the same
            rows of ``rows``, and two tuples as result: arrays with one entry for each
            row, and arrays that are added up over all rows. It may be called for
            parts of a block and on another machine, so it must be picklable.
        rows : sequence of arrays
            With ``shape[0]`` entries each.
        shared : sequence
            Passed to every call unchanged.

        Returns
        -------
        row_results, sums : tuples of arrays
            The row results in the order of `rows`, the sums in float64. The order of
            summation is fixed by the blocks, so the same blocks give the same bits.
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
        row_results, sums = None, None
        places = iter(self._blocks)
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
        self._count[0] += 1
        return row_results, sums

    def matmul(self, M):
        """Multiply by a matrix from the right, in one pass.

        Parameters
        ----------
        M : (n_channels, k) array

        Returns
        -------
        (n_pixels, k) array
            ``X @ M``, in the dtype of the blocks.
        """
        M = self._operand(M, self.shape[1], "channels")
        (product,), _ = self.run(_times, shared=(M,))
        return product

    def rmatmul(self, A):
        """Multiply the transpose by a matrix from the right, in one pass.

        Parameters
        ----------
        A : (n_pixels, k) array

        Returns
        -------
        (n_channels, k) float64 array
            ``X.T @ A``.
        """
        A = self._operand(A, self.shape[0], "pixels")
        _, (product,) = self.run(_transposed_times, rows=(A,))
        return product

    def _operand(self, M, expected, name):
        M = np.asarray(M, self.dtype)
        if M.ndim != 2 or M.shape[0] != expected:
            raise ValueError(
                f"The operand has the shape {M.shape}, expected ({expected}, k) for a "
                f"matrix with {expected} {name}."
            )
        return M

    def describe(self):
        """Sums, squares and minimum, in one pass.

        Returns
        -------
        Summary

        Raises
        ------
        ValueError
            If there is a NaN or an infinity: names the first pixel and channel.
        """
        return Summary.of(*self.run(row_summary), self.place)

    def place(self, row, column):
        """Name the pixel and channel of an entry, e.g. for an error message.

        Parameters
        ----------
        row, column : int
            In this matrix, not in the data.

        Returns
        -------
        str
        """
        pixel = np.unravel_index(self.rows[row], self.navigation_shape)
        pixel = ", ".join(str(int(i)) for i in pixel)
        return f"pixel ({pixel}), channel {int(self.columns[column])}"

    def select(self, chosen):
        """The matrix of some of the rows; shares the data and the count of passes.

        Parameters
        ----------
        chosen : int array
            Rows to keep, in rising order.
        """
        part = copy.copy(self)
        part.rows = self.rows[chosen]
        if self.row_scale is not None:
            part.row_scale = self.row_scale[chosen]
        part._corrections = self._corrections.select(chosen)
        part._blocks = part._cut()
        return part

    def scaled(self, row_scale, column_scale):
        """The matrix with its entries divided by ``row_scale`` and ``column_scale``.

        Parameters
        ----------
        row_scale : (n_pixels,) array
        column_scale : (n_channels,) array

        Returns
        -------
        BlockMatrix
            Shares the data and the count of passes with this one.
        """
        if self.row_scale is not None:
            row_scale = self.row_scale * row_scale
            column_scale = self.column_scale * column_scale
        scaled = copy.copy(self)
        scaled.row_scale = np.asarray(row_scale, float)
        scaled.column_scale = np.asarray(column_scale, float)
        return scaled

    def corrected(self, replacements=None, shift=None):
        """The matrix with entries replaced, or spectra moved, whenever it is read.

        Parameters
        ----------
        replacements : Replacements, optional
            Single entries that are read in the place of what is stored.
        shift : (n_pixels,) array, optional
            Channels by which each spectrum lies too far up; it is interpolated by a
            quadratic B-spline, which blurs all spectra alike.

        Returns
        -------
        BlockMatrix
            Shares the data, which do not change, and the count of passes.

        Raises
        ------
        ValueError
            For a sparse matrix.
        """
        if self.sparse:
            raise ValueError("A sparse matrix cannot be corrected.")
        whole = copy.copy(self)
        whole._corrections = self._corrections.then(replacements, shift)
        return whole

    def unscaled(self):
        """The matrix as its source gives it, without the scaling of its entries.

        Returns
        -------
        BlockMatrix
            Shares the data and the count of passes with this one.
        """
        plain = copy.copy(self)
        plain.row_scale = plain.column_scale = None
        return plain

    def poisson_scaled(self, summary=None):
        """Scale by Keenan and Kotula's weights, which make Poisson noise even.

        The variance of a count is taken as the product of its pixel's and its
        channel's mean, divided by the mean of all [1]_. Entries are divided by the
        roots of both, scaled to a mean variance of one. A pixel or channel without
        counts is left as it is.

        Parameters
        ----------
        summary : Summary, optional
            From `describe`, to save the pass that it takes.

        Returns
        -------
        BlockMatrix

        Raises
        ------
        ValueError
            For negative entries.

        References
        ----------
        .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
           https://doi.org/10.1002/sia.1657
        """
        summary = summary or self.describe()
        if summary.minimum < 0:
            raise ValueError(
                "Poisson scaling needs counts, but the data are negative "
                f"({summary.minimum:g}) at {summary.minimum_at}. Mask these pixels, "
                "clip the data or do without the scaling."
            )
        return self.scaled(
            root_of_sums(summary.row_sums), root_of_sums(summary.column_sums)
        )


def _times(X, M):
    return (X @ M,), ()


def _transposed_times(X, A):
    return (), ((A.T @ X).T,)
