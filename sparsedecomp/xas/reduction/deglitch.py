"""Single bad points of a scan: found by their neighbours, replaced by them."""

import numpy as np

from sparsedecomp.xas.grids import applied, increasing, spectra_on
from sparsedecomp.xas.reduction.noise import MAD_TO_SIGMA

FEWEST = 9
"""Points of a scan, or of a part beside protected energies, that can be judged."""

MOST = 24
"""Glitches that are looked for in one part, the strongest first."""

SIDE = 2
"""Neighbours on either side that predict a point."""

REACH = 10
"""Points on either side whose own distances tell how far is usual: where mu bends
sharply all points lie off their cubic."""


def find_glitches(energy, mu, threshold=8.0, protect=None):
    """Points much farther from the cubic through their neighbours than those are.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV, increasing.
    mu : array_like of shape (..., n_E)
    threshold : float
        How many robust standard deviations of the distances nearby are too far.
    protect : tuple of two floats, optional
        Energies in eV between which nothing is a glitch: the edge and its white line
        bend as sharply.

    Returns
    -------
    numpy.ndarray of bool, of shape (..., n_E)

    Raises
    ------
    ValueError
        If the energies do not increase or are fewer than nine, or the threshold is
        not positive.

    Notes
    -----
    Finds glitches of one or two points. A wider one is not told from structure: name
    its energies.

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
    energy = increasing(energy, at_least=FEWEST)
    mu = spectra_on(mu, energy)
    if not threshold > 0:
        raise ValueError(f"threshold={threshold!r}: give a positive number.")
    parts = [slice(0, len(energy))]
    if protect is not None:
        first = np.searchsorted(energy, min(protect))
        last = np.searchsorted(energy, max(protect), side="right")
        parts = [slice(0, first), slice(last, len(energy))]
    rows = mu.reshape(-1, len(energy))
    bad = np.zeros(rows.shape, dtype=bool)
    finite = np.isfinite(rows).all(axis=1)
    for part in parts:
        if part.stop - part.start >= FEWEST:
            design = _distances(energy[part])
            gram = design.T @ design
            for number in np.flatnonzero(finite):
                bad[number, part] = _glitches_of(
                    rows[number, part], design, gram, threshold
                )
    return bad.reshape(mu.shape)


def replace_points(energy, mu, bad):
    """Replace points by the straight line between the good ones beside them.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV, increasing.
    mu : array_like of shape (..., n_E)
    bad : array_like of bool, of shape (n_E,) or that of mu
        Which points.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        A new array of the type of mu.

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
            f"{bad.sum()} of {bad.size} points (shape {bad.shape}) shall be replaced: "
            f"two of the {len(energy)} points of each spectrum must stay."
        )
    mended = mu.copy()
    if bad.ndim == 1:
        # The same points everywhere: one small matrix.
        onto = np.stack(
            [
                np.interp(energy[bad], energy[~bad], point)
                for point in np.eye((~bad).sum())
            ]
        )
        mended[..., bad] = applied(onto.T, mu[..., ~bad])
        return mended
    bad = np.broadcast_to(bad, mu.shape)
    for place in np.argwhere(bad.any(axis=-1)):
        row, good = tuple(place), ~bad[tuple(place)]
        mended[row] = np.interp(energy, energy[good], mu[row][good])
    return mended


def _glitches_of(row, design, gram, threshold):
    """Greedy search: the point, or pair of neighbours, that explains the most.

    A glitch of height a at point i adds ``a * design[:, i]`` to the distances. Beside
    each other two glitches can look like a third one between or beside them, so pairs
    compete with single points.
    """
    distance = design @ row
    # What white noise adds to a match, next to what it adds to a distance.
    spread = np.sqrt(np.sum(gram**2, axis=0))
    floor = 1e-12 * np.abs(row).max()
    bad = np.zeros(len(row), dtype=bool)
    while bad.sum() < MOST:
        usual = np.pad(_usual(np.abs(distance)), SIDE, mode="edge")
        limit = threshold * np.maximum(usual, floor) * spread
        match = np.where(bad, 0, design.T @ distance)
        place = int(np.argmax(np.abs(match) / limit))
        if np.abs(match[place]) <= limit[place]:
            break
        chosen = _single_or_pair(match, gram, place, limit[place])
        bad[chosen] = True
        # From now on they are free: their best heights are taken away.
        columns = design[:, bad]
        heights = np.linalg.lstsq(columns, design @ row, rcond=None)[0]
        distance = design @ row - columns @ heights
    return bad


def _single_or_pair(match, gram, place, limit):
    """Of the points near a place, the one or the two that explain most."""
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
    # The second point must earn its place as the first one did.
    earned = limit**2 / gram[place, place]
    if pair is not None and pairs[pair] - alone[single] > earned:
        return list(pair)
    return list(single)


def _usual(distance):
    """Robust standard deviation of the distances around each point."""
    reach = min(REACH, len(distance) - 1)
    padded = np.pad(distance, reach, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return MAD_TO_SIGMA * np.median(around, axis=1)


def _distances(energy):
    """Matrix of the distances of points from the cubic through their neighbours.

    Shape (n_E - 4, n_E); scaled so that white noise keeps its standard deviation.
    """
    width = 2 * SIDE + 1
    windows = np.lib.stride_tricks.sliding_window_view(energy, width)
    weights = np.ones(windows.shape)
    for j in range(width):
        if j == SIDE:
            continue
        others = [i for i in range(width) if i not in (j, SIDE)]
        # Lagrange's polynomial of neighbour j, at the point in the middle.
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
