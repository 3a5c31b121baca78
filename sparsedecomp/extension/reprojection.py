"""Abundances of masked pixels and spectra in masked channels, once a model is fitted.

Both are non-negative least squares problems with the other factor fixed. With
Keenan-Kotula scaling the residual of a pixel is weighted by the channels' scale, and
that of a channel by the pixels' scale; a scale of the row that is solved for does not
move its minimum, so the results come out in the units of the data.
"""

import copy

import numpy as np

from ..kernels.coordinate import nonnegative_rows


def scaled(blocks, row_scale=None, column_scale=None):
    """Return a matrix whose entries are divided by the given scales.

    Parameters
    ----------
    blocks : sparsedecomp.blocks.BlockMatrix of shape (n_pixels, n_channels)
        Matrix without scaling of its own.
    row_scale : (n_pixels,) array, optional
        Default: ones.
    column_scale : (n_channels,) array, optional
        Default: ones.

    Returns
    -------
    sparsedecomp.blocks.BlockMatrix
        The same data; `blocks` itself where there is nothing to divide by.
    """
    if row_scale is None and column_scale is None:
        return blocks
    view = copy.copy(blocks)
    n_pixels, n_channels = blocks.shape
    view.row_scale = np.ones(n_pixels) if row_scale is None else row_scale
    view.column_scale = np.ones(n_channels) if column_scale is None else column_scale
    return view


def spectra_of(blocks, abundances):
    """Solve for the spectra in every channel with the abundances fixed.

    Parameters
    ----------
    blocks : sparsedecomp.blocks.BlockMatrix of shape (n_pixels, n_channels)
        The pixels of the fit, scaled as there, in every channel.
    abundances : (n_pixels, k) array
        Of the fit.

    Returns
    -------
    (n_channels, k) array
        Of the dtype of `abundances`.
    """
    W = np.asarray(abundances, float)
    correlation = blocks.rmatmul(abundances)
    spectra = np.zeros_like(correlation)
    k = W.shape[1]
    nonnegative_rows(spectra, correlation, W.T @ W, np.zeros(k), 1000, 1e-10)
    return spectra.astype(abundances.dtype)
