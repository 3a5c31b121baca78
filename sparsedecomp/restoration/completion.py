"""Single entries that are missing in spectra, filled from a few common spectra."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.reading import Replacements
from sparsedecomp.noise import count_components, find_noise
from sparsedecomp.restoration.subspace import MOST

# Passes of alternating least squares, and the change of the spectra at which to stop.
_MOST_PASSES, _CONVERGED = 12, 1e-3
# Ridge of the scores, in units of the variance of the noise.
_RIDGE = 1e-2


class Completion(NamedTuple):
    """Data as a product of few factors, from `complete`.

    Attributes
    ----------
    maps : (n_rows, n_factors) array
        Scores of each pixel.
    spectra : (n_factors, n_columns) array
        Their spectra, in the units of the data.
    """

    maps: NDArray
    spectra: NDArray

    def at(self, gaps: Gaps) -> Replacements:
        """Expectations of missing entries.

        Parameters
        ----------
        gaps : Gaps
            The entries.

        Returns
        -------
        Replacements
        """
        values = np.einsum(
            "ij,ij->i", self.maps[gaps.rows], self.spectra.T[gaps.columns]
        )
        return Replacements(gaps.rows, gaps.columns, values)


class Gaps(NamedTuple):
    """Entries of a matrix that are NaN.

    Attributes
    ----------
    rows, columns : (n,) int arrays
        Their rows, rising, and columns.
    empty : (n_rows,) bool array
        Rows of which all entries are NaN.
    amounts : (n_rows,) array
        Mean of the entries that are there, of each row.
    profile : (n_columns,) array
        Mean of the entries that are there, of each column.
    """

    rows: NDArray
    columns: NDArray
    empty: NDArray
    amounts: NDArray
    profile: NDArray

    def without_empty(self) -> Gaps:
        """The same for a matrix that has no empty rows."""
        kept = np.flatnonzero(~self.empty)
        return self._replace(
            rows=np.searchsorted(kept, self.rows),
            empty=self.empty[kept],
            amounts=self.amounts[kept],
        )


def find_gaps(blocks: BlockMatrix) -> Gaps:
    """Find the entries that are NaN, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels.

    Returns
    -------
    Gaps

    Raises
    ------
    ValueError
        If a channel is NaN in all pixels that have any data, or all pixels are empty.
    """
    n, m = blocks.shape
    (missing, places, sums), (column_sums, absent) = blocks.run(
        _find_nan, (np.arange(n),)
    )
    empty = missing == m
    if empty.all():
        raise ValueError("All the data are missing, expected some measured pixels.")
    present = n - absent
    if not present.all():
        channel = int(blocks.columns[np.argmin(present)])
        raise ValueError(
            f"Channel {channel} is missing in all pixels: nothing tells its values. "
            "Leave it out, for instance with `s.isig`, or interpolate along energy."
        )
    rows, columns = (
        np.concatenate(each)
        for each in zip(*(place for place in places if place is not None), strict=True)
    )
    kept = ~empty[rows]
    amounts = sums / np.maximum(m - missing, 1)
    profile = column_sums / present
    return Gaps(rows[kept], columns[kept], empty, amounts, profile)


def complete(
    blocks: BlockMatrix, gaps: Gaps, n_components: int | None = None
) -> Completion:
    """Fit the few spectra that all pixels are mixtures of to the entries there are.

    Scores and spectra are fitted in turn, weighted by the noise [1]_; each iteration is
    one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels, none of them empty.
    gaps : Gaps
        Its entries that are NaN.
    n_components : int, optional
        Number of spectra; default: those that rise above the noise.

    Returns
    -------
    Completion
        Its product is the data without noise, and without gaps.

    References
    ----------
    .. [1] K. R. Gabriel and S. Zamir, Technometrics 21 (1979) 489.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.restoration.completion import complete, find_gaps
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.uniform(1, 2, (300, 2)) @ rng.uniform(0, 1, (2, 30))
    >>> X = clean + 0.01 * rng.normal(size=clean.shape)
    >>> X[rng.random(X.shape) < 0.2] = np.nan
    >>> blocks = as_blocks(X)
    >>> found = complete(blocks, find_gaps(blocks))
    >>> bool(np.std(found.maps @ found.spectra - clean) < 0.02)
    True
    """
    mean = gaps.profile.mean()
    values = gaps.amounts[gaps.rows] * gaps.profile[gaps.columns] / (mean or 1.0)
    first = Replacements(gaps.rows, gaps.columns, values)
    whole = blocks.corrected(with_noise(blocks, first))
    model = find_noise(whole)
    k = n_components or count_components(whole, model, MOST)
    k = min(k, *blocks.shape)
    columns = model.column_scale
    V = model.start_basis(k, np.random.default_rng(0)) / columns[:, None]
    V = np.linalg.qr(V)[0]
    rows = model.row_scale
    ridge = _RIDGE * max(model.variance, np.finfo(float).tiny)
    for _ in range(_MOST_PASSES):
        (scores,), (products, grams) = blocks.run(_fit, (rows,), (V, columns, ridge))
        grams = grams.reshape(-1, k, k)
        size = np.trace(grams, axis1=1, axis2=2).mean() / k
        grams += 1e-9 * size * np.eye(k)
        new = np.linalg.solve(grams, products[..., None])[..., 0]
        new = np.linalg.qr(new)[0]
        change = np.linalg.norm(new - V @ (V.T @ new)) / np.sqrt(k)
        V = new
        if change < _CONVERGED:
            break
    (scores,), _ = blocks.run(_fit, (rows,), (V, columns, ridge))
    return Completion(scores * rows[:, None], V.T * columns)


def with_noise(blocks: BlockMatrix, expected: Replacements) -> Replacements:
    """Expectations of counts made counts, so that the noise stays that of the others.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels.
    expected : Replacements
        Expectations of its missing entries.

    Returns
    -------
    Replacements
        Drawn from the distribution of Poisson where the data are whole numbers, else
        unchanged.
    """
    values = expected.values
    if _whole(blocks):
        values = np.random.default_rng(0).poisson(np.clip(values, 0, 1e9))
    return expected._replace(values=values.astype(blocks.dtype))


def _whole(blocks: BlockMatrix) -> bool:
    """Whether the entries that are there are whole numbers."""

    def find() -> bool:
        (least, whole), _ = blocks.run(_whole_rows)
        return bool(np.nanmin(least) >= 0 and whole.all())

    return blocks.once("whole numbers", find)


def _dense(X: Any) -> NDArray:
    return X.toarray() if scipy.sparse.issparse(X) else X


def _find_nan(X, rows):
    X = _dense(X)
    gaps = np.isnan(X)
    lines, channels = np.nonzero(gaps)
    part = np.full(len(rows), None, dtype=object)
    if len(rows):
        part[0] = rows[lines], channels.astype(np.int32)
    known = np.where(gaps, 0, X)
    sums = known.sum(axis=1, dtype=float)
    columns = known.sum(axis=0, dtype=float), gaps.sum(axis=0)
    return (gaps.sum(axis=1), part, sums), columns


def _whole_rows(X):
    X = _dense(X)
    known = np.where(np.isnan(X), 0, X)
    return (known.min(axis=1), (known == np.rint(known)).all(axis=1)), ()


def _fit(X, rows, V, columns, ridge):
    """Scores of some rows from the entries there are, and sums for new spectra."""
    X = _dense(X).astype(float)
    known = np.isfinite(X)
    Y = np.where(known, X, 0) / rows[:, None] / columns
    k = V.shape[1]
    outer = (V[:, :, None] * V[:, None, :]).reshape(len(V), -1)
    weights = known.astype(float)
    grams = (weights @ outer).reshape(-1, k, k) + ridge * np.eye(k)
    scores = np.linalg.solve(grams, (Y @ V)[..., None])[..., 0]
    squares = (scores[:, :, None] * scores[:, None, :]).reshape(len(scores), -1)
    return (scores,), (Y.T @ scores, weights.T @ squares)
