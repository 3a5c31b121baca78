"""Places where the guide shows something else than the cube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label, map_coordinates, uniform_filter

from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.model import guided_components, spatial_components
from sparsedecomp.fusion.process.posterior import Process

# A place is not trusted if the guide's residual there, as a mean over 3 x 3 coarse
# pixels, is so many times the median one, at least this part of the guide's variance
# and this part of its variance around the place. On airborne cubes true guides reach
# .08 of the variance, and a dark-field image reaches .3 of that around on EELS.
_TIMES, _PART, _SHARE = 40.0, 0.1, 0.5
_WINDOW, _AROUND = 3, 5
# Connected coarse pixels, at least: single ones are spikes, not places.
_LEAST = 4
# Pixels inside and outside of places that are left out one by one.
_SAMPLE = 256
# A place is cleared if the guide leaves this part of the squared errors there: weights
# that vary from place to place adapt to a lie to some degree.
_CLEARLY = 0.4
# Rounds of the regression, in which a pixel has the inverse of its residual as weight.
_ROUNDS = 12
# Coefficients that take part at most: weak ones are mostly noise. The first two take
# part with their squares and product, cut at so many standard deviations.
_MOST, _LIMIT = 8, 2.0


def untrusted_places(problem: Problem) -> NDArray | None:
    """Find places where the guide contradicts the cube.

    The degraded guide is predicted from the coefficients of the cube; where it is off
    by far more than elsewhere, over several pixels, it lies.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    (h, w) bool array or None
        True for coarse pixels where the guide is not to be used; None if there are
        none.
    """
    g = problem.coarse_guide
    n, shape = len(g), problem.maps.shape[:2]
    unit = (problem.flat / problem.scale)[:, :_MOST]
    a, b = _LIMIT * np.tanh(unit[:, [0, -1 if unit.shape[1] < 2 else 1]].T / _LIMIT)
    design = np.column_stack([unit, np.ones(n), a * a, b * b, a * b])
    variance = np.maximum(g.var(axis=0), 1e-300)
    weights = np.ones(n)
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)[:, None]
        fit = np.linalg.lstsq(root * design, root * g, rcond=None)[0]
        squares = (np.square(g - design @ fit) / variance).mean(axis=1)
        part = uniform_filter(squares.reshape(shape), _WINDOW, mode="reflect")
        weights = 1 / (part + np.median(part) + 1e-12).ravel()
    contrast = _local_variance((g / np.sqrt(variance)).reshape(*shape, -1))
    bad = part > max(_TIMES * float(np.median(part)), _PART)
    return _confirmed(problem, _places(bad & (part > _SHARE * contrast)))


def _confirmed(problem: Problem, mask: NDArray) -> NDArray | None:
    """Those of the places where the guide does not help to predict the cube.

    Pixels that are left out one by one are compared. The amplitudes of both processes
    are those of the other pixels.
    """
    if not mask.any():
        return None
    rng = np.random.default_rng(1)
    inside, outside = np.flatnonzero(mask), np.flatnonzero(~mask)
    if len(outside) < len(inside):
        return mask
    inside = rng.permutation(inside)[:_SAMPLE]
    pixels = np.sort(np.append(inside, rng.permutation(outside)[:_SAMPLE]))
    masked = replace(problem, mask=mask)
    errors = []
    for components in (guided_components(masked, False), spatial_components(masked)):
        errors.append(Process.fit(masked, components).left_out(problem, pixels))
    numbers, count = label(mask, np.ones((3, 3)))
    own = numbers.ravel()[pixels]
    kept = np.zeros(count + 1, bool)
    for number in range(1, count + 1):
        guided, alone = (error[own == number].sum() for error in errors)
        kept[number] = guided > _CLEARLY * alone
    return kept[numbers] if kept.any() else None


def _local_variance(images: NDArray) -> NDArray:
    """Variance in 5 x 5 pixels, the mean over bands."""
    size = (_AROUND, _AROUND, 1)
    mean = uniform_filter(images, size, mode="reflect")
    square = uniform_filter(images**2, size, mode="reflect")
    return np.maximum(square - mean**2, 0).mean(axis=-1)


def _places(bad: NDArray) -> NDArray:
    """Connected places that are large enough, one pixel wider."""
    numbers, count = label(bad, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    sizes[0] = 0
    return binary_dilation((sizes >= _LEAST)[numbers])


def replaced(problem: Problem, guided: Solution, spatial: Solution) -> Solution:
    """The guided answer with that without the guide in its untrusted places.

    Parameters
    ----------
    problem : Problem
        Its mask says where the guide is not used.
    guided, spatial : Solution
        Answers with and without the guide.

    Returns
    -------
    Solution
        Maps and variances; at the borders of places both fade into one another over
        one coarse pixel.
    """
    assert problem.mask is not None
    grids = problem.degradation.grids
    places = [
        np.clip((np.arange(n) - first) / step, 0, size - 1)
        for n, first, step, size in zip(
            grids.fine, grids.origin, grids.step, grids.coarse, strict=True
        )
    ]
    at = np.meshgrid(*places, indexing="ij")
    share = map_coordinates(problem.mask.astype(float), at, order=1)[..., None]
    variance = None
    if guided.variance is not None and spatial.variance is not None:
        variance = (1 - share) * guided.variance + share * spatial.variance
    return Solution(
        (1 - share) * guided.maps + share * spatial.maps,
        variance,
        guided.held_out,
        guided.evidence,
        guided.details,
    )
