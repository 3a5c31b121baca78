"""Reader and writer of .scube files, as RosettaSciIO and HyperSpy call them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rsciio_sparse._counts import Counts, counts_of_csr, counts_of_dense
from rsciio_sparse.scube._layout import Layout, choose_tiles
from rsciio_sparse.scube._lazy import dask_array, file_of, whole
from rsciio_sparse.scube._read import ScubeFile
from rsciio_sparse.scube._write import Writer


def file_reader(
    filename: str | os.PathLike[str], lazy: bool = False, blocks: str = "dense"
) -> list[dict[str, Any]]:
    """Read a file of sparse counts.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file.
    lazy : bool, default False
        Whether the data are a dask array, each chunk of which is a tile of the file,
        read when it is used.
    blocks : {"dense", "csr"}, default "dense"
        Chunks of lazy data: NumPy arrays, which HyperSpy needs, or sparse chunks with
        a method ``tocsr``, which `sparsedecomp.blocks.as_blocks` and the estimators of
        this project read.

    Returns
    -------
    list of dict
        One signal with its data, axes and metadata.

    Raises
    ------
    MalformedFile
        If the file is damaged or none of this format.
    MemoryError
        If the dense cube would not fit into the memory and `lazy` is False.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from rsciio_sparse.scube import file_reader
    >>> counts = np.random.default_rng(0).poisson(0.01, (4, 5, 60)).astype("uint8")
    >>> name = pathlib.Path(tempfile.mkdtemp()) / "counts.scube"
    >>> hs.signals.Signal1D(counts).save(name)
    >>> (signal,) = file_reader(name, lazy=True)
    >>> signal["data"].chunksize
    (4, 5, 60)
    """
    if blocks not in ("dense", "csr"):
        raise ValueError(f"blocks={blocks!r}, expected 'dense' or 'csr'.")
    if blocks == "csr" and not lazy:
        raise ValueError("blocks='csr' needs lazy=True: HyperSpy holds dense arrays.")
    file = ScubeFile(filename)
    signal = file.header()
    data = dask_array(file, sparse=blocks == "csr") if lazy else whole(file)
    signal["attributes"]["_lazy"] = lazy
    return [{**signal, "data": data}]


def file_writer(
    filename: str | os.PathLike[str],
    signal: Mapping[str, Any],
    tile_shape: Sequence[int] | None = None,
    show_progressbar: bool = True,
    **kwds: Any,
) -> None:
    """Write a signal whose data are counts.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file. It appears when it is complete.
    signal : dict
        Signal as HyperSpy describes it. Lazy data are computed tile by tile.
    tile_shape : sequence of int, optional
        Pixels of a tile along each navigation axis, in array order. Larger tiles make
        a slightly smaller file and take more memory when they are read. Default: as
        many whole lines as take 128 MiB when they are dense.
    show_progressbar : bool, default True
        Ignored, and so are further keywords that HyperSpy passes to every format.
    **kwds : object
        None are known; others than those of HyperSpy raise a TypeError.

    Raises
    ------
    ValueError
        If a number is negative or not whole.
    """
    unknown = set(kwds) - {"close_file", "chunks", "compression"}
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: no option of this format.")
    signal, data = _navigation_first(signal)
    n = sum(bool(axis["navigate"]) for axis in signal["axes"])
    dtype = np.dtype(np.uint8) if data.dtype.kind == "b" else data.dtype
    layout = Layout(
        tuple(data.shape), n,
        tuple(tile_shape or choose_tiles(data.shape, n, dtype)), dtype,
    )  # fmt: skip
    source = file_of(data)
    if source is not None and source.layout.tile_shape != layout.tile_shape:
        # Slices of sparse chunks cannot be put together.
        source, data = None, dask_array(source, sparse=False)
    with Writer(filename, signal, layout) as writer:
        for number, window in enumerate(layout.windows()):
            writer.append(
                number,
                source.read(number) if source else _counts_of(data[window], layout),
            )


def _navigation_first(signal: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Signal and data with the navigation axes before the signal axes."""
    axes, data = signal["axes"], signal["data"]
    order = sorted(range(len(axes)), key=lambda i: not axes[i]["navigate"])
    if order != list(range(len(axes))):
        data = data.transpose(order)
    return {**signal, "axes": [axes[i] for i in order]}, data


def _counts_of(part: Any, layout: Layout) -> Counts:
    """Counts of a part of an array, of dense or sparse chunks."""
    if hasattr(part, "dask"):
        part = part.compute()
    if hasattr(part, "tocsr"):
        return counts_of_csr(part)
    return counts_of_dense(np.asarray(part).reshape(-1, layout.n_channels))
