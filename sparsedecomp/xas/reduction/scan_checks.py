"""Checks of a scan before its EXAFS is fitted: what would make the fit wrong.

Each check is about one cause of wrong distances or numbers of atoms that leaves no
trace in chi(k): a pre-edge too short for its line, a scan that begins above the edge, a
second edge, an edge of another element, a faint edge, a jump, and glitches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rsciio_sparse import _edges
from sparsedecomp.xas.grids import increasing, spectra_on
from sparsedecomp.xas.reduction.deglitch import MIN_POINTS, find_glitches
from sparsedecomp.xas.reduction.edge_energies import edge_energy
from sparsedecomp.xas.reduction.noise import DEGREE, MAD_TO_SIGMA, mu_noise
from sparsedecomp.xas.reduction.normalisation import Normalisation
from sparsedecomp.xas.units import wavenumber

SHORT_PRE_EDGE = 20.0
"""Shortest useful pre-edge in eV: core holes and resolution broaden an edge by up to
10 eV, and a line must be extended over the whole scan."""

WAVY_PRE_EDGE = 0.06
"""Root mean square of the pre-edge about its line, as a fraction of the edge step,
above which it holds structure. The shared scans have 0.0004 to 0.015."""

MARGIN = 30.0
"""Last part of the pre-edge, in eV, that may hold pre-edge peaks."""

FAINT_EDGE = 0.05
"""Edge step as a fraction of mu, below which small curvatures of the background are as
large as EXAFS."""

OFF_TABLE = 30.0
"""Distance in eV of a threshold from its tabulated energy that needs an explanation:
chemistry moves edges by up to 15 eV and the calibration of a monochromator is better
than that."""

RISE = 6.0
"""Width in eV over which a rise beyond the edge is measured: core holes and resolution
broaden most edges by less, EXAFS rises over tens of eV."""

STEEP = 12.0
"""Rises, scaled by k^2.5, over their robust standard deviation, above which one is a
second edge. EXAFS of the shared scans reaches 10 (copper at 150 K, whose third and
fourth shells add up), a second edge of a third of the step 13 to 110."""

HALF = 6
"""Points on either side of a jump that are compared."""

JUMP, SMALLEST_JUMP = 10.0, 0.004
"""A jump over the robust standard deviation of those around it, and over the edge step,
above which it is told. The shared scans reach 8, but for one with a jump."""


class ScanFlag(NamedTuple):
    """A reason to distrust what is fitted to a scan.

    Attributes
    ----------
    name : str
        Kind: "pre-edge", "above the edge", "edge step", "faint edge", "second edge",
        "other edge", "jump" or "glitches".
    message : str
        What was found, and what to do.
    """

    name: str
    message: str


def check_scan(
    energy: ArrayLike,
    mu: ArrayLike,
    e0: float,
    *,
    element: str | None = None,
    edge: str | None = None,
    normalisation: Normalisation | None = None,
) -> list[ScanFlag]:
    """Look for causes of wrong distances and numbers of atoms in a scan.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (n_E,)
        Absorption, in any unit.
    e0 : float
        Threshold in eV.
    element, edge : str, optional
        Symbol of the absorber and name of the edge, if they are known.
    normalisation : Normalisation, optional
        Ranges of the pre-edge and of the post-edge fit; the default ones if not given.

    Returns
    -------
    list of ScanFlag
        What was found; empty for a scan without fault.

    Raises
    ------
    ValueError
        If the energies do not increase or mu is not on them.

    Notes
    -----
    Self-absorption cannot be seen in a scan: it reduces the EXAFS of fluorescence of
    thick, concentrated samples, and with it the numbers of atoms.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import check_scan
    >>> energy = np.arange(8976.0, 9700.0, 1.0)
    >>> mu = np.where(energy < 8979, 0.1, 1.1 * (energy / 8979) ** -2.7)
    >>> [flag.name for flag in check_scan(energy, mu, 8979.0)]
    ['pre-edge', 'edge step']
    """
    energy = increasing(energy, at_least=7)
    mu = spectra_on(mu, energy).astype(float, copy=False)
    flags = _edge_of_table(energy, e0, element, edge)
    flags += _pre_edge_length(energy, e0)
    if normalisation is None:
        try:
            normalisation = Normalisation(energy, e0)
        except ValueError as error:
            return [*flags, ScanFlag("edge step", str(error))]
    step = float(normalisation.edge_step(mu))
    if not step > 0:
        message = (
            f"The edge step at {e0:g} eV is {step:.2g}: this is no edge, or the ranges "
            "of the pre-edge and the post-edge fit are wrong."
        )
        return [*flags, ScanFlag("edge step", message)]
    line = normalisation.pre_edge(mu)
    norm = (mu - line) / step
    flags += _pre_edge_shape(energy, norm, e0)
    level = float(np.abs(mu[energy >= e0]).max())
    if step < FAINT_EDGE * level:
        message = (
            f"The edge step, {step:.2g}, is {step / level:.1%} of mu: curvature of "
            "the background and noise are as large as the EXAFS of such a faint edge."
        )
        flags.append(ScanFlag("faint edge", message))
    bad = _glitches(energy, mu, e0)
    good = energy[~bad], norm[~bad], e0
    steps, at = _second_edge(*good, element, edge) or _jumps(*good)
    # Points within a jump look like glitches.
    bad &= np.abs(np.arange(len(bad)) - np.searchsorted(energy, at)) > 2 * HALF
    if bad.any():
        where = ", ".join(f"{value:.0f}" for value in energy[bad][:6])
        message = (
            f"{bad.sum()} points beyond the edge look like glitches ({where} eV"
            f"{', ...' if bad.sum() > 6 else ''}): deglitch() replaces them."
        )
        flags.append(ScanFlag("glitches", message))
    return flags + steps


def edges_near(energy: float, within: float = 15.0) -> list[str]:
    """Edges of all elements near an energy, nearest first.

    Parameters
    ----------
    energy : float
        Photon energy in eV.
    within : float, default 15
        Largest distance in eV.

    Returns
    -------
    list of str
        Element and edge, such as "Cu K"; K and L edges before M edges.

    Examples
    --------
    >>> from sparsedecomp.xas.reduction.scan_checks import edges_near
    >>> edges_near(8981.0)[0]
    'Cu K'
    """
    found = sorted(
        _edges.edges_near(energy, within, _edges.EDGES), key=lambda each: "M" in each[1]
    )
    return [f"{symbol} {edge}" for symbol, edge in found]


def _edge_of_table(
    energy: np.ndarray, e0: float, element: str | None, edge: str | None
) -> list[ScanFlag]:
    """The threshold beside the tabulated energy of the edge that was to be measured."""
    if not element or not edge:
        return []
    try:
        tabulated = edge_energy(element, edge)
    except ValueError:
        return []
    what = f"The {element} {edge} edge is at {tabulated:g} eV"
    if tabulated < energy[0]:
        message = (
            f"{what} and the scan begins at {energy[0]:g} eV, above it: there is "
            "neither a pre-edge nor an edge step, and E0 is unknown."
        )
        return [ScanFlag("above the edge", message)]
    if abs(e0 - tabulated) <= OFF_TABLE:
        return []
    others = ", ".join(edges_near(e0)[:3])
    message = f"{what}, E0 is {e0:g} eV, {e0 - tabulated:+.0f} eV off" + (
        f" ({others} would be near): " if others else ": "
    )
    message += "set_edge the right one, or calibrate the energies."
    return [ScanFlag("other edge", message)]


def _pre_edge_length(energy: np.ndarray, e0: float) -> list[ScanFlag]:
    length, points = e0 - energy[0], int(np.sum(energy < e0 - 10))
    if length >= SHORT_PRE_EDGE and points >= 4:
        return []
    message = (
        f"The pre-edge is {length:.0f} eV long with {points} points 10 eV or more "
        f"below E0: edge step and numbers of atoms are uncertain. {SHORT_PRE_EDGE:g} "
        "eV are the least; give edge_step if it is known."
    )
    return [ScanFlag("pre-edge", message)]


def _pre_edge_shape(energy: np.ndarray, norm: np.ndarray, e0: float) -> list[ScanFlag]:
    """Structure in the pre-edge: oscillations, or another edge."""
    before = energy < e0 - min(MARGIN, 0.3 * (e0 - energy[0]))
    if before.sum() < 5:
        return []
    x, y = energy[before] - e0, norm[before]
    rms = float(np.sqrt(np.mean((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2)))
    noise = float(mu_noise(energy[before], y)) if before.sum() >= MIN_POINTS else 0.0
    if rms <= max(WAVY_PRE_EDGE, 2 * noise):
        return []
    message = (
        f"The pre-edge departs from a line by {rms:.0%} of the edge step: the scan "
        f"begins above the edge, has another edge below E0 = {e0:g} eV, or pre1 to "
        "pre2 must be chosen."
    )
    return [ScanFlag("pre-edge", message)]


def _second_edge(
    energy: np.ndarray,
    norm: np.ndarray,
    e0: float,
    element: str | None,
    edge: str | None,
) -> tuple[list[ScanFlag], float] | None:
    """A later edge of the absorber within the scan, or a rise too steep for EXAFS.

    Returns the flag and the energy of the step; None if there is none.
    """
    later = {"L3": ("L2", "L1"), "L2": ("L1",)}.get(edge or "", ())
    for name in later if element else ():
        at = e0 + edge_energy(element, name) - edge_energy(element, edge)
        if e0 + 20 < at < energy[-1] - 10:
            message = (
                f"The scan passes the {element} {name} edge at {at:.0f} eV: fit up to "
                f"kmax = {_k_before(at, e0):.1f} 1/angstrom."
            )
            return [ScanFlag("second edge", message)], at
    searched = energy[(energy > e0 + 50) & (energy < energy[-1] - 15)]
    if len(searched) < 20:
        return None
    grid = np.arange(e0 + 30, energy[-1], 0.5)
    total = np.concatenate([[0], np.cumsum(np.interp(grid, energy, norm))])
    n = int(RISE / 0.5)
    place = np.clip(np.searchsorted(grid, searched), n, len(grid) - n - 1)
    rise = (total[place + n] - 2 * total[place] + total[place - n]) / n
    # Slopes of EXAFS fall about as k^-2.5.
    scaled = rise * wavenumber(searched, e0) ** 2.5
    steepness = scaled / (MAD_TO_SIGMA * np.median(np.abs(scaled)))
    best = int(np.argmax(steepness))
    if steepness[best] < STEEP:
        return None
    at = float(searched[best])
    others = ", ".join(edges_near(at, 10.0)[:3])
    message = (
        f"mu rises by {rise[best]:.0%} of the edge step at {at:.0f} eV, more suddenly "
        f"than EXAFS does{f'; edges near: {others}' if others else ''}. If that is "
        f"another edge, end the scan before it, at k = {_k_before(at, e0):.1f} "
        "1/angstrom."
    )
    return [ScanFlag("second edge", message)], at


def _k_before(at: float, e0: float) -> float:
    """Wavenumber that ends a fit before a second edge, in 1/angstrom."""
    return float(wavenumber(at, e0)) - 0.3


def _jumps(
    energy: np.ndarray, norm: np.ndarray, e0: float
) -> tuple[list[ScanFlag], float]:
    """A jump from one point to the next that a cubic through both sides leaves."""
    first = max(int(np.searchsorted(energy, e0 + 50)), HALF)
    centres = np.arange(first, len(energy) - HALF)
    if len(centres) < 10 * HALF:
        return [], -np.inf
    around = centres[:, None] + np.arange(-HALF, HALF)
    x = energy[around] - 0.5 * (energy[centres - 1] + energy[centres])[:, None]
    x /= np.ptp(x, axis=1, keepdims=True)
    powers = x[..., None] ** np.arange(DEGREE + 1)
    # Coefficient of the last column, the jump, by least squares.
    Q, R = np.linalg.qr(np.concatenate([powers, (x > 0)[..., None]], axis=-1))
    jumps = np.sum(Q[..., -1] * norm[around], axis=-1) / R[:, -1, -1]
    padded = np.pad(np.abs(jumps), 5 * HALF, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 10 * HALF + 1)
    scatter = MAD_TO_SIGMA * np.median(windows, axis=-1)
    excess = np.where(
        np.abs(jumps) > SMALLEST_JUMP,
        np.abs(jumps) / np.maximum(scatter, 1e-4),
        0.0,
    )
    best = int(np.argmax(excess))
    if excess[best] < JUMP:
        return [], -np.inf
    at = float(energy[centres[best]])
    others = ", ".join(edges_near(at, 15.0)[:3])
    message = (
        f"mu jumps by {jumps[best]:+.1%} of the edge step at {at:.0f} eV. If that is "
        f"another edge{f' (near: {others})' if others else ''}, or a jump of the beam "
        f"or of the detector, fit up to kmax = {_k_before(at, e0):.1f} 1/angstrom."
    )
    return [ScanFlag("jump", message)], at


def _glitches(energy: np.ndarray, mu: np.ndarray, e0: float) -> np.ndarray:
    """Mask of the glitches beyond the edge."""
    bad = np.zeros(len(energy), dtype=bool)
    beyond = energy > e0 + 60
    if beyond.sum() >= MIN_POINTS:
        bad[beyond] = find_glitches(energy[beyond], mu[beyond])
    return bad
