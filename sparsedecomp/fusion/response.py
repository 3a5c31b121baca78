"""How the bands of a guide respond to the coefficients of the cube."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.problem import Problem

# Ridge of the regression of the guide on the coefficients, whose variance is one.
_RIDGE = 1e-3


class GuideResponse(NamedTuple):
    """The guide as a mixture of coefficients: ``weights @ c + offset``.

    Attributes
    ----------
    weights : (m, p) array
        Weights of the coefficients in each band.
    offset : (m,) array
        Constant of each band.
    rest : (m,) array
        Variance of the degraded guide that is not a mixture of the coefficients.
    """

    weights: NDArray
    offset: NDArray
    rest: NDArray


def guide_response(problem: Problem) -> GuideResponse:
    """Regression of the degraded guide on the coefficients of the cube.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    GuideResponse
        Weights, constants and what they leave.
    """
    C, g = problem.flat[problem.trusted], problem.coarse_guide[problem.trusted]
    n, p = C.shape
    A = np.column_stack([C / problem.scale, np.ones(n)])
    ridge = _RIDGE * np.eye(p + 1)
    weights = np.linalg.solve(A.T @ A + ridge, A.T @ g)
    variance = np.square(g - A @ weights).sum(axis=0) / max(n - p - 1, 1)
    return GuideResponse(weights[:p].T / problem.scale, weights[p], variance)
