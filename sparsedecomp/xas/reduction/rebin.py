"""Rebinning of mu(E) to the three usual regions: coarse, edge, and even in k."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import (
    accept_old_names,
    check_e0,
    check_positive,
    increasing,
)
from sparsedecomp.xas.units import photon_energy, wavenumber

PRE_EDGE, NEAR_EDGE = -30.0, 15.0
"""End of the pre-edge region and start of the EXAFS region, in eV relative to E0, as in
Athena."""


@accept_old_names
def three_regions(
    energy: ArrayLike,
    e0: float,
    *,
    pre_step: float = 5.0,
    edge_step: float | None = None,
    kstep: float = 0.05,
) -> np.ndarray:
    """Energies in three regions: coarse, fine at the edge, then even in k.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Measured energies in eV.
    e0 : float
        Threshold in eV.
    pre_step : float, default 5
        Step in eV up to 30 eV below the threshold.
    edge_step : float, optional
        Step in eV from there to 15 eV above it; E0 / 25000 by default, which is about
        the width of the core level.
    kstep : float, default 0.05
        Step in 1/angstrom from there on.

    Returns
    -------
    numpy.ndarray
        Energies in eV, within the measured range.

    Raises
    ------
    ValueError
        If the energies do not increase, do not hold E0, or a step is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import three_regions
    >>> new = three_regions(np.arange(8900.0, 9500.0, 0.1), 8979.0)
    >>> len(new), float(new[1] - new[0])
    (329, 5.0)
    """
    energy = increasing(energy)
    check_e0(energy, e0)
    edge_step = e0 / 25000 if edge_step is None else edge_step
    check_positive(pre_step=pre_step, edge_step=edge_step, kstep=kstep)
    start = max(energy[0], e0 + PRE_EDGE)
    exafs = e0 + NEAR_EDGE
    k_first, k_last = wavenumber([exafs, energy[-1]], e0)
    k = np.arange(k_first, k_last, kstep)
    regions = [
        np.arange(start, energy[0] - 1e-9, -pre_step)[::-1],
        np.arange(start + edge_step, exafs - edge_step / 2, edge_step),
        photon_energy(k, e0),
    ]
    new = np.concatenate(regions)
    return new[(new >= energy[0]) & (new <= energy[-1])]


def rebin_matrix(energy: ArrayLike, new: ArrayLike) -> np.ndarray:
    """Matrix that averages spectra onto other energies.

    Each new value is the mean, over a bin about the new energy, of the linear
    interpolation of the measured points. The bin is as wide as the distance to the
    nearer neighbour. Functions that are linear in energy are reproduced exactly.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Measured energies in eV, increasing.
    new : array_like of shape (n_new,)
        New energies in eV, increasing, within the measured range.

    Returns
    -------
    numpy.ndarray of shape (n_new, n_E)
        Matrix that maps mu to its values at the new energies.

    Raises
    ------
    ValueError
        If one of the grids does not increase, or the new one leaves the other.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import rebin_matrix
    >>> energy = np.arange(0.0, 10.0, 0.5)
    >>> (rebin_matrix(energy, [2.0, 4.0, 6.0]) @ energy).round(9).tolist()
    [2.0, 4.0, 6.0]
    """
    energy, new = increasing(energy), increasing(new, "the new energy")
    if new[0] < energy[0] or new[-1] > energy[-1]:
        raise ValueError(
            f"The new energies, {new[0]:g} to {new[-1]:g} eV, leave those measured, "
            f"{energy[0]:g} to {energy[-1]:g}."
        )
    gaps = np.diff(new)
    half = 0.5 * np.minimum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
    half = np.minimum(half, np.minimum(new - energy[0], energy[-1] - new))
    corners = np.unique(np.concatenate([energy, new - half, new + half]))
    interpolation = np.stack(
        [np.interp(corners, energy, point) for point in np.eye(len(energy))]
    )
    weights = np.zeros((len(new), len(corners)))
    for row, low, high in zip(weights, new - half, new + half, strict=True):
        first, last = np.searchsorted(corners, [low, high])
        if first == last:
            row[first] = 1
            continue
        # Trapezoidal rule, exact for the piecewise linear interpolation.
        widths = np.diff(corners[first : last + 1]) / (high - low)
        row[first:last] += widths / 2
        row[first + 1 : last + 1] += widths / 2
    return weights @ interpolation.T
