"""Gain and offset of the counts of one image, from the image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from sparsedecomp.noise.count_statistics import CountsWithOffset

# Second differences along both axes take out a signal that is smooth over three pixels;
# the same over every second pixel tells noise of neighbours that is correlated.
_DIFFERENCE = np.array([1.0, -2.0, 1.0]) / np.sqrt(6)
_WIDE = np.array([1.0, 0.0, -2.0, 0.0, 1.0]) / np.sqrt(6)
# Pixels along a side of a block, fewest blocks, and bins of blocks by their mean. The
# median over the blocks of a bin leaves edges and texture out as far as they are rare.
_SIDE, _LEAST_BLOCKS, _BINS = 8, 16, 16
# Independent values in a block: second differences of neighbours are correlated.
_FREE = 20
# A gain this close to one is one, where the values are whole numbers.
_GAIN_OF_ONE = 0.1
# Standard deviations by which the gain must differ from zero, and the offset too.
_SURE = 3.0
# Variance over every second pixel, divided by that of neighbours: above this factor the
# noise is smoothed, or there is structure of three pixels and less.
_CORRELATED = 1.5


def counts_of_image(image: ArrayLike) -> CountsWithOffset | None:
    """Gain and offset of counts, from the noise of neighbouring pixels of one image.

    The variance of second differences, which a smooth signal does not change, is fitted
    by a line over the local mean: ``gain * (mean - offset)``.

    Parameters
    ----------
    image : (rows, columns) array
        Values of one image.

    Returns
    -------
    CountsWithOffset or None
        None where the variance does not grow with the mean beyond doubt, and where the
        noise of neighbouring pixels is correlated, as in smoothed images.

    Notes
    -----
    Structure of three pixels and less only makes the gain too large; where there is
    much of it, the gain is told from whole numbers alone, or not at all.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.noise import counts_of_image
    >>> mean = np.linspace(5, 80, 128) * np.ones((128, 1))
    >>> counts = np.random.default_rng(0).poisson(mean)
    >>> counts_of_image(4 * counts + 1000)
    CountsWithOffset(gain=4.0, intercept=-4000.0)
    >>> counts_of_image(mean + np.random.default_rng(0).normal(size=mean.shape))
    """
    image = np.asarray(image, dtype=np.float64)
    near, far, mean = (_block_means(part) for part in _parts(image))
    if len(mean) < _LEAST_BLOCKS or not near.max() > 0 or not np.isfinite(near).all():
        return None
    order = np.array_split(np.argsort(mean), min(_BINS, len(mean) // 4))
    # The median of a mean of squares is below their expectation.
    middle = (1 - 2 / (9 * _FREE)) ** 3
    variance = np.array([np.median(near[bin]) for bin in order]) / middle
    wide = np.array([np.median(far[bin]) for bin in order]) / middle
    level = np.array([mean[bin].mean() for bin in order])
    free = _FREE * np.array([len(bin) for bin in order])
    gain, intercept, deviations = _line(level, variance, free)
    if not gain > _SURE * deviations[0] > 0:
        return None
    whole = bool(np.all(image == np.round(image)))
    step = _step(image) if whole else 0.0
    near_one = abs(gain - 1) <= max(_GAIN_OF_ONE, _SURE * deviations[0])
    if step > 1 and gain > (1 - 0.15) * step - _SURE * deviations[0]:
        # Whole numbers that skip all but the multiples of a count tell its size.
        gain = step
    elif whole and near_one:
        gain = 1.0
    elif np.median(wide / np.maximum(variance, 1e-300)) > _CORRELATED:
        return None
    offset = _offset(image, level, variance, free, gain, step)
    return CountsWithOffset(float(gain), float(-gain * offset))


def _parts(image: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Squares of near and of far second differences, and the image, without borders."""
    inside = (slice(2, -2), slice(2, -2))
    squares = []
    for kernel in (_DIFFERENCE, _WIDE):
        e = correlate1d(correlate1d(image, kernel, 0), kernel, 1)
        squares.append(e[inside] ** 2)
    return squares[0], squares[1], image[inside]


def _block_means(values: NDArray) -> NDArray:
    rows, columns = (n // _SIDE for n in values.shape)
    cut = values[: rows * _SIDE, : columns * _SIDE]
    return cut.reshape(rows, _SIDE, columns, _SIDE).mean(axis=(1, 3)).ravel()


def _line(
    level: NDArray, variance: NDArray, free: NDArray
) -> tuple[float, float, NDArray]:
    """Gain, intercept and their deviations, by weighted least squares."""
    columns = np.stack([level, np.ones_like(level)], axis=1)
    fitted = np.maximum(variance, 1e-12 * variance.max(initial=1e-300))
    for _ in range(10):
        weight = np.sqrt(free / 2) / fitted
        solution = np.linalg.lstsq(columns * weight[:, None], variance * weight)[0]
        fitted = np.maximum(columns @ solution, 0.05 * np.median(fitted))
    gram = (columns * weight[:, None]).T @ (columns * weight[:, None])
    return *solution, np.sqrt(np.diag(np.linalg.pinv(gram)))


def _step(image: NDArray) -> float:
    """Largest whole number that divides all differences of the values."""
    values = np.unique(image).astype(np.int64)
    return float(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1.0


def _offset(image, level, variance, free, gain, step):
    """Where the variance is zero; 0 unless it differs from 0 beyond doubt."""
    weight = free / np.maximum(gain * level, 1e-300) ** 2
    each = level - variance / gain
    offset = np.average(each, weights=weight)
    deviation = np.sqrt(2 / (weight * gain**2).sum())
    if abs(offset) <= max(_SURE * deviation, 0.1 * level.min()):
        return min(0.0, image.min())
    if step >= 1:
        offset = image.min() + gain * np.round((offset - image.min()) / gain)
    return min(offset, image.min())
