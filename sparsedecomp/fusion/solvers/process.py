"""Gaussian processes: without the guide, and with the guide in the covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.model import guided_components, spatial_components
from sparsedecomp.fusion.process.posterior import Process

# Ridge of the regression of the guide on the coefficients, over the number of pixels.
_RIDGE = 1e-3


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
    fits = []
    for textured in (False, True) if problem.guide.shape[-1] == 1 else (False,):
        process = Process.fit(problem, guided_components(problem, textured))
        fits.append(with_guide_as_data(problem, process.posterior(problem)))
    maps = np.mean([fit.maps for fit in fits], axis=0)
    # The fits make much the same errors: their mean is as uncertain as they are.
    variance = np.mean([fit.variance for fit in fits], axis=0)
    return Solution(
        maps,
        variance,
        float(np.mean([fit.held_out for fit in fits])),
        max(fit.evidence for fit in fits),
    )


def guide_response(problem: Problem) -> tuple[NDArray, NDArray, NDArray]:
    """Regression of the degraded guide on the coefficients of the cube.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    response : (m, p) array
        Weights of the coefficients in each band.
    offset : (m,) array
        Constant of each band.
    variance : (m,) array
        Variance of the guide that is not a mixture of the coefficients.
    """
    C, g = problem.flat, problem.coarse_guide
    if problem.mask is not None:
        trusted = ~problem.mask.ravel()
        C, g = C[trusted], g[trusted]
    n, p = C.shape
    A = np.column_stack([C / problem.scale, np.ones(n)])
    ridge = _RIDGE * np.eye(p + 1)
    weights = np.linalg.solve(A.T @ A + ridge, A.T @ g)
    variance = np.square(g - A @ weights).sum(axis=0) / max(n - p - 1, 1)
    return weights[:p].T / problem.scale, weights[p], variance


def with_guide_as_data(problem: Problem, solution: Solution) -> Solution:
    """Correct coefficients by what the guide measures of them on the fine grid.

    ``c + V R' (R V R' + S)^-1 (g - R c - r)`` with the mean variance ``V`` of the
    coefficients, the response ``R`` of the guide and its unexplained variance ``S``.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.
    solution : Solution
        Coefficients with variances.

    Returns
    -------
    Solution
        Corrected coefficients and their smaller variances.
    """
    assert solution.variance is not None
    R, offset, rest = guide_response(problem)
    p = solution.maps.shape[-1]
    V = solution.variance.reshape(-1, p).mean(axis=0)
    VR = V[:, None] * R.T
    gain = np.linalg.solve(R @ VR + np.diag(rest), VR.T).T
    wrong = problem.guide - solution.maps @ R.T - offset
    left = np.clip(1 - np.einsum("pm,mp->p", gain, R), 0, 1)
    return Solution(
        solution.maps + wrong @ gain.T,
        solution.variance * left,
        solution.held_out,
        solution.evidence,
    )
