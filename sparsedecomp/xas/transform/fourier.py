r"""Fourier transform of chi(k) to chi(R): windows, and the transform as a matrix.

The convention is that of ifeffit and larch,

.. math::

    \tilde\chi(R) = \frac{\Delta k}{\sqrt\pi} \sum_j
        \chi(k_j)\, k_j^n\, W(k_j)\, e^{-2 i k_j R},

so that a shell at distance R gives a peak of magnitude near R - 0.3 angstrom (the
phase shift is not corrected), in angstrom^-(n+1). The transform is linear: one matrix
serves all pixels, at any set of R.

References
----------
M. Newville, B. Ravel et al., Physica B 208-209 (1995) 154; M. Newville, J. Phys.
Conf. Ser. 430 (2013) 012007 (larch).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import accept_old_names, even_step, increasing

WINDOWS = ("hanning", "parzen", "welch", "sine", "kaiser", "gaussian")


@accept_old_names
def window(
    k: ArrayLike, kmin: float, kmax: float, dk: float = 1.0, kind: str = "hanning"
) -> np.ndarray:
    r"""Window that selects a range of k and goes smoothly to zero at its ends.

    The first three kinds are one between ``kmin + dk/2`` and ``kmax - dk/2`` and zero
    outside ``kmin - dk/2`` and ``kmax + dk/2``; they differ in the shape of the rise.
    Where the data begin after ``kmin - dk/2`` (end before ``kmax + dk/2``), the rise
    begins (the fall ends) with the data.

    Parameters
    ----------
    k : array_like of shape (n_k,)
        Wavenumbers in 1/angstrom, increasing.
    kmin, kmax : float
        Range to keep, in 1/angstrom.
    dk : float, default 1
        Width of the rise and of the fall in 1/angstrom. Larger: weaker side lobes,
        broader peaks in R; 0 cuts sharply. For "kaiser" the parameter of the Bessel
        function, for "gaussian" the standard deviation in 1/angstrom; "sine" does not
        use it.
    kind : {"hanning", "parzen", "welch", "sine", "kaiser", "gaussian"}
        Rise as sin^2, straight line or parabola, or one arch over the whole range:
        half a period of a sine, a Kaiser-Bessel window (starting at zero), a Gaussian.
        Default "hanning".

    Returns
    -------
    numpy.ndarray of shape (n_k,)
        Window, between 0 and 1.

    Raises
    ------
    ValueError
        If k does not increase, the range is empty or leaves the data, or the kind is
        not known.

    Examples
    --------
    >>> from sparsedecomp.xas.transform.fourier import window
    >>> window([2.0, 3.0, 3.5, 8.0, 10.5, 11.0], 3, 10).round(2).tolist()
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.0]
    """
    k = increasing(k, "k", "1/angstrom")
    _check_range(k, kmin, kmax)
    if dk < 0:
        raise ValueError(f"dk={dk!r}: give a width of 0 or more.")
    rise = max(k[0], kmin - dk / 2), kmin + dk / 2
    fall = kmax - dk / 2, min(k[-1], kmax + dk / 2)
    if kind in ("hanning", "parzen", "welch"):
        up = _ramp(k, *rise)
        down = 1 - _ramp(k, *fall)
        shape = {
            "hanning": lambda x: np.sin(np.pi / 2 * x) ** 2,
            "parzen": lambda x: x,
            "welch": lambda x: np.where(x > 0, 1 - (1 - x) ** 2, 0.0),
        }[kind]
        return shape(np.minimum(up, down))
    centre, half = (rise[0] + fall[1]) / 2, (fall[1] - rise[0]) / 2
    # Distance from the centre, 1 at the two ends.
    x = (k - centre) / half
    if kind == "sine":
        return np.where(np.abs(x) <= 1, np.cos(np.pi / 2 * x), 0.0)
    if kind == "kaiser":
        beta = max(dk, 1e-5)
        arch = np.i0(beta * np.sqrt(np.clip(1 - x**2, 0, None)))
        return (arch - 1) / (np.i0(beta) - 1)
    if kind == "gaussian":
        return np.exp(-0.5 * ((k - centre) / max(dk, 1e-5)) ** 2)
    raise ValueError(f"kind={kind!r} is no window. Known: {', '.join(WINDOWS)}.")


@accept_old_names
def transform_matrix(
    k: ArrayLike,
    r: ArrayLike,
    *,
    kmin: float,
    kmax: float,
    kweight: float = 2,
    dk: float = 1.0,
    window: str = "hanning",
) -> np.ndarray:
    r"""Matrix that takes chi(k) to the complex chi(R).

    ``chi @ transform_matrix(k, r, ...).T`` transforms rows of spectra; the weight
    k^n and the window are inside.

    Parameters
    ----------
    k : array_like of shape (n_k,)
        Evenly spaced wavenumbers in 1/angstrom.
    r : array_like of shape (n_r,)
        Distances in angstrom, any grid.
    kmin, kmax : float
        Range that is transformed, in 1/angstrom.
    kweight : float, default 2
        Power n of k that multiplies chi. Larger: more weight on large k, where heavy
        atoms scatter and where noise is larger.
    dk : float, default 1
        Width of the rise and fall of the window in 1/angstrom, see `window`.
    window : str, default "hanning"
        Kind of window, see `window`.

    Returns
    -------
    numpy.ndarray of shape (n_r, n_k), complex128
        Matrix that gives chi(R) in angstrom^-(n+1).

    Raises
    ------
    ValueError
        If k is not evenly spaced, or for what `window` refuses.

    Examples
    --------
    A single distance of 2.5 angstrom, without phase shift, peaks there:

    >>> import numpy as np
    >>> from sparsedecomp.xas.transform.fourier import transform_matrix
    >>> k, r = np.arange(0, 16, 0.05), np.arange(0, 6, 0.05)
    >>> T = transform_matrix(k, r, kmin=3, kmax=14)
    >>> chi = np.sin(2 * k * 2.5)
    >>> float(r[np.abs(T @ chi).argmax()].round(2))
    2.5
    """
    k = increasing(k, "k", "1/angstrom")
    step = even_step(k)
    weight = k**kweight * _window(k, kmin, kmax, dk, window)
    return (
        (step / np.sqrt(np.pi))
        * weight
        * np.exp(-2j * np.outer(np.asarray(r, float), k))
    )


# In `transform_matrix` the argument of the same name hides the function.
_window = window


def _ramp(k: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to the start, 1 from the end on, a straight line between."""
    if end <= start:
        return (k >= start).astype(float)
    return np.clip((k - start) / (end - start), 0, 1)


def _check_range(k: np.ndarray, kmin: float, kmax: float) -> None:
    if not kmin < kmax:
        raise ValueError(
            f"The range kmin={kmin:g} to kmax={kmax:g} 1/angstrom is empty."
        )
    # Half a step of tolerance: a range may end on the last point despite rounding.
    slack = 0.5 * (k[-1] - k[0]) / (len(k) - 1)
    if kmin < k[0] - slack or kmax > k[-1] + slack:
        raise ValueError(
            f"The range kmin={kmin:g} to kmax={kmax:g} 1/angstrom leaves the data, "
            f"which cover {k[0]:g} to {k[-1]:g}: choose a range within them."
        )
