"""To which frequency two independent halves of a measurement agree."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.signal import windows

from sparsedecomp.superresolution.resolution.result import (
    Resolution,
    as_map,
    frequencies_of,
    steps_of,
)

THRESHOLDS = ("1/7", "half_bit")
TAPERS = ("hann", "tukey", None)
_TINY = np.finfo(float).tiny
# Rings that one value is averaged over, by what each knows.
_NEIGHBOURS = np.ones(3)


def thin(counts, random_state=0):
    """Deal the counts of one measurement out to two independent halves.

    A Poisson count dealt out binomially gives two independent Poisson counts of half
    the mean [1]_: one measurement is as good as two of half the dose.

    Parameters
    ----------
    counts : array of whole numbers, 0 or more
    random_state : int, default 0

    Returns
    -------
    one, other : arrays of the same shape

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
    counts = np.asarray(counts)
    whole = np.round(counts)
    if not np.isfinite(whole).all() or whole.min() < 0 or np.any(whole != counts):
        raise ValueError(
            "Only counts can be dealt out to two halves, expected whole numbers, 0 or "
            "more. Give two maps of independent frames instead."
        )
    whole = whole.astype(np.int64)
    one = np.random.default_rng(random_state).binomial(whole, 0.5)
    return one, whole - one


def ring_resolution(one, other, step=1.0, *, threshold="1/7", taper="hann", level=0.95):
    """Resolution by the Fourier ring correlation of two independent maps.

    ``FRC(q) = Re sum A B* / sqrt(sum |A|^2 sum |B|^2)`` over rings of equal frequency
    [1]_. The resolution is the inverse of the frequency where it falls below a
    threshold: 1/7, or half a bit of information for each value of the ring [2]_.

    It measures to where the signal stands above the noise, so that more counts give a
    finer resolution for the same blur. Whatever both halves share counts as signal:
    the same registration, the same fixed pattern, and a common interpolation or prior,
    which is why halves must be made from different samples.

    Parameters
    ----------
    one, other : (rows, columns) arrays
        Of independent noise: from two halves of the frames, or of `thin`.
    step : float or (float, float), default 1
        Between pixels, of rows and columns.
    threshold : {"1/7", "half_bit"}
    taper : {"hann", "tukey", None}
        By which maps fall off to their edges, which are no frequencies of the
        specimen. "tukey" keeps the middle half of each axis.
    level : float, default 0.95
        Of the interval, where the bounds of the correlation cross the threshold.

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
    if threshold not in THRESHOLDS:
        raise ValueError(f"threshold={threshold!r}, expected one of {THRESHOLDS}.")
    if taper not in TAPERS:
        raise ValueError(f"taper={taper!r}, expected one of {TAPERS}.")
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

    def sums(values):
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


def _window(n, taper):
    if taper is None:
        return np.ones(n)
    return windows.tukey(n + 2, 1.0 if taper == "hann" else 0.5)[1:-1]


def _resolution(curve, threshold, level):
    """Where the correlation, and its bounds, fall below the threshold."""
    weight, q = curve["independent"], curve["frequency"]
    alone = np.arctanh(np.clip(curve["correlation"], -1 + 1e-9, 1 - 1e-9))
    known = np.convolve(weight, _NEIGHBOURS, "same")
    z = np.convolve(weight * alone, _NEIGHBOURS, "same") / known
    sure = stats.norm.ppf(0.5 + 0.5 * level)
    reach = sure / np.sqrt(np.maximum(known - 3, 1))
    line = np.arctanh(np.minimum(curve["threshold"], 1 - 1e-9))
    first, value, last = (_fall(q, z + d - line) for d in (-reach, 0 * z, reach))
    about = {"level": level, "curve": curve}
    below = weight[q <= (value or 0)]
    mean = (below * alone[: len(below)]).sum() / max(below.sum(), 1)
    if mean <= sure / np.sqrt(max(below.sum() - 3, 1)):
        note = "The halves agree no better than noise with noise."
        return Resolution("frc", np.nan, note=note, **about)
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
        **about,
    )


def _fall(q, above):
    """Where a curve first falls below zero: None at once, the last place if never."""
    below = np.flatnonzero(above < 0)
    if not len(below):
        return q[-1]
    i = below[0]
    if i == 0:
        return None
    return q[i - 1] + (q[i] - q[i - 1]) * above[i - 1] / (above[i - 1] - above[i])
