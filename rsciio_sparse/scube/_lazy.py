"""Tiles of a file as chunks of dask arrays, dense or sparse."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from rsciio_sparse._counts import Counts
from rsciio_sparse.scube._read import ScubeFile

if TYPE_CHECKING:
    import dask.array as da


# Names of dask arrays of dense and of sparse chunks begin so.
_NAMES = ("scube-dense-", "scube-sparse-")


@dataclass(frozen=True)
class SparseTile:
    """Counts of a tile as a chunk of a dask array, which knows its shape.

    Attributes
    ----------
    counts : Counts
        The counts.
    shape : tuple of int
        Shape of the chunk.
    """

    counts: Counts
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.counts.values.dtype

    @property
    def ndim(self) -> int:
        """Number of axes of the chunk."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the counts take."""
        return sum(array.nbytes for array in self.counts[:3])

    def reshape(self, shape: tuple[int, ...]) -> SparseTile:
        """Give the chunk another shape; the order of its pixels stays.

        Parameters
        ----------
        shape : tuple of int
            New shape.

        Returns
        -------
        SparseTile
            The same counts.
        """
        return replace(self, shape=tuple(shape))

    def __getitem__(self, key: Any) -> SparseTile:
        """Cut out a part by slices, one for each axis.

        Parameters
        ----------
        key : tuple of slice
            Slices of the navigation axes and of the signal axis, if there is one.

        Returns
        -------
        SparseTile
            The part.
        """
        key = tuple(key) if isinstance(key, tuple) else (key,)
        parts = [*key, *(slice(None),) * (self.ndim - len(key))]
        pixels = np.arange(self.counts.n_pixels).reshape(self.shape[:-1])
        chosen = pixels[tuple(parts[:-1])]
        matrix = self.tocsr()[chosen.ravel()][:, parts[-1]]
        matrix.sort_indices()
        counts = Counts(
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32),
            matrix.data, matrix.shape[1],
        )  # fmt: skip
        return SparseTile(counts, (*chosen.shape, matrix.shape[1]))

    def tocsr(self) -> scipy.sparse.csr_array:
        """Convert to SciPy's CSR matrix of pixels times channels.

        Returns
        -------
        CSR array
            Matrix that shares the memory of the counts.
        """
        counts = self.counts
        indptr = counts.indptr
        if len(counts.values) < 2**31:
            indptr = indptr.astype(np.int32)
        shape = (counts.n_pixels, counts.n_channels)
        matrix = scipy.sparse.csr_array(
            (counts.values, counts.indices, indptr), shape=shape
        )
        matrix.has_canonical_format = True
        return matrix

    def todense(self) -> np.ndarray:
        """Convert to a dense array of the shape of the chunk.

        Returns
        -------
        ndarray
            Spectra with their zeros.
        """
        return self.counts.dense(self.dtype).reshape(self.shape)


def dense_tile(file: ScubeFile, number: int) -> np.ndarray:
    """Read a tile as a dense chunk."""
    layout = file.layout
    shape = layout.size_of(number) + layout.shape[layout.navigation_dimension :]
    return file.read(number).dense(layout.dtype).reshape(shape)


def sparse_tile(file: ScubeFile, number: int) -> SparseTile:
    """Read a tile as a sparse chunk."""
    layout = file.layout
    shape = layout.size_of(number) + layout.shape[layout.navigation_dimension :]
    return SparseTile(file.read(number), shape)


def dask_array(file: ScubeFile, sparse: bool) -> da.Array:
    """Make a dask array whose chunks are the tiles of a file.

    Parameters
    ----------
    file : ScubeFile
        The file.
    sparse : bool
        Whether chunks are `SparseTile`, or dense NumPy arrays.

    Returns
    -------
    dask array
        Nothing is read until it is computed.
    """
    import dask.array as da

    layout = file.layout
    name = f"{_NAMES[sparse]}{_token(file)}"
    read = sparse_tile if sparse else dense_tile
    ones = (0,) * (len(layout.shape) - layout.navigation_dimension)
    graph = {
        (name, *map(int, place), *ones): (read, file, number)
        for number, place in enumerate(np.ndindex(layout.grid))
    }
    meta = np.empty((0,) * len(layout.shape), layout.dtype)
    return da.Array(graph, name, layout.chunks, dtype=layout.dtype, meta=meta)


def whole(file: ScubeFile) -> np.ndarray:
    """Read all tiles into a dense array.

    Raises
    ------
    MemoryError
        If the array is larger than the memory of the machine.
    """
    layout = file.layout
    size = math.prod(layout.shape) * layout.dtype.itemsize
    if size > physical_memory():
        raise MemoryError(
            f"The dense cube takes {size / 2**30:.3g} GiB, more than the memory of "
            "this machine. Load it with lazy=True."
        )
    out = np.zeros(layout.shape, layout.dtype)
    for number, window in enumerate(layout.windows()):
        if not file.totals[number]:
            continue
        tile = out[window]
        if tile.flags.c_contiguous:
            file.read(number).fill(tile.reshape(-1, layout.n_channels))
        else:
            out[window] = dense_tile(file, number)
    return out


def physical_memory() -> float:
    """Bytes of memory of the machine; infinity where the system does not say."""
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return math.inf


def _token(file: ScubeFile) -> str:
    from dask.base import tokenize

    return tokenize(file.path, file._state)


def file_of(data: Any) -> ScubeFile | None:
    """File of which a dask array is the cube, unchanged; else None.

    Parameters
    ----------
    data : dask array or other
        The array.

    Returns
    -------
    ScubeFile or None
        The file.
    """
    name = getattr(data, "name", "")
    if not (isinstance(name, str) and name.startswith(_NAMES)):
        return None
    layer = data.dask.layers.get(name) if hasattr(data.dask, "layers") else data.dask
    key = (name, *(0,) * data.ndim)
    task = layer and layer[key]
    arguments = getattr(task, "args", task[1:] if isinstance(task, tuple) else ())
    file = next((each for each in arguments if isinstance(each, ScubeFile)), None)
    return file if file is not None and file.layout.shape == data.shape else None


def sparse_twin(data: Any, signal_dimension: int = 1) -> da.Array | None:
    """The same array with sparse chunks, if its chunks come from one .scube file.

    What was cut out of the cube by slices stays sparse; after any other operation there
    is no twin.

    Parameters
    ----------
    data : dask array or other
        Array that HyperSpy holds.
    signal_dimension : int, default 1
        Number of signal axes at the end; slices of more than one are not supported.

    Returns
    -------
    dask array or None
        Array whose chunks are `SparseTile`.
    """
    name = getattr(data, "name", "")
    if isinstance(name, str) and name.startswith(_NAMES[1]):
        return data
    if (file := file_of(data)) is not None:
        return dask_array(file, sparse=True)
    layers = getattr(getattr(data, "dask", None), "layers", {})
    base = [key for key in layers if key.startswith(_NAMES[0])]
    others = [key for key in layers if key not in base]
    if len(base) != 1 or signal_dimension != 1 or data.ndim < 2:
        return None
    if not all(key.startswith("getitem-") for key in others):
        return None
    return _with_sparse_base(data, base[0])


def _with_sparse_base(data: da.Array, base: str) -> da.Array | None:
    """Slices of the tiles of a file as slices of its sparse tiles."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    task = next(iter(data.dask.layers[base].values()))
    arguments = getattr(task, "args", task[1:] if isinstance(task, tuple) else ())
    file = next((each for each in arguments if isinstance(each, ScubeFile)), None)
    if file is None or len(file.layout.shape) != data.ndim:
        return None
    ones = (0,) * (data.ndim - file.layout.navigation_dimension)
    tiles: Any = {
        (base, *map(int, place), *ones): (sparse_tile, file, number)
        for number, place in enumerate(np.ndindex(file.layout.grid))
    }
    # A cluster that still holds dense chunks of these names uses them: a pass over
    # blocks takes both kinds.
    layers = {**data.dask.layers, base: tiles}
    graph = HighLevelGraph(layers, data.dask.dependencies)
    return da.Array(graph, data.name, data.chunks, dtype=data.dtype, meta=data._meta)
