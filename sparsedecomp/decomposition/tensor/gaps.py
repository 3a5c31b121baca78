"""Single entries that are missing: where they are, and the data with them filled in."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse

from sparsedecomp.blocks.summary import Summary, row_summary
from sparsedecomp.decomposition.tensor.cpd_least_squares import solve_rows
from sparsedecomp.decomposition.tensor.modes import khatri_rao_rows
from sparsedecomp.kernels.tensor import leave_out, nonnegative_rows_each

# Sweeps over the components of a pixel whose spectra are known.
_MANY = 500


class MissingEntries(NamedTuple):
    """Entries that are missing, one after the other.

    Attributes
    ----------
    rows : (n,) int array
        Row of the matrix that each is in.
    indices : list of (n,) int arrays
        Where each is in every mode, the channels last.
    """

    rows: np.ndarray
    indices: list

    def products(self, factors, skip=None):
        """Product of the factors of all modes but one, at every hole.

        Parameters
        ----------
        factors : list of (n_m, k) arrays
        skip : int, optional

        Returns
        -------
        (n, k) array
        """
        kept = [m for m in range(len(factors)) if m != skip]
        return khatri_rao_rows(
            [factors[m] for m in kept], [self.indices[m] for m in kept]
        )

    def entries(self, loadings, spectra):
        """What ``loadings @ spectra.T`` says of every hole."""
        return np.einsum("ij,ij->i", loadings[self.rows], spectra[self.indices[-1]])


class Survey(NamedTuple):
    """What one pass tells about data with gaps.

    Attributes
    ----------
    blocks : BlockMatrix
        The positions that have any data.
    summary : Summary
        Of these, zeros in the gaps.
    missing : MissingEntries or None
        The missing entries of these; None where there are none.
    guess : tuple of (n_pixels, 1) and (n_channels, 1) arrays
        A product that is right on average, to fill the gaps with at first.
    """

    blocks: object
    summary: Summary
    missing: MissingEntries | None
    guess: tuple


def survey(blocks, folding):
    """Look for NaN, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_positions, n_channels)
        Not scaled.
    folding : Folding

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        For infinity, and where nothing or a whole channel is missing.
    """
    n, n_channels = blocks.shape
    (n_missing, parts, *rows), (columns, absent) = blocks.run(
        _look, rows=(np.arange(n),)
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
        found = [each for each in parts if each is not None]
        lines, channels = (np.concatenate(each) for each in zip(*found, strict=True))
        kept = n_missing[lines] < n_channels
        lines, channels = lines[kept], channels[kept]
        indices = [*folding.indices(blocks.rows[lines]), channels]
        missing = MissingEntries(np.searchsorted(here, lines), indices)
    guess = amounts[:, None], profile[:, None] / (mean or 1.0)
    return Survey(part, _without(summary, here), missing, guess)


def _look(X, rows):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    gaps = np.isnan(X)
    lines, channels = np.nonzero(gaps)
    part = np.full(len(rows), None, dtype=object)
    part[0] = rows[lines], channels.astype(np.int32)
    results, sums = row_summary(np.where(gaps, 0, X))
    return (gaps.sum(axis=1), part, *results), (*sums, gaps.sum(axis=0))


def _without(summary, rows):
    """The summary of some rows; sums over columns stay, as the others are empty."""
    return summary._replace(
        row_sums=summary.row_sums[rows],
        row_squares=summary.row_squares[rows],
        row_smallest=summary.row_smallest[rows],
    )


class FilledBlocks:
    """A `BlockMatrix` whose gaps are filled when it is read.

    Everything but `run` and the scaling is that of the matrix.

    Parameters
    ----------
    blocks : BlockMatrix
    loadings : (n_pixels, k) array
    spectra : (n_channels, k) array
        What is missing is taken from ``loadings @ spectra.T``.
    """

    def __init__(self, blocks, loadings, spectra):
        self.blocks = blocks
        self.loadings = loadings.astype(blocks.dtype)
        self.spectra = spectra.astype(blocks.dtype)

    def __getattr__(self, name):
        return getattr(self.blocks, name)

    def run(self, function, rows=(), shared=()):
        """Read every block once; see `BlockMatrix.run`."""
        filled = partial(_on_filled, function=function, n_rows=len(rows))
        return self.blocks.run(
            filled, rows=(self.loadings, *rows), shared=(self.spectra, *shared)
        )

    def scaled(self, row_scale, column_scale):
        """Divided by scales, what the gaps are filled with too."""
        return FilledBlocks(
            self.blocks.scaled(row_scale, column_scale),
            self.loadings / row_scale[:, None],
            self.spectra / column_scale[:, None],
        )

    def unscaled(self):
        """The matrix without scaling and with zeros in its gaps."""
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


def abundances_with_gaps(X, S, nonnegative):
    """Least squares of some rows, NaN left out; a function for `BlockMatrix.run`."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
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
        nonnegative_rows_each(A, F, G, _MANY)
    else:
        A = solve_rows(F, G, A)
    return (A.astype(X.dtype),), ()
