"""How a stored block becomes the matrix that is worked on: masks, cast and scaling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from sparsedecomp.blocks.sources import tile_rows
from sparsedecomp.kernels.alignment import shift_spectra


class Replacements(NamedTuple):
    """Single entries that are read in the place of what is stored.

    Attributes
    ----------
    rows, columns : (n,) int arrays
        Where they are, by rising rows.
    values : (n,) array
        In the units of the data.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def select(self, chosen):
        """The entries of some rows, given in rising order, with their new numbers."""
        kept = np.isin(self.rows, chosen)
        rows = np.searchsorted(chosen, self.rows[kept])
        return Replacements(rows, self.columns[kept], self.values[kept])

    def within(self, where):
        """The entries of a block, given as a slice or as rising row numbers."""
        if not isinstance(where, slice):
            return self.select(where)
        part = slice(*np.searchsorted(self.rows, (where.start, where.stop)))
        rows = self.rows[part] - where.start
        return Replacements(rows, self.columns[part], self.values[part])


class Corrections(NamedTuple):
    """What is changed in the data when they are read.

    Attributes
    ----------
    replacements : Replacements or None
        Single entries that are read in the place of what is stored.
    shift : (n,) array or None
        Channels by which spectra are moved down afterwards.
    """

    replacements: Replacements | None = None
    shift: np.ndarray | None = None

    def then(self, replacements, shift):
        """These corrections with others in the place of those that are given."""
        if shift is not None:
            shift = np.asarray(shift, float)
        return Corrections(
            self.replacements if replacements is None else replacements,
            self.shift if shift is None else shift,
        )

    def select(self, chosen):
        """The corrections of some rows, given in rising order."""
        return Corrections(
            None if self.replacements is None else self.replacements.select(chosen),
            None if self.shift is None else self.shift[chosen],
        )

    def within(self, where):
        """The corrections of a block, given as a slice or as rising row numbers."""
        return Corrections(
            None if self.replacements is None else self.replacements.within(where),
            None if self.shift is None else self.shift[where],
        )

    def of(self, X, tile):
        """A tile of the block with the corrections applied."""
        if self.replacements is not None:
            rows, columns, values = self.replacements.within(tile)
            if rows.size:
                X = X.copy()  # it may be the user's own array
                X[rows, columns] = values
        if self.shift is not None:
            X, stored = np.empty_like(X), X
            shift_spectra(stored, self.shift[tile], X)
        return X


class Reading(NamedTuple):
    """How a stored block becomes the block that is worked on.

    Attributes
    ----------
    kept : (n,) int array or None
        Rows of the stored block that are not masked; None for all.
    columns : (m,) int array or None
        Channels that are not masked; None for all.
    dtype : dtype
        Type of the entries that are handed out.
    row_scale, column_scale : (n,) and (m,) arrays or None
        Entries are divided by both.
    corrections : Corrections
        What is changed before the scaling.
    """

    kept: np.ndarray | None
    columns: np.ndarray | None
    dtype: np.dtype
    row_scale: np.ndarray | None
    column_scale: np.ndarray | None
    corrections: Corrections

    def tile(self, data, tile):
        """Some of the rows, cast, with entries replaced, and scaled."""
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
        X = self.corrections.of(X, tile)
        if self.row_scale is not None:
            X = X / self.row_scale[tile, None].astype(self.dtype)
            X /= self.column_scale.astype(self.dtype)
        return X


def on_tiles(data, read, function, rows, shared):
    """Work through a block in tiles, so that a cast never doubles a large block."""
    n = data.shape[0] if read.kept is None else read.kept.size
    step = tile_rows(data.shape[1], 8)
    parts, sums = [], None
    for start in range(0, n, step):
        tile = slice(start, min(start + step, n))
        part, terms = function(read.tile(data, tile), *[r[tile] for r in rows], *shared)
        parts.append(part)
        terms = [np.array(term, float) for term in terms]
        sums = (
            terms if sums is None else [a + b for a, b in zip(sums, terms, strict=True)]
        )
    if len(parts) > 1:
        parts = [[np.concatenate(column) for column in zip(*parts, strict=True)]]
    return list(parts[0]), sums
