r"""Cauchy wavelet transform: chi as a function of k and of distance.

Heavy atoms scatter at larger k than light ones; the transform separates shells by
distance and by k. For each R the Fourier transform of chi over omega is multiplied by

.. math::

    \frac{2\pi}{n!} (a\omega)^n e^{-a\omega}, \qquad a = n / 2R,

which peaks at omega = 2R, and transformed back to k.

References
----------
M. Munoz, P. Argoul, F. Farges, American Mineralogist 88 (2003) 694, equations 3-6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import accept_old_names, even_step, increasing, spectra_on

LENGTH = 4096
"""Number of points of the fast Fourier transforms, padded with zeros."""


@accept_old_names
def cauchy_wavelet(
    k: ArrayLike, chi: ArrayLike, r: ArrayLike, *, kweight: float = 2, order: int = 200
) -> np.ndarray:
    """Wavelet transform of chi(k).

    Parameters
    ----------
    k : array_like of shape (n_k,)
        Even grid from 0, in 1/angstrom.
    chi : array_like of shape (..., n_k)
        Spectra, not weighted by k.
    r : array_like of shape (n_r,)
        Distances in angstrom, not negative, without phase correction.
    kweight : float, default 2
        Power of k that multiplies chi. Larger: more weight on large k.
    order : int, default 200
        Order n of the wavelet. Larger: sharper in R and broader in k. Larch uses its
        number of distances.

    Returns
    -------
    numpy.ndarray of shape (..., n_r, n_k), complex128
        Transform; its magnitude is large where chi oscillates with the distance.

    Raises
    ------
    ValueError
        If k is not an even grid, chi is not on it, or a distance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas.transform.wavelet import cauchy_wavelet
    >>> k, r = np.arange(0, 16, 0.05), np.arange(1.0, 4, 0.1)
    >>> chi = np.sin(2 * 2.5 * k) * np.exp(-(((k - 9) / 4) ** 2))
    >>> power = np.abs(cauchy_wavelet(k, chi, r, kweight=0))
    >>> i, j = np.unravel_index(power.argmax(), power.shape)
    >>> round(float(r[i]), 1), round(float(k[j]))
    (2.5, 9)
    """
    from scipy.special import gammaln

    k = increasing(k, "k", "1/angstrom")
    step = even_step(k)
    chi = spectra_on(chi, k, "chi")
    R = np.atleast_1d(np.asarray(r, dtype=float))[:, None]
    if (R < 0).any():
        raise ValueError(f"R={R.min():g} angstrom: distances are not negative.")
    omega = 2 * np.pi * np.fft.fftfreq(LENGTH, step)[: LENGTH // 2]
    # Logarithms, since x**order overflows.
    with np.errstate(divide="ignore", invalid="ignore"):
        x = order * omega / (2 * R)
        filters = np.log(2 * np.pi) - gammaln(order + 1) + order * np.log(x) - x
    filters = np.exp(np.nan_to_num(filters, nan=-np.inf))
    spectrum = np.fft.fft(chi * k**kweight, LENGTH)[..., None, : LENGTH // 2]
    return np.fft.ifft(spectrum * filters, LENGTH)[..., : len(k)]
