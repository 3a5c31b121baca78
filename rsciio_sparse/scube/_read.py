"""Reading of a file: its header, and its tiles one by one."""

from __future__ import annotations

import contextlib
import io
import math
import os
import threading
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from rsciio_sparse._counts import Counts, no_counts
from rsciio_sparse._text import MalformedFile
from rsciio_sparse.scube._layout import FORMAT, VERSION, Layout
from rsciio_sparse.scube._tiles import CSR, EVENTS, Stored, check_ratio, decode, inflate

# Errors that h5py raises for damaged files, and our own checks.
_DAMAGE = (
    OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError,
    IndexError, OverflowError, EOFError, RecursionError, NotImplementedError,
)  # fmt: skip
# Tiles whose places are looked up together, since opening the file takes a millisecond.
_TOGETHER = 64


class ScubeFile:
    """A file of sparse counts: its layout, and its tiles on request.

    It holds no open file, so that it can be sent to other processes, and the file can
    be replaced at any time; reading a tile of a replaced file raises an OSError.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Attributes
    ----------
    path : str
        Absolute name of the file.
    layout : Layout
        Shape of the cube and of its tiles.
    totals : uint64 array
        Number of counts of every tile.

    Raises
    ------
    MalformedFile
        If this is no such file, or it is damaged.
    FileNotFoundError
        If there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._state = _state_of(self.path)
        self._places: dict[int, dict[str, tuple]] = {}
        self._lock = threading.Lock()
        with self._damage_reported(), h5py.File(self.path) as file:
            _check_version(file)
            self.layout = _layout_of(file["tiles"])
            self.layout.check()
            self.totals = inflate(_stored(file["total_counts"]), "total_counts")
            if self.totals.size != self.layout.n_tiles:
                raise ValueError(
                    f"{self.totals.size} totals of {self.layout.n_tiles} tiles"
                )

    def header(self) -> dict[str, Any]:
        """Axes and metadata.

        Returns
        -------
        dict
            Signal as HyperSpy's own reader describes it, without data.

        Raises
        ------
        MalformedFile
            If the header is damaged.
        """
        from rsciio.hspy._api import HyperspyReader

        with self._damage_reported():
            with h5py.File(self.path) as file:
                image = inflate(_stored(file["hyperspy"]), "hyperspy")
            with h5py.File(io.BytesIO(image.tobytes())) as file:
                _check_sizes(file, len(image))
                (signal,) = HyperspyReader(file).read(lazy=False)
            layout = self.layout
            sizes = tuple(int(axis["size"]) for axis in _sized(signal["axes"]))
            navigate = [bool(axis["navigate"]) for axis in signal["axes"]]
            if sizes != layout.shape or sum(navigate) != layout.navigation_dimension:
                raise ValueError(f"axes of the sizes {sizes}, data {layout.shape}")
        return signal

    def frame_times(self) -> tuple[np.ndarray, str] | None:
        """Times at which the frames start.

        Returns
        -------
        (times, units) or None
            Array and units; None if there is no axis of frames.
        """
        with self._damage_reported(), h5py.File(self.path) as file:
            if "event_time_zero" not in file:
                return None
            times = file["event_time_zero"]
            if times.shape != self.layout.shape[:1]:
                raise ValueError("event_time_zero does not have a time for every frame")
            return times[()], _text_of(times, "units")

    def read(self, number: int) -> Counts:
        """Counts of one tile.

        Parameters
        ----------
        number : int
            Number of the tile in C order.

        Returns
        -------
        Counts
            Counts of its pixels in C order.

        Raises
        ------
        MalformedFile
            If the tile is damaged.
        OSError
            If the file was replaced since it was opened.
        """
        n_pixels, n = math.prod(self.layout.size_of(number)), self.layout.n_channels
        total = int(self.totals[number])
        if not total:
            return no_counts(n_pixels, n)
        with self._damage_reported(f"tile {number}: "):
            counts = decode(self._arrays(number), n_pixels, n)
            if counts.total != total:
                raise ValueError(f"{counts.total} counts, expected {total}")
        return counts

    def _arrays(self, number: int) -> dict[str, Stored]:
        """Arrays of a tile, read from their places without HDF5."""
        with self._lock:
            if number not in self._places:
                first = number - number % _TOGETHER
                self._look_up(first, min(first + _TOGETHER, self.layout.n_tiles))
            places = self._places[number]
        if isinstance(places, Exception):
            raise places
        arrays = {}
        with open(self.path, "rb") as file:
            if _state_of(file.fileno()) != self._state:
                raise OSError(f"{self.path} was replaced since it was loaded.")
            for name, (offset, length, *rest) in places.items():
                file.seek(offset)
                arrays[name] = Stored(file.read(length), *rest)
        return arrays

    def _look_up(self, first: int, last: int) -> None:
        with h5py.File(self.path) as file:
            for number in range(first, last):
                if self.totals[number]:
                    self._places[number] = self._places_of(file, number)

    def _places_of(self, file: h5py.File, number: int) -> Any:
        """Place of the arrays of a tile; the error that its reader is to raise."""
        try:
            group = file[f"tiles/{number}"]
            names = CSR if CSR[0] in group else EVENTS
            return {name: _place(group[name]) for name in names}
        except _DAMAGE as error:
            return ValueError(str(error) or type(error).__name__)

    @contextlib.contextmanager
    def _damage_reported(self, where: str = "") -> Iterator[None]:
        """Raise MalformedFile for whatever a damaged file leads to."""
        try:
            yield
        except MalformedFile:
            raise
        except _DAMAGE as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            if isinstance(error, OSError) and "was replaced" in str(error):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise MalformedFile(
                self.path, None, f"{where}the file is damaged: {reason}."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_lock": None, "_places": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())


def _state_of(file: str | int) -> tuple[int, int]:
    """Size and time of a file, which change when it is replaced."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns


def _check_version(file: h5py.File) -> None:
    if "format" not in file.attrs or _text_of(file, "format") != FORMAT:
        raise ValueError("it is no .scube file")
    version = int(file.attrs["version"])
    if version > VERSION:
        raise ValueError(
            f"it has the version {version} of the format, this reader knows {VERSION}: "
            "install a newer one"
        )


def _layout_of(tiles: h5py.Group) -> Layout:
    shape, tile_shape = (
        tuple(int(n) for n in np.atleast_1d(tiles.attrs[name]))
        for name in ("shape", "tile_shape")
    )
    dtype = np.dtype(_text_of(tiles, "dtype"))
    return Layout(shape, int(tiles.attrs["navigation_dimension"]), tile_shape, dtype)


def _text_of(owner: Any, name: str) -> str:
    """An attribute of fixed length; others lie in heaps without checksums."""
    if owner.attrs.get_id(name).dtype.kind != "S":
        raise ValueError(f"the attribute {name} is no text of fixed length")
    return owner.attrs[name].decode()


def _place(dataset: h5py.Dataset) -> tuple[int, int, int, np.dtype, int]:
    """Offset, length, size, type and checksum of an array."""
    if dataset.ndim != 1 or dataset.dtype.kind != "u":
        raise ValueError(f"{dataset.name} is no array of unsigned integers")
    rest = dataset.size, dataset.dtype, int(dataset.attrs["crc32"])
    if not dataset.size:
        return 0, 0, *rest
    filters = set(dataset._filters)
    shuffled = {"shuffle"} if dataset.dtype.itemsize > 1 else set()
    if dataset.chunks != dataset.shape or filters != {"gzip"} | shuffled:
        raise ValueError(f"{dataset.name} is not stored in one chunk, shuffled, gzip")
    if dataset.id.get_num_chunks() != 1:
        raise ValueError(f"{dataset.name} has no data")
    chunk = dataset.id.get_chunk_info(0)
    check_ratio(dataset.nbytes, chunk.size, dataset.name)
    return chunk.byte_offset, chunk.size, *rest


def _stored(dataset: h5py.Dataset) -> Stored:
    """An array that is read with HDF5."""
    _, length, size, dtype, crc32 = _place(dataset)
    raw = dataset.id.read_direct_chunk((0,))[1] if length else b""
    return Stored(raw, size, dtype, crc32)


def _check_sizes(file: h5py.File, size: int) -> None:
    """Refuse arrays of metadata that are larger than their bytes in the file allow."""

    def check(name: str, item: Any) -> None:
        if h5py.h5o.get_info(item.id).rc > 1:
            raise ValueError(f"{name} is linked more than once")
        if isinstance(item, h5py.Dataset):
            check_ratio(item.nbytes, max(item.id.get_storage_size(), 64), name)

    file.visititems(check)
    # Neither soft nor external links are followed by `visititems`, and HyperSpy
    # writes none.
    if _has_links_elsewhere(file):
        raise ValueError("metadata are linked from elsewhere")


def _has_links_elsewhere(group: h5py.Group) -> bool:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return True
        if isinstance(group[name], h5py.Group) and _has_links_elsewhere(group[name]):
            return True
    return False


def _sized(axes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Axes with their sizes; those of a list of points have none."""
    for axis in axes:
        yield axis if "size" in axis else {**axis, "size": len(axis["axis"])}
