"""What tells that data are counts, and their gain."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks.summary import Summary
from sparsedecomp.noise.binned_spectrum import BinnedSpectrum

# Variance over mean of the channels of counts agree within these factors: 0.75 to 1.1
# on the shared EDX cubes and the simulators, 3.5 to 5.2 on EELS of a CCD of gain 4;
# reflectances scaled to whole numbers span a factor of 5 and more.
_AGREE = 1.8
# Counts of gain one; beyond these factors the gain must show in channels that differ.
_GAIN_OF_ONE = 1.35
# The means of channels must span this factor before a gain can be told from uniform
# noise, and the variance must grow with the mean to a power so close to one.
_SPAN, _POWER = 2.0, 0.35
# Variances of counts with an offset lie on a line over the means, chance apart, within
# this factor between the tenth and the ninetieth percentile; those of reflectances
# spread by 3 and more.
_ON_LINE = 1.5
# An offset shows where variance over mean differs by more than the first factor, and
# is one where it is more than the second of the darkest channels.
_UNLIKE, _OFFSET = 1.3, 0.5
# Channels, and degrees of freedom of each, that a test needs.
_CHANNELS, _FREE = 4, 10
RESAMPLED = (
    "These were counts, but they were blurred or interpolated: most spectra share "
    "their smallest value, and other values are no multiples of it. Their noise is "
    "neither that of counts nor white, and may count as components."
)
"""What `Summary.resampled` means, in words."""

# Part of the bins, and their number, that may be signal in the test.
_SIGNAL, _MOST = 1 / 3, 40


def unit_of(summary: Summary) -> float:
    """Unit of which all values are multiples, 0 where there is none.

    That the values are whole numbers from 0 on, or multiples of one smallest value, is
    necessary for counts but not sufficient: `count_gain` tests the noise itself.

    Parameters
    ----------
    summary : Summary
        Summary of the data.

    Returns
    -------
    float
        Size of one count, if the data are counts of gain one.
    """
    possible = summary.minimum >= 0 and (summary.whole_numbers or summary.quantum > 0)
    return (summary.quantum or 1.0) if possible else 0.0


def refuse_negative(summary: Summary) -> None:
    """Raise ValueError where the data are negative, naming the place.

    Parameters
    ----------
    summary : Summary
        Summary of the data.
    """
    if summary.minimum < 0:
        raise ValueError(
            f"Negative values in data: {summary.minimum:g} at {summary.minimum_at}, "
            "expected non-negative intensities. Mask these pixels or channels, or add "
            "what a background subtraction took too much; clipping at zero biases the "
            "weak channels."
        )


def whole_counts(values: NDArray) -> NDArray[np.int64]:
    """Counts as integers; refuses values that cannot be counts.

    Parameters
    ----------
    values : array
        Whole numbers, 0 or more, of any dtype.

    Returns
    -------
    int64 array
        Counts in the shape of `values`.

    Raises
    ------
    ValueError
        For fractions, negative values, NaN and infinity.
    """
    values = np.asarray(values)
    whole = np.round(values)
    if not np.isfinite(whole).all() or whole.min() < 0 or np.any(whole != values):
        raise ValueError(
            "Only counts can be dealt out to two halves, expected whole numbers, 0 or "
            "more. Give two maps of independent frames instead."
        )
    return whole.astype(np.int64)


def gain_of(spectrum: BinnedSpectrum, level: NDArray, surely: bool) -> float | None:
    """Gain of counts from the variance that the signal leaves, or None for no counts.

    The variance of Poisson counts times a gain ``g`` is ``g`` times their mean in
    every channel, bright or dark. The noise of reflectances and of images that were
    scaled to whole numbers does not follow the mean.

    Parameters
    ----------
    spectrum : BinnedSpectrum
        Singular values of the data, whitened as if they were counts of gain one.
    level : (n_bins,) array
        Mean value of a channel in each bin.
    surely : bool
        Whether the data are known to be counts; then a gain is always returned.

    Returns
    -------
    float or None
        1 where the variances are compatible with it or cannot be tested.
    """
    n, bins = spectrum.shape
    k = spectrum.above_noise()[0]
    if spectrum.structured and min(n, bins) >= 4 * _CHANNELS:
        # Whatever scatters more than counts of gain one would seem to be signal.
        k = replace(spectrum, most_variance=None).above_noise()[0]
    if spectrum.most_variance is None:
        k = min(k, max(int(_SIGNAL * min(n, bins)), 1), _MOST)
    ratio = spectrum.residual_variance(k)
    seen = level > 0
    level, ratio = level[seen], ratio[seen]
    if min(n, bins) <= k or n - k < _FREE or not len(ratio):
        return 1.0
    if min(n, bins) - k < _CHANNELS:
        # The variance of every channel would hang on the same few directions.
        ratio, level = np.full(1, ratio.mean()), level[:1]
    low, middle, high = np.quantile(ratio, [0.1, 0.5, 0.9])
    # Few pixels tell each variance to some ten per cent only.
    chance = 1 + 4 * np.sqrt(2 / (n - k))
    alike = low > 0 and high / low <= _AGREE * chance
    if not surely and alike and high / low > _UNLIKE * chance:
        line = counts_with_offset(level, ratio * level, n - k)
        darkest = np.quantile(level, 0.05)
        if line is not None and -line.intercept > _OFFSET * line.gain * darkest:
            return None
    if alike and 1 / _GAIN_OF_ONE / chance < middle < _GAIN_OF_ONE * chance:
        return 1.0
    if surely:
        return float(middle) if middle > 0 else 1.0
    x = np.log(level)
    if not alike or np.ptp(np.quantile(x, [0.05, 0.95])) < np.log(_SPAN):
        return None
    # Both logarithms, since means span decades.
    power = np.polyfit(x, np.log(np.maximum(ratio, low / _AGREE)), 1)[0]
    return float(middle) if abs(power) < _POWER else None


class CountsWithOffset(NamedTuple):
    """Variances on a line over the means: ``gain * mean + intercept``.

    Attributes
    ----------
    gain : float
        Size of one count in the units of the data.
    intercept : float
        Variance at the mean zero: ``readout noise ** 2 - gain * offset``, of which only
        the difference can be seen.
    """

    gain: float
    intercept: float

    def __str__(self) -> str:
        if self.intercept < 0:
            beside = f"an offset of {-self.intercept / self.gain:.3g}"
        else:
            beside = f"readout noise of {np.sqrt(self.intercept):.3g}"
        return f"counts of gain {self.gain:.3g} with {beside}"


def counts_with_offset(
    level: NDArray, variance: NDArray, free: int
) -> CountsWithOffset | None:
    """Line of the variances of channels over their means, or None where there is none.

    Parameters
    ----------
    level : (n_bins,) array
        Mean of the channels of each bin.
    variance : (n_bins,) array
        Variance of their noise.
    free : int
        Degrees of freedom of each variance.

    Returns
    -------
    CountsWithOffset or None
        None where the variances do not rise on a line over the means.
    """
    noisy = variance > 0
    level, variance = level[noisy], variance[noisy]
    if len(level) < 2 * _CHANNELS or free < _FREE:
        return None
    low, high = np.quantile(variance, [0.05, 0.95])
    chance = np.sqrt(2 / free)
    if high / low < _SPAN * (1 + 4 * chance):
        return None
    # All variances have the same relative error: that of the line, in a second round.
    line, weight = np.zeros(2), 1 / variance
    for _ in range(3):
        line = np.polyfit(level, variance, 1, w=weight)
        fitted = np.polyval(line, level)
        weight = 1 / np.maximum(fitted, low / 2)
    about_line = np.log(variance * weight)
    scatter = np.subtract(*np.quantile(about_line, [0.9, 0.1]))
    gain, intercept = (float(each) for each in line)
    if gain <= 0 or level.min() <= 0 or scatter > 3 * chance + np.log(_ON_LINE):
        return None
    # Noise in proportion to the signal is on a parabola through zero.
    x, y = np.log(level), np.log(variance)
    about_power = y - np.polyval(np.polyfit(x, y, 1), x)
    return (
        CountsWithOffset(gain, intercept)
        if np.std(about_line) < np.std(about_power)
        else None
    )
