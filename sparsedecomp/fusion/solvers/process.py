"""Gaussian processes: without the guide, and with the guide in the covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, uniform_filter

from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.model import (
    guided_components,
    spatial_components,
    with_other_noise,
)
from sparsedecomp.fusion.process.posterior import Process
from sparsedecomp.fusion.response import GuideResponse, guide_response
from sparsedecomp.fusion.solvers.interpolation import upsampled

# Second differences along both axes, of unit norm for white noise, and the size of the
# windows in which their squares are averaged. Of white noise the root of the given
# quantile of these averages is so many standard deviations (images of 200 x 200).
_FILTER = np.outer([1, -2, 1], [1, -2, 1]) / 6
_PATCH, _QUANTILE, _OF_WHITE = 7, 0.05, 0.72
# Noise of the guide that is a smaller part of what it adds is left as it is.
_NOISELESS = 0.02
# A guide of which a coefficient keeps less is noisy.
NOISY = 0.8


def spatial_process(problem: Problem) -> Solution:
    """Posterior mean of a Gaussian process of place alone: the answer without a guide.

    Parameters
    ----------
    problem : Problem
        The guide is not used, its point spread is.

    Returns
    -------
    Solution
        Mean and variance of the coefficients.
    """
    return Process.fit(problem, spatial_components(problem)).posterior(problem)


def guided_process(problem: Problem) -> Solution:
    """Posterior mean of a Gaussian process whose covariance knows the guide.

    A coefficient is a sum of processes of place, of the bands of the guide, of smooth
    functions of the bands, and of the same with weights that vary from place to place.
    The evidence weights them for each coefficient. For one band the mean of the fits
    with and without the texture of the guide is taken. The guide is a measurement of
    the fine grid too, as far as it is a mixture of the coefficients.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    Solution
        Mean and variance of the coefficients.
    """
    response = guide_response(problem)
    noise = guide_noise(problem, response)
    draw = np.random.default_rng(3).normal(size=problem.guide.shape)
    other = problem.guide + noise * draw
    fits, changes = [], []
    for textured in (False, True) if problem.guide.shape[-1] == 1 else (False,):
        components = guided_components(problem, textured)
        process = Process.fit(problem, components)
        noisy = with_other_noise(problem, components, other, textured)
        fit = process.posterior(problem, other=noisy)
        again = Solution(fit.details["other"], fit.variance)
        fits.append(with_guide_as_data(fit, problem.guide, response))
        changed = with_guide_as_data(again, other, response).maps
        changes.append(changed - fits[-1].maps)
    maps = np.mean([fit.maps for fit in fits], axis=0)
    # The fits share most of their errors: their mean is as uncertain as they are, and
    # more so where they differ.
    variance = np.mean([fit.variance for fit in fits], axis=0)
    variance = variance + np.var([fit.maps for fit in fits], axis=0)
    wrong = np.mean(changes, axis=0).reshape(-1, maps.shape[-1]).var(axis=0)
    held_out = float(np.mean([fit.held_out for fit in fits]))
    evidence = max(fit.evidence for fit in fits)
    solution = Solution(maps, variance + wrong, held_out, evidence)
    return shrunk(problem, solution, wrong)


def guide_noise(problem: Problem, response: GuideResponse) -> NDArray:
    """Standard deviation of the white noise of each band of a guide.

    Fine structure is easily taken for noise, so the least of two bounds is taken: the
    noise where the image is smoothest, by a filter that removes planes (Immerkaer
    1996), and what the cube leaves unexplained of the degraded guide.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.
    response : GuideResponse
        Response of the guide to the coefficients.

    Returns
    -------
    (m,) array
        In the units of the guide.
    """
    kernels = problem.degradation.kernels()
    passed = np.mean([np.square(kernel).sum() for kernel in kernels.values()])
    smooth = []
    for band in np.moveaxis(problem.guide, -1, 0):
        squares = np.square(convolve(band, _FILTER, mode="reflect"))
        local = uniform_filter(squares, _PATCH, mode="reflect")
        smooth.append(np.sqrt(np.quantile(local, _QUANTILE)) / _OF_WHITE)
    return np.minimum(smooth, np.sqrt(response.rest / passed))


def shrunk(problem: Problem, solution: Solution, wrong: NDArray) -> Solution:
    """Coefficients drawn towards the answer without the guide, by its noise.

    What the guide adds to a coefficient holds the variance ``wrong`` that is only its
    noise: the rest, ``1 - wrong / added``, is kept (Wiener).

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.
    solution : Solution
        Coefficients by the guide.
    wrong : (p,) array
        Variance of each coefficient by the noise of the guide.

    Returns
    -------
    Solution
        The solution itself where the noise of the guide does not matter.
    """
    p = len(wrong)
    alone = Solution(upsampled(problem.maps, problem.degradation.grids))
    kept = _kept(solution, alone, wrong)
    if kept.min() > 1 - _NOISELESS:
        return solution
    variance = solution.variance
    assert variance is not None
    if kept.min() < NOISY:
        # The answer without the guide matters: the best one is worth its time.
        alone = spatial_process(problem)
        assert alone.variance is not None
        kept = _kept(solution, alone, wrong)
        variance = kept * variance + (1 - kept) * alone.variance
    maps = alone.maps + kept * (solution.maps - alone.maps)
    added = np.square(solution.maps - alone.maps).reshape(-1, p).mean(axis=0)
    details = {"kept": kept, "noise_share": float(wrong.sum() / added.sum())}
    return replace(solution, maps=maps, variance=variance, details=details)


def _kept(solution: Solution, alone: Solution, wrong: NDArray) -> NDArray:
    """Part of what the guide adds to each coefficient that is not its noise."""
    p = len(wrong)
    added = np.square(solution.maps - alone.maps).reshape(-1, p).mean(axis=0)
    return 1 - np.clip(wrong / np.maximum(added, 1e-300), 0, 1)


def with_guide_as_data(
    solution: Solution, guide: NDArray, response: GuideResponse
) -> Solution:
    """Correct coefficients by what the guide measures of them on the fine grid.

    ``c + V R' (R V R' + S)^-1 (g - R c - r)`` with the mean variance ``V`` of the
    coefficients, the response ``R`` of the guide and its unexplained variance ``S``.

    Parameters
    ----------
    solution : Solution
        Coefficients with variances.
    guide : (H, W, m) array
        Bands of the guide.
    response : GuideResponse
        Their response to the coefficients.

    Returns
    -------
    Solution
        Corrected coefficients and their smaller variances.
    """
    assert solution.variance is not None
    R, offset, rest = response
    p = solution.maps.shape[-1]
    V = solution.variance.reshape(-1, p).mean(axis=0)
    VR = V[:, None] * R.T
    gain = np.linalg.solve(R @ VR + np.diag(rest), VR.T).T
    wrong = guide - solution.maps @ R.T - offset
    left = np.clip(1 - np.einsum("pm,mp->p", gain, R), 0, 1)
    return Solution(
        solution.maps + wrong @ gain.T,
        solution.variance * left,
        solution.held_out,
        solution.evidence,
    )
