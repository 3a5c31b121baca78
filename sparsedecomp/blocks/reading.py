"""Reading of a stored block: masks, cast, corrections and scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks.sources import tile_rows
from sparsedecomp.kernels.alignment import shift_spectra

# Bytes of float32 that the rows of a sparse block which are read together may take when
# they are dense. More of them save calls and take more memory.
_DENSE_BYTES = 2**25


class Replacements(NamedTuple):
    """Single entries that replace what is stored when the data are read.

    Attributes
    ----------
    rows, columns : (n,) int arrays
        Row and column of each entry, by rising rows.
    values : (n,) array
        New values in the units of the data.
    """

    rows: NDArray
    columns: NDArray
    values: NDArray

    def select(self, chosen: NDArray) -> Replacements:
        """Keep the entries of some rows, given in rising order, and renumber them."""
        kept = np.isin(self.rows, chosen)
        rows = np.searchsorted(chosen, self.rows[kept])
        return Replacements(rows, self.columns[kept], self.values[kept])

    def within(self, where: slice | NDArray) -> Replacements:
        """Entries of a block, given as a slice or as rising row numbers."""
        if not isinstance(where, slice):
            return self.select(where)
        part = slice(*np.searchsorted(self.rows, (where.start, where.stop)))
        rows = self.rows[part] - where.start
        return Replacements(rows, self.columns[part], self.values[part])


class Corrections(NamedTuple):
    """Changes of the data that are made whenever they are read.

    Attributes
    ----------
    replacements : Replacements or None
        Single entries that replace what is stored.
    shift : (n,) array or None
        Number of channels by which each spectrum is moved down afterwards.
    """

    replacements: Replacements | None = None
    shift: NDArray | None = None

    def then(
        self, replacements: Replacements | None, shift: ArrayLike | None
    ) -> Corrections:
        """Exchange the replacements, the shift or both; None keeps what is there."""
        return Corrections(
            self.replacements if replacements is None else replacements,
            self.shift if shift is None else np.asarray(shift, float),
        )

    def within(self, where: slice | NDArray) -> Corrections:
        """Corrections of a block, given as a slice or as rising row numbers."""
        return Corrections(
            None if self.replacements is None else self.replacements.within(where),
            None if self.shift is None else self.shift[where],
        )

    def apply(self, X: NDArray, tile: slice) -> NDArray:
        """Correct some rows of the block."""
        if self.replacements is not None:
            rows, columns, values = self.replacements.within(tile)
            if rows.size:
                X = X.copy()  # The user's own array must not change.
                X[rows, columns] = values
        if self.shift is not None:
            X, stored = np.empty_like(X), X
            shift_spectra(stored, self.shift[tile], X)
        return X


class Reading(NamedTuple):
    """Steps from a stored block to the matrix that a function is called with.

    Attributes
    ----------
    kept : (n,) int array or None
        Rows of the stored block that are not masked; None for all.
    columns : (m,) int array or None
        Channels that are not masked; None for all.
    dtype : dtype
        Type of the entries that are handed out.
    row_scale, column_scale : (n,) and (m,) arrays or None
        Numbers by which the entries of each row and column are divided.
    corrections : Corrections
        Changes that are made before the scaling.
    """

    kept: NDArray | None
    columns: NDArray | None
    dtype: np.dtype
    row_scale: NDArray | None
    column_scale: NDArray | None
    corrections: Corrections

    def tile(self, data: Any, tile: slice) -> Any:
        """Read some of the rows: cast, corrected and scaled."""
        X = data[tile] if self.kept is None else data[self.kept[tile]]
        if self.columns is not None:
            X = X[:, self.columns]
        if scipy.sparse.issparse(X):
            X = X.astype(self.dtype)
            if self.row_scale is not None:
                X = scipy.sparse.diags_array(1 / self.row_scale[tile]) @ X
                X = (X @ scipy.sparse.diags_array(1 / self.column_scale)).tocsr()
                X = X.astype(self.dtype)
            return X
        X = np.ascontiguousarray(X, dtype=self.dtype)
        X = self.corrections.apply(X, tile)
        if self.row_scale is not None:
            X = X / self.row_scale[tile, None].astype(self.dtype)
            X /= self.column_scale.astype(self.dtype)
        return X


def rows_together(data: Any) -> int:
    """Number of rows of a block that are read together.

    Rows of sparse counts take a fraction of their dense size, so that more of them are
    read together; some functions need a few dense rows all the same.

    Parameters
    ----------
    data : array or CSR matrix
        The block.

    Returns
    -------
    int
        Number of rows.
    """
    n_channels = data.shape[1]
    if not scipy.sparse.issparse(data):
        return tile_rows(n_channels, 8)
    share = data.nnz / max(1, data.shape[0] * n_channels)
    sparse = tile_rows(max(1, int(n_channels * share)), 8)
    return max(tile_rows(n_channels, 8), min(sparse, _DENSE_BYTES // (4 * n_channels)))


def on_tiles(
    data: Any,
    read: Reading,
    function: Callable[..., tuple[tuple, tuple]],
    rows: Sequence[NDArray],
    shared: Sequence[Any],
) -> tuple[list[NDArray], list[NDArray]]:
    """Call a function for a block, some rows at a time.

    The cast of a few rows takes little memory; that of a large block would double it.
    """
    # Arrays that were sent to another process are read-only, for which numba would
    # compile each kernel once more. What is shared is small.
    shared = [
        np.require(each, requirements="W") if isinstance(each, np.ndarray) else each
        for each in shared
    ]
    n = data.shape[0] if read.kept is None else read.kept.size
    step = rows_together(data)
    parts, sums = [], None
    for start in range(0, n, step):
        tile = slice(start, min(start + step, n))
        part, terms = function(read.tile(data, tile), *[r[tile] for r in rows], *shared)
        parts.append(part)
        added = [np.array(term, float) for term in terms]
        sums = (
            added if sums is None else [a + b for a, b in zip(sums, added, strict=True)]
        )
    if len(parts) == 1:
        return list(parts[0]), sums
    return [np.concatenate(column) for column in zip(*parts, strict=True)], sums
