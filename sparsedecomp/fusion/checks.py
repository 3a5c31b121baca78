"""Checks of a cube and its guide before any work is done."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import dask.array as da

# Part of the pixels that may have the largest value: above the first there is a
# warning, above the second the guide is refused.
_SATURATED, _USELESS = 0.02, 0.5
# Coarse pixels along an axis, at least: splines need four.
_LEAST = 4


def check_cube(cube: NDArray | da.Array) -> None:
    """Refuse a cube that is no map of spectra, or is too small.

    Parameters
    ----------
    cube : (h, w, n_channels) array or dask array
        Coarse cube.

    Raises
    ------
    ValueError
        For another number of dimensions, and fewer than four rows or columns.
    TypeError
        For data that are not real numbers.
    """
    if cube.ndim != 3:
        raise ValueError(
            f"The cube has the shape {cube.shape}, expected (rows, columns, channels)."
        )
    if cube.dtype.kind not in "fiub":
        raise TypeError(f"The cube has the dtype {cube.dtype}, expected real numbers.")
    if min(cube.shape[:2]) < _LEAST:
        raise ValueError(
            f"The cube has {cube.shape[0]} x {cube.shape[1]} pixels, expected at least "
            f"{_LEAST} along both axes."
        )


def checked_guide(guide: NDArray) -> NDArray:
    """Bands of a guide as float64; refuse NaN, constant and saturated bands.

    Parameters
    ----------
    guide : (H, W) or (H, W, m) array
        Sharp image, or bands of one.

    Returns
    -------
    (H, W, m) array
        A copy, or the array itself if it is float64 already.

    Raises
    ------
    ValueError
        Says which band is bad and why.
    TypeError
        For data that are not real numbers.

    Warns
    -----
    UserWarning
        For bands of which some pixels are saturated.
    """
    guide = np.asarray(guide)
    if guide.dtype.kind not in "fiub":
        raise TypeError(
            f"The guide has the dtype {guide.dtype}, expected real numbers."
        )
    if guide.ndim == 2:
        guide = guide[..., None]
    if guide.ndim != 3:
        raise ValueError(
            f"The guide has the shape {guide.shape}, expected (rows, columns) or "
            "(rows, columns, bands)."
        )
    guide = guide.astype(float, copy=False)
    for number in range(guide.shape[-1]):
        _check_band(guide[..., number], number, guide.shape[-1])
    return guide


def _check_band(band: NDArray, number: int, n_bands: int) -> None:
    name = "The guide" if n_bands == 1 else f"Band {number} of the guide"
    bad = ~np.isfinite(band)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} has {bad.sum()} pixels that are NaN or infinite, the first in "
            f"row {row}, column {column}. Fill or crop them."
        )
    low, high = band.min(), band.max()
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        raise ValueError(
            f"{name} is constant ({low:g}): it shows nothing. Leave it out, or give an "
            "image with contrast."
        )
    # A background of one smallest value is usual; a detector at its limit is not.
    share = float(np.mean(band == high))
    percent = f"{100 * share:.0f} % of its pixels have the largest value, {high:g}"
    if share > _USELESS:
        raise ValueError(
            f"{name} is saturated: {percent}. Give an image whose detector was not at "
            "its limit."
        )
    if share > _SATURATED:
        warnings.warn(
            f"{name} may be saturated: {percent}. What differs there is not seen.",
            stacklevel=4,
        )
