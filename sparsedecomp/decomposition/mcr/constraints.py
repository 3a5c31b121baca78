"""Least squares under the constraints of multivariate curve resolution.

One half of alternating least squares is the same problem for every row of a matrix:
for a pixel with the spectra known, for a channel with the maps known. Each is solved
exactly, so that no step can make the fit worse.
"""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.abundances import constrained_rows
from sparsedecomp.kernels.unimodal import nearest_unimodal

_SWEEPS = 100
_STILL = 1e-10


def maps_step(F, gram, constraint, fixed, known, total):
    """The best abundances, some of which are known.

    Parameters
    ----------
    F : (n, k) float64 array
        ``X S'``.
    gram : (k, k) float64 array
        ``S S'``.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained"}
    fixed : (k,) bool array
        Components whose maps are known.
    known : (n, q) array
        These maps.
    total : (n,) array
        What abundances add up to, where they do; the known ones use up part of it.

    Returns
    -------
    (n, k) float64 array
    """
    W = np.empty_like(F)
    W[:, fixed] = known
    free = ~fixed
    if not free.any():
        return W
    left = F[:, free] - known @ gram[np.ix_(fixed, free)]
    inner = gram[np.ix_(free, free)]
    if constraint == "nonnegative":
        W[:, free] = constrained_rows(left, inner, constraint)
        return W
    # What is left of the sum, times shares that add up to one.
    room = total - known.sum(axis=1)
    if constraint == "fully_constrained":
        room = np.maximum(room, 0.0)
    room = room[:, None]
    some = np.where(room != 0, room, 1.0)
    W[:, free] = np.where(
        room != 0, constrained_rows(left / some, inner, constraint) * room, 0.0
    )
    return W


def spectra_step(F, gram, S, fixed, *, nonnegative=True, unimodal=None, tolerance=0.0):
    """The best spectra, some of which are known.

    Without unimodality this is the exact minimum. With it, the spectra are taken in
    turn, each put at its minimum with the others fixed: the nearest unimodal curve
    to what the others leave, exact too. Sweeps end when nothing moves.

    Parameters
    ----------
    F : (k, n_channels) float64 array
        ``W' X``.
    gram : (k, k) float64 array
        ``W' W``.
    S : (k, n_channels) float64 array
        The spectra so far.
    fixed : (k,) bool array
        Spectra that stay as they are in ``S``.
    nonnegative : bool, default True
    unimodal : (k,) bool array, optional
        Spectra with a single maximum.
    tolerance : float, default 0
        By what part of itself a unimodal spectrum may rise again from one channel to
        the next.

    Returns
    -------
    (k, n_channels) float64 array
    """
    S = S.copy()
    free = ~fixed
    if not free.any():
        return S
    if unimodal is None or not (unimodal & free).any():
        left = F[free] - gram[np.ix_(free, fixed)] @ S[fixed]
        inner = gram[np.ix_(free, free)]
        constraint = "nonnegative" if nonnegative else "none"
        S[free] = constrained_rows(np.ascontiguousarray(left.T), inner, constraint).T
        return S
    for _ in range(_SWEEPS):
        before = S.copy()
        for j in np.flatnonzero(free & (np.diag(gram) > 0)):
            S[j] += (F[j] - gram[j] @ S) / gram[j, j]
            S[j] = nearest(S[j], nonnegative, unimodal[j], tolerance)
        if np.square(S - before).sum() <= _STILL * np.square(S).sum():
            break
    return S


def nearest(spectrum, nonnegative, unimodal, tolerance):
    """The nearest spectrum that meets the constraints.

    Parameters
    ----------
    spectrum : (n_channels,) float64 array
    nonnegative, unimodal : bool
    tolerance : float
        As in `spectra_step`.

    Returns
    -------
    (n_channels,) float64 array
    """
    if unimodal:
        curve = np.empty_like(spectrum)
        nearest_unimodal(spectrum, 1.0 + tolerance, nonnegative, curve)
        return curve
    return np.maximum(spectrum, 0.0) if nonnegative else spectrum


def maps_for(blocks, known):
    """Known maps in the pixels of the data, checked.

    Parameters
    ----------
    blocks : BlockMatrix
    known : (n, q) array
        In the pixels of the data, or in all of them.

    Returns
    -------
    (n_pixels, q) float64 array

    Raises
    ------
    ValueError
        For another number of pixels, and for NaN and infinity: names the place.
    """
    maps = np.asarray(known, float)
    n = blocks.shape[0]
    if maps.ndim == 2 and len(maps) != n and len(maps) > blocks.rows.max():
        maps = maps[blocks.rows]
    if maps.ndim != 2 or len(maps) != n or not maps.shape[1]:
        raise ValueError(
            f"The known maps have the shape {np.shape(known)}, expected (n_pixels, q) "
            f"with {n} pixels as the data have without mask and at least one map."
        )
    if not np.isfinite(maps).all():
        row, number = np.argwhere(~np.isfinite(maps))[0]
        raise ValueError(
            f"Known map {number} is NaN or infinite in "
            f"{blocks.place(row, 0).split(', channel')[0]}, expected finite numbers. "
            "Mask the pixel or replace the value."
        )
    return maps
