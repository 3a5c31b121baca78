"""Frequency up to which two independent halves of a measurement agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.signal import windows

from sparsedecomp.noise import whole_counts
from sparsedecomp.suggestions import check_choice
from sparsedecomp.superresolution.resolution.result import (
    Resolution,
    as_map,
    frequencies_of,
    steps_of,
)

THRESHOLDS = ("1/7", "half_bit")
TAPERS = ("hann", "tukey", None)
_TINY = np.finfo(float).tiny
# Neighbouring rings whose correlation is averaged, weighted by their number of values.
# More rings give a smoother curve that crosses the threshold less exactly.
_NEIGHBOURS = np.ones(3)


def thin(counts: ArrayLike, random_state: int = 0) -> tuple[NDArray, NDArray]:
    """Split the counts of one measurement into two independent halves.

    A Poisson count split binomially gives two independent Poisson counts of half the
    mean [1]_: one measurement is as good as two of half the dose.

    Parameters
    ----------
    counts : array of int
        Counts, 0 or more; whole numbers of any type.
    random_state : int, default 0
        Seed of the split.

    Returns
    -------
    one : array of int
        Half of the counts, of the same shape.
    other : array of int
        The other half.

    Raises
    ------
    ValueError
        For values that are no counts.

    References
    ----------
    .. [1] J. F. C. Kingman, Poisson Processes (1993), section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import thin
    >>> one, other = thin(np.full((2, 3), 100))
    >>> (one + other).tolist()
    [[100, 100, 100], [100, 100, 100]]
    """
    whole = whole_counts(np.asarray(counts))
    one = np.random.default_rng(random_state).binomial(whole, 0.5)
    return one, whole - one


def ring_resolution(
    one: ArrayLike,
    other: ArrayLike,
    step: float | tuple[float, float] = 1.0,
    *,
    threshold: str = "1/7",
    taper: str | None = "hann",
    level: float = 0.95,
) -> Resolution:
    """Resolution by the Fourier ring correlation of two independent maps.

    ``FRC(q) = Re sum A B* / sqrt(sum |A|^2 sum |B|^2)`` over rings of equal frequency
    [1]_. The resolution is the inverse of the frequency where it falls below a
    threshold: 1/7, or half a bit of information for each value of the ring [2]_.

    It is the frequency up to which the signal stands above the noise: more counts give
    a finer resolution for the same blur. All that both halves share counts as signal:
    the registration, a fixed pattern, and an interpolation or prior. Halves must
    therefore be made from different samples.

    Parameters
    ----------
    one, other : (rows, columns) array
        Maps of independent noise: from two halves of the frames, or by `thin`.
    step : float or (float, float), default 1
        Distance between pixels, of rows and columns.
    threshold : {"1/7", "half_bit"}
        Correlation at which the halves count as different.
    taper : {"hann", "tukey", None}
        Window by which maps fall to zero at their edges, so that these add no
        frequencies. "tukey" keeps the middle half of each axis.
    level : float, default 0.95
        Probability of the interval, whose ends are where the bounds of the correlation
        cross the threshold.

    Returns
    -------
    Resolution
        ``curve`` holds "frequency" in cycles per unit, "correlation", "threshold" and
        "independent", the number of independent values of each ring.

    Raises
    ------
    ValueError
        For maps of different shape, below eight pixels or not finite, and unknown
        thresholds and tapers.

    References
    ----------
    .. [1] W. O. Saxton and W. Baumeister, J. Microsc. 127 (1982) 127.
    .. [2] M. van Heel and M. Schatz, J. Struct. Biol. 151 (2005) 250.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from sparsedecomp.superresolution import ring_resolution, thin
    >>> rng = np.random.default_rng(0)
    >>> blurred = gaussian_filter(rng.random((128, 96)) < 0.02, 2.0, output=float)
    >>> counts = rng.poisson(2e3 * blurred)
    >>> 3 < ring_resolution(*thin(counts)).value < 6
    True
    """
    steps = steps_of(step)
    maps = [as_map(m, name) for m, name in ((one, "first map"), (other, "second map"))]
    if maps[0].shape != maps[1].shape:
        raise ValueError(
            f"The maps have the shapes {maps[0].shape} and {maps[1].shape}, expected "
            "equal ones."
        )
    check_choice("threshold", threshold, THRESHOLDS)
    check_choice("taper", taper, TAPERS)
    shape = maps[0].shape
    fall = [_window(n, taper) for n in shape]
    window = np.outer(*fall)
    a, b = (
        np.fft.rfft2((m - (m * window).sum() / window.sum()) * window) for m in maps
    )
    radius, multiplicity = frequencies_of(shape, steps)
    width = 1 / min(shape * steps)
    ring = np.round(radius / width).astype(int)
    n_rings = int(0.5 / steps.max() / width) + 1

    def sums(values: NDArray | float) -> NDArray:
        return np.bincount(ring.ravel(), (multiplicity * values).ravel())[1:n_rings]

    powers = sums(np.abs(a) ** 2) * sums(np.abs(b) ** 2)
    correlation = sums((a * b.conj()).real) / np.sqrt(np.maximum(powers, _TINY))
    # Half of the values are conjugates of the others, and a taper ties neighbours.
    share = np.prod([(w**2).sum() ** 2 / (len(w) * (w**4).sum()) for w in fall])
    independent = np.maximum(0.5 * share * sums(1.0), 1.0)
    frequency = sums(radius) / sums(1.0)
    line = np.full(len(frequency), 1 / 7)
    if threshold == "half_bit":
        root = np.sqrt(independent)
        line = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    curve = {
        "frequency": frequency,
        "correlation": correlation,
        "threshold": line,
        "independent": independent,
    }
    return _resolution(curve, threshold, level)


def _window(n: int, taper: str | None) -> NDArray:
    if taper is None:
        return np.ones(n)
    return windows.tukey(n + 2, 1.0 if taper == "hann" else 0.5)[1:-1]


def _resolution(curve: dict[str, NDArray], threshold: str, level: float) -> Resolution:
    """Where the correlation, and its bounds, fall below the threshold."""
    weight, q = curve["independent"], curve["frequency"]
    alone = np.arctanh(np.clip(curve["correlation"], -1 + 1e-9, 1 - 1e-9))
    known = np.convolve(weight, _NEIGHBOURS, "same")
    z = np.convolve(weight * alone, _NEIGHBOURS, "same") / known
    sure = stats.norm.ppf(0.5 + 0.5 * level)
    reach = sure / np.sqrt(np.maximum(known - 3, 1))
    line = np.arctanh(np.minimum(curve["threshold"], 1 - 1e-9))
    first, value, last = (_fall(q, z + d - line) for d in (-reach, 0 * z, reach))
    below = weight[q <= (value or 0)]
    mean = (below * alone[: len(below)]).sum() / max(below.sum(), 1)
    if mean <= sure / np.sqrt(max(below.sum() - 3, 1)):
        note = "The halves agree no better than noise with noise."
        return Resolution("frc", np.nan, note=note, level=level, curve=curve)
    note = f"Two halves agree up to this length, threshold {threshold}."
    if value >= q[-1]:
        note = f"They agree up to the frequency of the sampling, threshold {threshold}."
    coarsest = np.inf if first is None else 1 / first
    return Resolution(
        "frc",
        1 / value,
        (1 / last, coarsest),
        is_bound=bool(value >= q[-1]),
        note=note,
        level=level,
        curve=curve,
    )


def _fall(q: NDArray, above: NDArray) -> float | None:
    """Where a curve first falls below zero: None if it starts there, else its end."""
    below = np.flatnonzero(above < 0)
    if not len(below):
        return q[-1]
    i = below[0]
    if i == 0:
        return None
    return q[i - 1] + (q[i] - q[i - 1]) * above[i - 1] / (above[i - 1] - above[i])
