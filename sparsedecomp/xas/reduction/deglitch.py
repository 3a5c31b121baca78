"""Glitches: few bad points of a scan, detected and replaced by their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import applied, check_positive, increasing, spectra_on
from sparsedecomp.xas.reduction.noise import MAD_TO_SIGMA

MIN_POINTS = 9
"""Smallest number of points, of a scan or of a part beside protected energies, in which
glitches are searched."""

MAX_GLITCHES = 24
"""Largest number of glitches of one part; the strongest are found first."""

SIDE = 2
"""Neighbours on either side through which the cubic is drawn."""

REACH = 10
"""Points on either side whose residuals give the local standard deviation, which is
large where mu bends sharply."""


WIDEST = 9
"""Largest number of consecutive points that are taken for one glitch: a wider one looks
like structure, or like two jumps."""


def find_glitches(
    energy: ArrayLike,
    mu: ArrayLike,
    threshold: float = 8.0,
    protect: tuple[float, float] | None = None,
) -> np.ndarray:
    """Find points that are far from the cubic through their neighbours.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Absorption, in any unit.
    threshold : float, default 8
        Residual in local robust standard deviations above which a point is a glitch.
        Larger values find fewer.
    protect : tuple of two floats, optional
        Range of energies in eV in which no glitches are searched: the edge and its
        white line are as sharp.

    Returns
    -------
    numpy.ndarray of bool, of shape (..., n_E)
        True at the glitches.

    Raises
    ------
    ValueError
        If the energies do not increase or are fewer than nine, or the threshold is
        not positive.

    Notes
    -----
    Glitches of up to nine consecutive points are found. Where a wider one begins or
    ends, mu jumps; points there are left alone, since replacing them would not mend
    it: `check_scan` names the jump, and `replace_points` replaces given energies.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import find_glitches
    >>> energy = np.arange(7200.0, 7400.0, 1.0)
    >>> mu = np.sin(energy / 20)
    >>> mu += np.random.default_rng(0).normal(0, 1e-3, 200)
    >>> mu[77] += 0.05
    >>> np.flatnonzero(find_glitches(energy, mu)).tolist()
    [77]
    """
    energy = increasing(energy, at_least=MIN_POINTS)
    mu = spectra_on(mu, energy)
    check_positive(threshold=threshold)
    parts = [slice(0, len(energy))]
    if protect is not None:
        first = int(np.searchsorted(energy, min(protect)))
        last = int(np.searchsorted(energy, max(protect), side="right"))
        parts = [slice(0, first), slice(last, len(energy))]
    spectra = mu.reshape(-1, len(energy))
    bad = np.zeros(spectra.shape, dtype=bool)
    finite = np.isfinite(spectra).all(axis=1)
    for part in parts:
        if part.stop - part.start >= MIN_POINTS:
            filters = _residual_matrix(energy[part])
            gram = filters.T @ filters
            for i in np.flatnonzero(finite):
                bad[i, part] = _glitches_of(spectra[i, part], filters, gram, threshold)
    return bad.reshape(mu.shape)


def replace_points(energy: ArrayLike, mu: ArrayLike, bad: ArrayLike) -> np.ndarray:
    """Replace points by linear interpolation between the nearest good ones.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Absorption, in any unit.
    bad : array_like of bool, of shape (n_E,) or that of mu
        True at the points that are replaced.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        Corrected copy, of the type of mu.

    Raises
    ------
    ValueError
        If fewer than two points of a spectrum are good.

    Examples
    --------
    >>> from sparsedecomp.xas import replace_points
    >>> replace_points([0.0, 1.0, 3.0], [1.0, 9.0, 4.0], [False, True, False]).tolist()
    [1.0, 2.0, 4.0]
    """
    energy = increasing(energy)
    mu = spectra_on(mu, energy)
    bad = np.asarray(bad, dtype=bool)
    if (bad.shape[-1:] != (len(energy),)) or (~bad).sum(axis=-1).min() < 2:
        raise ValueError(
            f"{bad.sum()} of {bad.size} points (shape {bad.shape}) are to be replaced: "
            f"two of the {len(energy)} points of each spectrum must remain."
        )
    corrected = mu.copy()
    if bad.ndim == 1:
        # The same points in all spectra: one small matrix.
        interpolation = np.stack(
            [
                np.interp(energy[bad], energy[~bad], point)
                for point in np.eye((~bad).sum())
            ]
        )
        corrected[..., bad] = applied(interpolation.T, mu[..., ~bad])
        return corrected
    bad = np.broadcast_to(bad, mu.shape)
    for pixel in map(tuple, np.argwhere(bad.any(axis=-1))):
        good = ~bad[pixel]
        corrected[pixel] = np.interp(energy, energy[good], mu[pixel][good])
    return corrected


def _glitches_of(
    mu: np.ndarray, filters: np.ndarray, gram: np.ndarray, threshold: float
) -> np.ndarray:
    """Greedy search (matching pursuit) of the points that explain the residuals most.

    A glitch of height a at point i adds ``a * filters[:, i]`` to the residuals. Two
    adjacent glitches can look like a third one between or beside them, so pairs of
    neighbours compete with single points.
    """
    original = residual = filters @ mu
    # Standard deviation of a match due to white noise, over that of a residual.
    spread = np.sqrt(np.sum(gram**2, axis=0))
    floor = 1e-12 * np.abs(mu).max()
    bad = np.zeros(len(mu), dtype=bool)
    while bad.sum() < MAX_GLITCHES:
        std = np.pad(_local_std(np.abs(residual)), SIDE, mode="edge")
        limit = threshold * np.maximum(std, floor) * spread
        match = np.where(bad, 0, filters.T @ residual)
        place = int(np.argmax(np.abs(match) / limit))
        if np.abs(match[place]) <= limit[place]:
            break
        chosen = _single_or_pair(match, gram, place, limit[place])
        bad[chosen] = True
        # Orthogonal matching pursuit: refit the heights of all glitches found so far.
        columns = filters[:, bad]
        heights = np.linalg.lstsq(columns, original, rcond=None)[0]
        residual = original - columns @ heights
    if bad.sum() > 1:
        std = np.maximum(_local_std(np.abs(residual)), floor)
        bad = _consecutive(bad, original / std, filters / std[:, None], threshold)
    return bad


def _consecutive(
    bad: np.ndarray, residual: np.ndarray, filters: np.ndarray, threshold: float
) -> np.ndarray:
    """Replace groups of bad points by what explains them with the fewest heights.

    A glitch of several points bends the cubics at its ends, and the greedy search
    marks good points beside it. Competing explanations are every run of up to nine
    points, each with its own height or all with the same, and a jump, which is no
    glitch; each height costs the square of the threshold. A group that is a jump, or
    that nothing explains, is unmarked.
    """
    marked = np.flatnonzero(bad)
    groups = np.split(marked, np.flatnonzero(np.diff(marked) > WIDEST + SIDE) + 1)
    bad = bad.copy()
    # Columns of jumps: everything from a point on is higher.
    jumps = np.cumsum(filters[:, ::-1], axis=1)[:, ::-1]
    for group in groups:
        if len(group) == 1:
            continue
        first = max(group[0] - WIDEST, 1)
        last = min(group[-1] + WIDEST, len(bad) - 2)
        rows = slice(max(first - 2 * SIDE, 0), last + 1)
        explanations = [(group, filters[rows][:, group])]
        for start in range(first, last + 1):
            explanations.append((group[:0], jumps[rows, start : start + 1]))
            for stop in range(start + 1, min(start + WIDEST, last + 1) + 1):
                run = np.arange(start, stop)
                explanations.append((run, filters[rows, start:stop]))
                same = jumps[rows, start] - jumps[rows, stop]
                explanations.append((run, same[:, None]))
        left = [_left(residual[rows], columns) for _, columns in explanations]
        heights = [columns.shape[1] for _, columns in explanations]
        squares = np.array([np.sum(rest**2) for rest in left])
        best = int(np.argmin(squares + threshold**2 * np.array(heights)))
        bad[group] = False
        if np.abs(left[best]).max() < threshold:
            bad[explanations[best][0]] = True
    return bad


def _left(residual: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Residual of a least-squares fit of some columns."""
    return residual - columns @ np.linalg.lstsq(columns, residual, rcond=None)[0]


def _single_or_pair(
    match: np.ndarray, gram: np.ndarray, place: int, limit: float
) -> list[int]:
    """The point, or the two neighbours, near an index that explain most."""
    near = range(max(place - SIDE, 0), min(place + SIDE + 1, len(match)))
    alone = {(i,): match[i] ** 2 / gram[i, i] for i in near if match[i]}
    pairs = {
        (i, i + 1): match[[i, i + 1]]
        @ np.linalg.solve(gram[i : i + 2, i : i + 2], match[[i, i + 1]])
        for i in near[:-1]
        if match[i] and match[i + 1]
    }
    single = max(alone, key=alone.get)
    pair = max(pairs, key=pairs.get, default=None)
    # The second point must exceed the threshold as the first one did.
    required = limit**2 / gram[place, place]
    if pair is not None and pairs[pair] - alone[single] > required:
        return list(pair)
    return list(single)


def _local_std(residual: np.ndarray) -> np.ndarray:
    """Robust standard deviation of the absolute residuals around each point."""
    reach = min(REACH, len(residual) - 1)
    padded = np.pad(residual, reach, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return MAD_TO_SIGMA * np.median(around, axis=1)


def _residual_matrix(energy: np.ndarray) -> np.ndarray:
    """Matrix that gives the residual of each point from the cubic through four others.

    Its shape is (n_E - 4, n_E), its rows have unit norm, so that the residuals of
    white noise keep its standard deviation.
    """
    width = 2 * SIDE + 1
    windows = np.lib.stride_tricks.sliding_window_view(energy, width)
    weights = np.ones(windows.shape)
    for j in range(width):
        if j == SIDE:
            continue
        others = [i for i in range(width) if i not in (j, SIDE)]
        # Lagrange polynomial of neighbour j, evaluated at the central point.
        weights[:, j] = -np.prod(
            (windows[:, [SIDE]] - windows[:, others])
            / (windows[:, [j]] - windows[:, others]),
            axis=1,
        )
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    matrix = np.zeros((len(windows), len(energy)))
    for j in range(width):
        matrix[np.arange(len(windows)), np.arange(len(windows)) + j] = weights[:, j]
    return matrix
