"""Between shells off the grid, found on a mean spectrum, and columns of the grid."""

import numpy as np

from .map_refinement import refine
from .model import GLOBALS, PER_SHELL
from .results import Shells

# A polish that moves a shell farther than this has left it, in angstrom.
_MOVED = 0.15


def column_parameters(model, fit, basis):
    """Energy shift, displacement and third cumulant of each column of the grid.

    Values are interpolated linearly between the shells of a channel that were found in
    the mean spectrum, and constant beyond the outermost ones.

    Parameters
    ----------
    model : ShellModel
    fit : ShellFit
        Search on the mean spectrum.
    basis : FeffBasis

    Returns
    -------
    dict of (n_columns,) arrays
        ``e0``, ``sigma2`` and ``third``.
    """
    common, level, kappa = fit.p[:3]
    r, _, sigma2, _, e0 = model.shells(fit.p)
    shift = np.full(len(basis.r), common)
    log_sigma2 = level + np.log(model.expected(basis.r))
    for channel in np.unique(fit.channel_index):
        of, at = fit.channel_index == channel, basis.channel_index == channel
        order = np.argsort(r[of])
        known = r[of][order]
        shift[at] = np.interp(basis.r[at], known, e0[of][order])
        log_sigma2[at] = np.interp(basis.r[at], known, np.log(sigma2[of][order]))
    sigma2 = np.exp(log_sigma2)
    return {"e0": shift, "sigma2": sigma2, "third": kappa * sigma2**2}


def columns_with_midpoint(model, fit, basis):
    """Columns of focused atoms that have a shell half way, and all others."""
    r_found = model.shells(fit.p)[0]
    r, channel_index = basis.r, basis.channel_index
    possible = np.ones(len(r), dtype=bool)
    for channel in range(len(model.channels)):
        of = channel_index == channel
        possible[of] = model.midpoint_occupied(
            r_found, fit.channel_index, channel, r[of]
        )
    return possible


def meet_shells(model, fit, basis):
    """Distances of the columns, the nearest moved onto each shell of the mean spectrum.

    Else a strong shell between two columns is followed by weak ones that mend it.
    """
    r = basis.r.copy()
    for place, channel in zip(model.shells(fit.p)[0], fit.channel_index, strict=True):
        away = np.abs(r - place) + 1e3 * (basis.channel_index != channel)
        if away.min() < basis.rstep:
            r[away.argmin()] = place
    return r


def refine_support(model, y, mean_fit, problem, support, start):
    """Fit everything about the shells of a support to the mean spectrum.

    Parameters
    ----------
    model : ShellModel
    y : (n,) array
        The mean spectrum in the model's coordinates.
    mean_fit : ShellFit
        Gives the common parameters to start from.
    problem : SpikeAndSlab
    support : (K,) int array
        Columns.
    start : dict of (K,) arrays
        Energy shift and displacement of these columns.

    Returns
    -------
    ShellFit or None
        None where the mean spectrum does not hold these shells.
    """
    common = mean_fit.p[:3]
    r, channel_index = problem.r[support], problem.channel_index[support]
    p = np.concatenate(
        [
            common,
            r,
            np.ones(len(r)),
            np.log(start["sigma2"] / model.expected(r)) - common[1],
            start["e0"] - common[0],
        ]
    )
    columns = model.columns(p, channel_index)[0] * r[:, None] ** 2
    weights = np.linalg.lstsq(columns.T, y, rcond=None)[0]
    p[3 + len(r) : 3 + 2 * len(r)] = np.maximum(weights, 0.02)
    fit = refine(model, y, p, channel_index)
    moved = np.abs(model.shells(fit.p)[0] - r)
    kept = np.isfinite(fit.log_evidence) and moved.max() < _MOVED
    return fit if kept else None


def shells_of(model, fit, r_end):
    """Shells of a fit by distance, and one atom's EXAFS of each.

    Parameters
    ----------
    model : ShellModel
    fit : ShellFit
    r_end : float
        Shells beyond are leakage, in angstrom.

    Returns
    -------
    shells : Shells
    atoms : (K, n_inside) array
        EXAFS of one atom on the model's wavenumbers.
    """
    r, _, sigma2, third, e0 = model.shells(fit.p)
    order = np.argsort(r)
    deviation = np.sqrt(np.diag(fit.covariance))[GLOBALS:].reshape(PER_SHELL, -1)
    labels = np.array([channel.label for channel in model.channels])
    shells = Shells(
        labels[fit.channel_index][order],
        r[order],
        np.hypot(deviation[0], model.prior.distance_error)[order],
        sigma2[order],
        (sigma2 * _std_of_sum(fit, 1, 2))[order],
        third[order],
        e0[order],
        _std_of_sum(fit, 0, 3)[order],
        r[order] > r_end,
    )
    k = model.coordinates.k
    atoms = np.zeros((len(r), len(k)))
    for row, i in enumerate(order):
        atoms[row] = model.channels[fit.channel_index[i]].columns(
            k, r[i], e0=e0[i], sigma2=sigma2[i], third=third[i]
        )[0, 0]
    return shells, atoms


def _std_of_sum(fit, common, row):
    """Standard deviation of a common parameter and a shell's deviation together."""
    n_shells = len(fit.channel_index)
    own = GLOBALS + row * n_shells + np.arange(n_shells)
    covariance = fit.covariance
    variance = np.diag(covariance)[own] + 2 * covariance[common, own]
    return np.sqrt(covariance[common, common] + variance)
