"""Rules for the number of components that are offered beside the edge of the noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from sparsedecomp.noise.edge import above_noise, noise_limit

# Values among which the elbow is looked for; the last ones of many are all noise, and
# would make the second group too wide.
_LEADING = 64


def elbow(squares: NDArray) -> int:
    """Number of values before the elbow of the scree, by profile likelihood [1]_.

    The logarithms of the values are divided into two groups, each normally distributed
    with its own mean and both with one variance; the number is that of the likeliest
    division. For data of which no small number of components leaves white noise.

    Parameters
    ----------
    squares : (r,) array
        Squared singular values in falling order.

    Returns
    -------
    int
        From 1 to r - 1; of the leading 64.

    References
    ----------
    .. [1] M. Zhu and A. Ghodsi, Comput. Stat. Data Anal. 51 (2006) 918.
       https://doi.org/10.1016/j.csda.2005.09.010
    """
    x = np.log(np.maximum(squares[:_LEADING], np.finfo(float).eps * squares[0]))
    left = [x[:k].var() * k + x[k:].var() * (len(x) - k) for k in range(1, len(x))]
    return int(np.argmin(left)) + 1 if left else 1


def gavish_donoho(
    squares: NDArray, n_pixels: int, n_channels: int, variance: float
) -> int:
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


def parallel_analysis(
    squares: NDArray,
    left: float,
    n_pixels: int,
    n_channels: int,
    generator: np.random.Generator,
    n_draws: int = 20,
) -> int:
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


def minka(squares: NDArray, left: float, n_pixels: int, n_channels: int) -> int:
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
