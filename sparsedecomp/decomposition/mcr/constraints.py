"""Least squares under the constraints of multivariate curve resolution.

Both halves of alternating least squares are the same problem for every row of a matrix:
a pixel for given spectra, or a channel for given maps. It is solved exactly, so that no
step can make the fit worse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.abundances import constrained_rows, spectra_for
from sparsedecomp.kernels.unimodal import nearest_unimodal

# Unimodal spectra are updated in turn: at most SWEEPS times each, fewer when the sum of
# squared changes is less than SETTLED relative to that of the spectra.
SWEEPS = 100
SETTLED = 1e-10


def maps_step(
    F: NDArray,
    gram: NDArray,
    constraint: str,
    fixed: NDArray,
    known: NDArray,
    total: NDArray,
) -> NDArray:
    """Find the best abundances, some of which are known.

    Parameters
    ----------
    F : (n, k) float64 array
        ``X S'``.
    gram : (k, k) float64 array
        ``S S'``.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained"}
        Constraint on the abundances.
    fixed : (k,) bool array
        Components whose maps are known.
    known : (n, q) array
        Known maps.
    total : (n,) array
        Sum of all abundances of a pixel under closure, the known ones included.

    Returns
    -------
    (n, k) float64 array
    """
    W = np.empty_like(F)
    W[:, fixed] = known
    free = ~fixed
    if not free.any():
        return W
    residual = F[:, free] - known @ gram[np.ix_(fixed, free)]
    inner = gram[np.ix_(free, free)]
    if constraint == "nonnegative":
        W[:, free] = constrained_rows(residual, inner, constraint)
        return W
    # The free abundances are shares of the rest of the sum that add up to one.
    rest = total - known.sum(axis=1)
    if constraint == "fully_constrained":
        rest = np.maximum(rest, 0.0)
    rest = rest[:, None]
    divisor = np.where(rest != 0, rest, 1.0)
    shares = constrained_rows(residual / divisor, inner, constraint)
    W[:, free] = np.where(rest != 0, shares * rest, 0.0)
    return W


def spectra_step(
    F: NDArray,
    gram: NDArray,
    S: NDArray,
    fixed: NDArray,
    *,
    nonnegative: bool = True,
    unimodal: NDArray | None = None,
    tolerance: float = 0.0,
) -> NDArray:
    """Find the best spectra, some of which are known.

    Without unimodality this is the exact minimum. With it, the spectra are updated in
    turn: each is the unimodal curve nearest to the residual of the others, which is
    exact for one spectrum.

    Parameters
    ----------
    F : (k, n_channels) float64 array
        ``W' X``.
    gram : (k, k) float64 array
        ``W' W``.
    S : (k, n_channels) float64 array
        Spectra before the step.
    fixed : (k,) bool array
        Spectra that are known and not changed.
    nonnegative : bool, default True
        Whether spectra are non-negative.
    unimodal : (k,) bool array, optional
        Spectra with a single maximum.
    tolerance : float, default 0
        Part of itself by which a unimodal spectrum may rise again from one channel to
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
        residual = F[free] - gram[np.ix_(free, fixed)] @ S[fixed]
        inner = gram[np.ix_(free, free)]
        constraint = "nonnegative" if nonnegative else "none"
        S[free] = constrained_rows(
            np.ascontiguousarray(residual.T), inner, constraint
        ).T
        return S
    for _ in range(SWEEPS):
        before = S.copy()
        for j in np.flatnonzero(free & (np.diag(gram) > 0)):
            S[j] += (F[j] - gram[j] @ S) / gram[j, j]
            S[j] = nearest(S[j], nonnegative, unimodal[j], tolerance)
        if np.square(S - before).sum() <= SETTLED * np.square(S).sum():
            break
    return S


def nearest(
    spectrum: NDArray, nonnegative: bool, unimodal: bool, tolerance: float
) -> NDArray:
    """Find the nearest spectrum that satisfies the constraints.

    Parameters
    ----------
    spectrum : (n_channels,) float64 array
        The spectrum.
    nonnegative, unimodal : bool
        Whether it must be non-negative, and have a single maximum.
    tolerance : float
        Tolerance of unimodality, as in `spectra_step`.

    Returns
    -------
    (n_channels,) float64 array
    """
    if unimodal:
        curve = np.empty_like(spectrum)
        nearest_unimodal(spectrum, 1.0 + tolerance, nonnegative, curve)
        return curve
    return np.maximum(spectrum, 0.0) if nonnegative else spectrum


def unimodal_components(chosen: bool | ArrayLike, k: int, n_known: int) -> NDArray:
    """Components whose spectra have a single maximum, a (k,) bool array.

    Parameters
    ----------
    chosen : bool or int array
        Whether all spectra that are not known are unimodal, or the indices of those
        that are.
    k : int
        Number of components.
    n_known : int
        Number of known spectra, which are the first.
    """
    unimodal, indices = np.zeros(k, bool), np.asarray(chosen)
    if indices.ndim == 0:
        unimodal[n_known:] = bool(indices)
    elif indices.dtype.kind in "iu" and np.isin(indices, np.arange(k)).all():
        unimodal[indices] = True
    else:
        raise ValueError(
            f"unimodal={chosen!r} was given for {k} components, expected "
            f"True, False or numbers from 0 to {k - 1}."
        )
    return unimodal


def maps_for(blocks: BlockMatrix, known: ArrayLike) -> NDArray:
    """Check known maps and take their pixels that are not masked.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    known : (n, q) array
        Maps in all pixels, or in those that are not masked.

    Returns
    -------
    (n_pixels, q) float64 array

    Raises
    ------
    ValueError
        For another number of pixels, and for NaN and infinity, naming the pixel.
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


def known_components(
    blocks: BlockMatrix,
    spectra: ArrayLike | None,
    maps: ArrayLike | None,
    n_components: int | None,
) -> tuple[NDArray, NDArray]:
    """Known spectra and maps as they are in the data, which may be scaled.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    spectra : (q1, n_channels) array or None
        Known spectra in the units of the data.
    maps : (n_pixels, q2) array or None
        Known maps.
    n_components : int or None
        Number of components that was asked for.

    Returns
    -------
    spectra : (q1, n_channels) array
        Known spectra of the channels that are not masked.
    maps : (n_pixels, q2) array
        Known maps of the pixels that are not masked.

    Raises
    ------
    ValueError
        If they do not fit the data, or are more than the components.
    """
    n, m = blocks.shape
    S = np.empty((0, m)) if spectra is None else spectra_for(blocks, spectra)
    W = np.empty((n, 0)) if maps is None else maps_for(blocks, maps)
    if blocks.column_scale is not None:
        S, W = S / blocks.column_scale, W / blocks.row_scale[:, None]
    if n_components is not None and len(S) + W.shape[1] > n_components:
        raise ValueError(
            f"{len(S)} known spectra and {W.shape[1]} known maps were given for "
            f"n_components = {n_components}, expected at most as many: the known ones "
            "count."
        )
    return S, W
