"""Absorption from counted photons."""

import numpy as np

MODES = ("transmission", "fluorescence")


def absorption(i0, i1, mode="transmission"):
    r"""Absorption from the counts before and after (or beside) the sample.

    .. math::

        \mu t = \ln(I_0 / I_1) \quad\text{(transmission)}, \qquad
        \mu \propto I_f / I_0 \quad\text{(fluorescence)}

    Parameters
    ----------
    i0 : array_like
        Incoming intensity; broadcasts against `i1`, so one row of (n_E,) serves all
        pixels.
    i1 : array_like of shape (..., n_E)
        Intensity behind the sample, or of the fluorescence.
    mode : {"transmission", "fluorescence"}

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        NaN where `i0` is not positive, and in transmission where `i1` is not: nothing
        was counted there. Float32 for float32 counts, else float64.

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
    _check_mode(mode)
    i0, i1 = np.asarray(i0), np.asarray(i1)
    kind = np.result_type(i0, i1)
    kind = kind if kind.kind == "f" else np.dtype(float)
    try:
        i0, i1 = np.broadcast_arrays(i0.astype(kind), i1.astype(kind))
    except ValueError as error:
        raise ValueError(
            f"i0 has shape {i0.shape}, which does not fit the counts of shape "
            f"{i1.shape}: give one number for each energy, or for each energy of each "
            "pixel."
        ) from error
    good = (i0 > 0) & ((i1 > 0) | (mode == "fluorescence"))
    if i1.size and not good.any():
        dark = "i0" if not (i0 > 0).any() else "the transmitted intensity"
        raise ValueError(
            f"{dark} is zero or negative at every point: nothing was counted. Check "
            "the order of the two intensities and the dark counts."
        )
    mu = np.full(i1.shape, np.nan, dtype=kind)
    if mode == "transmission":
        mu[good] = np.log(i0[good] / i1[good])
    else:
        mu[good] = i1[good] / i0[good]
    return mu


def absorption_variance(i0, i1, mode="transmission"):
    """Variance of `absorption` when both intensities are counted photons.

    Parameters
    ----------
    i0, i1 : array_like
        As for `absorption`; counts, not currents.
    mode : {"transmission", "fluorescence"}

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        ``1/i0 + 1/i1``, times the square of mu in fluorescence. NaN without counts.

    Raises
    ------
    ValueError
        As `absorption`.

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


def _check_mode(mode):
    if mode not in MODES:
        raise ValueError(f"mode={mode!r}: choose one of {', '.join(MODES)}.")
