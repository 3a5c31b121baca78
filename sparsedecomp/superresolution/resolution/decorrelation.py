"""Resolution of a single map by decorrelation analysis, without parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import windows

from sparsedecomp.superresolution.resolution.result import (
    Resolution,
    as_map,
    frequencies_of,
    steps_of,
)

# Part of each side along which the map is tapered, at each end. More leaves less of the
# map, less leaves the jump at its edges in the spectrum.
_FALL = 0.2
# Number of radii and of high-pass filters: more resolve the maximum more finely.
_CIRCLES, _FILTERS = 400, 20
# A radius above this part of the highest frequency is a bound: signal stands out as far
# as the sampling allows.
_LIMIT = 0.93
# Least height of a maximum above the following minimum. Descloux et al. use 0.0005.
_DROP = 5e-4


def decorrelation_resolution(
    image: ArrayLike, step: float | tuple[float, float] = 1.0
) -> Resolution:
    """Resolution of one map by its decorrelation analysis.

    The map is correlated with a copy whose Fourier transform is normalised to one
    everywhere and cut off at a radius ``r`` [1]_, equation 1::

        d(r) = sum_{|q| < r} |F| / sqrt(sum |F|^2 * sum_{|q| < r} 1)

    Below the cut-off of the signal every further ring adds agreement, beyond it noise
    alone. High-pass filters of growing strength move the maximum of ``d`` outwards;
    its largest radius over all filters is the resolution.

    It needs one map, no threshold and no model, and has no error bar. Where signal
    reaches the frequency of the sampling, as in coarse, aliased frames, the value is a
    bound. Without a maximum it is not determined: signal up to the corner of the
    spectrum and noise alone look the same. In a map that was smoothed by a prior, the
    edges that the prior made count as signal.

    Parameters
    ----------
    image : (rows, columns) array
        Map.
    step : float or (float, float), default 1
        Distance between pixels, of rows and columns.

    Returns
    -------
    Resolution
        ``curve`` holds "frequency" in cycles per unit, "correlation" without filter and
        "filtered" with the filter of the largest radius.

    Raises
    ------
    ValueError
        For maps below eight pixels, and values that are not finite.

    References
    ----------
    .. [1] A. Descloux, K. S. Grussmayer and A. Radenovic, Nat. Methods 16 (2019) 918.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from sparsedecomp.superresolution import decorrelation_resolution
    >>> rng = np.random.default_rng(0)
    >>> points = (rng.random((128, 128)) < 0.02).astype(float)
    >>> noise = 1e-4 * rng.random((128, 128))
    >>> sharp, blurred = (
    ...     decorrelation_resolution(gaussian_filter(points, s) + noise)
    ...     for s in (1.5, 3.0)
    ... )
    >>> sharp.value < 0.7 * blurred.value
    True
    """
    steps = steps_of(step)
    map_ = as_map(image)
    rows, columns = (windows.tukey(n + 2, 2 * _FALL)[1:-1] for n in map_.shape)
    spectrum = np.abs(np.fft.rfft2((map_ - map_.mean()) * np.outer(rows, columns)))
    radius, multiplicity = frequencies_of(map_.shape, steps)
    highest = 0.5 / steps.max()
    inside = (radius > 0) & (radius <= highest)
    radius = radius[inside] / highest
    amplitude, multiplicity = spectrum[inside], multiplicity[inside]
    circle = np.minimum((radius * _CIRCLES).astype(int), _CIRCLES - 1)
    n_values = np.cumsum(np.bincount(circle, multiplicity, _CIRCLES))

    def correlation(sigma: float | None = None) -> NDArray:
        """``d`` after the high-pass filter of a Gaussian of ``sigma`` pixels."""
        filtered = amplitude
        if sigma is not None:
            filtered = amplitude * -np.expm1(-2 * (sigma * radius) ** 2)
        inner = np.cumsum(np.bincount(circle, multiplicity * filtered, _CIRCLES))
        power = (multiplicity * filtered**2).sum()
        return inner / np.sqrt(np.maximum(power * n_values, np.finfo(float).tiny))

    frequency = (np.arange(_CIRCLES) + 1) / _CIRCLES * highest
    curves = {None: correlation()}
    widest = min(map_.shape) / 4
    for sigma in np.geomspace(widest, 0.15, _FILTERS):
        curves[sigma] = correlation(sigma)
    peaks = {sigma: _peak(d) for sigma, d in curves.items()}
    best = max(peaks, key=peaks.__getitem__)
    curve = {
        "frequency": frequency,
        "correlation": curves[None],
        "filtered": curves[best],
    }
    if peaks[best] < 0:
        return Resolution(
            "decorrelation",
            np.nan,
            note="There is no maximum below the frequency of the sampling: signal "
            "reaches it, or there is nothing but noise.",
            curve=curve,
        )
    limited = bool(frequency[peaks[best]] > _LIMIT * highest)
    note = "Inverse of the highest frequency that stands out; no error bar."
    if limited:
        note = "Signal stands out up to the frequency of the sampling."
    return Resolution(
        "decorrelation",
        1 / frequency[peaks[best]],
        is_bound=limited,
        note=note,
        curve=curve,
    )


def _peak(d: NDArray) -> int:
    """Index of the last maximum after which the curve falls; -1 where there is none."""
    for end in range(len(d), 1, -1):
        at = int(np.argmax(d[:end]))
        if at < end - 1:
            return at if d[at] - d[at:].min() > _DROP else -1
    return -1
