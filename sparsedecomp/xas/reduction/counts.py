"""Absorption from counted photons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.suggestions import check_choice

MODES = ("transmission", "fluorescence")


def absorption(i0: ArrayLike, i1: ArrayLike, mode: str = "transmission") -> np.ndarray:
    r"""Absorption from the incident and the transmitted or fluorescence counts.

    .. math::

        \mu t = \ln(I_0 / I_1) \quad\text{(transmission)}, \qquad
        \mu \propto I_f / I_0 \quad\text{(fluorescence)}

    Parameters
    ----------
    i0 : array_like
        Incident intensity; it is broadcast against `i1`, so that shape (n_E,) serves
        all pixels.
    i1 : array_like of shape (..., n_E)
        Transmitted intensity, or that of the fluorescence.
    mode : {"transmission", "fluorescence"}
        Kind of measurement.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        Absorption; NaN where `i0` is not positive, and in transmission where `i1` is
        not. Float32 for float32 counts, else float64.

    Raises
    ------
    ValueError
        If the mode is not known, the shapes do not fit, or nothing at all was
        counted.

    Examples
    --------
    >>> from sparsedecomp.xas import absorption
    >>> absorption([1000.0, 1000.0, 0.0], [1000.0, 367.9, 5.0]).round(3).tolist()
    [0.0, 1.0, nan]
    """
    check_choice("mode", mode, MODES)
    i0, i1 = np.asarray(i0), np.asarray(i1)
    dtype = np.result_type(i0, i1)
    dtype = dtype if dtype.kind == "f" else np.dtype(float)
    try:
        i0, i1 = np.broadcast_arrays(i0.astype(dtype), i1.astype(dtype))
    except ValueError as error:
        raise ValueError(
            f"i0 has shape {i0.shape}, which does not fit the counts of shape "
            f"{i1.shape}: give one number for each energy, or for each energy of each "
            "pixel."
        ) from error
    counted = (i0 > 0) & ((i1 > 0) | (mode == "fluorescence"))
    if i1.size and not counted.any():
        dark = "i0" if not (i0 > 0).any() else "the transmitted intensity"
        raise ValueError(
            f"{dark} is zero or negative at every point: nothing was counted. Check "
            "the order of the two intensities and the dark counts."
        )
    mu = np.full(i1.shape, np.nan, dtype=dtype)
    if mode == "transmission":
        mu[counted] = np.log(i0[counted] / i1[counted])
    else:
        mu[counted] = i1[counted] / i0[counted]
    return mu


def absorption_variance(
    i0: ArrayLike, i1: ArrayLike, mode: str = "transmission"
) -> np.ndarray:
    """Variance of `absorption` when both intensities are counted photons.

    Parameters
    ----------
    i0, i1 : array_like
        Incident and transmitted or fluorescence intensity, as counts and not currents.
    mode : {"transmission", "fluorescence"}
        Kind of measurement.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        ``1/i0 + 1/i1``, times the square of mu in fluorescence. NaN without counts.

    Raises
    ------
    ValueError
        As in `absorption`.

    Examples
    --------
    >>> from sparsedecomp.xas import absorption_variance
    >>> float(absorption_variance(1e4, 1e4))
    0.0002
    """
    mu = absorption(i0, i1, mode)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = 1 / np.asarray(i0, dtype=mu.dtype) + 1 / np.asarray(
            i1, dtype=mu.dtype
        )
        variance = relative if mode == "transmission" else relative * mu**2
    return np.where(np.isfinite(mu) & np.isfinite(variance), variance, np.nan)
