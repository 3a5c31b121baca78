"""Threshold energy of the absorption edge: the steepest rise of mu(E)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import applied, increasing, spectra_on

STEEPEST = 0.6
"""A point is a candidate where its slope, and that of both neighbours, exceeds this
fraction of the range of slopes (as in larch); glitches are steep at one point only."""

MARGIN = 0.02
"""Fraction of the points at either end of a scan that is not searched (as in larch)."""

NEAR = 75
"""Points on either side of the first guess that the refined search covers (as in
larch)."""

OUTSTANDING = 5.0
"""An edge is steeper than the median slope by this many robust standard deviations.
Fewer than one in a thousand simulated spectra of pure noise have such a slope."""


def find_e0(
    energy: ArrayLike, mu: ArrayLike, search: tuple[float, float] | None = None
) -> np.ndarray:
    """Threshold energy of each spectrum: the measured point of steepest rise.

    The derivative is smoothed over some tenths of an eV. As in larch the result is a
    measured energy; `sparsedecomp.xas.shifts_to` measures shifts between pixels to a
    small fraction of the energy step.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Absorption, in any unit.
    search : tuple of two floats, optional
        Range of energies in eV that is searched, for scans with several edges; by
        default all.

    Returns
    -------
    numpy.ndarray of shape (...)
        Thresholds in eV; NaN for spectra that hold NaN or in which no rise stands out
        of the noise.

    Raises
    ------
    ValueError
        If the energies do not increase or there are fewer than seven, mu is not on
        their grid, or `search` holds fewer than three points.

    Notes
    -----
    The edge is missed where it is no steeper than the noise. A second edge, or a white
    line after the edge, that rises more steeply is taken for it: give `search`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import find_e0
    >>> energy = np.arange(8900.0, 9100.0, 0.5)
    >>> mu = np.arctan((energy - [[8979.0], [8981.5]]) / 2)
    >>> find_e0(energy, mu).tolist()
    [8979.0, 8981.5]
    >>> find_e0(energy, np.exp(-energy / 1000))
    array(nan)
    """
    energy = increasing(energy, at_least=7)
    mu = spectra_on(mu, energy).astype(float, copy=False)
    allowed = _allowed(energy, search)
    first = _steepest(_slopes(energy, mu), allowed)
    near = slice(max(first.min() - NEAR, 0), first.max() + NEAR)
    width = _width(energy, energy[int(np.median(first))])
    smoothing = _smoothing(energy[near], width)
    slopes = _slopes(energy, mu)
    slopes[..., near] = applied(smoothing, slopes[..., near])
    allowed[: near.start] = allowed[near.stop :] = False
    place = _steepest(slopes, allowed)
    found = _stands_out(slopes, place)
    return np.where(found, energy[place], np.nan)


def e0_of(
    energy: ArrayLike, mu: ArrayLike, search: tuple[float, float] | None = None
) -> float:
    """Threshold of one spectrum; an error where it has none.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (n_E,)
        Absorption, in any unit.
    search : tuple of two floats, optional
        Range of energies in eV that is searched; by default all.

    Returns
    -------
    float
        Threshold in eV.

    Raises
    ------
    ValueError
        If no edge is found, or as in `find_e0`.
    """
    e0 = float(find_e0(energy, mu, search))
    if np.isnan(e0):
        ends = search or (np.min(energy), np.max(energy))
        where = "{:g} to {:g} eV".format(*ends)
        reason = (
            "it holds NaN"
            if np.isnan(mu).any()
            else "no rise of mu(E) stands out of the noise"
        )
        raise ValueError(
            f"No absorption edge was found between {where}: {reason}. Give e0 (in eV) "
            "yourself, or check that the data are mu(E) and not counts."
        )
    return e0


def _allowed(energy: np.ndarray, search: tuple[float, float] | None) -> np.ndarray:
    """Mask of the points that are searched."""
    margin = max(3, int(MARGIN * len(energy)))
    allowed = np.zeros(len(energy), dtype=bool)
    allowed[margin : len(energy) - margin] = True
    if search is not None:
        low, high = sorted(search)
        allowed &= (energy >= low) & (energy <= high)
        if allowed.sum() < 3:
            raise ValueError(
                f"Only {allowed.sum()} points of the scan, which covers {energy[0]:g} "
                f"to {energy[-1]:g} eV, lie inside the search for an edge between "
                f"{low:g} and {high:g} eV: was another edge measured?"
            )
    if allowed.sum() < 3:
        raise ValueError(f"{len(energy)} points are too few to look for an edge.")
    return allowed


def _slopes(energy: np.ndarray, mu: np.ndarray) -> np.ndarray:
    return np.gradient(mu, axis=-1) / np.gradient(energy)


def _width(energy: np.ndarray, e0: float) -> float:
    """Width of the smoothing in eV: mean of the finest steps and E0 / 25000."""
    steps = np.sort(np.diff(energy))
    skipped = len(steps) // 100
    finest = steps[skipped : skipped + 10].mean()
    return 0.5 * (np.clip(finest, 0.01, 1) + np.clip(e0 / 25000, 0.01, 1))


def _smoothing(energy: np.ndarray, width: float) -> np.ndarray:
    """Matrix that convolves linearly interpolated spectra with a Lorentzian."""
    # As in larch, the convolution is a sum on an even grid with the width as step.
    first = int(energy[0] / width) - 5
    grid = width * np.arange(first, int(energy[-1] / width) + 6)
    place = energy / width - first
    before = np.floor(place).astype(int)
    part = (place - before)[:, None]
    distance = np.arange(len(grid)) - before[:, None]
    weights = (1 - part) / (1 + distance**2) + part / (1 + (distance - 1) ** 2)
    # Normalise by the sum over all integers.
    weights /= np.pi / np.tanh(np.pi)
    onto_grid = np.stack(
        [np.interp(grid, energy, point) for point in np.eye(len(energy))]
    )
    return weights @ onto_grid.T


def _steepest(slopes: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Index of the steepest slope that is not a single point."""
    slopes = np.where(allowed, slopes, np.nan)
    low, high = _span(slopes)
    relative = (slopes - low) / np.where(high > low, high - low, 1)
    steep = relative > STEEPEST
    broad = steep.copy()
    broad[..., 1:-1] &= steep[..., :-2] & steep[..., 2:]
    broad[..., [0, -1]] = False
    # Accept single points where there are no others: a step between two points.
    broad |= steep & ~broad.any(axis=-1, keepdims=True)
    return np.where(broad, relative, -1.0).argmax(axis=-1)


def _span(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest finite slope of each spectrum."""
    filled = np.nan_to_num(slopes, nan=np.inf, posinf=np.inf, neginf=np.inf)
    low = filled.min(axis=-1, keepdims=True)
    filled = np.nan_to_num(slopes, nan=-np.inf, posinf=-np.inf, neginf=-np.inf)
    return low, filled.max(axis=-1, keepdims=True)


def _stands_out(slopes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Whether the slope at an index is a local maximum far above the others."""
    with np.errstate(invalid="ignore"):
        centre = np.median(slopes, axis=-1)
        spread = 1.4826 * np.median(np.abs(slopes - centre[..., None]), axis=-1)
        chosen = np.take_along_axis(slopes, place[..., None], axis=-1)[..., 0]
        before = np.take_along_axis(slopes, place[..., None] - 1, axis=-1)[..., 0]
        after = np.take_along_axis(slopes, place[..., None] + 1, axis=-1)[..., 0]
        peak = (chosen >= before) & (chosen >= after)
        scale = np.abs(slopes).max(axis=-1)
        outstanding = chosen - centre > np.maximum(OUTSTANDING * spread, 1e-9 * scale)
    return peak & outstanding & (chosen > 0)
