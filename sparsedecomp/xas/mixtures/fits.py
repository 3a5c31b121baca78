"""Fits of mixtures: numbers of every spectrum, and the errors of fractions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIGNIFICANT = 2.0
"""Standard deviations above which the correlation of neighbouring residuals counts."""

LARGEST_CORRELATION = 0.95
"""Correlation of neighbouring residuals that is believed at most."""


class MixtureFits(NamedTuple):
    """Fits of many spectra.

    Attributes
    ----------
    fractions, errors : numpy.ndarray of shape (..., k)
        Fraction of each reference, and its standard deviation.
    shift, shift_error : numpy.ndarray of shape (...)
        Energy shift in eV, positive where a spectrum lies at higher energies than the
        references; zero if shifts were not fitted.
    r_factor : numpy.ndarray of shape (...)
        Sum of the squared residuals over that of the squared data.
    reduced_chi2 : numpy.ndarray of shape (...)
        Sum of the squared residuals over the degrees of freedom.
    """

    fractions: np.ndarray
    errors: np.ndarray
    shift: np.ndarray
    shift_error: np.ndarray
    r_factor: np.ndarray
    reduced_chi2: np.ndarray


def unpacked(numbers: np.ndarray, k: int) -> MixtureFits:
    """Take the columns of packed numbers apart.

    Parameters
    ----------
    numbers : array of shape (..., 2 k + 4)
        Fractions, errors, shift, its error, R factor and reduced chi-square.
    k : int
        Number of references.

    Returns
    -------
    MixtureFits
        Views of the numbers.
    """
    rest = (numbers[..., 2 * k + number] for number in range(4))
    return MixtureFits(numbers[..., :k], numbers[..., k : 2 * k], *rest)


def correlation_factor(residual: np.ndarray) -> np.ndarray:
    """Factor by which correlated residuals enlarge the variance of a mean.

    Parameters
    ----------
    residual : numpy.ndarray of shape (..., n)
        Residuals of fits.

    Returns
    -------
    numpy.ndarray of shape (...)
        (1 + c) / (1 - c) for the correlation c of neighbours; one where it is not
        significant.
    """
    power = np.einsum("...i,...i->...", residual, residual)
    product = np.einsum("...i,...i->...", residual[..., 1:], residual[..., :-1])
    c = product / np.maximum(power, np.finfo(float).tiny)
    c = np.where(c > SIGNIFICANT / np.sqrt(residual.shape[-1]), c, 0.0)
    c = np.minimum(c, LARGEST_CORRELATION)
    return (1 + c) / (1 - c)


def covariance_of(gram: np.ndarray, closed: bool) -> np.ndarray:
    """Covariance of fractions for residuals of variance one.

    Parameters
    ----------
    gram : numpy.ndarray of shape (..., k, k)
        Gram matrix of the references.
    closed : bool
        Whether the fractions add up to one.

    Returns
    -------
    numpy.ndarray of shape (..., k, k)
        Covariance matrix.
    """
    inverse = np.linalg.pinv(gram, hermitian=True)
    if not closed:
        return inverse
    row = inverse.sum(axis=-1)
    total = row.sum(axis=-1)[..., None, None]
    return inverse - row[..., :, None] * row[..., None, :] / total
