"""Interpolation of the coefficients, and regression on the guide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from sparsedecomp.fusion.degradation.grids import Grids
from sparsedecomp.fusion.problem import Problem, Solution


def upsampled(maps: NDArray, grids: Grids) -> NDArray:
    """Coarse maps on the fine grid, by cubic splines.

    Parameters
    ----------
    maps : (h, w, p) array
        Coarse maps.
    grids : Grids
        The two grids.

    Returns
    -------
    (H, W, p) array
        Fine maps; beyond the outermost coarse pixels they are constant.
    """
    places = [
        (np.arange(n) - first) / step
        for n, first, step in zip(grids.fine, grids.origin, grids.step, strict=True)
    ]
    at = np.meshgrid(*places, indexing="ij")
    return np.stack(
        [
            map_coordinates(maps[..., k], at, order=3, mode="nearest")
            for k in range(maps.shape[-1])
        ],
        axis=-1,
    )


def interpolation(problem: Problem) -> Solution:
    """Cubic splines through the coefficients: the answer that assumes nothing.

    Parameters
    ----------
    problem : Problem
        Only the cube and the grids are used.

    Returns
    -------
    Solution
        Interpolated coefficients.
    """
    return Solution(upsampled(problem.maps, problem.degradation.grids))


def regression(problem: Problem) -> Solution:
    """Interpolated coefficients with the details of the guide, by linear regression.

    Each coefficient is regressed on the degraded guide, and what the degraded guide
    lacks of the guide is added with the same weights (generalised Gram-Schmidt
    adaptive sharpening [1]_).

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    Solution
        Sharpened coefficients.

    References
    ----------
    .. [1] B. Aiazzi, S. Baronti and M. Selva, IEEE Trans. Geosci. Remote Sens. 45
       (2007) 3230. https://doi.org/10.1109/TGRS.2007.901007
    """
    grids = problem.degradation.grids
    coarse = problem.coarse_guide
    A = np.column_stack([coarse, np.ones(len(coarse))])
    weights = np.linalg.lstsq(A, problem.flat, rcond=None)[0][:-1]
    smooth = upsampled(coarse.reshape(*grids.coarse, -1), grids)
    details = problem.guide - smooth
    return Solution(upsampled(problem.maps, grids) + details @ weights)
