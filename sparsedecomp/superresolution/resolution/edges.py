"""How wide edges are: those that given lines cross, or the sharpest of a map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

from sparsedecomp.superresolution.resolution.profiles import (
    SHAPES,
    Profiles,
    shared_width,
)
from sparsedecomp.superresolution.resolution.result import Resolution, as_map, steps_of

# Profiles so near to each other may share their noise.
_GROUP = 8
# Edges that are looked for in a map: samples on both sides, slope across of that along,
# steepness of that of the steepest, cosines of the slant, number.
_REACHES = (4, 8, 16, 32)
_SLANT, _STEEP, _SLANTS, _MOST_EDGES = 0.5, 0.4, 20, 500
# Five standard deviations of the slope of white noise, smoothed as the map is.
_ABOVE_NOISE = 5 / np.sqrt(8 * np.pi)


def edge_width(lines, step=1.0, *, bar=False, shape="logistic", level=0.95):
    """Width of an edge that many lines cross, by one fit to all of them.

    Every line has its own low and high value and its own place of the edge; all share
    the slope ``alpha`` of ``y = (high - low) / (1 + exp(-alpha x + beta)) + low``.
    The width is that of the slope at half its height, ``3.5255 / |alpha|``. Its
    confidence interval is that of the profile likelihood, widened where neighbouring
    lines or a misfit of the shape make the scores scatter more than noise would.

    It tells the resolution where the edge itself is much sharper. A single line at a
    step wider than the edge fits any slope: widths below half a step are never
    returned, but "at most".

    Parameters
    ----------
    lines : (n_lines, n_points) array
        Across one edge each, rising or falling; or across a bar.
    step : float, default 1
        Between points.
    bar : bool, default False
        Lines cross both edges of a bar, bright or dark: they are cut in its middle, and
        each part is fitted as an edge.
    shape : {"logistic", "gaussian"}
        Of the edge: a logistic function, or the integral of a Gaussian. An edge blurred
        by a Gaussian spot looks 12 % narrower to the logistic one.
    level : float, default 0.95
        Of the confidence interval.

    Returns
    -------
    Resolution
        ``lengths`` holds the rising and falling edges alone ("left", "right") and the
        distances "20-80 %" and "10-90 %"; ``curve`` all samples around their edges,
        and the fit.

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
    lines = np.atleast_2d(np.asarray(lines, float))
    least = 10 if bar else 5
    if lines.ndim != 2 or lines.shape[1] < least:
        raise ValueError(
            f"The lines have the shape {lines.shape}, expected (n_lines, n_points) "
            f"with at least {least} points."
        )
    if not np.isfinite(lines).all():
        i, j = np.argwhere(~np.isfinite(lines))[0]
        raise ValueError(f"Line {i} is NaN or infinite at point {j}: mend or drop it.")
    group = np.arange(len(lines)) // _GROUP
    if bar:
        line = lines.mean(axis=0)
        if line[0] + line[-1] > 2 * line.mean():
            lines, line = -lines, -line
        above = np.flatnonzero(line > 0.5 * (line.min() + line.max()))
        cut = int(np.clip(round(above.mean() + 0.5), 5, len(line) - 5))
        half = min(cut, lines.shape[1] - cut)
        samples = np.vstack([lines[:, cut - half : cut], -lines[:, cut : cut + half]])
        group, falls = np.tile(group, 2), np.repeat([False, True], len(lines))
    else:
        n = lines.shape[1]
        falls = (lines * (np.arange(n) - (n - 1) / 2)).sum(axis=1) < 0
        samples = np.where(falls[:, None], -lines, lines)
    parts = [Profiles(samples, group, falls)]
    return shared_width(parts, step, shape, level)


def edge_resolution(image, step=1.0, *, shape="logistic", level=0.95):
    """Width of the sharpest edges of a map, found by themselves.

    The steepest places whose slope runs nearly along rows or columns, and stands above
    that of white noise, are cut out, the profiles that no single edge fits are left
    out, and `edge_width` is measured with the slant of each edge taken off.

    It is the resolution where the specimen has sharp edges a few widths apart. Both
    sides of a feature narrower than the spot make a slope steeper than that of an edge:
    on a specimen full of those the result is too fine, by up to a half. Noise that was
    smoothed looks like edges. Straight ones that were chosen by eye are the better
    choice, with `edge_width`.

    Parameters
    ----------
    image : (rows, columns) array
        Of equal steps.
    step : float, default 1
    shape : {"logistic", "gaussian"}
    level : float, default 0.95

    Returns
    -------
    Resolution
        As of `edge_width`.

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
    step = _check(step, shape)
    image = as_map(image)
    note = f"No edge with {_REACHES[0]} pixels on both sides stands out."
    found = Resolution("edge", np.nan, note=note, level=level)
    for reach in _REACHES:
        parts = _find_edges(image, reach)
        if not parts:
            break
        found = shared_width(parts, step, shape, level, trim=True)
        if found.value < 0.5 * reach * step:
            break
    return found


def _check(step, shape):
    steps = steps_of(step)
    if np.ptp(steps) > 1e-3 * steps[0]:
        raise ValueError(
            f"The steps of rows and columns are {steps.tolist()}, expected equal ones: "
            "resample one axis, or measure across one straight edge."
        )
    if shape not in SHAPES:
        raise ValueError(f"shape={shape!r} is unknown, expected one of {SHAPES}.")
    return float(steps[0])


def _find_edges(image, reach):
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
    found, kinds = [], {}
    for axis in (0, 1):
        along, across = np.abs(slopes[axis]), np.abs(slopes[1 - axis])
        edge = along >= ndimage.maximum_filter1d(along, 5, axis=axis)
        edge &= (across <= _SLANT * along) & (along > 0)
        edge &= steepness >= steep_enough
        inside = np.zeros_like(edge)
        cut = [slice(1, -1)] * 2
        cut[axis] = slice(reach, -reach)
        inside[tuple(cut)] = True
        found += [(axis, *place) for place in np.argwhere(edge & inside)]
    found.sort(key=lambda place: -steepness[place[1:]])
    for axis, i, j in found[:_MOST_EDGES]:
        slope, steep = slopes[axis][i, j], steepness[i, j]
        line = image[:, j][i - reach : i + reach + 1]
        if axis:
            line = image[i, j - reach : j + reach + 1]
        slant = round(_SLANTS * abs(slope) / steep) / _SLANTS
        kinds.setdefault(slant, []).append(
            (np.sign(slope) * line, tile[i, j], slope < 0)
        )
    return [
        Profiles(*(np.array(each) for each in zip(*members, strict=True)), slant)
        for slant, members in kinds.items()
    ]


def noise_of(image):
    """Standard deviation of white noise, by the median of fourth differences."""
    fourth = np.diff(np.diff(image, 2, axis=0), 2, axis=1)
    return float(np.median(np.abs(fourth))) / (6 * stats.norm.ppf(0.75))
