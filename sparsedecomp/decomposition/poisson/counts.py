"""Counts in memory as a sparse matrix, their neighbours, and groups of channels."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.sources import one_blas_thread, thread_count
from sparsedecomp.blocks.summary import Summary

# A block is kept only if it holds at most this many times its share of the memory. A
# larger value admits counts that are less evenly spread, and more memory in between.
_UNEVEN = 2
# Number of parts that counts in memory are cut into for the threads to share. More of
# them balance the work better, at the cost of a call each.
_PARTS = 16
# Channels are put together to at most this many groups for each component. Fewer groups
# make iterations faster and the spectra that they start from coarser.
GROUPS = 20


def in_memory(blocks: BlockMatrix, budget: float) -> scipy.sparse.csr_array | None:
    """The counts as one CSR matrix, in one read of the data, if they are few enough.

    Parameters
    ----------
    blocks : BlockMatrix
        The data, of shape (n_pixels, n_channels).
    budget : float
        Bytes that the matrix may take.

    Returns
    -------
    CSR array or None
        Counts without explicit zeros; None if they would take more memory.

    Raises
    ------
    ValueError
        For NaN, infinity and negative entries; the message names the place.
    """
    n = blocks.shape[0]
    per_row = _UNEVEN * budget / n
    (boxes,), (size,) = blocks.run(
        _packed, rows=(np.arange(n),), shared=(np.float64(per_row),)
    )
    full = [box for box in boxes if box is not None]
    if size > budget or any(counts is None for _, counts in full):
        return None
    rows = np.concatenate([numbers for numbers, _ in full])
    counts = scipy.sparse.vstack([counts for _, counts in full], format="csr")
    if not np.array_equal(rows, np.arange(n)):
        counts = counts[np.argsort(rows)]
    if not np.isfinite(counts.data).all() or np.any(counts.data < 0):
        refuse_bad_blocks(blocks)
    return counts


class Counts:
    """Counts in memory: a CSR matrix that is read in parts, as a `BlockMatrix` is.

    The parts are cut once and not copied.

    Parameters
    ----------
    X : CSR array
        Counts of shape (n_pixels, n_channels).
    dtype : dtype
        Type of floating-point results.

    Attributes
    ----------
    shape : tuple of int
        Number of pixels and channels.
    dtype : dtype
        Type of floating-point results.
    """

    def __init__(self, X: scipy.sparse.csr_array, dtype: DTypeLike) -> None:
        self.shape: tuple[int, int] = X.shape
        self.dtype = np.dtype(dtype)
        # Parts of about equally many entries; they depend on the data alone.
        share = np.linspace(0, X.nnz, _PARTS + 1)
        edges = np.unique(np.searchsorted(X.indptr, share)).clip(0, X.shape[0])
        edges = np.unique(np.concatenate([[0], edges, [X.shape[0]]]))
        self._parts = []
        # One type of indices, since numba compiles the kernels again for another one.
        number = _type_of_indices(X.nnz)
        for first, last in itertools.pairwise(edges):
            entries = slice(X.indptr[first], X.indptr[last])
            starts = X.indptr[first : last + 1] - X.indptr[first]
            part = scipy.sparse.csr_array(
                (
                    X.data[entries],
                    X.indices[entries].astype(number, copy=False),
                    starts.astype(number, copy=False),
                ),
                shape=(last - first, X.shape[1]),
            )
            self._parts.append((slice(first, last), part))

    def run(
        self, function: Callable, rows: tuple = (), shared: tuple = ()
    ) -> tuple[tuple, tuple]:
        """Apply a function to all parts; see `sparsedecomp.blocks.BlockMatrix.run`."""

        def work(rows_of_part: slice, part: scipy.sparse.csr_array) -> tuple:
            return function(part, *[r[rows_of_part] for r in rows], *shared)

        parts = zip(*self._parts, strict=True)
        with one_blas_thread():
            if thread_count() == 1:
                done = list(map(work, *parts))
            else:
                with ThreadPoolExecutor(thread_count()) as pool:
                    done = list(pool.map(work, *parts))
        row_results, sums = zip(*done, strict=True)
        whole = tuple(np.concatenate(parts) for parts in zip(*row_results, strict=True))
        return whole, tuple(
            np.sum(np.array(terms, float), axis=0) for terms in zip(*sums, strict=True)
        )


def _packed(X: Any, numbers: NDArray, per_row: float) -> tuple[tuple, tuple]:
    """A block as CSR matrix in the first place of an array of objects."""
    counts = as_csr(X)
    size = counts.data.nbytes + counts.indices.nbytes
    boxes = np.full(len(numbers), None, object)
    boxes[0] = (numbers, None if size > per_row * len(numbers) else counts)
    return (boxes,), (size,)


def as_csr(X: NDArray | scipy.sparse.sparray) -> scipy.sparse.csr_array:
    """A block as a CSR matrix without explicit zeros and duplicates."""
    if not scipy.sparse.issparse(X):
        return csr_of_array(X)
    counts = scipy.sparse.csr_array(X, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def csr_of_array(X: NDArray) -> scipy.sparse.csr_array:
    """Convert an array to CSR, in a quarter of the time that SciPy takes."""
    n, m = X.shape
    places = np.flatnonzero(X != 0)
    indptr = np.searchsorted(places, m * np.arange(n + 1))
    number = _type_of_indices(places.size)
    indptr, indices = indptr.astype(number), (places % m).astype(number)
    return scipy.sparse.csr_array((X.ravel()[places], indices, indptr), shape=X.shape)


def _type_of_indices(size: int) -> type:
    return np.int32 if size < 2**31 else np.int64


def grid_neighbours(
    rows: NDArray, navigation_shape: tuple[int, ...]
) -> scipy.sparse.csr_array:
    """Which pixels are next to each other on the navigation grid.

    Parameters
    ----------
    rows : (n,) int array
        Flat C-order indices of the pixels that are not masked.
    navigation_shape : tuple of int
        Shape of the navigation grid.

    Returns
    -------
    (n, n) CSR array
        Symmetric matrix with ones between neighbours along one axis.
    """
    number = np.full(navigation_shape, -1)
    number.ravel()[rows] = np.arange(len(rows))
    pairs = [np.empty((2, 0), int)]
    for axis in range(number.ndim):
        lines = np.moveaxis(number, axis, 0)
        pair = np.stack([lines[:-1].ravel(), lines[1:].ravel()])
        pairs.append(pair[:, (pair >= 0).all(axis=0)])
    first, second = np.hstack(pairs)
    half = scipy.sparse.coo_array(
        (np.ones(len(first)), (first, second)), shape=(len(rows), len(rows))
    )
    return (half + half.T).tocsr()


def refuse_bad_blocks(blocks: BlockMatrix) -> Summary:
    """Refuse NaN, infinity and negative entries, in one pass; return the summary."""
    summary = blocks.describe()
    if summary.minimum < 0:
        raise ValueError(
            f"Negative values in data, such as at {summary.minimum_at}: the Poisson "
            "likelihood needs counts. Use a least-squares method, which accepts "
            "negative noise (NMFSO, NMFSOARD; algorithm='nmf_so', 'nmf_so_ard'), "
            "decompose the data before a background was subtracted, or mask these "
            "pixels or channels."
        )
    return summary


def group_channels(S: NDArray, weight: NDArray, n_groups: int) -> NDArray:
    """Group channels in which the components have nearly the same shares.

    The sum of two Poisson variables is a Poisson variable, and where all spectra have
    the same ratio in two channels, their sum carries the same information as the two.
    The group with the largest spread of shares is split, along the component in which
    they differ most, until there are enough groups.

    Parameters
    ----------
    S : (k, n_channels) array
        Spectra.
    weight : (n_channels,) array
        Counts of the channels.
    n_groups : int
        Upper bound on the number of groups.

    Returns
    -------
    (n_channels,) int array
        Group of every channel.
    """
    total = S.sum(axis=0)
    shares = np.where(total > 0, S / np.where(total > 0, total, 1.0), 1 / len(S)).T
    heap = [_leaf(np.arange(len(shares)), shares, weight, 0)]
    while len(heap) < n_groups and heap[0][0] < 0:
        _, _, component, mean, channels = heapq.heappop(heap)
        low = shares[channels, component] <= mean
        for number, part in enumerate((channels[low], channels[~low])):
            serial = 2 * len(heap) + number + 1
            heapq.heappush(heap, _leaf(part, shares, weight, serial))
    group = np.empty(len(shares), int)
    for number, leaf in enumerate(heap):
        group[leaf[-1]] = number
    return group


def grouped_counts(X: scipy.sparse.csr_array, S: NDArray) -> tuple[NDArray, Counts]:
    """Groups of channels, see `group_channels`, and the counts in them."""
    weight = X.sum(axis=0, dtype=float)
    group = group_channels(S, weight, GROUPS * len(S))
    size = group.max() + 1
    ones = np.ones(len(group), X.dtype)
    together = scipy.sparse.csr_array(
        (ones, (np.arange(len(group)), group)), shape=(len(group), size)
    )
    return group, Counts((X @ together).tocsr(), np.float32)


def sums_of_groups(S: NDArray, group: NDArray) -> NDArray:
    """Spectra added up over the channels of every group."""
    return np.array([np.bincount(group, row) for row in S])


def _leaf(
    channels: NDArray, shares: NDArray, weight: NDArray, serial: int
) -> tuple[float, int, int, float, NDArray]:
    """Key to sort by, serial number, component and value to split at, channels."""
    w = weight[channels]
    if len(channels) < 2 or w.sum() <= 0:
        return (0.0, serial, 0, 0.0, channels)
    p = shares[channels]
    mean = w @ p / w.sum()
    spread = w @ np.square(p - mean)
    j = int(spread.argmax())
    apart = p[:, j].min() < mean[j] - 1e-12 and p[:, j].max() > mean[j]
    return (-float(spread[j]) if apart else 0.0, serial, j, float(mean[j]), channels)
