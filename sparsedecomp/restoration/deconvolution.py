"""A spectrum without the blur of the zero-loss peak.

The restored spectrum has a smoothness of its own at each energy, which the data choose
by their evidence: there is no weight, and no number of iterations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

# Standard deviation in channels of the window in which the smoothness is one: of 2, 3
# and 4, which differ by less than 5 % of the error, the middle one.
_WINDOW = 3.0
# Upper bound of the iterations, and the change in standard deviations at which to stop.
_MOST, _CONVERGED = 40, 0.05
# Newton steps of the first fit, and of those after the smoothness has changed.
_FIRST, _FURTHER = 8, 2
# Weight of the logarithm that keeps counts positive, in counts.
_BARRIER = 1e-2
# Second differences are free by at least this part of the maximum.
_STIFFEST = 1e-5
# Smoothness changes by at most this factor in an iteration.
_FASTEST = 30.0
# Part of its maximum down to which a zero-loss peak is used.
_TAIL = 1e-4
# Iterations of Richardson and Lucy that are compared.
_RL_MOST = 400


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """A deblurred spectrum, by `deconvolve` or `richardson_lucy`.

    Attributes
    ----------
    values : (n_channels,) array
        Deblurred spectrum in the units of the data.
    deviation : (n_channels,) array
        Standard deviation of the values by the noise and the smoothness; NaN where the
        method has none.
    freedom : float
        Degrees of freedom of the spectrum; NaN where the method has none.
    n_iter : int
        Number of iterations.
    converged : bool
        Whether it stopped before the upper bound of iterations.
    """

    values: NDArray
    deviation: NDArray
    freedom: float
    n_iter: int
    converged: bool


def kernel_of(zero_loss: ArrayLike, centre: int | None = None) -> NDArray:
    """Kernel of the blur from a zero-loss peak.

    Parameters
    ----------
    zero_loss : (n,) array
        Intensities of the peak, without the losses behind it.
    centre : int, optional
        Channel of the energy zero; default: that of the maximum.

    Returns
    -------
    (2 w + 1,) array
        Kernel with the sum one and the energy zero in its middle.

    Raises
    ------
    ValueError
        For NaN and a peak without intensity.

    Examples
    --------
    >>> from sparsedecomp.restoration import kernel_of
    >>> kernel_of([0.0, 1.0, 2.0, 1.0, 0.0]).tolist()
    [0.25, 0.5, 0.25]
    """
    peak = np.asarray(zero_loss, float).ravel()
    if not np.isfinite(peak).all() or not peak.max() > 0:
        raise ValueError(
            "The zero-loss peak has NaN or no positive intensity, expected a spectrum "
            "of the peak."
        )
    peak = np.where(peak > _TAIL * peak.max(), peak, 0)
    middle = int(np.argmax(peak)) if centre is None else centre
    used = np.flatnonzero(peak)
    half = int(np.abs(used - middle).max())
    kernel = np.zeros(2 * half + 1)
    kernel[used - middle + half] = peak[used]
    return kernel / kernel.sum()


def deconvolve(
    values: ArrayLike, kernel: ArrayLike, variance: ArrayLike | None = None
) -> Deconvolution:
    """Take the blur off a spectrum, with a smoothness that the data choose [1]_.

    The second differences of the deblurred spectrum are normally distributed with a
    variance for each channel, which is the same in a small window. It is raised and
    lowered until it is the most probable one, given the data. Counts have their Poisson
    likelihood and a positive spectrum; other data the normal one.

    Parameters
    ----------
    values : (n_channels,) array
        Spectrum.
    kernel : (2 w + 1,) array
        Kernel with the sum one, from `kernel_of`.
    variance : array, optional
        Variance of the noise of each channel, or of all; default: the values are
        counts.

    Returns
    -------
    Deconvolution
        The spectrum, its standard deviation and degrees of freedom.

    Raises
    ------
    ValueError
        For NaN, negative counts, and a kernel that is wider than half of the spectrum.

    Notes
    -----
    Channels beyond the edges are free, so that intensity from there may enter. Detail
    that the blur has taken below the noise does not come back.

    References
    ----------
    .. [1] D. J. C. MacKay, Neural Comput. 4 (1992) 415, equation 4.9; M. E. Tipping, J.
       Mach. Learn. Res. 1 (2001) 211, equation 16.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import deconvolve, kernel_of
    >>> e = np.arange(200)
    >>> kernel = kernel_of(np.exp(-0.5 * ((np.arange(31) - 15) / 4.0) ** 2))
    >>> clean = 900.0 * np.exp(-0.5 * ((e - 80) / 4.0) ** 2) + 20
    >>> counts = np.random.default_rng(0).poisson(np.convolve(clean, kernel, "same"))
    >>> found = deconvolve(counts, kernel)
    >>> error, before = found.values - clean, counts - clean
    >>> bool(np.std(error[20:-20]) < 0.2 * np.std(before[20:-20]))
    True
    """
    y = np.asarray(values, float)
    K = _blur(y, np.asarray(kernel, float), counts=variance is None)
    if not np.ptp(y):
        return Deconvolution(y.copy(), np.zeros(y.shape), 1.0, 0, True)
    fit = _Counts(y, K) if variance is None else _Normal(y, K, variance)
    pad = (K.shape[1] - len(y)) // 2
    x = fit.start(np.pad(gaussian_filter1d(y, 2.0), pad, mode="edge"))
    m = len(x)
    D = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(m - 2, m))
    stiffness = np.full(m - 2, 1 / max(float(np.var(D @ x)), 1e-300))
    converged = False
    for iteration in range(_MOST):
        before = x
        for _ in range(_FURTHER if iteration else _FIRST):
            x, factor = fit.step(x, D, stiffness)
        S, _ = scipy.linalg.lapack.dpotri(factor, lower=1)
        spread = _curvature_variance(S)
        freedom = np.clip(1 - stiffness * spread, 1e-6, 1)
        curvature = np.square(D @ x)
        new = _windowed(freedom) / np.maximum(_windowed(curvature), 1e-300)
        new = np.clip(new, stiffness / _FASTEST, stiffness * _FASTEST)
        stiffness = np.minimum(new, 1 / (_STIFFEST * np.abs(x).max()) ** 2)
        deviation = np.sqrt(np.diag(S))
        change = np.sqrt(np.mean(np.square((x - before) / deviation)))
        if iteration and change < _CONVERGED:
            converged = True
            break
    inner = slice(pad, m - pad)
    return Deconvolution(
        x[inner], deviation[inner], float(freedom.sum()) + 2, iteration + 1, converged
    )


def richardson_lucy(
    values: ArrayLike, kernel: ArrayLike, n_iter: int | None = None, seed: int = 0
) -> Deconvolution:
    """Take the blur off counts by Richardson and Lucy's iterations [1]_.

    Parameters
    ----------
    values : (n_channels,) array
        Counts.
    kernel : (2 w + 1,) array
        Kernel with the sum one.
    n_iter : int, optional
        Number of iterations; default: the one at which four fifths of the counts
        predict the others best.
    seed : int, default 0
        Seed of the split of the counts.

    Returns
    -------
    Deconvolution
        The spectrum and the number of iterations.

    References
    ----------
    .. [1] W. H. Richardson, J. Opt. Soc. Am. 62 (1972) 55; L. B. Lucy, Astron. J. 79
       (1974) 745.

    Examples
    --------
    >>> from sparsedecomp.restoration import richardson_lucy
    >>> richardson_lucy([5, 5, 40, 90, 40, 5, 5, 5], [0.25, 0.5, 0.25], 10).n_iter
    10
    """
    y = np.asarray(values, float)
    K = _blur(y, np.asarray(kernel, float), counts=True)
    pad = (K.shape[1] - len(y)) // 2
    stop = n_iter
    if stop is None:
        rng = np.random.default_rng(seed)
        seen = rng.binomial(np.rint(y).astype(np.int64), 0.8)
        held_out, best, stop = np.rint(y) - seen, -np.inf, 1
        for k, x in enumerate(_multiplicative(seen, K, _RL_MOST)):
            expected = 0.25 * (K @ x)
            score = float(np.sum(held_out * np.log(expected) - expected))
            if score > best:
                best, stop = score, k + 1
    *_, x = _multiplicative(y, K, stop)
    none = np.full(y.shape, np.nan)
    return Deconvolution(x[pad : pad + len(y)], none, np.nan, stop, True)


def single_scattering(values: ArrayLike, kernel: ArrayLike, at: int) -> NDArray:
    """Low-loss spectrum of single scattering, from one of a thick specimen [1]_.

    The Fourier logarithm ``Z ln(J / Z)`` of the spectrum J and its zero-loss peak Z is
    free of plural scattering, keeps the blur of Z, and does not raise the noise.

    Parameters
    ----------
    values : (n_channels,) array
        Spectrum with its zero-loss peak.
    kernel : (2 w + 1,) array
        Kernel with the sum one, from the zero-loss peak.
    at : int
        Channel of the energy zero in the spectrum.

    Returns
    -------
    (n_channels,) array
        Single scattering, without the zero-loss peak.

    Raises
    ------
    ValueError
        For NaN, and a spectrum without intensity at the zero-loss peak.

    References
    ----------
    .. [1] R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope,
       3rd ed., Springer (2011), equation 4.10.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import single_scattering
    >>> single = 0.5 * np.eye(1, 64, 10)[0]
    >>> plural = np.fft.ifft(np.exp(np.fft.fft(single))).real
    >>> found = single_scattering(100 * plural, [1.0], 0)
    >>> bool(np.allclose(found, 100 * single, atol=0.01))
    True
    """
    y = np.asarray(values, float)
    k = np.asarray(kernel, float)
    half = len(k) // 2
    low, high = max(0, at - half), min(len(y), at + half + 1)
    peak = y[low:high].sum() / k[low - at + half : high - at + half].sum()
    if not np.isfinite(y).all() or not peak > 0:
        raise ValueError(
            f"The spectrum has NaN or no intensity at channel {at}, the place of its "
            "zero-loss peak: give the whole low-loss spectrum."
        )
    # The spectrum ends in a smooth fall to zero, far from its beginning.
    n = 4 * len(y)
    tail = y[-1] * 0.5 * (1 + np.cos(np.linspace(0, np.pi, len(y))))
    whole = np.concatenate([y, tail, np.zeros(n - 2 * len(y))])
    blur = np.zeros(n)
    blur[(np.arange(len(k)) - half) % n] = k
    Z = peak * np.fft.fft(blur)
    J = np.fft.fft(np.roll(whole, -at))
    small = np.abs(Z) < 1e-6 * peak
    ratio = np.where(small, 1, J / np.where(small, 1, Z))
    # The phase of the logarithm is continuous over frequencies.
    ratio, Z = ratio[: n // 2 + 1], Z[: n // 2 + 1]
    logarithm = np.log(np.abs(ratio) + 1e-300) + 1j * np.unwrap(np.angle(ratio))
    single = np.fft.irfft(Z * logarithm, n)
    return np.roll(single, at)[: len(y)]


class _Counts:
    """Fisher's scoring of positive expectations of counts."""

    def __init__(self, y: NDArray, K: scipy.sparse.sparray) -> None:
        self.y, self.K = y, K
        self.least = 1e-3 * float(y.mean())

    def start(self, x: NDArray) -> NDArray:
        """First spectrum: positive."""
        return np.maximum(x, 0.05 * self.y.mean())

    def step(
        self, x: NDArray, D: scipy.sparse.sparray, stiffness: NDArray
    ) -> tuple[NDArray, NDArray]:
        """Spectrum after a step, and the factor of the matrix of curvature."""
        expected = np.maximum(self.K @ x, self.least)
        slope = self.K.T @ (self.y / expected - 1) + _BARRIER / x
        slope -= D.T @ (stiffness * (D @ x))
        H = _curvature(self.K, 1 / expected, D, stiffness)
        H[np.diag_indices_from(H)] += _BARRIER / np.square(x)
        factor = np.linalg.cholesky(H)
        move = scipy.linalg.cho_solve((factor, True), slope)
        return np.maximum(x + move, 0.1 * x), factor


class _Normal:
    """Weighted least squares of values with normal noise."""

    def __init__(self, y: NDArray, K: scipy.sparse.sparray, variance) -> None:
        self.weights = 1 / np.broadcast_to(np.asarray(variance, float), y.shape)
        self.right, self.K = K.T @ (self.weights * y), K

    def start(self, x: NDArray) -> NDArray:
        """First spectrum: that which is given."""
        return x

    def step(
        self, x: NDArray, D: scipy.sparse.sparray, stiffness: NDArray
    ) -> tuple[NDArray, NDArray]:
        """Solution, and the factor of the matrix of curvature."""
        H = _curvature(self.K, self.weights, D, stiffness)
        # Channels of which no data tell are only as free as rounding needs.
        H[np.diag_indices_from(H)] += 1e-12 * np.trace(H) / len(H)
        factor = np.linalg.cholesky(H)
        return scipy.linalg.cho_solve((factor, True), self.right), factor


def _curvature(K, weights, D, stiffness) -> NDArray:
    """Matrix of the second derivatives of misfit and roughness."""
    misfit = K.T @ scipy.sparse.diags_array(weights) @ K
    roughness = D.T @ scipy.sparse.diags_array(stiffness) @ D
    return (misfit + roughness).toarray()


def _curvature_variance(S: NDArray) -> NDArray:
    """Variance of the second differences, from the lower half of the covariance."""
    main, next_one, after = np.diag(S), np.diag(S, -1), np.diag(S, -2)
    squares = main[:-2] + 4 * main[1:-1] + main[2:]
    return squares - 4 * next_one[:-1] - 4 * next_one[1:] + 2 * after


def _windowed(values: NDArray) -> NDArray:
    return gaussian_filter1d(values, _WINDOW, mode="nearest")


def _blur(y: NDArray, kernel: NDArray, counts: bool) -> scipy.sparse.sparray:
    """Matrix of the blur, from more channels than there are; data are checked."""
    if y.ndim != 1 or not np.isfinite(y).all():
        raise ValueError(
            f"Data of shape {y.shape} were given, expected a spectrum without NaN: "
            "fill what is missing before, with `s.inpaint()`."
        )
    if counts and y.min() < 0:
        raise ValueError(
            f"Negative values in data: counts were expected, but there is {y.min():g} "
            f"in channel {int(y.argmin())}. Use noise='uniform', or add what a "
            "background subtraction took too much."
        )
    if kernel.ndim != 1 or len(kernel) % 2 == 0 or len(kernel) > len(y) / 2:
        raise ValueError(
            f"The kernel has the shape {kernel.shape} for {len(y)} channels, expected "
            "an odd number, at most half of them: a blur wider than the field cannot "
            "be taken off. Cut the zero-loss peak."
        )
    n, width = len(y), len(kernel)
    offsets = np.arange(width)
    return scipy.sparse.diags_array(
        list(kernel[::-1]), offsets=list(offsets), shape=(n, n + width - 1)
    ).tocsr()


def _multiplicative(y, K, n_iter):
    """Iterates of Richardson and Lucy, from a constant spectrum on."""
    x = np.full(K.shape[1], max(float(np.mean(y)), 1e-12))
    total = np.maximum(K.sum(axis=0), 1e-6)
    for _ in range(n_iter):
        x = x * (K.T @ (y / np.maximum(K @ x, 1e-12))) / total
        yield np.maximum(x, 1e-12)
