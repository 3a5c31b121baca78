r"""Cauchy wavelets: where in k and at which distance chi oscillates.

Shells of heavy atoms scatter at larger k than those of light ones; the transform
shows both at once. For each R the spectrum of chi is multiplied by

.. math::

    \frac{2\pi}{n!} (a\omega)^n e^{-a\omega}, \qquad a = n / 2R,

which peaks at omega = 2R, and transformed back.

References
----------
M. Munoz, P. Argoul, F. Farges, American Mineralogist 88 (2003) 694, equations 3-6.
"""

import numpy as np

from sparsedecomp.xas.grids import accept_old_names, even_step, increasing, spectra_on

LENGTH = 4096
"""Of the transforms."""


@accept_old_names
def cauchy_wavelet(k, chi, r, *, kweight=2, order=200):
    """Wavelet transform of chi(k).

    Parameters
    ----------
    k : array_like of shape (n_k,)
        Even grid from 0, in 1/angstrom.
    chi : array_like of shape (..., n_k)
    r : array_like of shape (n_r,)
        Distances in angstrom, not negative, without phase correction.
    kweight : float
        Power of k that multiplies chi.
    order : int
        The larger, the sharper in R and the broader in k. (larch takes the number of
        its distances.)

    Returns
    -------
    numpy.ndarray of shape (..., n_r, n_k), complex128

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
    r = np.atleast_1d(np.asarray(r, dtype=float))
    if (r < 0).any():
        raise ValueError(f"R={r.min():g} angstrom: distances are not negative.")
    omega = 2 * np.pi * np.fft.fftfreq(LENGTH, step)[: LENGTH // 2]
    # Logarithms: powers of the order of 200 overflow.
    with np.errstate(divide="ignore", invalid="ignore"):
        x = order * omega / (2 * r[:, None])
        filters = np.log(2 * np.pi) - gammaln(order + 1) + order * np.log(x) - x
    filters = np.exp(np.nan_to_num(filters, nan=-np.inf))
    spectrum = np.fft.fft(chi * k**kweight, LENGTH)[..., None, : LENGTH // 2]
    return np.fft.ifft(spectrum * filters, LENGTH)[..., : len(k)]
