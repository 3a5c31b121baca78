"""Single missing entries: their positions, and the data with these filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.summary import Summary, row_summary
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    LAST_SWEEPS,
    solve_nonnegative,
    solve_rows,
)
from sparsedecomp.decomposition.tensor.modes import Folding, khatri_rao_rows
from sparsedecomp.kernels.tensor import leave_out


class MissingEntries(NamedTuple):
    """Positions of missing entries.

    Attributes
    ----------
    rows : (n,) int array
        Row of the matrix of each entry.
    indices : list of (n,) int arrays
        Position of each entry in every mode, the channels last.
    """

    rows: NDArray
    indices: list[NDArray]

    def products(self, factors: Sequence[NDArray]) -> NDArray:
        """Product of the factors of all modes at every entry, (n, k)."""
        return khatri_rao_rows(factors, self.indices)

    def entries(self, loadings: NDArray, spectra: NDArray) -> NDArray:
        """Values of ``loadings @ spectra.T`` at every entry, (n,)."""
        return np.einsum("ij,ij->i", loadings[self.rows], spectra[self.indices[-1]])


class GappyData(NamedTuple):
    """Data with missing entries, and what one pass finds out about them.

    Attributes
    ----------
    blocks : BlockMatrix
        Positions that have any data.
    summary : Summary
        Sums of these, with zeros in the place of missing entries.
    missing : MissingEntries or None
        Missing entries of these positions; None if there are none.
    guess : tuple of (n_pixels, 1) and (n_channels, 1) arrays
        Factors whose product has the means of the data: the first fill.
    """

    blocks: BlockMatrix
    summary: Summary
    missing: MissingEntries | None
    guess: tuple[NDArray, NDArray]


def find_gaps(blocks: BlockMatrix, folding: Folding) -> GappyData:
    """Find the entries that are NaN, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_positions, n_channels)
        Data without scaling.
    folding : Folding
        Modes of the tensor.

    Returns
    -------
    GappyData

    Raises
    ------
    ValueError
        For infinity, and if a whole channel is missing.
    """
    n, n_channels = blocks.shape
    (n_missing, parts, *rows), (columns, absent) = blocks.run(
        _find_nan, rows=(np.arange(n),)
    )
    summary = Summary.of(rows, (columns,), blocks.place)
    here = np.flatnonzero(n_missing < n_channels)
    # Positions without any data are masked positions.
    absent = absent - (n - len(here))
    if np.any(absent >= len(here)):
        channel = int(blocks.columns[np.argmax(absent >= len(here))])
        raise ValueError(
            f"Everything is missing in channel {channel}: nothing can be said about "
            "it. Leave it out with a signal mask."
        )
    total = summary.row_sums.sum()
    amounts = summary.row_sums[here] / (n_channels - n_missing[here])
    profile = summary.column_sums / (len(here) - absent)
    mean = total / (len(here) * n_channels - n_missing[here].sum())
    part = blocks if len(here) == n else blocks.select(here)
    missing = None
    if n_missing[here].any():
        places = [each for each in parts if each is not None]
        lines, channels = map(np.concatenate, zip(*places, strict=True))
        kept = n_missing[lines] < n_channels
        lines, channels = lines[kept], channels[kept]
        indices = [*folding.indices(blocks.rows[lines]), channels]
        missing = MissingEntries(np.searchsorted(here, lines), indices)
    guess = amounts[:, None], profile[:, None] / (mean or 1.0)
    return GappyData(part, _without(summary, here), missing, guess)


def _find_nan(X, rows):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    gaps = np.isnan(X)
    lines, channels = np.nonzero(gaps)
    part = np.full(len(rows), None, dtype=object)
    part[0] = rows[lines], channels.astype(np.int32)
    results, sums = row_summary(np.where(gaps, 0, X))
    return (gaps.sum(axis=1), part, *results), (*sums, gaps.sum(axis=0))


def _without(summary: Summary, rows: NDArray) -> Summary:
    """Summary of the rows with data; sums over columns stay the same."""
    return summary._replace(
        row_sums=summary.row_sums[rows],
        row_squares=summary.row_squares[rows],
        row_smallest=summary.row_smallest[rows],
    )


class FilledBlocks:
    """A `BlockMatrix` whose missing entries are filled when it is read.

    Everything but `run` and the scaling is that of the matrix.

    Parameters
    ----------
    blocks : BlockMatrix
        Data with NaN.
    loadings : (n_pixels, k) array
        Abundances.
    spectra : (n_channels, k) array
        Spectra; entries are filled with ``loadings @ spectra.T``.
    """

    def __init__(self, blocks: BlockMatrix, loadings: NDArray, spectra: NDArray):
        self.blocks = blocks
        self.loadings = loadings.astype(blocks.dtype)
        self.spectra = spectra.astype(blocks.dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blocks, name)

    def run(
        self,
        function: Callable,
        rows: Sequence[NDArray] = (),
        shared: Sequence = (),
    ) -> tuple:
        """Read every block once; see `BlockMatrix.run`."""
        filled = partial(_on_filled, function=function, n_rows=len(rows))
        return self.blocks.run(
            filled, rows=(self.loadings, *rows), shared=(self.spectra, *shared)
        )

    def scaled(self, row_scale: NDArray, column_scale: NDArray) -> FilledBlocks:
        """The matrix and its filled entries divided by scales."""
        return FilledBlocks(
            self.blocks.scaled(row_scale, column_scale),
            self.loadings / row_scale[:, None],
            self.spectra / column_scale[:, None],
        )

    def unscaled(self) -> FilledBlocks:
        """The matrix without scaling, with zeros in the place of missing entries."""
        plain = self.blocks.unscaled()
        return FilledBlocks(plain, *(np.zeros((n, 1)) for n in plain.shape))


def _on_filled(X, loadings, *rest, function, n_rows):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    rows, (spectra, *shared) = rest[:n_rows], rest[n_rows:]
    gaps = np.isnan(X)
    lines, channels = np.nonzero(gaps)
    if len(lines):
        X = X.copy()
        X[gaps] = np.einsum("ij,ij->i", loadings[lines], spectra[channels])
    return function(X, *rows, *shared)


def abundances_with_gaps(
    X: NDArray | scipy.sparse.csr_array, S: NDArray, nonnegative: bool
) -> tuple[tuple[NDArray], tuple[()]]:
    """Abundances of some rows without their NaN; a function for `BlockMatrix.run`."""
    if not isinstance(X, np.ndarray):
        X = X.toarray()
    gaps = np.isnan(X)
    if np.isinf(X).any():
        raise ValueError("The data hold infinity. Mask these pixels or replace it.")
    spectra = S.astype(float)
    F = np.where(gaps, 0, X) @ spectra.T
    G = np.array(np.broadcast_to(spectra @ spectra.T, (len(F), len(S), len(S))))
    lines, channels = np.nonzero(gaps)
    leave_out(lines, spectra.T[channels], G)
    A = np.zeros_like(F)
    if nonnegative:
        solve_nonnegative(A, F, G, LAST_SWEEPS)
    else:
        A = solve_rows(F, G, A)
    return (A.astype(X.dtype),), ()
