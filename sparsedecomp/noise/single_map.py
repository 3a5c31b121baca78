"""The noise of a single image or spectrum: counts or not, and how large."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Variance of transformed counts relative to one: second differences of images with
# texture come out too large, those of few counts too small.
_LEAST, _MOST = 0.6, 1.5
# Median absolute deviation of a normal distribution of standard deviation one.
_MAD = 0.6745


class MapNoise(NamedTuple):
    """Noise of a single image or spectrum.

    Attributes
    ----------
    counts : bool
        Whether the values are counts, whose variance is their mean.
    sigma : float
        Standard deviation of the noise; of counts that of the mean value.
    """

    counts: bool
    sigma: float


def find_map_noise(image: NDArray, noise: str | float = "auto") -> MapNoise:
    """Find whether an image or a spectrum are counts, and how large their noise is.

    Whole numbers are counts where the second differences of ``2 sqrt(n + 3/8)`` have
    the variance that counts have, in the bright half of the pixels and in the dark one
    [1]_.

    Parameters
    ----------
    image : (rows, columns) array
        Image; a spectrum has one row.
    noise : {"auto", "poisson", "uniform"} or float, default "auto"
        "poisson" for counts, "uniform" for noise of one variance, or its standard
        deviation.

    Returns
    -------
    MapNoise

    Raises
    ------
    ValueError
        For negative values with "poisson", and a standard deviation that is negative.

    References
    ----------
    .. [1] F. J. Anscombe, Biometrika 35 (1948) 246.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.noise.single_map import find_map_noise
    >>> y, x = np.mgrid[:64, :64]
    >>> find_map_noise(np.random.default_rng(0).poisson(30 + x)).counts
    True
    """
    values = np.asarray(image, float)
    if noise == "poisson" and values.min() < 0:
        place = np.unravel_index(values.argmin(), values.shape)
        raise ValueError(
            f"Negative values in data: noise='poisson' needs counts, but there is "
            f"{values.min():g} at {tuple(int(i) for i in place)}. Use noise='uniform', "
            "or add what a background subtraction took too much."
        )
    if not isinstance(noise, str):
        if not (np.isfinite(noise) and noise >= 0):
            raise ValueError(
                f"noise={noise!r} was given, expected a standard deviation in the "
                "units of the data, 0 or more."
            )
        return MapNoise(False, float(noise))
    mean = float(np.sqrt(max(values.mean(), 0.0)))
    if noise == "poisson":
        return MapNoise(True, mean)
    whole = values.min() >= 0 and np.array_equal(values, np.rint(values))
    if noise == "auto" and whole:
        differences, level = _second_differences(2 * np.sqrt(values + 0.375), values)
        bright = level >= np.median(level)
        parts = [part for part in (bright, ~bright) if part.any()]
        ratios = [_deviation(differences[part]) ** 2 for part in parts]
        if all(_LEAST < ratio < _MOST for ratio in ratios):
            return MapNoise(True, mean)
    return MapNoise(False, _deviation(_second_differences(values, values)[0]))


def _second_differences(values: NDArray, level: NDArray) -> tuple[NDArray, NDArray]:
    """Second differences with the variance of the noise, and a level at each."""
    if min(values.shape) == 1:
        line, level = values.ravel(), level.ravel()
        return (line[2:] - 2 * line[1:-1] + line[:-2]) / np.sqrt(6), level[1:-1]
    mixed = np.diff(np.diff(values, axis=0), axis=1) / 2
    return mixed, level[1:, 1:]


def _deviation(differences: NDArray) -> float:
    """Standard deviation of the noise, not misled by a few edges."""
    return float(np.median(np.abs(differences)) / _MAD)
