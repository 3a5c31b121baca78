"""Abundances of masked pixels and spectra in masked channels, once a model is fitted.

The other factor stays fixed, and what was fitted stays as it is. What was scaled for
the fit is scaled alike here: a masked pixel gets the Keenan-Kotula weight that it
would have had in the fit.
"""

from typing import NamedTuple

import numpy as np

from ..blocks.matrix import BlockMatrix
from ..blocks.summary import Summary, root_of_sums
from ..kernels.coordinate import nonnegative_rows
from ..noise.weights import refuse_negative


class Fitted(NamedTuple):
    """The matrix that a model was fitted to, and where it comes from.

    Attributes
    ----------
    plain : BlockMatrix of shape (n_pixels, n_channels)
        The data without scaling.
    summary : Summary or None
        Of `plain`; None where nothing is scaled.
    scaled : BlockMatrix of shape (n_pixels, n_channels)
        What the estimator gets; `plain` where nothing is scaled.
    """

    plain: BlockMatrix
    summary: Summary | None
    scaled: BlockMatrix

    @classmethod
    def of(cls, plain, poisson):
        """Scale a matrix with Keenan and Kotula's weights, or not.

        Parameters
        ----------
        plain : BlockMatrix of shape (n_pixels, n_channels)
        poisson : bool
            Whether to scale; costs a pass over the data.

        Returns
        -------
        Fitted
        """
        if not poisson:
            return cls(plain, None, plain)
        summary = plain.describe()
        return cls(plain, summary, plain.poisson_scaled(summary))


def refuse_bad_values(hidden):
    """Refuse values that only the reprojection would meet, before the fit.

    Parameters
    ----------
    hidden : dict of str to BlockMatrix
        Under "navigation" the masked pixels, under "signal" the masked channels.

    Raises
    ------
    ValueError
        For NaN and infinity; for negative values in pixels: names the place.
    """
    for space, blocks in hidden.items():
        summary = blocks.describe()
        if space == "navigation":
            refuse_negative(summary)


def loadings_of(pixels, estimator, fitted):
    """Solve for the abundances of masked pixels with the spectra fixed.

    Parameters
    ----------
    pixels : BlockMatrix of shape (n_masked, n_channels)
        The masked pixels, in the channels of the fit, not scaled.
    estimator : object
        Fitted; its ``transform`` does the work.
    fitted : Fitted
        What it was fitted to.

    Returns
    -------
    (n_masked, k) array
        In the units of the data.
    """
    if fitted.summary is None:
        return estimator.transform(pixels)
    row_sums = pixels.describe().row_sums
    scale = root_of_sums(row_sums, fitted.summary.row_sums.mean())
    W = estimator.transform(pixels.scaled(scale, fitted.scaled.column_scale))
    return W * scale[:, None]


def factors_of(channels, W, fitted):
    """Solve for the spectra in masked channels with the abundances fixed.

    Non-negative least squares. The scale of a channel does not move its solution, that
    of the pixels does.

    Parameters
    ----------
    channels : BlockMatrix of shape (n_pixels, n_masked)
        The pixels of the fit, in the masked channels, not scaled.
    W : (n_pixels, k) array
        Abundances of the fit, in its scaling.
    fitted : Fitted
        What they were fitted to.

    Returns
    -------
    (n_masked, k) array
        In the units of the data.
    """
    if fitted.summary is not None:
        ones = np.ones(channels.shape[1])
        channels = channels.scaled(fitted.scaled.row_scale, ones)
    correlation = channels.rmatmul(W)
    spectra = np.zeros_like(correlation)
    W = np.asarray(W, float)
    nonnegative_rows(spectra, correlation, W.T @ W, np.zeros(W.shape[1]), 1000, 1e-10)
    return spectra
