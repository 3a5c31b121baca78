"""A last pass over the data, for what the compression has left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.tensor.cpd_least_squares import times
from sparsedecomp.decomposition.tensor.gaps import FilledBlocks, MissingEntries
from sparsedecomp.kernels.tensor import leave_out


def exact_spectra(
    blocks: BlockMatrix | FilledBlocks,
    loadings: NDArray,
    spectra: NDArray,
    update: Callable[[NDArray, NDArray, NDArray], NDArray],
    missing: MissingEntries | None = None,
) -> tuple[NDArray, float]:
    """Best spectra for given loadings and their exact residual, in one pass.

    The residual of the old spectra is formed entry by entry, so that its size is right
    even where it is a millionth of the data.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
        The data.
    loadings : (n_pixels, k) array
        Abundances of the pixels.
    spectra : (n_channels, k) float64 array
        Spectra to start from.
    update : callable
        ``update(F, gram, start) -> (n_channels, k)`` solves ``C gram ~ F``.
    missing : MissingEntries, optional
        Missing entries, which have no weight.

    Returns
    -------
    spectra : (n_channels, k) float64 array
        Best spectra.
    residual : float
        Residual sum of squares.
    """
    L = loadings.astype(blocks.dtype)
    if missing is not None:
        assert isinstance(blocks, FilledBlocks)
        # Missing entries are set to the model, so their residual is zero.
        blocks = FilledBlocks(blocks.blocks, L, spectra)
    _, (squares, correlation) = blocks.run(
        _residual, rows=(L,), shared=(spectra.astype(blocks.dtype),)
    )
    L = L.astype(float)
    gram = L.T @ L
    rounded = spectra.astype(blocks.dtype).astype(float)
    if missing is not None:
        gram = np.array(np.broadcast_to(gram, (len(rounded), *gram.shape)))
        leave_out(missing.indices[-1], L[missing.rows], gram)
    new = update(correlation + times(rounded, gram), gram, rounded.copy())
    step = new - rounded
    residual = (
        squares - 2 * np.vdot(correlation, step) + np.vdot(times(step, gram), step)
    )
    return new, max(float(residual), 0.0)


def _residual(X, L, C):
    residual = np.asarray(X - L @ C.T)
    squares = np.einsum("ij,ij->", residual, residual, dtype=float)
    return (), (squares, residual.T @ L)
