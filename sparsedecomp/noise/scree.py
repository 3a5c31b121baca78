"""How many singular values rise above the noise: rules that look at these alone."""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc, gammaincinv, gammaln

# Gamma distribution that the one of Tracy and Widom (real data) is close to.
_SHAPE, _SCALE, _SHIFT = 46.446, 0.186054, 9.84801
_BELOW_ROUNDING = 64


def noise_edge(noise_variance, n_pixels, n_channels):
    """The most that one component can explain of pure noise, as a sum of squares.

    The largest squared singular value of a matrix of noise, at the upper edge of the
    distribution of Marchenko and Pastur.

    Parameters
    ----------
    noise_variance : float
        Variance of an entry.
    n_pixels, n_channels : int
        Shape of the matrix.
    """
    return noise_variance * (np.sqrt(n_pixels) + np.sqrt(n_channels)) ** 2


def noise_limit(n_pixels, n_channels, probability=0.01):
    """Largest squared singular value of white noise of variance one [1]_, [2]_.

    Parameters
    ----------
    n_pixels, n_channels : int
    probability : float, default 0.01
        With which noise alone exceeds the limit.

    Returns
    -------
    float
        Centre and width are Johnstone's; the quantile of Tracy and Widom's law is that
        of Chiani's gamma distribution.

    References
    ----------
    .. [1] I. M. Johnstone, Ann. Stat. 29 (2001) 295.
       https://doi.org/10.1214/aos/1009210544
    .. [2] M. Chiani, J. Multivar. Anal. 129 (2014) 69.
       https://doi.org/10.1016/j.jmva.2014.04.002

    Examples
    --------
    >>> from sparsedecomp.noise.scree import noise_limit
    >>> round(noise_limit(1000, 100) / (1000**0.5 + 100**0.5) ** 2, 3)
    1.023
    """
    centre, width = _johnstone(n_pixels, n_channels)
    quantile = _SCALE * gammaincinv(_SHAPE, 1 - probability) - _SHIFT
    return float(centre + quantile * width)


def noise_probability(square, n_pixels, n_channels):
    """Probability that white noise of variance one has a larger squared value."""
    centre, width = _johnstone(n_pixels, n_channels)
    x = np.maximum((square - centre) / width + _SHIFT, 0.0) / _SCALE
    return 1 - gammainc(_SHAPE, x)


def _johnstone(n, m):
    a, b = np.sqrt(max(n - 0.5, 0.5)), np.sqrt(max(m - 0.5, 0.5))
    return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)


def above_noise(
    squares, left, n_pixels, n_channels, *, variance=None, p=0.01, factor=1.0
):
    """Count the squared singular values above the edge of white noise.

    One value after the other is tested against noise of the variance that it and all
    smaller ones have together.

    Parameters
    ----------
    squares : (r,) array
        Leading squared singular values, falling.
    left : float
        Sum of those that are not among them.
    n_pixels, n_channels : int
    variance : float, optional
        Of the noise, if it is known.
    p : float, default 0.01
        Probability that noise is taken for a component.
    factor : float, default 1
        What the edges are multiplied by.

    Returns
    -------
    count : int
    variance : float
        Of the noise.
    edges : (r,) array
        What each of the values had to exceed, the ones before it being components.
    """
    r = len(squares)
    tail = left + np.append(np.cumsum(squares[::-1])[::-1], 0.0)
    eps = np.finfo(float).eps
    rounding = _BELOW_ROUNDING * eps * squares[0] * max(n_pixels, n_channels) ** 0.5
    free = np.maximum(
        (n_pixels - np.arange(r + 1)) * (n_channels - np.arange(r + 1)), 1
    )
    limits = np.array([noise_limit(n_pixels - k, n_channels - k, p) for k in range(r)])
    sigma2 = np.maximum(tail, 0.0) / free
    if variance is not None:
        sigma2[:] = variance
    edges = np.maximum(factor * sigma2[:r] * limits, rounding)
    above = squares > edges
    count = r if above.all() else int(np.argmin(above))
    return count, float(sigma2[count]), edges


def gavish_donoho(squares, n_pixels, n_channels, variance):
    """Number of singular values above the optimal hard threshold [1]_.

    Their eq. 11 for noise of known variance. The threshold is that of the best
    approximation of the data, which lies above the edge of the noise: a component
    just above the edge does not repay its noise.

    References
    ----------
    .. [1] M. Gavish and D. L. Donoho, IEEE Trans. Inf. Theory 60 (2014) 5040.
       https://doi.org/10.1109/TIT.2014.2323359
    """
    small, large = sorted((n_pixels, n_channels))
    beta = small / large
    factor = 2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1))
    return int(np.count_nonzero(squares > factor * large * variance))


def parallel_analysis(squares, left, n_pixels, n_channels, generator, n_draws=20):
    """Number of values above the largest one of noise that is drawn anew [1]_.

    After each component the rest is compared with noise of its own variance (the
    deflated version [2]_). The Gram matrix of white noise is drawn as a whole
    (Bartlett), which costs the same for any number of pixels.

    References
    ----------
    .. [1] J. L. Horn, Psychometrika 30 (1965) 179. https://doi.org/10.1007/BF02289447
    .. [2] E. Dobriban and A. B. Owen, J. R. Stat. Soc. B 81 (2019) 163.
       https://doi.org/10.1111/rssb.12301
    """
    m, n = sorted((n_pixels, n_channels))
    largest = np.empty(n_draws)
    for i in range(n_draws):
        L = np.tril(generator.standard_normal((m, m)), -1)
        L[np.diag_indices(m)] = np.sqrt(generator.chisquare(n - np.arange(m)))
        largest[i] = np.linalg.norm(L, 2) ** 2
    relative = np.quantile(largest, 0.95) / noise_limit(n, m, 0.5)
    return above_noise(squares, left, n, m, p=0.5, factor=relative)[0]


def minka(squares, left, n_pixels, n_channels):
    """Number of components of largest evidence, in Laplace's approximation [1]_.

    Eq. 30 of the report, for data that are not centred. It takes noise for white and
    needs many more pixels than channels.

    References
    ----------
    .. [1] T. P. Minka, Adv. Neural Inf. Process. Syst. 13 (2000) 598.
    """
    d, n = n_channels, n_pixels
    spectrum = np.asarray(squares, float) / n
    rest = max(left / n, 0.0)
    floor = np.finfo(float).eps * spectrum[0]
    r = min(len(spectrum), d - 1, n - 1)
    # Values that were not computed are taken as equal.
    unknown = d - len(spectrum)
    values = np.maximum(np.append(spectrum, [rest / max(unknown, 1)] * unknown), floor)
    evidence = np.full(r, -np.inf)
    inverse = 1 / values
    for k in range(1, r):
        noise = values[k:].sum() / (d - k)
        i = np.arange(1, k + 1)
        log_volume = np.sum(
            gammaln((d - i + 1) / 2) - (d - i + 1) / 2 * np.log(np.pi)
        ) - k * np.log(2)
        m = d * k - k * (k + 1) / 2
        flat = np.append(inverse[:k], np.full(d - k, 1 / noise))
        hessian = 0.0
        for a in range(k):
            gap = (flat[a + 1 :] - flat[a]) * (values[a] - values[a + 1 :])
            hessian += np.log(np.maximum(gap, floor * floor)).sum()
            hessian += (d - a - 1) * np.log(n)
        evidence[k] = (
            log_volume
            - n / 2 * np.log(values[:k]).sum()
            - n * (d - k) / 2 * np.log(noise)
            + (m + k) / 2 * np.log(2 * np.pi)
            - hessian / 2
            - k / 2 * np.log(n)
        )
    return int(np.argmax(evidence)) if r > 1 else 1
