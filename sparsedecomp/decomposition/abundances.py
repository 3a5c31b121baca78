"""Abundances of known spectra in every pixel, by constrained least squares."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks import BlockMatrix, MatrixLike, as_blocks
from sparsedecomp.blocks.summary import refuse_not_finite
from sparsedecomp.kernels.simplex import solve_by_active_set, solve_by_supports

if TYPE_CHECKING:
    import dask.array as da

CONSTRAINTS = ("nonnegative", "sum_to_one", "fully_constrained", "scaled")
# Up to this number of spectra the solution is looked up among all their subsets; the
# maps of the 256 subsets of eight stay in the cache of the processor.
_FEW = 8
# Spectra count as dependent if the eigenvalues of their Gram matrix differ by more than
# this factor, which is near the rounding of float64.
_DEPENDENT = 1e-13


def abundances(
    X: MatrixLike,
    spectra: ArrayLike,
    constraint: str = "nonnegative",
    *,
    signal_dimension: int = 1,
    navigation_mask: ArrayLike | None = None,
    signal_mask: ArrayLike | None = None,
    return_scale: bool = False,
    compute: bool = True,
) -> NDArray | da.Array | tuple[NDArray, NDArray]:
    """Abundances of known spectra in every pixel, by exact constrained least squares.

    Minimises ``||x - w S||^2`` for every pixel ``x`` by itself, in one pass over the
    data. The solution is exact, not iterated to a tolerance: for up to eight spectra
    the right set of positive abundances is found among maps that are computed once,
    for more by the active-set method of Lawson and Hanson [1]_. The data are projected
    on an orthonormal basis of the spectra, so that the condition number of similar
    spectra is not squared.

    The misfit cannot tell which constraint is right. With "fully_constrained" [2]_ a
    pixel that is thinner or darker than the spectra is explained by the darkest of
    them. Where thickness or illumination vary, use "scaled", which gives every pixel
    its own factor.

    Parameters
    ----------
    X : array, SciPy sparse matrix, dask array or BlockMatrix
        Data with the navigation axes first, then the signal axes. A dask array is
        read chunk by chunk.
    spectra : (k, n_channels) array
        Spectra in the units of X, in all channels or in those that are not masked.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Constraint on the abundances ``w`` of a pixel. "nonnegative": ``w >= 0``;
        "sum_to_one": ``sum(w) = 1``; "fully_constrained": both; "scaled": ``w >= 0``,
        then divided by the sum, which is the scale of the pixel. Empty pixels have
        abundances of zero with "scaled".
    signal_dimension : int, default 1
        Number of signal axes.
    navigation_mask, signal_mask : bool array, optional
        Masks of the navigation and of the signal shape; True leaves a pixel or a
        channel out.
    return_scale : bool, default False
        Whether to return the sum by which "scaled" divides too (one for the other
        constraints).
    compute : bool, default True
        Whether to compute the abundances now. False, for a dask array without
        navigation mask, gives a dask array, which may be larger than the memory of
        this machine: ``W.persist()`` keeps it on the workers of a cluster, and
        ``W.to_zarr`` writes it from there.

    Returns
    -------
    W : (n_pixels, k) array, or (*navigation_shape, k) dask array
        Abundances, with rows in the C order of the pixels that are not masked;
        float64 for float64 data and float32 otherwise. A dask array if `compute` is
        False, in the navigation chunks of the data.
    scale : (n_pixels,) array
        Scale of every pixel, if `return_scale` is set.

    Raises
    ------
    ValueError
        For spectra that do not fit the data or are not finite, and for NaN and
        infinity in the data: the message names the place. If abundances that are not
        computed are asked for with a navigation mask, the scale, or data other than a
        dask array.

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
    if not compute:
        if return_scale or navigation_mask is not None or not hasattr(X, "dask"):
            raise ValueError(
                "compute=False was given, expected a dask array, no navigation mask "
                "and return_scale=False with it."
            )
        return _not_computed(X, blocks, S, constraint)
    W, scale, _ = solve(blocks, S, constraint)
    return (W, scale) if return_scale else W


def spectra_for(blocks: BlockMatrix, spectra: ArrayLike) -> NDArray:
    """Check spectra and return them in the channels of the data."""
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


def solve(
    blocks: BlockMatrix, S: NDArray, constraint: str
) -> tuple[NDArray, NDArray, NDArray]:
    """Abundances of all pixels, their scales and their residuals, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        Data of shape (n_pixels, n_channels).
    S : (k, n_channels) array
        Spectra.
    constraint : str
        One of `CONSTRAINTS`.

    Returns
    -------
    W : (n_pixels, k) array
        Abundances.
    scale : (n_pixels,) array
        Sums by which "scaled" divides; ones for the other constraints.
    misfit : (n_pixels,) float64 array
        Sum of the squared residuals of every pixel.
    """
    return _run(blocks, _shared(S, constraint))


def _shared(S, constraint):
    """Further arguments of `_solve_rows`."""
    basis, R = np.linalg.qr(S.T)
    inner = "nonnegative" if constraint == "scaled" else constraint
    problem = RowProblem.from_gram(R.T @ R, inner)
    return S, basis, R, problem, constraint == "scaled"


def _run(blocks, shared):
    """Abundances, scales and residuals of all pixels, in one pass."""
    (W, scale, misfit, bad), _ = blocks.run(_solve_rows, shared=shared)
    refuse_not_finite(bad, blocks.place)
    return W, scale, misfit


def _not_computed(X, blocks, S, constraint):
    """Abundances as a dask array of shape (*navigation_shape, k)."""
    nav = len(blocks.navigation_shape)
    whole = X.rechunk(dict.fromkeys(range(nav, X.ndim), -1))
    return whole.map_blocks(
        _solve_block,
        blocks.columns,
        blocks.dtype,
        _shared(S, constraint),
        chunks=(*whole.chunks[:nav], (len(S),)),
        drop_axis=list(range(nav, X.ndim)),
        new_axis=nav,
        meta=np.empty((0,) * (nav + 1), blocks.dtype),
    )


def _solve_block(data, columns, dtype, shared, block_info=None):
    """Abundances of the pixels of a chunk."""
    nav = len(block_info[None]["chunk-shape"]) - 1
    data = data.reshape(*data.shape[:nav], -1)[..., columns]
    try:
        W, _, _ = _run(as_blocks(data, dtype=dtype), shared)
    except ValueError as error:
        first = [start for start, _ in block_info[0]["array-location"][:nav]]
        raise ValueError(
            f"In the chunk that begins at pixel {first}: {error}"
        ) from None
    return W.reshape(*data.shape[:nav], -1)


@dataclass(frozen=True)
class RowProblem:
    """Constrained least squares ``1/2 w G w' - f w'``, the same for all rows ``f``.

    Attributes
    ----------
    gram : (k, k) float64 array
        Gram matrix ``G`` of the components.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "none"}
        Constraint on every row ``w``; "fully_constrained" is ``w >= 0`` and
        ``sum(w) = 1``.
    maps : tuple of arrays
        Everything that depends on the Gram matrix alone: from `support_maps` for few
        components, else from the inverse; empty for the active-set method.
    """

    gram: NDArray
    constraint: str
    maps: tuple[NDArray, ...]

    @classmethod
    def from_gram(cls, gram: NDArray, constraint: str) -> RowProblem:
        """Prepare the problem for a Gram matrix."""
        maps: tuple[NDArray, ...] = ()
        if constraint in ("sum_to_one", "none"):
            closed = constraint == "sum_to_one"
            maps = _free_minimum(gram + (_shift(gram) if closed else 0.0), closed)
        elif len(gram) <= _FEW:
            maps = support_maps(gram, constraint == "fully_constrained")
        return cls(gram, constraint, maps)

    def solve(self, F: NDArray) -> NDArray:
        """Return the minimisers (n, k) for the rows of ``F`` (n, k)."""
        if self.constraint in ("sum_to_one", "none"):
            slopes, constant = self.maps
            return F @ slopes + constant
        closed = self.constraint == "fully_constrained"
        W = np.empty_like(F)
        if self.maps:
            solve_by_supports(W, F, self.gram, closed, *self.maps)
        else:
            solve_by_active_set(W, F, self.gram, closed)
        return W


def constrained_rows(F: NDArray, gram: NDArray, constraint: str) -> NDArray:
    """Minimise ``1/2 w G w' - f w'`` for every row ``f`` of ``F``.

    Parameters
    ----------
    F : (n, k) float64 array
        Correlation of every row of the data with every component.
    gram : (k, k) float64 array
        Gram matrix of the components.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "none"}
        As for `RowProblem`.

    Returns
    -------
    (n, k) float64 array
    """
    return RowProblem.from_gram(gram, constraint).solve(F)


def _shift(gram: NDArray) -> float:
    """Constant that may be added to the Gram matrix where abundances add up to one.

    It does not move the minimum, and it makes a spectrum of zeros (a shadow)
    independent of the others.
    """
    return np.trace(gram) / len(gram)


def _free_minimum(H: NDArray, closed: bool) -> tuple[NDArray, NDArray]:
    """Map and offset from correlations to the minimum without ``c >= 0``."""
    inverse = np.linalg.pinv(H, hermitian=True)
    if not closed:
        return inverse, np.zeros(H.shape[:-1])
    row = inverse.sum(axis=-1)
    total = row.sum(axis=-1, keepdims=True)
    across = row[..., :, None] * row[..., None, :]
    return inverse - across / total[..., None], row / total


def support_maps(gram: NDArray, closed: bool) -> tuple[NDArray, NDArray, NDArray]:
    """Linear maps from correlations to abundances and slopes, for every set of spectra.

    Applied to the correlations of a pixel, the map of a set gives the abundances of
    the spectra of the set and the slopes of the objective along the others. The
    arrays are those of `sparsedecomp.kernels.simplex.solve_by_supports`.

    Parameters
    ----------
    gram : (k, k) float64 array
        Gram matrix of the spectra.
    closed : bool
        Whether abundances add up to one.

    Returns
    -------
    maps : (2**k, k, k) array
        Map of every set; bit ``j`` of the first index says that ``j`` is in the set.
    offsets : (2**k, k) array
        Constant terms of the maps.
    known : (2**k,) bool array
        Whether the spectra of the set are independent, so that there is a map.
    """
    k = len(gram)
    H = gram + (_shift(gram) if closed else 0.0)
    maps, offsets = np.zeros((2**k, k, k)), np.zeros((2**k, k))
    known = np.zeros(2**k, bool)
    if not closed:
        maps[0], known[0] = -np.eye(k), True
    for size in range(1, k + 1):
        s = np.array(list(itertools.combinations(range(k), size)))
        part = H[s[:, :, None], s[:, None, :]]
        extent = np.linalg.eigvalsh(part)
        independent = extent[:, 0] > _DEPENDENT * extent[:, -1]
        s, part = s[independent], part[independent]
        P, q = _free_minimum(part, closed)
        rows = np.arange(len(s))[:, None]
        columns = H[:, s].transpose(1, 0, 2)
        slopes, constants = np.zeros((len(s), k, k)), (columns @ q[:, :, None])[:, :, 0]
        slopes[rows, :, s] = (columns @ P).transpose(0, 2, 1)
        slopes -= np.eye(k)
        # The slopes inside the set are equal: the Lagrange multiplier of the sum.
        slopes -= slopes[rows, s[:, :1]]
        constants -= constants[rows, s[:, :1]]
        slopes[rows, s], constants[rows, s] = 0.0, q
        slopes[rows[:, :, None], s[:, :, None], s[:, None, :]] = P
        numbers = (1 << s).sum(axis=1)
        maps[numbers], offsets[numbers], known[numbers] = slopes, constants, True
    return maps, offsets, known


def _solve_rows(X, S, basis, R, problem, scaled):
    Y = (X @ basis.astype(X.dtype)).astype(np.float64)
    bad = _first_bad(X, Y)
    W = problem.solve(np.where(np.isfinite(Y), Y, 0.0) @ R)
    dense = X.toarray() if scipy.sparse.issparse(X) else X
    residual = dense - W.astype(X.dtype) @ S.astype(X.dtype)
    misfit = np.einsum("ij,ij->i", residual, residual, dtype=np.float64)
    scale = np.ones(len(W))
    if scaled:
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
