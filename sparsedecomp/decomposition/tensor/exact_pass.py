"""What the compression left out: a last pass over the data themselves."""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.tensor.cpd_least_squares import times
from sparsedecomp.decomposition.tensor.gaps import FilledBlocks
from sparsedecomp.decomposition.tensor.modes import khatri_rao_rows
from sparsedecomp.kernels.tensor import leave_out


def exact_spectra(blocks, loadings, spectra, update, missing=None):
    """One pass: the best spectra for given loadings, and what they leave exactly.

    The residual of the old spectra is formed entry by entry, so that its size is right
    even where it is a millionth of the data.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
    loadings : (n_pixels, k) array
    spectra : (n_channels, k) float64 array
    update : callable
        ``update(F, gram, start) -> (n_channels, k)`` solves ``C gram ~ F``.
    missing : MissingEntries, optional
        Entries that are missing and have no weight.

    Returns
    -------
    spectra : (n_channels, k) float64 array
    residual : float
        Sum of squares.
    """
    L = loadings.astype(blocks.dtype)
    if missing is not None:
        # Filled with the very model, they leave nothing.
        blocks = FilledBlocks(blocks.blocks, L, spectra)
    _, (squares, left) = blocks.run(
        _residual, rows=(L,), shared=(spectra.astype(blocks.dtype),)
    )
    L = L.astype(float)
    gram = L.T @ L
    rounded = spectra.astype(blocks.dtype).astype(float)
    if missing is not None:
        gram = np.array(np.broadcast_to(gram, (len(rounded), *gram.shape)))
        leave_out(missing.indices[-1], L[missing.rows], gram)
    new = update(left + times(rounded, gram), gram, rounded.copy())
    step = new - rounded
    residual = squares - 2 * np.vdot(left, step) + np.vdot(times(step, gram), step)
    return new, max(float(residual), 0.0)


def _residual(X, L, C):
    left = np.asarray(X - L @ C.T)
    return (), (np.einsum("ij,ij->", left, left, dtype=float), left.T @ L)


def loadings_of(factors, folding, rows):
    """Khatri-Rao rows of the factors of all modes but the channels.

    Parameters
    ----------
    factors : list of (n_m, k) arrays
        Without that of the channels.
    folding : Folding
    rows : (n,) int array
        Flat positions.

    Returns
    -------
    (n, k) array
    """
    return khatri_rao_rows(factors, folding.indices(rows))
