"""How a stored block becomes the matrix that is worked on: masks, cast and scaling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from sparsedecomp.blocks.sources import tile_rows


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

    @classmethod
    def of(cls, rows, columns, values, earlier=None):
        """Entries in any order, after those that were replaced earlier."""
        new = tuple(np.asarray(each) for each in (rows, columns, values))
        if earlier is not None:
            new = tuple(np.concatenate(pair) for pair in zip(earlier, new, strict=True))
        order = np.argsort(new[0], kind="stable")
        return cls(*(each[order] for each in new))

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
    replaced : Replacements or None
        Entries that are replaced, before the scaling.
    """

    kept: np.ndarray | None
    columns: np.ndarray | None
    dtype: np.dtype
    row_scale: np.ndarray | None
    column_scale: np.ndarray | None
    replaced: Replacements | None

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
        if self.replaced is not None:
            rows, columns, values = self.replaced.within(tile)
            if rows.size:
                X = X.copy()  # it may be the user's own array
                X[rows, columns] = values
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
