"""The edge of the noise: how large a singular value noise alone can have.

One rule serves every method that asks whether something rises above the noise:
Johnstone's centre and width of the largest squared singular value of white noise with
the quantile of the Tracy-Widom law at the probability `PROBABILITY`. The edge of the
Marchenko-Pastur law, which is its limit for infinite matrices, is exceeded by about
every sixth finite matrix of noise, and by how much depends on the shape; the quantile
holds the rate of false components fixed for every shape. What the law cannot know, that
the noise of few counts is not Gaussian, `parametric_bootstrap` measures near the edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

PROBABILITY = 1e-3
"""Probability that noise is taken for a component, the same for every method: one false
component in a thousand data sets. On simulated scenes (six and eight edges, a rare
phase, vacuum, 8 and 16 channels, lines of 10 and 30 pixels) 1e-4 was right in all of 80
and loses a weak third phase of five counts a pixel, which 1e-3 keeps."""

MOST_COMPONENTS = 20
"""Upper bound on the number of components where none is given: more spectra are hardly
interpreted, and so many are a sign of correlated noise, bad pixels or a drift."""

# Shape, scale and shift of the gamma distribution that approximates the Tracy-Widom law
# of real data: Chiani (2014), table I.
_SHAPE, _SCALE, _SHIFT = 46.446, 0.186054, 9.84801
# Rounding errors of a Gram matrix, in units of the machine precision.
_ROUNDING = 64


def noise_limit(
    n_pixels: int, n_channels: int, probability: float = PROBABILITY
) -> float:
    """Largest squared singular value of white noise of variance one [1]_, [2]_.

    Parameters
    ----------
    n_pixels, n_channels : int
        Shape of the matrix.
    probability : float, default 1e-3
        Probability with which noise alone exceeds the limit.

    Returns
    -------
    float
        Centre and width are Johnstone's; the quantile of the Tracy-Widom law is that
        of Chiani's gamma distribution.

    References
    ----------
    .. [1] I. M. Johnstone, Ann. Stat. 29 (2001) 295.
       https://doi.org/10.1214/aos/1009210544
    .. [2] M. Chiani, J. Multivar. Anal. 129 (2014) 69.
       https://doi.org/10.1016/j.jmva.2014.04.002

    Examples
    --------
    >>> from sparsedecomp.noise import noise_limit
    >>> round(noise_limit(1000, 100) / (1000**0.5 + 100**0.5) ** 2, 3)
    1.038
    """
    centre, width = _johnstone(n_pixels, n_channels)
    quantile = _SCALE * gammaincinv(_SHAPE, 1 - probability) - _SHIFT
    return float(centre + quantile * width)


def noise_edge(noise_variance: float, n_pixels: int, n_channels: int) -> float:
    """The most that one component can explain of pure noise, as a sum of squares.

    Parameters
    ----------
    noise_variance : float
        Variance of an entry.
    n_pixels, n_channels : int
        Shape of the matrix.

    Returns
    -------
    float
        `noise_limit` times the variance.
    """
    return noise_variance * noise_limit(n_pixels, n_channels)


def noise_probability(
    square: float | NDArray, n_pixels: int, n_channels: int
) -> NDArray:
    """Probability that white noise of variance one has a larger squared singular value.

    Parameters
    ----------
    square : float or array
        Squared singular values.
    n_pixels, n_channels : int
        Shape of the matrix.

    Returns
    -------
    float or array
        As `square`.
    """
    centre, width = _johnstone(n_pixels, n_channels)
    x = np.maximum((square - centre) / width + _SHIFT, 0.0) / _SCALE
    return 1 - gammainc(_SHAPE, x)


def _johnstone(n: int, m: int) -> tuple[float, float]:
    """Centre and width of the largest squared singular value."""
    a, b = np.sqrt(max(n - 0.5, 0.5)), np.sqrt(max(m - 0.5, 0.5))
    return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)


def above_noise(
    squares: NDArray,
    left: float,
    n_pixels: int,
    n_channels: int,
    *,
    variance: float | None = None,
    most_variance: float | None = None,
    p: float = PROBABILITY,
    factor: float = 1.0,
) -> tuple[int, float, NDArray]:
    """Count the squared singular values above the edge of white noise.

    One value after the other is tested against noise of the variance that it and all
    smaller ones have together.

    Parameters
    ----------
    squares : (r,) array
        Leading squared singular values in falling order.
    left : float
        Sum of the squared singular values that are not in `squares`.
    n_pixels, n_channels : int
        Shape of the matrix.
    variance : float, optional
        Variance of the noise, where it is known exactly.
    most_variance : float, optional
        The most that the variance can be. It keeps components that are not tested yet
        from counting as noise where few dimensions are left over.
    p : float, default 1e-3
        Probability that noise is taken for a component.
    factor : float, default 1
        Multiplies the edges; a larger one counts fewer components.

    Returns
    -------
    count : int
        Number of components above the noise.
    variance : float
        Variance of the noise.
    edges : (r,) array
        What each of the values had to exceed, the ones before it being components.
    """
    r = len(squares)
    tail = left + np.append(np.cumsum(squares[::-1])[::-1], 0.0)
    eps = np.finfo(float).eps
    rounding = _ROUNDING * eps * squares[0] * max(n_pixels, n_channels) ** 0.5
    free = np.maximum(
        (n_pixels - np.arange(r + 1)) * (n_channels - np.arange(r + 1)), 1
    )
    limits = np.array([noise_limit(n_pixels - k, n_channels - k, p) for k in range(r)])
    sigma2 = np.maximum(tail, 0.0) / free
    if most_variance is not None:
        sigma2 = np.minimum(sigma2, most_variance)
    if variance is not None:
        sigma2[:] = variance
    edges = np.maximum(factor * sigma2[:r] * limits, rounding)
    above = squares > edges
    count = r if above.all() else int(np.argmin(above))
    return count, float(sigma2[count]), edges
