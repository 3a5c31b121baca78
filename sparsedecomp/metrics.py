"""Errors of a result against the truth: angles, matching, abundances, residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["abundance_rmse", "match_components", "relative_residual", "spectral_angle"]


def spectral_angle(a: ArrayLike, b: ArrayLike) -> NDArray:
    """Angle between spectra in degrees; their scale does not matter.

    The formula ``2 atan2(||u - v||, ||u + v||)`` for unit vectors ``u`` and ``v`` is
    precise where the cosine of the angle is close to one, too.

    Parameters
    ----------
    a, b : (..., n_channels) arrays
        Spectra along the last axis; the other axes broadcast.

    Returns
    -------
    (...) array
        Angles in degrees, 0 to 180; NaN where one of the spectra is zero.

    Raises
    ------
    ValueError
        If the spectra have different numbers of channels.

    Examples
    --------
    >>> from sparsedecomp.metrics import spectral_angle
    >>> round(float(spectral_angle([1.0, 1.0], [0.0, 3.0])), 6)
    45.0
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"The spectra have {a.shape[-1]} and {b.shape[-1]} channels, expected as "
            "many in both. Cut or interpolate them to one energy axis."
        )
    u, v = _unit(a), _unit(b)
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    )


def _unit(a):
    norm = np.linalg.norm(a, axis=-1, keepdims=True)
    return np.divide(a, norm, out=np.full_like(a, np.nan), where=norm > 0)


def match_components(
    true: ArrayLike, found: ArrayLike
) -> tuple[NDArray, NDArray, NDArray]:
    """Pair the found spectra with the true ones so that the sum of angles is least.

    Parameters
    ----------
    true : (k, n_channels) array
        True spectra, one in each row.
    found : (k2, n_channels) array
        Found spectra, one in each row; ``min(k, k2)`` pairs are made.

    Returns
    -------
    true_index : int array
        Row of the true spectrum of each pair, rising.
    found_index : int array
        Row of the found spectrum of each pair.
    angles : float array
        Spectral angle of each pair in degrees.

    Examples
    --------
    >>> from sparsedecomp.metrics import match_components
    >>> true = [[1, 0, 0], [0, 1, 0]]
    >>> found = [[0, 2, 0], [0, 0, 1], [3, 0, 0]]
    >>> true_index, found_index, angles = match_components(true, found)
    >>> found_index.tolist(), angles.tolist()
    ([2, 0], [0.0, 0.0])
    """
    true, found = np.asarray(true, float), np.asarray(found, float)
    angles = spectral_angle(true[:, None], found[None])
    # A spectrum of zeros has no angle: it is paired last.
    rows, columns = linear_sum_assignment(np.nan_to_num(angles, nan=180.0))
    return rows, columns, angles[rows, columns]


def abundance_rmse(true: ArrayLike, found: ArrayLike) -> float:
    """Root mean square error of abundances that add up to one in every pixel.

    Parameters
    ----------
    true, found : (..., k) arrays
        Maps of the same components in the same order (see `match_components`), on
        scales that belong to the same spectra. Each pixel is divided by its sum; a
        pixel of zeros is taken as equal parts of all.

    Returns
    -------
    float
        Root mean square over all pixels and components, 0 to 1.

    Raises
    ------
    ValueError
        If the maps have different shapes.

    Examples
    --------
    >>> from sparsedecomp.metrics import abundance_rmse
    >>> abundance_rmse([[1.0, 0.0], [2.0, 2.0]], [[5.0, 0.0], [1.0, 1.0]])
    0.0
    """
    true, found = np.asarray(true, float), np.asarray(found, float)
    if true.shape != found.shape:
        raise ValueError(
            f"The maps have the shapes {true.shape} and {found.shape}, expected equal "
            "ones. Match the components first, with match_components."
        )
    return float(np.sqrt(np.mean((_shares(true) - _shares(found)) ** 2)))


def _shares(maps):
    total = maps.sum(axis=-1, keepdims=True)
    equal = np.full_like(maps, 1 / maps.shape[-1])
    return np.divide(maps, total, out=equal, where=total > 0)


def relative_residual(X: ArrayLike, W: ArrayLike, H: ArrayLike) -> float:
    """Frobenius norm of the residual over that of the data, ``||X - W H|| / ||X||``.

    Parameters
    ----------
    X : (n_pixels, n_channels) array
        Data.
    W : (n_pixels, k) array
        Abundances.
    H : (k, n_channels) array
        Spectra.

    Returns
    -------
    float
        Relative residual; 0 for an exact fit.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.metrics import relative_residual
    >>> relative_residual(np.diag([3.0, 4.0]), [[3.0], [0.0]], [[1.0, 0.0]])
    0.8
    """
    X = np.asarray(X, float)
    model = np.asarray(W, float) @ np.asarray(H, float)
    return float(np.linalg.norm(X - model) / np.linalg.norm(X))
