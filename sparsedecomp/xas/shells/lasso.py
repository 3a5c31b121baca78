"""Lasso of EXAFS: its path, cross-validation, and weights without shrinkage."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from ...kernels.lasso import lasso_path_rows

_TOL = 1e-5
_MAX_SWEEPS = 2000
# Sticks closer than this are one shell that fell between columns, in angstrom.
_MERGE = 0.06


def lambda_ratios(n_lambdas=12, smallest=0.01):
    """Penalties of a path as parts of the one that leaves nothing, falling."""
    return np.geomspace(1, smallest, n_lambdas + 1)[1:]


def lasso_path(problem, Y, ratios, *, store=None, floor=0.0, tol=_TOL):
    r"""Non-negative Lasso path of every spectrum.

    .. math:: \min_{w \ge 0} \tfrac12 \|y - X' w\|^2 + \lambda \sum_j w_j,
       \qquad w_j = N_j / R_j^2

    so that the penalty of an atom falls as 1/R^2, as the atoms of a solid grow.

    Parameters
    ----------
    problem : SpikeAndSlab
        Its columns are used; no prior.
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    ratios : (m,) array
        Penalties over that which leaves no column, falling.
    store : int, optional
        Store only the results of this and the later penalties.
    floor : float, default 0
        Smallest penalty: where it is above the path's end, the path ends there.
    tol : float, default 1e-5
        Sweeps end when the objective gains less than this part of the fit.

    Returns
    -------
    weights : (m - store, n_pixels, p) array
        w for each penalty.
    lambdas : (n_pixels, m) array
    """
    store = store or 0
    F = np.ascontiguousarray(Y, dtype=float) @ problem.columns.T
    largest = np.maximum(F.max(axis=1), 0)
    lambdas = np.maximum(largest[:, None] * np.asarray(ratios, dtype=float), floor)
    weights = np.zeros((len(ratios) - store, *F.shape))
    lasso_path_rows(
        F,
        problem.gram,
        np.ones(F.shape[1]),
        lambdas,
        _MAX_SWEEPS,
        tol,
        store,
        weights,
    )
    return weights, lambdas


def noise_penalty(problem, variance):
    """Penalty that columns of noise alone do not pass: sqrt(2 v ln p) times a column.

    Parameters
    ----------
    problem : SpikeAndSlab
    variance : float
        Noise variance v of the coordinates.

    Returns
    -------
    float
    """
    norm = np.sqrt(np.median(np.diag(problem.gram)))
    return float(norm * np.sqrt(2 * variance * np.log(len(problem.r))))


@dataclass(frozen=True)
class CrossValidation:
    """Choice of the penalty.

    Attributes
    ----------
    ratios : (m,) array
        Penalties over the largest.
    errors : (n_folds, m) array
        Mean squared error of each left-out fold.
    chosen : int
        Index of the largest penalty within one standard error of the best.
    """

    ratios: np.ndarray
    errors: np.ndarray
    chosen: int

    @property
    def mean(self):
        """Mean error over the folds."""
        return self.errors.mean(axis=0)

    @property
    def standard_error(self):
        """Standard error of that mean."""
        return self.errors.std(axis=0, ddof=1) / np.sqrt(len(self.errors))


def cross_validate_blocks(problem, coordinates, chi, atoms, ratios, *, width=3.0):
    """Leave out contiguous blocks of k, each at least two wiggles of a shell wide.

    Points of k are not independent, nor is the error of the theory: folds of random
    points choose the smallest penalty on any data. What is compared is chi within the
    window of R, point by point.

    Parameters
    ----------
    problem : SpikeAndSlab
    coordinates : Coordinates
    chi : (n_k,) array
        Spectrum on all wavenumbers of the data.
    atoms : (p, n_inside) array
        EXAFS of one atom of each column on the coordinates' wavenumbers.
    ratios : (m,) array
        Penalties over the largest.
    width : float, default 3
        Width of a block in 1/angstrom.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ValueError
        If the range of k has no room for three blocks.
    """
    k = coordinates.k
    low, high = coordinates.k_range
    n_blocks = int((high - low) / width)
    if n_blocks < 3:
        raise ValueError(
            f"k_range={coordinates.k_range!r} holds {n_blocks} blocks of {width:g} "
            "1/angstrom, cross-validation needs 3: widen the range, leave out scans "
            "instead, or choose the penalty yourself."
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
    return CrossValidation(np.asarray(ratios), errors, _one_standard_error(errors))


def cross_validate_scans(problem, Y, ratios):
    """Fit the mean of all scans but one, and predict that one.

    The noise of scans is independent; errors of the theory are common to all and are
    not punished, so that more sticks are kept than with blocks of k.

    Parameters
    ----------
    problem : SpikeAndSlab
    Y : (n_scans, n) array
        Coordinates of repeated scans.
    ratios : (m,) array
        Penalties over the largest.

    Returns
    -------
    CrossValidation

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
    return CrossValidation(np.asarray(ratios), errors, _one_standard_error(errors))


def choose_penalty(problem, coordinates, chi, atoms, ratios, penalty):
    """Index of the penalty that is used, and the cross-validation if there was one.

    Parameters
    ----------
    problem, coordinates, atoms, ratios
        As in `cross_validate_blocks`.
    chi : (n_k,) or (n_scans, n_k) array
        Mean spectrum, or all scans for ``penalty="scans"``.
    penalty : float or {"kblock", "scans"}
        A part of the largest penalty, or how it is found.

    Returns
    -------
    chosen : int
    check : CrossValidation or None

    Raises
    ------
    ValueError
        If the penalty is something else.
    """
    if penalty == "scans":
        check = cross_validate_scans(problem, coordinates.project(chi), ratios)
        return check.chosen, check
    if penalty == "kblock":
        check = cross_validate_blocks(problem, coordinates, chi, atoms, ratios)
        return check.chosen, check
    if isinstance(penalty, str) or not penalty > 0:
        raise ValueError(
            f"penalty={penalty!r}: give a part of the largest penalty, such as 0.05, "
            'or "kblock" or "scans".'
        )
    return int(np.abs(np.log(ratios / penalty)).argmin()), None


def debias(problem, Y, weights):
    """Weights without the shrinkage of the penalty.

    Neighbouring sticks become one profile with the mean distance; the profiles are
    fitted by non-negative least squares.

    Parameters
    ----------
    problem : SpikeAndSlab
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    weights : (n_pixels, p) array
        Result of the Lasso.

    Returns
    -------
    (n_pixels, p) array
        One stick for each profile, in the column nearest to its mean distance.
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


def _filter(coordinates):
    """Projection of chi, in units of its noise, onto what the coordinates see."""
    weighted = coordinates.matrix * coordinates.noise
    return weighted.T @ np.linalg.solve(weighted @ weighted.T, weighted)


def _errors(columns, data, test_columns, test_data, ratios):
    gram, f = columns @ columns.T, columns @ data
    weights = np.zeros((len(ratios), 1, len(f)))
    lasso_path_rows(
        f[None],
        gram,
        np.ones(len(f)),
        max(f.max(), 0) * np.asarray(ratios, dtype=float)[None],
        _MAX_SWEEPS,
        _TOL,
        0,
        weights,
    )
    return np.mean((test_data - weights[:, 0] @ test_columns) ** 2, axis=1)


def _one_standard_error(errors):
    mean = errors.mean(axis=0)
    best = mean.argmin()
    limit = mean[best] + errors[:, best].std(ddof=1) / np.sqrt(len(errors))
    return int(np.argmax(mean <= limit))
