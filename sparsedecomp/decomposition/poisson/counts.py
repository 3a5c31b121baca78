"""Counts in memory, their weighted low-rank picture, and channels put together."""

from __future__ import annotations

import heapq
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse

from sparsedecomp.blocks import LowRank
from sparsedecomp.blocks.compression import random_basis
from sparsedecomp.blocks.sources import one_blas_thread, thread_count
from sparsedecomp.blocks.summary import root_of_sums
from sparsedecomp.noise.weights import refuse_negative

# A tile may hold this many times its part of the budget.
_UNEVEN = 2
# Of the counts in memory, for the threads to share.
_PARTS = 16


def in_memory(blocks, budget):
    """The counts as one CSR matrix, in one read of the data, if they are few enough.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
    budget : float
        Bytes that the matrix may take.

    Returns
    -------
    CSR array or None
        Without explicit zeros; None when it would be too large.

    Raises
    ------
    ValueError
        For NaN, infinity and negative entries: names the place.
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
    _refuse_bad(counts, blocks)
    return counts


class Counts:
    """Counts in memory: a CSR matrix that is met in parts, as a `BlockMatrix` is.

    The parts are cut once and not copied.

    Parameters
    ----------
    X : CSR array of shape (n, m)
    dtype : dtype
        Of results.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, X, dtype):
        self.shape = X.shape
        self.dtype = np.dtype(dtype)
        # As many counts in each; the cut depends on the data alone.
        share = np.linspace(0, X.nnz, _PARTS + 1)
        edges = np.unique(np.searchsorted(X.indptr, share)).clip(0, X.shape[0])
        edges = np.unique(np.concatenate([[0], edges, [X.shape[0]]]))
        self._parts = []
        # One type of indices: the kernels are compiled anew for every other.
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

    def run(self, function, rows=(), shared=()):
        """As `sparsedecomp.blocks.BlockMatrix.run`."""

        def work(rows_of_part, part):
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


def _packed(X, numbers, per_row):
    """A tile as CSR matrix in the first place of an array of objects."""
    counts = as_csr(X)
    size = counts.data.nbytes + counts.indices.nbytes
    boxes = np.full(len(numbers), None, object)
    boxes[0] = (numbers, None if size > per_row * len(numbers) else counts)
    return (boxes,), (size,)


def as_csr(X):
    """A tile as a CSR matrix without explicit zeros and duplicates."""
    if not scipy.sparse.issparse(X):
        return csr_of_array(X)
    counts = scipy.sparse.csr_array(X, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def csr_of_array(X):
    """What SciPy makes of an array, in a quarter of the time."""
    n, m = X.shape
    places = np.flatnonzero(X != 0)
    indptr = np.searchsorted(places, m * np.arange(n + 1))
    number = _type_of_indices(places.size)
    indptr, indices = indptr.astype(number), (places % m).astype(number)
    return scipy.sparse.csr_array((X.ravel()[places], indices, indptr), shape=X.shape)


def _type_of_indices(size):
    return np.int32 if size < 2**31 else np.int64


def _refuse_bad(counts, blocks):
    bad = ~np.isfinite(counts.data)
    negative = counts.data < 0
    if bad.any():
        raise ValueError(
            f"The data hold {int(bad.sum())} entries that are NaN or infinite, the "
            f"first at {_place(counts, bad, blocks)}. Mask these pixels or replace "
            "the values."
        )
    if negative.any():
        raise ValueError(
            "Negative values in data, the first at "
            f"{_place(counts, negative, blocks)}, expected counts: whole numbers from "
            "0 on. Mask these pixels or channels, or decompose the data before a "
            "background was subtracted."
        )


def _place(counts, which, blocks):
    entry = int(np.argmax(which))
    row = int(np.searchsorted(counts.indptr, entry, side="right")) - 1
    return blocks.place(row, int(counts.indices[entry]))


def grid_neighbours(rows, navigation_shape):
    """Which pixels are next to each other on the navigation grid.

    Parameters
    ----------
    rows : (n,) int array
        Flat C-order indices of the pixels there are.
    navigation_shape : tuple of int

    Returns
    -------
    (n, n) CSR array
        Symmetric; ones between neighbours along one axis.
    """
    number = np.full(int(np.prod(navigation_shape)), -1)
    number[rows] = np.arange(len(rows))
    number = number.reshape(navigation_shape)
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


def refuse_bad_blocks(blocks):
    """Refuse NaN, infinity and negative entries, in one pass; returns the summary."""
    summary = blocks.describe()
    refuse_negative(summary)
    return summary


def weighted_picture(X, rank, generator, n_power=2):
    """Leading directions of counts whose noise is made even by their margins.

    Keenan and Kotula's weights and the range finder of
    `sparsedecomp.blocks.compress`, on a matrix that is in memory.

    Parameters
    ----------
    X : CSR matrix of shape (n, m)
    rank : int
    generator : numpy.random.Generator
    n_power : int, default 2

    Returns
    -------
    low_rank : LowRank
        Of the weighted counts; without summary.
    row_scale, column_scale : arrays
        Roots of the weights.
    sum_of_squares : float
        Of the weighted counts.
    """
    row_scale = root_of_sums(X.sum(axis=1, dtype=float))
    column_scale = root_of_sums(X.sum(axis=0, dtype=float))
    weighted = X.astype(np.float64)
    weighted.data /= np.repeat(row_scale, np.diff(X.indptr)) * column_scale[X.indices]
    basis = random_basis(X.shape[1], min(rank, *X.shape), generator)
    for _ in range(n_power):
        basis = np.linalg.qr(weighted.T @ (weighted @ basis))[0]
    scores = weighted @ basis
    values, turn = np.linalg.eigh(scores.T @ scores)
    values, turn = values[::-1], turn[:, ::-1]
    low = LowRank(scores @ turn, basis @ turn, np.sqrt(np.maximum(values, 0)), None)
    return low, row_scale, column_scale, float(weighted.data @ weighted.data)


def group_channels(S, weight, n_groups):
    """Put channels together in which the components have nearly the same shares.

    The sum of two Poisson variables is one again, and where all spectra have the same
    ratio in two channels their sum tells as much as the two. Groups are split where
    the shares differ most, along the component in which they do.

    Parameters
    ----------
    S : (k, m) array
        Spectra.
    weight : (m,) array
        Counts of the channels.
    n_groups : int
        At most.

    Returns
    -------
    (m,) int array
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


def _leaf(channels, shares, weight, serial):
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
