"""The width that many profiles of edges share: estimate and confidence interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit, ndtr, ndtri

from sparsedecomp.superresolution.resolution.result import Resolution

# Width at half height of the slope of an edge: of a logistic one times its alpha, of a
# Gaussian one over its standard deviation.
_LOGISTIC = 2 * np.log(3 + 2 * np.sqrt(2))
_GAUSSIAN = 2 * np.sqrt(2 * np.log(2))
SHAPES = ("logistic", "gaussian")
# Least width, in steps, that is tried: sampled edges that are narrower look the same.
_LEAST = 0.5
# Difference of the logarithms of widths that are tried, and distance of centres in
# steps. The minimum is interpolated between them; finer ones take longer.
_RATIO = 0.05
_CENTRES = 1 / 8
# Least number of groups of neighbouring profiles by which the correlation of their
# noise is estimated.
_LEAST_GROUPS = 5
# Distance, in widths that are tried, over which the curvature of the squares is taken.
_REACH = 2
_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Profiles:
    """Profiles across edges of one slant.

    Attributes
    ----------
    samples : (n_profiles, n_points) array
        Profiles, turned so that all of them rise.
    group : (n_profiles,) int array
        Number of the group of neighbours that each belongs to.
    falling : (n_profiles,) bool array
        Whether the edge falls in the map.
    slant : float
        Cosine of the angle between the profile and the normal of the edge.
    """

    samples: NDArray
    group: NDArray
    falling: NDArray
    slant: float = 1.0

    def only(self, kept: NDArray) -> Profiles:
        """The profiles for which ``kept`` is True."""
        return replace(
            self,
            samples=self.samples[kept],
            group=self.group[kept],
            falling=self.falling[kept],
        )

    def fit(
        self, width: float, shape: str, noise: float = 0.0
    ) -> tuple[NDArray, NDArray]:
        """Residual squares of every profile at a width in steps, and its centre.

        With the variance of the noise the squares are averaged over all centres:
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
        residual = np.maximum(np.square(y).sum(axis=1) - most, 0)
        if noise:
            explained[best, every] = most
            shares = np.exp((explained - most) / (2 * noise)).mean(axis=0)
            residual -= 2 * noise * np.log(shares)
        return residual, centres[best] + to * _CENTRES

    def aligned(self, width: float, shape: str) -> tuple[NDArray, NDArray]:
        """Distances of the samples from their edge, and their values from 0 to 1."""
        _, centre = self.fit(width, shape)
        x = (np.arange(self.samples.shape[1]) - centre[:, None]) * self.slant
        edge = _edge(x, width, shape)
        apart = edge - edge.mean(axis=1, keepdims=True)
        height = (apart * self.samples).sum(axis=1) / np.square(apart).sum(axis=1)
        low = self.samples.mean(axis=1) - height * edge.mean(axis=1)
        return x.ravel(), ((self.samples - low[:, None]) / height[:, None]).ravel()


def _edge(x: NDArray, width: float, shape: str) -> NDArray:
    return (
        expit(_LOGISTIC / width * x)
        if shape == "logistic"
        else ndtr(_GAUSSIAN / width * x)
    )


def _between(part: float, width: float, shape: str) -> float:
    """Distance from ``part`` to ``1 - part`` of the height of an edge."""
    if shape == "logistic":
        return -2 * logit(part) * width / _LOGISTIC
    return -2 * ndtri(part) * width / _GAUSSIAN


def shared_width(
    parts: list[Profiles], step: float, shape: str, level: float, trim: bool = False
) -> Resolution:
    """Width shared by all profiles, and by those that rise and those that fall.

    Parameters
    ----------
    parts : list of Profiles
        Profiles, those of one slant together.
    step : float
        Distance between samples.
    shape : {"logistic", "gaussian"}
        Shape of the edges.
    level : float
        Probability of the confidence interval.
    trim : bool, default False
        Leave out profiles that no single edge fits.

    Returns
    -------
    Resolution
    """
    n = max(part.samples.shape[1] for part in parts)
    widths = np.exp(np.arange(np.log(_LEAST), np.log(n), _RATIO))
    tables = _tables(parts, widths, shape)
    if trim:
        # A profile with more than one edge has a larger residual than noise alone.
        residual = np.concatenate(tables)
        residual = residual[:, np.argmin(residual.sum(axis=0))]
        ends = np.cumsum([len(table) for table in tables])[:-1]
        kept = np.split(residual <= 3 * np.median(residual), ends)
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

    def interval(chosen: slice | NDArray) -> tuple[float, float, float]:
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


def _tables(
    parts: list[Profiles], widths: NDArray, shape: str, noise: float = 0.0
) -> list[NDArray]:
    """Residual squares of the profiles of each part, at every width."""
    return [
        np.stack([part.fit(w, shape, noise)[0] for w in widths], axis=1)
        for part in parts
    ]


def _interval(
    table: NDArray,
    group: NDArray,
    widths: NDArray,
    noise: float,
    freedom: int,
    level: float,
) -> tuple[float, float, float]:
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
    # The root of a parabola above its vertex is linear, so that it can be interpolated.
    away = np.sqrt(np.maximum(total - least, 0))
    below, above = logs < best, logs > best
    low = _crossing(best, logs[below][::-1], away[below][::-1], reach)
    high = _crossing(best, logs[above], away[above], reach)
    return float(np.exp(best)), float(np.exp(low)), float(np.exp(high))


def _crossing(start: float, x: NDArray, y: NDArray, level: float) -> float:
    """Where a curve that starts at zero rises above a level; else its end."""
    x, y = np.append(start, x), np.append(0.0, y)
    above = np.flatnonzero(y > level)
    if not len(above):
        return x[-1]
    i = above[0]
    return x[i - 1] + (x[i] - x[i - 1]) * (level - y[i - 1]) / (y[i] - y[i - 1])
