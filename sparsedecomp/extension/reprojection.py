"""Abundances of masked pixels and spectra in masked channels of a fitted model.

The other factor is fixed, and the results of the fit do not change. If the fit scaled
the data, masked pixels are scaled by the Keenan-Kotula weights that they would have had
in the fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blocks.matrix import BlockMatrix
from ..blocks.summary import poisson_row_scale
from ..kernels.coordinate import nonnegative_rows
from ..noise import refuse_negative


def refuse_bad_values(hidden: dict[str, BlockMatrix], counts: bool) -> None:
    """Check the masked values that the reprojection will read, before the fit.

    Parameters
    ----------
    hidden : dict of str to BlockMatrix
        Masked pixels under "navigation", masked channels under "signal".
    counts : bool
        Whether the algorithm needs counts, so that negative values are refused.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, or if a masked pixel is negative where counts
        are needed; the message gives its position.
    """
    for space, blocks in hidden.items():
        summary = blocks.describe()
        if counts and space == "navigation":
            refuse_negative(summary)


def loadings_of(
    pixels: BlockMatrix, estimator: Any, plain: BlockMatrix, scaled: BlockMatrix
) -> np.ndarray:
    """Solve for the abundances of masked pixels with the spectra fixed.

    Parameters
    ----------
    pixels : BlockMatrix of shape (n_masked, n_channels)
        Masked pixels, in the channels of the fit, not scaled.
    estimator : object
        Fitted estimator with a ``transform`` method.
    plain, scaled : BlockMatrix of shape (n_pixels, n_channels)
        Data of the fit before and after scaling; the same if they are not scaled.

    Returns
    -------
    (n_masked, k) array
        Abundances in the units of the data.
    """
    if scaled.row_scale is None:
        return estimator.transform(pixels)
    row_sums = pixels.describe().row_sums
    scale = poisson_row_scale(row_sums, plain.describe().row_sums.mean())
    W = estimator.transform(pixels.scaled(scale, scaled.column_scale))
    return W * scale[:, None]


def factors_of(channels: BlockMatrix, W: np.ndarray, scaled: BlockMatrix) -> np.ndarray:
    """Solve for the spectra in masked channels with the abundances fixed.

    Non-negative least squares. The solution of a channel depends on the weights of the
    pixels, not on that of the channel.

    Parameters
    ----------
    channels : BlockMatrix of shape (n_pixels, n_masked)
        Pixels of the fit, in the masked channels, not scaled.
    W : (n_pixels, k) array
        Abundances of the fit, in its scaling.
    scaled : BlockMatrix of shape (n_pixels, n_channels)
        Data of the fit.

    Returns
    -------
    (n_masked, k) array
        Spectra in the units of the data.
    """
    if scaled.row_scale is not None:
        channels = channels.scaled(scaled.row_scale, np.ones(channels.shape[1]))
    correlation = channels.rmatmul(W)
    spectra = np.zeros_like(correlation)
    W = np.asarray(W, float)
    nonnegative_rows(spectra, correlation, W.T @ W, np.zeros(W.shape[1]), 1000, 1e-10)
    return spectra
