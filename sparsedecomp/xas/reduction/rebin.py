"""Fewer energies, spaced as an absorption spectrum needs them: one matrix."""

import numpy as np

from sparsedecomp.xas.grids import accept_old_names, increasing
from sparsedecomp.xas.units import photon_energy, wavenumber

PRE_EDGE, NEAR_EDGE = -30.0, 15.0
"""Where the coarse region ends and that of even k begins, in eV relative to E0."""


@accept_old_names
def three_regions(energy, e0, *, pre_step=5.0, edge_step=None, kstep=0.05):
    """Energies of a scan in three regions: coarse, fine at the edge, even in k.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        The energies measured, in eV.
    e0 : float
        Threshold in eV.
    pre_step : float
        Step in eV up to 30 eV before the threshold.
    edge_step : float, optional
        Step in eV from there to 15 eV past it; E0 / 25000 by default, which is about
        the width of the core level.
    kstep : float
        Step in 1/angstrom from there on.

    Returns
    -------
    numpy.ndarray
        Within the energies measured.

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
    if not energy[0] < e0 < energy[-1]:
        raise ValueError(
            f"e0={e0:g} eV lies outside the energies, {energy[0]:g} to "
            f"{energy[-1]:g} eV."
        )
    edge_step = e0 / 25000 if edge_step is None else edge_step
    for name, step in {
        "pre_step": pre_step,
        "edge_step": edge_step,
        "kstep": kstep,
    }.items():
        if not step > 0:
            raise ValueError(f"{name}={step!r}: give a positive number.")
    start = max(energy[0], e0 + PRE_EDGE)
    exafs = e0 + NEAR_EDGE
    k = np.arange(wavenumber(exafs, e0), wavenumber(energy[-1], e0), kstep)
    regions = [
        np.arange(start, energy[0] - 1e-9, -pre_step)[::-1],
        np.arange(start + edge_step, exafs - edge_step / 2, edge_step),
        photon_energy(k, e0),
    ]
    new = np.concatenate(regions)
    return new[(new >= energy[0]) & (new <= energy[-1])]


def rebin_matrix(energy, new):
    """Matrix that averages spectra onto other energies.

    Each new value is the mean of the line through the measured points over a bin
    about the new energy, as wide as its nearer neighbour allows; what is linear in
    energy stays what it is.

    Parameters
    ----------
    energy, new : array_like of shape (n_E,), (n_new,)
        In eV, increasing; the new ones within the others.

    Returns
    -------
    numpy.ndarray of shape (n_new, n_E)

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
    line = np.stack(
        [np.interp(corners, energy, point) for point in np.eye(len(energy))]
    )
    weights = np.zeros((len(new), len(corners)))
    for row, low, high in zip(weights, new - half, new + half, strict=True):
        first, last = np.searchsorted(corners, [low, high])
        if first == last:
            row[first] = 1
            continue
        # Trapezes between the corners of the bin.
        widths = np.diff(corners[first : last + 1]) / (high - low)
        row[first:last] += widths / 2
        row[first + 1 : last + 1] += widths / 2
    return weights @ line.T
