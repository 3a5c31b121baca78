"""How wide edges are: one sigmoid's slope for many line profiles together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, stats
from scipy.special import expit, logit, ndtr, ndtri

from sparsedecomp.superresolution.resolution import Resolution, as_map, steps_of

# Width at half height of the slope of an edge: logistic by alpha, and Gaussian by its
# standard deviation.
LOGISTIC = 2 * np.log(3 + 2 * np.sqrt(2))
GAUSSIAN = 2 * np.sqrt(2 * np.log(2))
SHAPES = ("logistic", "gaussian")
# Below half a step a sampled edge looks the same whatever its width.
LEAST = 0.5
# Logarithm between widths that are tried; between centres, in steps.
_RATIO = 0.05
_CENTRES = 1 / 8
# Profiles so near to each other may share their noise; fewer groups do not tell.
_GROUP = 8
_LEAST_GROUPS = 5
# Of the curvature of the squares, in widths that are tried.
_REACH = 2
_TINY = np.finfo(float).tiny
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
    parts = [_Edges(samples, group, falls)]
    return _measure(parts, step, shape, level)


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
        found = _measure(parts, step, shape, level, trim=True)
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


@dataclass(frozen=True)
class _Edges:
    """Profiles of one slant that all rise; each belongs to a group of neighbours."""

    samples: np.ndarray
    group: np.ndarray
    falling: np.ndarray
    slant: float = 1.0

    def only(self, kept):
        return replace(
            self,
            samples=self.samples[kept],
            group=self.group[kept],
            falling=self.falling[kept],
        )

    def fit(self, width, shape, noise=0.0):
        """Squares left of every profile at a width in steps, and its centre.

        With the variance of the noise the squares are those of all centres together:
        ``-2 noise log mean exp(-squares / (2 noise))``.
        """
        n = self.samples.shape[1]
        centres = np.arange(1, n - 2 + _CENTRES / 2, _CENTRES)
        edges = _edge(np.arange(n) - centres[:, None], width / self.slant, shape)
        edges -= edges.mean(axis=1, keepdims=True)
        edges /= np.sqrt(np.square(edges).sum(axis=1, keepdims=True))
        y = self.samples - self.samples.mean(axis=1, keepdims=True)
        explained = np.maximum(edges @ y.T, 0) ** 2
        best = np.clip(np.argmax(explained, axis=0), 1, len(centres) - 2)
        every = np.arange(len(y))
        a, b, c = (explained[best + d, every] for d in (-1, 0, 1))
        bend = np.minimum(a - 2 * b + c, -_TINY)
        to = np.clip(0.5 * (a - c) / bend, -0.5, 0.5)
        most = b + 0.5 * to * (c - a) + 0.5 * to**2 * bend
        left = np.maximum(np.square(y).sum(axis=1) - most, 0)
        if noise:
            explained[best, every] = most
            shares = np.exp((explained - most) / (2 * noise)).mean(axis=0)
            left -= 2 * noise * np.log(shares)
        return left, centres[best] + to * _CENTRES

    def aligned(self, width, shape):
        """Distances of the samples from their edge, and their values from 0 to 1."""
        _, centre = self.fit(width, shape)
        x = (np.arange(self.samples.shape[1]) - centre[:, None]) * self.slant
        edge = _edge(x, width, shape)
        apart = edge - edge.mean(axis=1, keepdims=True)
        height = (apart * self.samples).sum(axis=1) / np.square(apart).sum(axis=1)
        low = self.samples.mean(axis=1) - height * edge.mean(axis=1)
        return x.ravel(), ((self.samples - low[:, None]) / height[:, None]).ravel()


def _edge(x, width, shape):
    return (
        expit(LOGISTIC / width * x)
        if shape == "logistic"
        else ndtr(GAUSSIAN / width * x)
    )


def _between(part, width, shape):
    """Distance from ``part`` to ``1 - part`` of the height of an edge."""
    if shape == "logistic":
        return -2 * logit(part) * width / LOGISTIC
    return -2 * ndtri(part) * width / GAUSSIAN


def _measure(parts, step, shape, level, trim=False):
    """Width shared by all profiles, and by those of each side."""
    n = max(part.samples.shape[1] for part in parts)
    widths = np.exp(np.arange(np.log(LEAST), np.log(n), _RATIO))
    tables = _tables(parts, widths, shape)
    if trim:
        # What holds more than one edge leaves more squares than noise does.
        left = np.concatenate(tables)
        left = left[:, np.argmin(left.sum(axis=0))]
        ends = np.cumsum([len(table) for table in tables])[:-1]
        kept = np.split(left <= 3 * np.median(left), ends)
        parts = [part.only(k) for part, k in zip(parts, kept, strict=True)]
        tables = [table[k] for table, k in zip(tables, kept, strict=True)]
    n_profiles = sum(map(len, tables))
    freedom = max(n_profiles * (n - 3) - 1, 1)
    noise = max(sum(t.sum(axis=0) for t in tables).min() / freedom, _TINY)
    tables = _tables(parts, widths, shape, noise)
    table = np.concatenate(tables)
    group, falling = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("group", "falling")
    )

    def interval(chosen):
        return _interval(table[chosen], group[chosen], widths, noise, freedom, level)

    width, low, high = interval(slice(None))
    if high >= widths[-1]:
        return Resolution(
            "edge",
            np.nan,
            note=f"{n_profiles} profiles fit every width about as well as the best.",
            level=level,
        )
    x, y = np.concatenate([part.aligned(width, shape) for part in parts], axis=1)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    curve = {"distance": x * step, "samples": y, "fit": _edge(x, width, shape)}
    if low <= widths[0]:
        return Resolution(
            "edge",
            high * step,
            (0.0, high * step),
            is_bound=True,
            note=f"The step of {step:.3g} cannot resolve the edges of {n_profiles} "
            "profiles.",
            level=level,
            curve=curve,
        )
    lengths = {
        f"{p}-{100 - p} %": _between(p / 100, width, shape) * step for p in (20, 10)
    }
    if falling.any() and not falling.all():
        lengths["left"] = interval(~falling)[0] * step
        lengths["right"] = interval(falling)[0] * step
    return Resolution(
        "edge",
        width * step,
        (low * step, high * step),
        note=f"Width at half height of the slope of {n_profiles} {shape} edges.",
        level=level,
        lengths=lengths,
        curve=curve,
    )


def _tables(parts, widths, shape, noise=0.0):
    """Squares left of the profiles of each part, at every width."""
    return [
        np.stack([part.fit(w, shape, noise)[0] for w in widths], axis=1)
        for part in parts
    ]


def _interval(table, group, widths, noise, freedom, level):
    """Width of least squares, and the ends of its confidence interval."""
    total = table.sum(axis=0)
    logs, first = np.log(widths), int(np.argmin(total))
    spread = 1.0
    if _REACH <= first < len(widths) - _REACH:
        below, here, above = (table[:, first + d] for d in (-_REACH, 0, _REACH))
        scores = np.bincount(np.unique(group, return_inverse=True)[1], above - below)
        if len(scores) >= _LEAST_GROUPS:
            # Under noise alone the scores of groups have the variance 2 noise bend.
            bend = (below + above - 2 * here).sum()
            spread = 0.125 * np.square(scores - scores.mean()).sum() / (noise * bend)
    if spread > 1:
        freedom = len(scores) - 1
    spread = max(spread, 1.0)
    reach = np.sqrt(noise * spread * stats.f.ppf(level, 1, freedom))
    best, least = logs[first], total[first]
    if 0 < first < len(logs) - 1:
        a, b, c = total[first - 1 : first + 2]
        to = 0.5 * (a - c) / max(a - 2 * b + c, _TINY)
        best, least = best + _RATIO * to, b - 0.25 * (a - c) * to
    # The root of a parabola above its vertex is straight.
    away = np.sqrt(np.maximum(total - least, 0))
    below, above = logs < best, logs > best
    low = _crossing(best, logs[below][::-1], away[below][::-1], reach)
    high = _crossing(best, logs[above], away[above], reach)
    return tuple(float(v) for v in np.exp([best, low, high]))


def _crossing(start, x, y, level):
    """Where a curve that starts at zero rises above a level; its end where never."""
    x, y = np.append(start, x), np.append(0.0, y)
    above = np.flatnonzero(y > level)
    if not len(above):
        return x[-1]
    i = above[0]
    return x[i - 1] + (x[i] - x[i - 1]) * (level - y[i - 1]) / (y[i] - y[i - 1])


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
        _Edges(*(np.array(each) for each in zip(*members, strict=True)), slant)
        for slant, members in kinds.items()
    ]


def noise_of(image):
    """Standard deviation of white noise, by the median of fourth differences."""
    fourth = np.diff(np.diff(image, 2, axis=0), 2, axis=1)
    return float(np.median(np.abs(fourth))) / (6 * stats.norm.ppf(0.75))
