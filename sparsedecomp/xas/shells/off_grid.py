"""Conversion between refined shells of a mean spectrum and columns of the grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..theory.feff_basis import FeffBasis
from .map_refinement import ShellFit, refine
from .model import GLOBALS, PER_SHELL, ShellModel
from .model_average import probabilities
from .results import Shells
from .spike_and_slab import SpikeAndSlab

# A refinement that moves a shell by more than this, in angstrom, has found another one.
_MOVED = 0.15


def column_parameters(
    model: ShellModel, fit: ShellFit, basis: FeffBasis
) -> dict[str, np.ndarray]:
    """Energy shift, displacement and third cumulant of each column of the grid.

    Values are interpolated linearly between the shells of a channel that were found in
    the mean spectrum, and constant beyond the outermost ones.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    fit : ShellFit
        Shells of the mean spectrum.
    basis : FeffBasis
        Grid of distances.

    Returns
    -------
    dict of (n_columns,) arrays
        Arrays ``e0`` in eV, ``sigma2`` in square angstrom and ``third`` in cubic
        angstrom.
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


def columns_with_midpoint(
    model: ShellModel, fit: ShellFit, basis: FeffBasis
) -> np.ndarray:
    """Mask of all columns except focused paths without a shell half way."""
    r_found = model.shells(fit.p)[0]
    r, channel_index = basis.r, basis.channel_index
    possible = np.ones(len(r), dtype=bool)
    for channel in range(len(model.channels)):
        of = channel_index == channel
        possible[of] = model.midpoint_occupied(
            r_found, fit.channel_index, channel, r[of]
        )
    return possible


def meet_shells(model: ShellModel, fit: ShellFit, basis: FeffBasis) -> np.ndarray:
    """Distances of the columns, the nearest one moved onto each shell of a fit.

    Otherwise a strong shell between two columns would need both of them.
    """
    r = basis.r.copy()
    for place, channel in zip(model.shells(fit.p)[0], fit.channel_index, strict=True):
        away = np.abs(r - place) + 1e3 * (basis.channel_index != channel)
        if away.min() < basis.rstep:
            r[away.argmin()] = place
    return r


def refine_support(
    model: ShellModel,
    y: np.ndarray,
    mean_fit: ShellFit,
    problem: SpikeAndSlab,
    support: np.ndarray,
    start: dict[str, np.ndarray],
) -> ShellFit | None:
    """Refine all parameters of the shells of a support on the mean spectrum.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    y : (n,) array
        Coordinates of the mean spectrum.
    mean_fit : ShellFit
        Fit with the initial common parameters.
    problem : SpikeAndSlab
        Columns from which the support was chosen.
    support : (K,) int array
        Indices of the columns.
    start : dict of (K,) arrays
        Initial ``e0`` and ``sigma2`` of these columns.

    Returns
    -------
    ShellFit or None
        Refined shells; None if one of them vanishes or moves away.
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


def shells_of(
    model: ShellModel,
    fit: ShellFit,
    r_end: float,
    alternatives: Sequence[ShellFit] = (),
) -> tuple[Shells, np.ndarray]:
    """Describe the shells of a fit, by distance.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    fit : ShellFit
        Parameters of the shells.
    r_end : float
        Distance in angstrom from which shells are leakage.
    alternatives : sequence of ShellFit, optional
        Other fits of the same spectrum.

    Returns
    -------
    shells : Shells
        Shells with their standard deviations.
    atoms : (K, n_inside) array
        EXAFS of one atom of each shell, on the wavenumbers of the coordinates.
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
        probabilities(model, fit, alternatives)[order],
    )
    k = model.coordinates.k
    atoms = np.zeros((len(r), len(k)))
    for row, i in enumerate(order):
        atoms[row] = model.channels[fit.channel_index[i]].columns(
            k, r[i], e0=e0[i], sigma2=sigma2[i], third=third[i]
        )[0, 0]
    return shells, atoms


def _std_of_sum(fit: ShellFit, common: int, row: int) -> np.ndarray:
    """Standard deviation of a common parameter plus the deviation of a shell."""
    n_shells = len(fit.channel_index)
    own = GLOBALS + row * n_shells + np.arange(n_shells)
    covariance = fit.covariance
    variance = np.diag(covariance)[own] + 2 * covariance[common, own]
    return np.sqrt(covariance[common, common] + variance)
