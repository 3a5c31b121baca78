"""How much of every known spectrum a pixel holds: constrained least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.kernels.simplex import solve_by_active_set, solve_by_supports

CONSTRAINTS = ("nonnegative", "sum_to_one", "fully_constrained", "scaled")
# Up to here there is a map for every set of spectra; 256 of them stay in the cache.
_FEW = 8
# Spectra whose Gram matrix is worse conditioned than this count as dependent.
_DEPENDENT = 1e-13


def abundances(
    X,
    spectra,
    constraint="nonnegative",
    *,
    signal_dimension=1,
    navigation_mask=None,
    signal_mask=None,
    return_scale=False,
):
    """Abundances of known spectra in every pixel, by exact constrained least squares.

    Minimises ``||x - w S||^2`` for every pixel ``x`` by itself, in one pass over the
    data. The solution is exact, not iterated to a tolerance: for up to eight spectra
    the right set of positive abundances is found among maps that are computed once,
    for more by the active-set method of Lawson and Hanson [1]_. The data are met in an
    orthonormal basis of the spectra, so that alike spectra cost no precision twice.

    Which constraint is right is for the user to decide, the misfit cannot tell: with
    "fully_constrained" [2]_ a pixel that is thinner or darker than the spectra is
    explained by whichever of them is darkest. Where thickness or illumination vary,
    use "scaled", which leaves every pixel a factor of its own.

    Parameters
    ----------
    X : array, SciPy sparse matrix, dask array or BlockMatrix
        Navigation axes first, then the signal axes. A dask array is read chunk by
        chunk.
    spectra : (k, n_channels) array
        In the units of X, in the channels that are not masked or in all of them.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        "nonnegative": ``w >= 0``; "sum_to_one": ``sum(w) = 1``; "fully_constrained":
        both; "scaled": ``w >= 0``, then divided by the sum, which is the scale of the
        pixel. A pixel that holds nothing has abundances of zero there.
    signal_dimension : int, default 1
        Number of signal axes.
    navigation_mask, signal_mask : bool array, optional
        Of navigation and signal shape; True leaves a pixel or channel out.
    return_scale : bool, default False
        Return the sum by which "scaled" divides (one for the other constraints) too.

    Returns
    -------
    W : (n_pixels, k) array
        Rows in the C order of the pixels that are not masked; float64 for float64
        data and float32 otherwise.
    scale : (n_pixels,) array
        If `return_scale` is set.

    Raises
    ------
    ValueError
        For spectra that do not fit the data or are not finite, and for NaN and
        infinity in the data: the message names the place.

    References
    ----------
    .. [1] C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (Prentice
       Hall, 1974), chapter 23.
    .. [2] D. C. Heinz and C.-I Chang, IEEE Trans. Geosci. Remote Sens. 39 (2001) 529.
       https://doi.org/10.1109/36.911111

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import abundances
    >>> spectra = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    >>> X = np.array([[0.5, 1.0, 1.0], [0.0, 3.0, 1.5], [0.2, 0.4, 0.4]])
    >>> abundances(X, spectra).round(6)
    array([[0.5, 0.5],
           [0. , 1.5],
           [0.2, 0.2]])
    >>> abundances(X, spectra, "scaled", return_scale=True)[1].round(6)
    array([1. , 1.5, 0.4])
    """
    if constraint not in CONSTRAINTS:
        raise ValueError(
            f"constraint={constraint!r} was given, expected one of "
            f"{', '.join(map(repr, CONSTRAINTS))}."
        )
    blocks = as_blocks(X, signal_dimension, navigation_mask, signal_mask)
    S = spectra_for(blocks, spectra)
    W, scale, _ = solve(blocks, S, constraint)
    return (W, scale) if return_scale else W


def spectra_for(blocks, spectra):
    """The spectra in the channels of the data, checked."""
    S = np.asarray(spectra, float)
    if S.ndim != 2 or not len(S):
        raise ValueError(
            f"The spectra have the shape {S.shape}, expected (k, n_channels) with at "
            "least one spectrum."
        )
    if S.shape[1] != blocks.shape[1]:
        if S.shape[1] <= blocks.columns.max():
            raise ValueError(
                f"The spectra have {S.shape[1]} channels, expected {blocks.shape[1]} "
                "as the data have without mask. Interpolate them to the energy axis "
                "of the data."
            )
        S = S[:, blocks.columns]
    if not np.isfinite(S).all():
        number, channel = np.argwhere(~np.isfinite(S))[0]
        raise ValueError(
            f"Spectrum {number} is NaN or infinite in channel "
            f"{int(blocks.columns[channel])}, expected finite numbers. Mask the "
            "channel or replace the value."
        )
    return S


def solve(blocks, S, constraint):
    """Abundances, their sums before "scaled" divides, and what is left over.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
    S : (k, n_channels) array
    constraint : str
        One of `CONSTRAINTS`.

    Returns
    -------
    W : (n_pixels, k) array
    scale : (n_pixels,) array
    misfit : (n_pixels,) float64 array
        Sum of the squared residuals of every pixel.
    """
    problem = _Problem.of(S, constraint)
    (W, scale, misfit, bad), _ = blocks.run(_solve_rows, shared=(problem,))
    if np.any(bad >= 0):
        row = int(np.argmax(bad >= 0))
        raise ValueError(
            f"The data hold {int(np.count_nonzero(bad >= 0))} pixels with NaN or "
            f"infinity, the first at {blocks.place(row, int(bad[row]))}. Mask these "
            "pixels or replace the values."
        )
    return W, scale, misfit


@dataclass(frozen=True)
class _Problem:
    """The spectra and what depends on them alone.

    Attributes
    ----------
    S : (k, n_channels) float64 array
    basis : (n_channels, r) array
        Orthonormal; it spans the spectra.
    R : (r, k) array
        The spectra in the basis.
    gram : (k, k) array
    constraint : str
    maps : tuple of arrays or None
        From `support_maps` for few spectra, from `_minimum_inside` for "sum_to_one".
    """

    S: np.ndarray
    basis: np.ndarray
    R: np.ndarray
    gram: np.ndarray
    constraint: str
    maps: tuple | None

    @classmethod
    def of(cls, S, constraint):
        basis, R = np.linalg.qr(S.T)
        gram = R.T @ R
        maps = None
        if constraint == "sum_to_one":
            maps = _minimum_inside(gram + _shift(gram), True)
        elif len(S) <= _FEW:
            maps = support_maps(gram, constraint == "fully_constrained")
        return cls(S, basis, R, gram, constraint, maps)


def _shift(gram):
    """What the Gram matrix may grow by where abundances add up to one.

    It moves no minimum then, and a spectrum of zeros, a shadow, is independent.
    """
    return np.trace(gram) / len(gram)


def _minimum_inside(H, closed):
    """Map and offset from correlations to the minimum without ``c >= 0``."""
    inverse = np.linalg.pinv(H, hermitian=True)
    if not closed:
        return inverse, np.zeros(len(H))
    row = inverse.sum(axis=0)
    return inverse - np.outer(row, row) / row.sum(), row / row.sum()


def support_maps(gram, closed):
    """Abundances inside and slopes outside of every set of spectra.

    Parameters
    ----------
    gram : (k, k) float64 array
    closed : bool
        Whether abundances add up to one.

    Returns
    -------
    maps : (2**k, k, k) array
    offsets : (2**k, k) array
    known : (2**k,) bool array
        As `sparsedecomp.kernels.simplex.solve_by_supports` takes them.
    """
    k = len(gram)
    H = gram + (_shift(gram) if closed else 0.0)
    maps, offsets = np.zeros((2**k, k, k)), np.zeros((2**k, k))
    known = np.zeros(2**k, bool)
    if not closed:
        maps[0], known[0] = -np.eye(k), True
    for number in range(1, 2**k):
        s = np.flatnonzero(number >> np.arange(k) & 1)
        size = np.linalg.eigvalsh(H[np.ix_(s, s)])
        known[number] = size[0] > _DEPENDENT * size[-1]
        if not known[number]:
            continue
        P, q = _minimum_inside(H[np.ix_(s, s)], closed)
        slopes, constants = np.zeros((k, k)), H[:, s] @ q
        slopes[:, s] = H[:, s] @ P
        slopes -= np.eye(k)
        # Inside, the slopes are all the same: the multiplier of the sum.
        slopes -= slopes[s[0]].copy()
        constants -= constants[s[0]]
        slopes[s], constants[s] = 0.0, q
        slopes[np.ix_(s, s)] = P
        maps[number], offsets[number] = slopes, constants
    return maps, offsets, known


def _solve_rows(X, problem):
    Y = (X @ problem.basis.astype(X.dtype)).astype(np.float64)
    bad = _first_bad(X, Y)
    F = np.where(np.isfinite(Y), Y, 0.0) @ problem.R
    closed = problem.constraint == "fully_constrained"
    W = np.empty_like(F)
    if problem.constraint == "sum_to_one":
        P, q = problem.maps
        W = F @ P + q
    elif problem.maps is not None:
        solve_by_supports(W, F, problem.gram, closed, *problem.maps)
    else:
        solve_by_active_set(W, F, problem.gram, closed)
    dense = X.toarray() if scipy.sparse.issparse(X) else X
    residual = dense - W.astype(X.dtype) @ problem.S.astype(X.dtype)
    misfit = np.einsum("ij,ij->i", residual, residual, dtype=np.float64)
    scale = np.ones(len(W))
    if problem.constraint == "scaled":
        scale = W.sum(axis=1)
        W /= np.where(scale > 0, scale, 1.0)[:, None]
    return (W.astype(X.dtype), scale.astype(X.dtype), misfit, bad), ()


def _first_bad(X, Y):
    """First channel that is NaN or infinite in every row, -1 for none."""
    bad = np.full(len(Y), -1)
    for row in np.flatnonzero(~np.isfinite(Y).all(axis=1)):
        x = X[[row]].toarray()[0] if scipy.sparse.issparse(X) else X[row]
        bad[row] = np.argmax(~np.isfinite(x))
    return bad
