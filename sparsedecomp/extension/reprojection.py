"""Abundances of masked pixels and spectra in masked channels, once a model is fitted.

The other factor stays fixed. What was scaled for the fit is scaled alike here: a
masked pixel gets the Keenan-Kotula weight that it would have had in the fit.
"""

from typing import NamedTuple

import numpy as np

from ..blocks.matrix import BlockMatrix, Summary, root_of_sums
from ..decomposition.noise import refuse_negative
from ..kernels.coordinate import nonnegative_rows


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


def refuse_bad_values(blocks, fitted, space):
    """Refuse values that only the reprojection would meet, before the fit.

    Parameters
    ----------
    blocks : BlockMatrix
        Every pixel or every channel.
    fitted : Fitted
        What the fit reads; where it is the same, the fit looks itself.
    space : {"navigation", "signal"}
        What is reprojected.

    Raises
    ------
    ValueError
        For NaN and infinity; for negative values in pixels: names the place.
    """
    if blocks.shape == fitted.plain.shape:
        return
    summary = blocks.describe()
    if space == "navigation":
        refuse_negative(summary)


def loadings_of(blocks, estimator, fitted):
    """Solve for the abundances of every pixel with the spectra fixed.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_all_pixels, n_channels)
        Every pixel, in the channels of the fit, not scaled.
    estimator : object
        Fitted; its ``transform`` does the work.
    fitted : Fitted
        What it was fitted to.

    Returns
    -------
    (n_all_pixels, k) array
        In the units of the data.
    """
    if fitted.summary is None:
        return estimator.transform(blocks)
    row_sums = blocks.describe().row_sums
    scale = root_of_sums(row_sums, fitted.summary.row_sums.mean())
    W = estimator.transform(blocks.scaled(scale, fitted.scaled.column_scale))
    return (W * scale[:, None]).astype(W.dtype)


def factors_of(blocks, W, fitted):
    """Solve for the spectra in every channel with the abundances fixed.

    Non-negative least squares; the scale of a channel does not move its solution, that
    of the pixels does.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_all_channels)
        The pixels of the fit, in every channel, not scaled.
    W : (n_pixels, k) array
        Abundances of the fit, in its scaling.
    fitted : Fitted
        What they were fitted to.

    Returns
    -------
    (n_all_channels, k) array
        In the units of the data.
    """
    if fitted.summary is not None:
        blocks = blocks.scaled(fitted.scaled.row_scale, np.ones(blocks.shape[1]))
    correlation = blocks.rmatmul(W)
    spectra = np.zeros_like(correlation)
    W64 = np.asarray(W, float)
    nonnegative_rows(
        spectra, correlation, W64.T @ W64, np.zeros(W.shape[1]), 1000, 1e-10
    )
    return spectra.astype(W.dtype)
