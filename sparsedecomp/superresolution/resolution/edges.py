"""Widths of edges: those that given lines cross, or the sharpest of a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, stats

from sparsedecomp.suggestions import check_choice
from sparsedecomp.superresolution.resolution.profiles import (
    SHAPES,
    Profiles,
    shared_width,
)
from sparsedecomp.superresolution.resolution.result import Resolution, as_map, steps_of

# Number of neighbouring lines, and side of a tile of a map, in which profiles may have
# correlated noise. Larger groups give wider, safer intervals.
_GROUP = 8
# Samples on both sides of an edge that are tried in turn, until the edge is narrower
# than half of them.
_REACHES = (4, 8, 16, 32)
# An edge in a map has at most this ratio of the slope across the profile to that along
# it: flatter edges are profiled along the other axis.
_SLANT = 0.5
# Least steepness over that of the steepest pixels. A smaller one lets blurred edges in.
_STEEP = 0.4
# Number of steps that the cosine of the slant is rounded to, and of edges at most.
_SLANTS, _MOST_EDGES = 20, 500
# Five standard deviations of the slope of white noise, smoothed as the map is.
_ABOVE_NOISE = 5 / np.sqrt(8 * np.pi)


def edge_width(
    lines: ArrayLike,
    step: float = 1.0,
    *,
    bar: bool = False,
    shape: str = "logistic",
    level: float = 0.95,
) -> Resolution:
    """Width of an edge that many lines cross, by one fit to all of them.

    Every line has its own low and high value and its own position of the edge; all
    share the slope ``alpha`` of ``y = (high - low) / (1 + exp(-alpha x + beta)) +
    low``. The width is that of the slope at half its height, ``3.5255 / |alpha|``. Its
    confidence interval is that of the profile likelihood, widened where correlated
    noise of neighbouring lines or a misfit of the shape make the scores scatter more.

    The width is the resolution where the edge itself is much sharper. A single line at
    a step wider than the edge fits any slope: a width below half a step is returned as
    a bound ("at most").

    Parameters
    ----------
    lines : (n_lines, n_points) array
        Lines across one edge each, rising or falling, or across a bar.
    step : float, default 1
        Distance between points.
    bar : bool, default False
        Lines cross both edges of a bar, bright or dark. They are cut in its middle, and
        each part is fitted as an edge.
    shape : {"logistic", "gaussian"}
        Shape of the edge: a logistic function, or the integral of a Gaussian. An edge
        blurred by a Gaussian spot looks 12 % narrower to the logistic one.
    level : float, default 0.95
        Probability of the confidence interval.

    Returns
    -------
    Resolution
        ``lengths`` holds the widths of the rising and of the falling edges ("left",
        "right") and the distances "20-80 %" and "10-90 %"; ``curve`` all samples
        around their edges, and the fit.

    Raises
    ------
    ValueError
        For fewer than five points, values that are not finite, and unknown shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import edge_width
    >>> x = np.arange(20) - 9.7
    >>> line = 1 / (1 + np.exp(-3.5255 / 2.5 * x))
    >>> noise = 0.01 * np.random.default_rng(0).normal(size=(30, 20))
    >>> round(edge_width(line + noise, step=0.2).value, 1)
    0.5
    """
    step = _check(step, shape)
    y = np.atleast_2d(np.asarray(lines, float))
    least = 10 if bar else 5
    if y.ndim != 2 or y.shape[1] < least:
        raise ValueError(
            f"The lines have the shape {y.shape}, expected (n_lines, n_points) with at "
            f"least {least} points."
        )
    if not np.isfinite(y).all():
        i, j = np.argwhere(~np.isfinite(y))[0]
        raise ValueError(f"Line {i} is NaN or infinite at point {j}: mend or drop it.")
    group = np.arange(len(y)) // _GROUP
    if bar:
        mean = y.mean(axis=0)
        if mean[0] + mean[-1] > 2 * mean.mean():
            y, mean = -y, -mean
        above = np.flatnonzero(mean > 0.5 * (mean.min() + mean.max()))
        cut = int(np.clip(round(above.mean() + 0.5), 5, len(mean) - 5))
        half = min(cut, y.shape[1] - cut)
        samples = np.vstack([y[:, cut - half : cut], -y[:, cut : cut + half]])
        group, falls = np.tile(group, 2), np.repeat([False, True], len(y))
    else:
        n = y.shape[1]
        falls = (y * (np.arange(n) - (n - 1) / 2)).sum(axis=1) < 0
        samples = np.where(falls[:, None], -y, y)
    parts = [Profiles(samples, group, falls)]
    return shared_width(parts, step, shape, level)


def edge_resolution(
    image: ArrayLike,
    step: float | tuple[float, float] = 1.0,
    *,
    shape: str = "logistic",
    level: float = 0.95,
) -> Resolution:
    """Width of the sharpest edges of a map, which are found by themselves.

    Profiles are cut out where the slope is steepest, runs nearly along rows or columns
    and stands above that of white noise. Profiles that no single edge fits are left
    out, and `edge_width` is measured with a correction for the slant of each edge.

    The width is the resolution where the specimen has sharp edges a few widths apart.
    Both sides of a feature narrower than the spot make a slope steeper than that of an
    edge: on a specimen full of such features the result is too fine, by up to a half.
    Smoothed noise looks like edges. Where there is a straight edge, `edge_width` across
    it is the better choice.

    Parameters
    ----------
    image : (rows, columns) array
        Map with equal steps of rows and columns.
    step : float or (float, float), default 1
        Distance between pixels.
    shape : {"logistic", "gaussian"}
        Shape of the edges, see `edge_width`.
    level : float, default 0.95
        Probability of the confidence interval.

    Returns
    -------
    Resolution
        With the same lengths and curve as that of `edge_width`.

    Raises
    ------
    ValueError
        For maps below eight pixels, and values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from sparsedecomp.superresolution import edge_resolution
    >>> image = np.zeros((60, 60))
    >>> image[20:40, 15:45] = 1
    >>> found = edge_resolution(gaussian_filter(image, 1.5), shape="gaussian")
    >>> abs(found.value - 2.355 * 1.5) < 0.1
    True
    """
    length = _check(step, shape)
    map_ = as_map(image)
    note = f"No edge with {_REACHES[0]} pixels on both sides stands out."
    resolution = Resolution("edge", np.nan, note=note, level=level)
    for reach in _REACHES:
        parts = _find_edges(map_, reach)
        if not parts:
            break
        resolution = shared_width(parts, length, shape, level, trim=True)
        if resolution.value < 0.5 * reach * length:
            break
    return resolution


def _check(step: float | tuple[float, float], shape: str) -> float:
    """The one step of both axes; refuses unequal ones and unknown shapes."""
    steps = steps_of(step)
    if np.ptp(steps) > 1e-3 * steps[0]:
        raise ValueError(
            f"The steps of rows and columns are {steps.tolist()}, expected equal ones: "
            "resample one axis, or measure across one straight edge."
        )
    check_choice("shape", shape, SHAPES)
    return float(steps[0])


def _find_edges(image: NDArray, reach: int) -> list[Profiles]:
    """Profiles across the steepest places of a map, along its rows and columns."""
    slopes = [ndimage.gaussian_filter(image, 1.0, order=o) for o in ((1, 0), (0, 1))]
    steepness = np.hypot(*slopes)
    tile = np.add.outer(
        np.arange(image.shape[0]) // _GROUP * image.shape[1],
        np.arange(image.shape[1]) // _GROUP,
    )
    steep_enough = max(
        _STEEP * np.quantile(steepness, 0.995), _ABOVE_NOISE * noise_of(image)
    )
    places: list[tuple[int, int, int]] = []
    kinds: dict[float, list] = {}
    for axis in (0, 1):
        along, across = np.abs(slopes[axis]), np.abs(slopes[1 - axis])
        edge = along >= ndimage.maximum_filter1d(along, 5, axis=axis)
        edge &= (across <= _SLANT * along) & (along > 0)
        edge &= steepness >= steep_enough
        inside = np.zeros_like(edge)
        cut = [slice(1, -1)] * 2
        cut[axis] = slice(reach, -reach)
        inside[tuple(cut)] = True
        places += [(axis, i, j) for i, j in np.argwhere(edge & inside)]
    places.sort(key=lambda place: -steepness[place[1:]])
    for axis, i, j in places[:_MOST_EDGES]:
        slope, steep = slopes[axis][i, j], steepness[i, j]
        line = image[:, j][i - reach : i + reach + 1]
        if axis:
            line = image[i, j - reach : j + reach + 1]
        slant = round(_SLANTS * abs(slope) / steep) / _SLANTS
        kinds.setdefault(slant, []).append(
            (np.sign(slope) * line, tile[i, j], slope < 0)
        )
    profiles = []
    for slant, members in kinds.items():
        lines, tiles, falls = (np.array(each) for each in zip(*members, strict=True))
        profiles.append(Profiles(lines, tiles, falls, slant))
    return profiles


def noise_of(image: NDArray) -> float:
    """Standard deviation of white noise, by the median of fourth differences."""
    fourth = np.diff(np.diff(image, 2, axis=0), 2, axis=1)
    return float(np.median(np.abs(fourth))) / (6 * stats.norm.ppf(0.75))
