"""Sources of blocks: NumPy arrays, dask arrays and SciPy sparse matrices.

A source knows the shape of the whole matrix and cuts it into blocks. A block names
the pixels it holds (flat, in C order) and gives them as an array of pixels times all
channels. `BlockMatrix` does masks, casts and scaling.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    import dask.array as da

_logger = logging.getLogger(__name__)

# Size of a tile: a processor's level-2 cache holds it. Larger tiles are read from main
# memory again in each step of a pass, smaller ones make more calls.
TILE_BYTES = 2**21
# Blocks whose sums one task adds up; with more of them more sums are in memory.
_FAN_IN = 4
# A chunk costs dask a third of a millisecond however small it is, which is the time of
# reading and using some 250 kB. More than so many chunks are merged up to that size,
# but some blocks are left for threads and workers to share.
_MANY_CHUNKS, _SMALL_BLOCK, _ENOUGH_BLOCKS = 512, 2**18, 64
# Bytes of a chunk of which a few take the memory of a small machine.
_LARGE_CHUNK = 2**29
# Function, stored data of a block, further arguments of the function.
Task = tuple[Any, Any, tuple]
# Row results of some tasks, and the sums over these tasks.
Group = tuple[list, list]


@functools.cache
def _libraries():
    # Looking for the loaded libraries takes longer than a pass over a small matrix.
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread within a context; on tiles two are slower than one.

    It also decorates a function: ``@one_blas_thread()``.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def _advice_on_closed_files() -> Iterator[None]:
    """Say what to do where h5py reports that the file of the data was closed."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if "identifier" not in str(error):
            raise
        raise OSError(
            f"The data cannot be read, their HDF5 file was closed ({error}). Load them "
            "again with `hs.load(..., lazy=True)` and keep the file open during the "
            "fit."
        ) from error


def without_empty_mask(data: Any) -> NDArray:
    """Convert data to a plain array; refuse masked arrays with masked entries.

    Parameters
    ----------
    data : array_like
        Data of any kind.

    Returns
    -------
    ndarray
        The data, not copied if they are an array.

    Raises
    ------
    ValueError
        If the data are a masked array in which entries are masked.
    """
    if isinstance(data, np.ma.MaskedArray) and (n := np.ma.count_masked(data)):
        raise ValueError(
            f"{n} entries of the data are masked (numpy.ma), which would be ignored. "
            "Leave out whole pixels with `navigation_mask` and whole channels with "
            "`signal_mask`, or replace the masked entries with `data.filled(value)`; "
            "`s.tensor_decomposition(..., missing=mask)` leaves out single entries."
        )
    return np.asarray(data)


class Block(NamedTuple):
    """Pixels that are read together.

    Attributes
    ----------
    pixels : slice or (n,) int array
        Flat C-order index of every pixel of the block.
    data : array or list
        Array of shape (n, n_channels), or the keys of its pieces in dask's graph.
    """

    pixels: slice | NDArray
    data: Any


def tile_rows(n_channels: int, itemsize: int) -> int:
    """Number of rows of a tile of about two megabytes."""
    return max(64, min(8192, TILE_BYTES // max(1, n_channels * itemsize)))


def thread_count() -> int:
    """Number of threads for data in memory.

    The environment variables SPARSEDECOMP_NUM_THREADS and OMP_NUM_THREADS give it,
    otherwise it is the number of processors.
    """
    for name in ("SPARSEDECOMP_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


class ArraySource:
    """A NumPy array or a SciPy CSR matrix in memory, cut into tiles of rows.

    Parameters
    ----------
    data : ndarray or sparse matrix of shape (n_pixels, n_channels)
        The whole matrix.
    """

    lazy = False

    def __init__(self, data: Any):
        self.data = data
        self.shape = data.shape
        self.dtype = data.dtype
        self.sparse = scipy.sparse.issparse(data)

    def blocks(self) -> list[Block]:
        """Cut the rows into tiles that depend on the shape alone."""
        step = tile_rows(self.shape[1], 8)
        tiles = [slice(start, start + step) for start in range(0, self.shape[0], step)]
        return [Block(tile, self.data[tile]) for tile in tiles]

    def run(self, tasks: Sequence[Task]) -> Iterator[Group]:
        """Call ``function(data, *arguments)`` for every task on a pool of threads.

        Yields
        ------
        row_results : list
            List of the row results of a single task.
        sums : list of arrays
            Sums of this task.
        """
        n_threads = min(thread_count(), len(tasks))
        with one_blas_thread():
            if n_threads <= 1:
                for task in tasks:
                    yield _alone(*task)
                return
            with ThreadPoolExecutor(n_threads) as pool:
                futures = deque(pool.submit(_alone, *task) for task in tasks)
                try:
                    # Drop each reference to save memory: sums may be as large as X.
                    while futures:
                        yield futures.popleft().result()
                except BaseException:
                    for future in futures:
                        future.cancel()
                    raise


class DaskSource:
    """A dask array in its native navigation chunks.

    Every navigation chunk is one block, but many small ones make one together. Chunks
    are merged inside the task that uses them, so nothing is reshaped or rechunked in
    dask.

    Parameters
    ----------
    data : dask array
        Navigation axes first, then the signal axes.
    signal_dimension : int
        Number of signal axes at the end.
    sparse : bool, default False
        Whether the chunks are sparse.
    """

    lazy = True

    def __init__(
        self, data: da.Array, signal_dimension: int, sparse: bool = False
    ) -> None:
        import dask

        self.sparse = sparse

        # Steps from the file to a chunk are fused once, not in every pass.
        (self.data,) = dask.optimize(data)
        self.navigation_dimension = data.ndim - signal_dimension
        self.navigation_shape = data.shape[: self.navigation_dimension]
        self.shape = (
            math.prod(self.navigation_shape),
            math.prod(data.shape[self.navigation_dimension :]),
        )
        self.dtype = data.dtype
        self._advise()

    def _advise(self) -> None:
        """Tell the user of chunks that cost much time or memory."""
        nav, data = self.navigation_dimension, self.data
        pieces = math.prod(data.numblocks[nav:])
        if pieces > 1:
            _logger.warning(
                "The signal axes are stored in %d chunks, which are merged again on "
                "every pass over the data. One chunk is cheaper: data.rechunk(%s).",
                pieces,
                dict.fromkeys(range(nav, data.ndim), -1),
            )
        if max(self._merged()) > 1:
            _logger.warning(
                "The data are stored in %d chunks of about %d bytes, each of which "
                "costs time in every pass. Save them with `chunks` of a megabyte.",
                data.npartitions,
                data.nbytes // data.npartitions,
            )
        largest = data.dtype.itemsize * math.prod(map(max, data.chunks))
        if largest > _LARGE_CHUNK:
            _logger.warning(
                "A chunk of the data takes %d MiB, and every thread holds one. "
                "Smaller `chunks` of hs.load take less memory and use more threads.",
                largest // 2**20,
            )

    def _merged(self) -> list[int]:
        """Number of chunks along each navigation axis that make a block."""
        n_chunks = self.data.numblocks[: self.navigation_dimension]
        total, wanted = math.prod(n_chunks), 1
        if total > _MANY_CHUNKS:
            size = max(1, self.data.nbytes // total)
            wanted = min(_SMALL_BLOCK // size, total // _ENOUGH_BLOCKS)
        merged = []
        # The last axis first, along which pixels are neighbours in C order.
        for n in reversed(n_chunks):
            merged.append(max(1, min(n, wanted)))
            wanted //= merged[-1]
        return merged[::-1]

    def blocks(self) -> list[Block]:
        """Make a block of each navigation chunk, or of some neighbouring small ones."""
        nav = self.navigation_dimension
        bounds = [np.cumsum((0, *chunks)) for chunks in self.data.chunks[:nav]]
        groups = [
            [range(i, min(i + step, n)) for i in range(0, n, step)]
            for n, step in zip(self.data.numblocks, self._merged(), strict=False)
        ]
        pieces = self.data.__dask_keys__()
        blocks = []
        for where in itertools.product(*groups):
            window = tuple(
                slice(edges[chunks.start], edges[chunks.stop])
                for edges, chunks in zip(bounds, where, strict=True)
            )
            pixels = _flat(window, self.navigation_shape)
            blocks.append(Block(pixels, _keys_within(pieces, where)))
        return blocks

    def run(self, tasks: Sequence[Task]) -> Iterator[Group]:
        """Compute ``function(data, *arguments)`` with whatever scheduler is active.

        Sums are added up in a tree of tasks, so that few are in memory at a time.

        Yields
        ------
        row_results : list
            Row results of some successive tasks.
        sums : list of arrays
            Sums over these tasks.
        """
        import dask
        from dask.delayed import Delayed
        from dask.highlevelgraph import HighLevelGraph

        # The graph is written out, since calls of `dask.delayed` take a time that
        # grows with the square of the number of blocks. Dask does not search the
        # arguments of a partial for keys.
        name = f"pass-{uuid.uuid4().hex}"
        nav = self.navigation_dimension
        graph: dict[Any, Any] = {
            (name, 0, i): (partial(_of_pieces, function, arguments, nav), keys)
            for i, (function, keys, arguments) in enumerate(tasks)
        }
        level = list(graph)
        depth = 0
        while len(level) > _FAN_IN:
            depth += 1
            groups = [level[i : i + _FAN_IN] for i in range(0, len(level), _FAN_IN)]
            level = [(name, depth, i) for i in range(len(groups))]
            graph.update(
                (key, (_together, g)) for key, g in zip(level, groups, strict=True)
            )
        graph[name] = (list, level)
        layers = HighLevelGraph.from_collections(name, graph, [self.data])
        # Worker processes of dask.distributed have one BLAS thread by default.
        with one_blas_thread(), _advice_on_closed_files():
            (results,) = dask.compute(Delayed(name, layers))
        # Drop each reference, or there would be two copies of the row results.
        results.reverse()
        while results:
            yield results.pop()


def _keys_within(keys: Any, chunks: Sequence[range]) -> Any:
    """Nested list of the keys of some chunks along the first axes."""
    if not chunks:
        return keys
    return [_keys_within(keys[i], chunks[1:]) for i in chunks[0]]


def _flat(window: tuple[slice, ...], shape: tuple[int, ...]) -> slice | NDArray:
    """Flat C-order indices of a window, as a slice if they are consecutive."""
    sizes = [part.stop - part.start for part in window]
    steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    first = sum(part.start * step for part, step in zip(window, steps, strict=True))
    uneven = next((axis for axis, size in enumerate(sizes) if size > 1), 0)
    if tuple(sizes[uneven + 1 :]) == tuple(shape[uneven + 1 :]):
        return slice(first, first + math.prod(sizes))
    # There is an index for every pixel: int32 takes half the memory.
    number = np.int32 if math.prod(shape) < 2**31 else np.int64
    index: NDArray = np.array(first, number)
    for size, step in zip(sizes, steps, strict=True):
        index = index[..., None] + np.arange(0, size * step, step, dtype=number)
    return index.ravel()


def _alone(function: Any, data: Any, arguments: tuple) -> Group:
    row_results, sums = function(data, *arguments)
    return [row_results], sums


def _of_pieces(function, arguments, navigation_dimension, pieces):
    """Apply `_alone` to a block that is stored in pieces."""
    return _alone(function, _merge(pieces, navigation_dimension), arguments)


def _together(groups):
    row_results = [result for results, _ in groups for result in results]
    sums = list(groups[0][1])
    for _, terms in groups[1:]:
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    return row_results, sums


def _merge(pieces, navigation_dimension):
    """Merge the chunks of a block and flatten it to a matrix.

    Blocks of sparse arrays (of SciPy or of the package ``sparse``) become CSR matrices.
    """
    data = _concatenate(pieces, 0)
    n_pixels = math.prod(data.shape[:navigation_dimension])
    matrix = data.reshape((n_pixels, math.prod(data.shape[navigation_dimension:])))
    if isinstance(matrix, np.ndarray):
        return matrix
    return scipy.sparse.csr_array(matrix.tocsr())


def _concatenate(pieces, axis):
    if not isinstance(pieces, list):
        return pieces if hasattr(pieces, "tocsr") else without_empty_mask(pieces)
    parts = [_concatenate(piece, axis + 1) for piece in pieces]
    if len(parts) == 1:
        return parts[0]
    if scipy.sparse.issparse(parts[0]):
        return (scipy.sparse.hstack if axis else scipy.sparse.vstack)(parts)
    return np.concatenate(parts, axis=axis)


def as_source(
    data: Any, signal_dimension: int, sparse: bool = False
) -> ArraySource | DaskSource:
    """Choose the source for the data, see `sparsedecomp.blocks.as_blocks`."""
    if scipy.sparse.issparse(data):
        return ArraySource(data.tocsr())
    if hasattr(data, "dask"):
        twin = None
        if sparse:
            from rsciio_sparse.scube import sparse_twin

            twin = sparse_twin(data, signal_dimension)
        if twin is not None:
            return DaskSource(twin, signal_dimension, sparse=True)
        return DaskSource(data, signal_dimension)
    data = without_empty_mask(data)
    n_channels = math.prod(data.shape[data.ndim - signal_dimension :])
    return ArraySource(data.reshape(-1, n_channels))
