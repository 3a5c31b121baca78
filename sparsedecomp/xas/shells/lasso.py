"""Lasso of EXAFS: path, cross-validation, and debiased weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from ...kernels.lasso import lasso_path_rows
from .coordinates import Coordinates
from .spike_and_slab import SpikeAndSlab

# Relative gain at which coordinate descent stops, and its largest number of sweeps.
# A smaller gain takes more sweeps along correlated neighbouring columns.
_TOL = 1e-5
_MAX_SWEEPS = 2000
# Columns closer than this, in angstrom, are merged into one shell that lies between
# grid distances (step 0.02 by default). A larger value merges neighbouring shells.
_MERGE = 0.06


def lambda_ratios(n_lambdas: int = 12, smallest: float = 0.01) -> np.ndarray:
    """Decreasing penalties of a path, relative to the one that empties the support."""
    return np.geomspace(1, smallest, n_lambdas + 1)[1:]


def lasso_path(
    problem: SpikeAndSlab,
    Y: np.ndarray,
    ratios: np.ndarray,
    *,
    store: int = 0,
    floor: float = 0.0,
    tol: float = _TOL,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Non-negative Lasso path of every spectrum.

    .. math:: \min_{w \ge 0} \tfrac12 \|y - X' w\|^2 + \lambda \sum_j w_j,
       \qquad w_j = N_j / R_j^2

    so that the penalty of an atom falls as 1/R^2, as the atoms of a solid grow.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns of the fit; the prior is not used.
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    ratios : (m,) array
        Decreasing penalties, relative to the smallest one that empties the support.
    store : int, default 0
        Index of the first penalty whose weights are returned.
    floor : float, default 0
        Smallest absolute penalty; smaller ones are replaced by it.
    tol : float, default 1e-5
        Sweeps stop when they improve the objective by less than this fraction.
        Smaller: more accurate and slower.

    Returns
    -------
    weights : (m - store, n_pixels, p) array
        Weights w for each penalty.
    lambdas : (n_pixels, m) array
        Penalties.
    """
    F = np.ascontiguousarray(Y, dtype=float) @ problem.columns.T
    return _path(F, problem.gram, ratios, store, floor, tol)


def noise_penalty(problem: SpikeAndSlab, variance: float) -> float:
    """Universal penalty, which noise alone rarely exceeds in any of p columns.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns of the fit.
    variance : float
        Noise variance v of the coordinates.

    Returns
    -------
    float
        Penalty sqrt(2 v ln p) times the median norm of a column.

    References
    ----------
    D. L. Donoho and I. M. Johnstone, Biometrika 81 (1994) 425.
    """
    norm = np.sqrt(np.median(np.diag(problem.gram)))
    return float(norm * np.sqrt(2 * variance * np.log(len(problem.r))))


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of the penalty.

    Attributes
    ----------
    ratios : (m,) array
        Penalties relative to the largest.
    errors : (n_folds, m) array
        Mean squared error of each left-out fold.
    """

    ratios: np.ndarray
    errors: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean squared error over the folds, for each penalty."""
        return self.errors.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of the mean over the folds, for each penalty."""
        return self.errors.std(axis=0, ddof=1) / np.sqrt(len(self.errors))

    @property
    def chosen(self) -> int:
        """Index of the largest penalty within one standard error of the best."""
        best = self.mean.argmin()
        limit = self.mean[best] + self.standard_error[best]
        return int(np.argmax(self.mean <= limit))


def cross_validate_blocks(
    problem: SpikeAndSlab,
    coordinates: Coordinates,
    chi: np.ndarray,
    atoms: np.ndarray,
    ratios: np.ndarray,
    *,
    width: float = 3.0,
) -> CrossValidation:
    """Cross-validate the penalty by leaving out contiguous blocks of k.

    Points of k are not independent, nor is the error of the theory: folds of random
    points would choose the smallest penalty on any data. The predicted quantity is chi
    within the window of R.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns of the fit.
    coordinates : Coordinates
        Window of k and R.
    chi : (n_k,) array
        Spectrum on all wavenumbers of the data.
    atoms : (p, n_inside) array
        EXAFS of one atom of each column on the wavenumbers of the coordinates.
    ratios : (m,) array
        Penalties relative to the largest.
    width : float, default 3
        Width of a block in 1/angstrom, which should exceed two periods pi / R of a
        shell. Larger: fewer folds.

    Returns
    -------
    CrossValidation
        Errors of the blocks, and the penalty chosen.

    Raises
    ------
    ValueError
        If the range of k holds fewer than three blocks.
    """
    k = coordinates.k
    low, high = coordinates.k_range
    n_blocks = int((high - low) / width)
    if n_blocks < 3:
        raise ValueError(
            f"k = {low:g} to {high:g} 1/angstrom holds {n_blocks} blocks of {width:g} "
            "1/angstrom, cross-validation needs 3: widen kmin to kmax, use "
            'penalty="scans", or give the penalty as a number.'
        )
    # chi within the window of R, in units of its noise.
    kernel = _filter(coordinates)
    data = (chi[coordinates.inside] / coordinates.noise) @ kernel.T
    columns = (atoms / coordinates.noise) @ kernel.T * problem.r[:, None] ** 2
    edges = np.linspace(low, high, n_blocks + 1)
    errors = np.empty((n_blocks, len(ratios)))
    for i in range(n_blocks):
        out = (k >= edges[i]) & (k < edges[i + 1])
        rest = (k >= low) & (k <= high) & ~out
        errors[i] = _errors(
            columns[:, rest], data[rest], columns[:, out], data[out], ratios
        )
    return CrossValidation(np.asarray(ratios), errors)


def cross_validate_scans(
    problem: SpikeAndSlab, Y: np.ndarray, ratios: np.ndarray
) -> CrossValidation:
    """Cross-validate the penalty by predicting each scan from the mean of the others.

    The noise of scans is independent. Errors of the theory are common to all scans and
    do not count, so that more columns are kept than with blocks of k.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns of the fit.
    Y : (n_scans, n) array
        Coordinates of repeated scans.
    ratios : (m,) array
        Penalties relative to the largest.

    Returns
    -------
    CrossValidation
        Errors of the scans, and the penalty chosen.

    Raises
    ------
    ValueError
        If there are fewer than two scans.
    """
    if len(Y) < 2:
        raise ValueError(
            f"{len(Y)} scan was given: cross-validation by scans needs two or more. "
            "Use blocks of k for a single one."
        )
    errors = np.array(
        [
            _errors(
                problem.columns,
                np.delete(Y, i, axis=0).mean(axis=0),
                problem.columns,
                Y[i],
                ratios,
            )
            for i in range(len(Y))
        ]
    )
    return CrossValidation(np.asarray(ratios), errors)


def choose_penalty(
    problem: SpikeAndSlab,
    coordinates: Coordinates,
    chi: ArrayLike,
    atoms: np.ndarray,
    ratios: np.ndarray,
    penalty: float | str,
) -> tuple[int, CrossValidation | None]:
    """Choose the penalty of a path, by cross-validation unless a number is given.

    Parameters
    ----------
    problem, coordinates, atoms, ratios
        As in `cross_validate_blocks`.
    chi : (n_k,) or (n_scans, n_k) array
        Mean spectrum, or all scans for ``penalty="scans"``.
    penalty : float or {"kblock", "scans"}
        Penalty relative to the largest, or kind of cross-validation.

    Returns
    -------
    chosen : int
        Index of the penalty.
    check : CrossValidation or None
        Cross-validation; None if a number was given.

    Raises
    ------
    ValueError
        If the penalty is neither positive nor one of the two words.
    """
    chi = np.asarray(chi, dtype=float)
    if penalty == "scans":
        check = cross_validate_scans(problem, coordinates.project(chi), ratios)
    elif penalty == "kblock":
        check = cross_validate_blocks(problem, coordinates, chi, atoms, ratios)
    elif not isinstance(penalty, str) and penalty > 0:
        return int(np.abs(np.log(ratios / penalty)).argmin()), None
    else:
        raise ValueError(
            f"penalty={penalty!r}: give a fraction of the largest penalty, as 0.05, "
            'or "kblock" or "scans".'
        )
    return check.chosen, check


def debias(problem: SpikeAndSlab, Y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights without the shrinkage of the penalty.

    Neighbouring columns are merged into one profile with their mean distance; the
    profiles are fitted by non-negative least squares.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns of the fit.
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    weights : (n_pixels, p) array
        Result of the Lasso.

    Returns
    -------
    (n_pixels, p) array
        Weight of each profile, in the column nearest to its mean distance.
    """
    out = np.zeros_like(weights)
    for i, w in enumerate(weights):
        used = np.flatnonzero(w)
        if not len(used):
            continue
        r, channel_index = problem.r[used], problem.channel_index[used]
        new = (np.diff(r, prepend=-np.inf) > _MERGE) | (
            np.diff(channel_index, prepend=-1) != 0
        )
        group = np.cumsum(new) - 1
        total = np.bincount(group, w[used])
        profiles = np.zeros((len(total), Y.shape[1]))
        np.add.at(
            profiles, group, (w[used] / total[group])[:, None] * problem.columns[used]
        )
        middle = np.bincount(group, w[used] * r) / total
        amounts, _ = nnls(profiles.T, Y[i])
        for place, channel, amount in zip(
            middle, channel_index[new], amounts, strict=True
        ):
            distance = np.abs(problem.r - place) + 1e3 * (
                problem.channel_index != channel
            )
            out[i, distance.argmin()] += amount
    return out


def _filter(coordinates: Coordinates) -> np.ndarray:
    """Projection of chi, in units of its noise, onto the span of the coordinates."""
    weighted = coordinates.matrix * coordinates.noise
    return weighted.T @ np.linalg.solve(weighted @ weighted.T, weighted)


def _errors(
    columns: np.ndarray,
    data: np.ndarray,
    test_columns: np.ndarray,
    test_data: np.ndarray,
    ratios: np.ndarray,
) -> np.ndarray:
    """Mean squared errors of the test data, by paths of the other data."""
    weights, _ = _path((columns @ data)[None], columns @ columns.T, ratios)
    return np.mean((test_data - weights[:, 0] @ test_columns) ** 2, axis=1)


def _path(
    F: np.ndarray,
    gram: np.ndarray,
    ratios: np.ndarray,
    store: int = 0,
    floor: float = 0.0,
    tol: float = _TOL,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and penalties of `lasso_path`, from the normal equations."""
    largest = np.maximum(F.max(axis=1), 0)
    lambdas = np.maximum(largest[:, None] * np.asarray(ratios, dtype=float), floor)
    weights = np.zeros((len(ratios) - store, *F.shape))
    ones = np.ones(F.shape[1])
    lasso_path_rows(F, gram, ones, lambdas, _MAX_SWEEPS, tol, store, weights)
    return weights, lambdas
