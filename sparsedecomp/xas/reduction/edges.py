"""Where the absorption edge is: the steepest rise of mu(E)."""

import numpy as np

from sparsedecomp.xas.grids import applied, increasing, spectra_on

STEEPEST = 0.6
"""A rise counts when its slope, and that of both neighbours, is above this share of
the span of slopes; glitches are steep at one point only."""

FAR = 0.02
"""Share of the points at either end of a scan in which no edge is looked for."""

NEAR = 75
"""Points on either side of the first guess that are looked at more closely."""

OUTSTANDING = 5.0
"""An edge is steeper than the median slope by this many robust standard deviations;
fewer than one in a thousand spectra of pure noise hold such a slope."""


def find_e0(energy, mu, search=None):
    """Threshold energy of each spectrum: the measured point of steepest rise.

    The derivative is smoothed over some tenths of an eV. As in larch the result is a
    measured energy; `sparsedecomp.xas.shifts_to` finds shifts between pixels to a
    small part of a step.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Absorption, in any unit.
    search : tuple of two floats, optional
        Look between these energies in eV only: where a scan holds several edges.

    Returns
    -------
    numpy.ndarray of shape (...)
        In eV; NaN for spectra without an edge: no rise stands out of the noise, or
        the spectrum holds NaN.

    Raises
    ------
    ValueError
        If the energies do not increase or there are fewer than seven, mu is not on
        their grid, or `search` holds fewer than three points.

    Notes
    -----
    The edge is not found when it is no steeper than the noise. It is found in the
    wrong place when a white line after it, or a second edge, rises more steeply: give
    `search`.

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


def e0_of(energy, mu, search=None):
    """Threshold of one spectrum, or say why there is none.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV, increasing.
    mu : array_like of shape (n_E,)
    search : tuple of two floats, optional
        As for `find_e0`.

    Returns
    -------
    float
        In eV.

    Raises
    ------
    ValueError
        If no edge is found, or for what `find_e0` refuses.
    """
    e0 = float(find_e0(energy, mu, search))
    if np.isnan(e0):
        where = "{:g} to {:g} eV".format(*(search or (energy[0], energy[-1])))
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


def _allowed(energy, search):
    margin = max(3, int(FAR * len(energy)))
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


def _slopes(energy, mu):
    return np.gradient(mu, axis=-1) / np.gradient(energy)


def _width(energy, e0):
    """Of the smoothing in eV: between the steps of the scan and the edge's width."""
    steps = np.sort(np.diff(energy))
    skipped = len(steps) // 100
    finest = steps[skipped : skipped + 10].mean()
    return 0.5 * (np.clip(finest, 0.01, 1) + np.clip(e0 / 25000, 0.01, 1))


def _smoothing(energy, width):
    """Matrix that averages what is linear between the points with a Lorentzian."""
    # Even grid with the width as step, of which energies are multiples (as larch's).
    first = int(energy[0] / width) - 5
    grid = width * np.arange(first, int(energy[-1] / width) + 6)
    place = energy / width - first
    before = np.floor(place).astype(int)
    part = (place - before)[:, None]
    distance = np.arange(len(grid)) - before[:, None]
    weights = (1 - part) / (1 + distance**2) + part / (1 + (distance - 1) ** 2)
    # The sum over all integers; what lies beyond the scan counts as level.
    weights /= np.pi / np.tanh(np.pi)
    onto_grid = np.stack(
        [np.interp(grid, energy, point) for point in np.eye(len(energy))]
    )
    return weights @ onto_grid.T


def _steepest(slopes, allowed):
    """Index of the steepest slope that is not a single point."""
    slopes = np.where(allowed, slopes, np.nan)
    low, high = _span(slopes)
    relative = (slopes - low) / np.where(high > low, high - low, 1)
    steep = relative > STEEPEST
    broad = steep.copy()
    broad[..., 1:-1] &= steep[..., :-2] & steep[..., 2:]
    broad[..., [0, -1]] = False
    # A sharp step between two points has no steep neighbours.
    broad |= steep & ~broad.any(axis=-1, keepdims=True)
    return np.where(broad, relative, -1.0).argmax(axis=-1)


def _span(slopes):
    filled = np.nan_to_num(slopes, nan=np.inf, posinf=np.inf, neginf=np.inf)
    low = filled.min(axis=-1, keepdims=True)
    filled = np.nan_to_num(slopes, nan=-np.inf, posinf=-np.inf, neginf=-np.inf)
    return low, filled.max(axis=-1, keepdims=True)


def _stands_out(slopes, place):
    """Whether the slope at a place is a local maximum far above the others."""
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
