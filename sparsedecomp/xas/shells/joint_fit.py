"""One set of shells for all pixels: choice, refinement and prior of the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .grid_columns import LEAKAGE
from .hierarchical_prior import HierarchicalPrior
from .map_refinement import ShellFit
from .off_grid import refine_support, shells_of
from .pixel_fits import PixelWeights, fit_fixed
from .pixel_moments import PixelMoments
from .results import Shells
from .shape_error import SharedError

if TYPE_CHECKING:
    from .sparse_fit import SparseEXAFS


class JointFit(NamedTuple):
    """Shells of all pixels, and what their weights are estimated with.

    Attributes
    ----------
    shells : Shells
        The shells, by distance.
    atoms : (K, n_inside) array
        EXAFS of one atom of each shell.
    shared_error : SharedError
        Errors of the weights that all pixels share.
    prior : HierarchicalPrior or None
        Prior of the weights, if it was asked for and the pixels suffice.
    weights : callable
        Takes coordinates of pixels, (n_pixels, n), and returns `PixelWeights`.
    """

    shells: Shells
    atoms: np.ndarray
    shared_error: SharedError
    prior: HierarchicalPrior | None
    weights: Callable[[np.ndarray], PixelWeights]


def fit_joint(estimator: SparseEXAFS, moments: PixelMoments) -> JointFit:
    """Choose the shells of all pixels by their joint evidence, and refine them.

    Parameters
    ----------
    estimator : SparseEXAFS
        Estimator whose mean spectrum was searched and whose grid is set.
    moments : PixelMoments
        Moments of the spectra.

    Returns
    -------
    JointFit
        Shells on the grid where there is no FEFF basis, refinement was not asked for,
        or it fails on the mean spectrum.
    """
    problem, model = estimator.problem_, estimator.model_
    matrix = estimator.coordinates_.matrix
    second, mean = moments.seen_by(matrix, estimator.coordinates_.inside)
    fit = estimator.mean_fit_ if estimator.refine else None
    covariance = None
    if fit is not None and moments.count == 1:
        variance = fit.variance
    else:
        support, _, variance = problem.joint(
            moments.count * second,
            mean,
            moments.count,
            estimator.noise_levels(),
            max_size=estimator.max_shells,
        )
        fit = _refined(estimator, fit, support)
    if fit is None:
        support = support[np.argsort(problem.r[support])]
        shells, atoms = estimator.shells_.chosen(support), estimator.atoms_[support]
        shared_error = estimator.shared_error_
    else:
        shells, atoms = shells_of(
            model, fit, estimator.rmax + LEAKAGE, estimator.alternatives_
        )
        alone = moments.count == 1
        covariance = fit.noise_covariance if alone else None
        shared_error = SharedError.of(model, fit, covariance)
    columns = atoms @ matrix.T * shells.r[:, None] ** 2
    prior = None
    if estimator.hierarchical:
        white = matrix @ matrix.T
        theory = variance * (np.eye(len(mean)) - estimator.noise_**2 * white)
        shared = shared_error.variance
        prior = HierarchicalPrior.of(
            columns, white, theory, shared, second, mean, moments.count
        )
    weights = partial(
        fit_fixed,
        columns=columns,
        noise=variance if covariance is None else covariance,
        density=estimator.prior_.density,
        prior=prior,
    )
    return JointFit(shells, atoms, shared_error, prior, weights)


def _refined(
    estimator: SparseEXAFS, mean_fit: ShellFit | None, support: np.ndarray
) -> ShellFit | None:
    """Refined fit of a support to the mean spectrum; None where that fails."""
    if mean_fit is None or not len(support):
        return None
    columns = np.flatnonzero(estimator.used_)[support]
    parameters = estimator.column_parameters_
    start = {name: values[columns] for name, values in parameters.items()}
    y = estimator.mean_coordinates_
    return refine_support(
        estimator.model_, y, mean_fit, estimator.problem_, support, start
    )
