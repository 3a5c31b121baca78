"""Overcomplete dictionaries of patches: cosines, and atoms learnt by K-SVD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray

from sparsedecomp.blocks.sources import one_blas_thread, tile_rows
from sparsedecomp.kernels.pursuit import batch_omp, update_atoms
from sparsedecomp.superresolution.threads import in_threads

# An atom is replaced if its product with another one is larger than the first, or if
# fewer signals use it than the second: the values of the authors' K-SVD toolbox.
_ALIKE = 0.99
_FEWEST = 4
# Atoms are replaced only where there are so many signals for each: with fewer, atoms
# would become single signals.
_PLENTY = 8


def cosine_dictionary(
    size: int, n_atoms: int, dtype: DTypeLike = np.float64
) -> NDArray:
    """Overcomplete discrete cosines: products of those of rows and columns.

    Frequencies are closer than those of the discrete cosine transform; all cosines but
    the constant one have the mean zero along their axis.

    Parameters
    ----------
    size : int
        Rows and columns of a patch.
    n_atoms : int
        Number of atoms, a square number of at least ``size**2``.
    dtype : dtype, default float64
        Type of the result.

    Returns
    -------
    (n_atoms, size**2) array
        Atoms of norm one; the first is constant.

    Raises
    ------
    ValueError
        Where ``n_atoms`` is no square number or too small.

    Examples
    --------
    >>> from sparsedecomp.superresolution import cosine_dictionary
    >>> cosine_dictionary(8, 256).shape
    (256, 64)
    """
    n = int(np.sqrt(n_atoms))
    if n * n != n_atoms or n < size:
        raise ValueError(
            f"n_atoms={n_atoms} was given for patches of {size} x {size}, expected a "
            f"square number of at least {size**2}, for instance {(2 * size) ** 2}."
        )
    C = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(size)))
    C[1:] -= C[1:].mean(axis=1, keepdims=True)
    C /= np.linalg.norm(C, axis=1, keepdims=True)
    return np.kron(C, C).astype(dtype)


def sparse_codes(
    X: NDArray, D: NDArray, *, tolerance: float = 0.0, n_nonzero: int | None = None
) -> scipy.sparse.csr_array:
    """Code signals by few atoms each: orthogonal matching pursuit [1]_.

    Parameters
    ----------
    X : (n_signals, n_pixels) array
        Signals, float32 or float64.
    D : (n_atoms, n_pixels) array
        Atoms of norm one, of the dtype of X.
    tolerance : float, default 0
        Sum of squares of the residual at which to stop. Larger values use fewer atoms.
    n_nonzero : int, optional
        Most atoms of a signal; default: half its pixels.

    Returns
    -------
    scipy.sparse.csr_array
        Codes (n_signals, n_atoms): ``X ~ codes @ D``.

    References
    ----------
    .. [1] R. Rubinstein, M. Zibulevsky and M. Elad, Technion CS-2008-08 (2008),
       Batch-OMP.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import cosine_dictionary, sparse_codes
    >>> D = cosine_dictionary(4, 64)
    >>> codes = sparse_codes(2 * D[[5]] - D[[40]], D, n_nonzero=2)
    >>> sorted(codes.indices.tolist())
    [5, 40]
    """
    n_atoms, n_pixels = D.shape
    most = n_nonzero or n_pixels // 2
    G = D @ D.T
    step = tile_rows(n_atoms, X.dtype.itemsize)

    def code(first: int) -> tuple[NDArray, NDArray, NDArray]:
        x = X[first : first + step]
        squares = np.einsum("ij,ij->i", x, x)
        tolerances = np.full_like(squares, tolerance)
        ends = np.empty(len(x), np.int64)
        columns = np.empty(len(x) * most, np.int32)
        weights = np.empty(len(x) * most, X.dtype)
        batch_omp(x @ D.T, G, squares, tolerances, most, ends, columns, weights)
        n = ends[-1]
        return np.diff(ends, prepend=0), columns[:n].copy(), weights[:n].copy()

    coded = in_threads(code, range(0, len(X), step))
    counts, columns, weights = (
        np.concatenate(each) for each in zip(*coded, strict=True)
    )
    starts = np.append(0, np.cumsum(counts))
    return scipy.sparse.csr_array((weights, columns, starts), (len(X), n_atoms))


@one_blas_thread()
def learn_dictionary(
    X: NDArray,
    start: NDArray,
    *,
    tolerance: float = 0.0,
    n_nonzero: int | None = None,
    n_iter: int = 10,
    n_power: int = 1,
    callback: Callable[[int, float], object] | None = None,
) -> NDArray:
    """Learn the atoms that signals are sparse in: K-SVD [1]_.

    Codes and atoms are updated in turn. Atoms that hardly any signal uses, and atoms
    that nearly equal another one, are replaced by the signals of largest residual if
    there are at least eight signals for an atom.

    Parameters
    ----------
    X : (n_signals, n_pixels) array
        Signals, float32 or float64.
    start : (n_atoms, n_pixels) array
        Atoms to begin with, of norm one.
    tolerance : float, default 0
        Sum of squares of the residual of a signal at which its code is complete.
    n_nonzero : int, optional
        Most atoms of a signal; default: half its pixels.
    n_iter : int, default 10
        Number of iterations.
    n_power : int, default 1
        Steps of the power method for each atom: one is the approximate update [2]_,
        ten give the singular pair of the original method.
    callback : callable, optional
        Called in every iteration with its number and the root mean square residual;
        returning True stops.

    Returns
    -------
    (n_atoms, n_pixels) array
        Atoms of norm one. The same for the same signals and start.

    References
    ----------
    .. [1] M. Aharon, M. Elad and A. Bruckstein, IEEE Trans. Signal Process. 54 (2006)
       4311.
    .. [2] R. Rubinstein, M. Zibulevsky and M. Elad, Technion CS-2008-08 (2008),
       approximate K-SVD.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import learn_dictionary
    >>> rng = np.random.default_rng(0)
    >>> atoms = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    >>> X = np.kron(rng.normal(size=(50, 1)), atoms)
    >>> start = atoms + 0.2 * rng.normal(size=atoms.shape)
    >>> start /= np.linalg.norm(start, axis=1, keepdims=True)
    >>> found = learn_dictionary(X, start, n_nonzero=1)
    >>> bool(np.abs(found @ atoms.T).max(axis=1).min() > 0.999)
    True
    """
    X = np.ascontiguousarray(X)
    D = np.array(start, X.dtype, order="C")
    for iteration in range(n_iter):
        codes = sparse_codes(X, D, tolerance=tolerance, n_nonzero=n_nonzero)
        E = X - codes @ D
        by_atom = codes.tocsc()
        update_atoms(E, D, by_atom.indptr, by_atom.indices, by_atom.data, n_power)
        squares = np.einsum("ij,ij->i", E, E)
        if len(X) >= _PLENTY * len(D):
            _replace(D, np.diff(by_atom.indptr), X, np.argsort(-squares)[: len(D)])
        residual = float(np.sqrt(squares.mean(dtype=float) / X.shape[1]))
        if callback and callback(iteration, residual):
            break
    return D


def _replace(D: NDArray, uses: NDArray, X: NDArray, worst: NDArray) -> None:
    """Replace atoms that are hardly used, or nearly equal another, by signals."""
    alike = np.abs(D @ D.T)
    np.fill_diagonal(alike, 0)
    signals = iter(worst)
    for j, used in enumerate(uses):
        if used < _FEWEST or alike[j].max() > _ALIKE:
            signal = X[next(signals)]
            norm = np.linalg.norm(signal)
            if norm:
                D[j] = signal / norm
                alike[j] = alike[:, j] = np.abs(D @ D[j])
                alike[j, j] = 0
