"""Writing of a file, tile by tile; the file appears when it is complete."""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from rsciio_sparse._counts import Counts
from rsciio_sparse.scube._layout import FORMAT, VERSION, Layout
from rsciio_sparse.scube._tiles import Stored, attributes, deflate, encode

# Object headers of this version are small and have checksums.
_LIBVER = ("v110", "v110")
# Tiles in a segment of a resumable file; what is lost at a crash is less than this.
_SEGMENT = 16


class Writer:
    """Writer of a file to which tiles are appended one by one.

    The file is written beside its final place and moved there by `finish`, so that a
    file of the given name is complete at any time. With a `fingerprint` it is written
    in segments, which a later writer with the same fingerprint takes over.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    signal : dict
        Signal as HyperSpy describes it to writers; its data are not read.
    layout : Layout
        Shape of the cube and of its tiles.
    frames : dict, optional
        Times at which the frames start, ``{"event_time_zero": array, "units": str}``,
        if the first navigation axis is that of frames.
    fingerprint : str, optional
        Text that names the source and the settings of a conversion that can be resumed.

    Raises
    ------
    ValueError
        If the format cannot hold such a cube.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> cube = np.random.default_rng(0).poisson(0.01, (6, 5, 100)).astype("uint8")
    >>> name = pathlib.Path(tempfile.mkdtemp()) / "counts.scube"
    >>> hs.signals.Signal1D(cube).save(name)
    >>> bool((hs.load(name).data == cube).all())
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        signal: Mapping[str, Any],
        layout: Layout,
        frames: Mapping[str, Any] | None = None,
        fingerprint: str | None = None,
    ) -> None:
        layout.check()
        self.path, self.layout = Path(path), layout
        self._header, self._frames = header_image(signal), frames
        self._totals = np.zeros(layout.n_tiles, np.uint64)
        self._written: dict[int, Path] = {}
        self._folder: Path | None = None
        self._file: h5py.File | None = None
        self._temporary = self.path.with_name(
            f".{self.path.name}.{uuid.uuid4().hex[:8]}.part"
        )
        if fingerprint is not None:
            self._resume(fingerprint)

    @property
    def missing(self) -> list[int]:
        """Numbers of the tiles that have not been written."""
        return [n for n in range(self.layout.n_tiles) if n not in self._written]

    @property
    def total(self) -> int:
        """Number of counts that were written."""
        return int(self._totals.sum())

    def append(self, number: int, counts: Counts) -> None:
        """Write one tile.

        Parameters
        ----------
        number : int
            Number of the tile in C order.
        counts : Counts
            Counts of its pixels in C order.

        Raises
        ------
        ValueError
            If the counts do not have the shape of the tile.
        """
        shape = math.prod(self.layout.size_of(number)), self.layout.n_channels
        if (counts.n_pixels, counts.n_channels) != shape:
            raise ValueError(
                f"Tile {number} has {shape[0]} pixels and {shape[1]} channels, but "
                f"counts of {counts.n_pixels} and {counts.n_channels} were given."
            )
        largest = int(counts.values.max(initial=0))
        kind = self.layout.dtype
        if kind.kind in "iu" and largest > np.iinfo(kind).max:
            # A maker's reader may choose a type that is too small.
            self.layout = self.layout._replace(dtype=np.min_scalar_type(largest))
        if self._file is None:
            self._file = h5py.File(self._segment(), "w", libver=_LIBVER)
            self._file.create_group("tiles")
        if counts.values.size:
            arrays = encode(counts)
            group = self._file.create_group(f"tiles/{number}")
            group.attrs.update(fixed(attributes(arrays, counts)))
            for name, array in arrays.items():
                write_array(group, name, array)
        self._totals[number] = counts.total
        self._written[number] = self._segment()
        if self._folder is not None:
            self._file.attrs[f"total-{number}"] = self._totals[number]
            self._file["tiles"].attrs["dtype"] = np.bytes_(self.layout.dtype.str)
            if len(self._file.attrs) >= _SEGMENT:
                self._close_segment()

    def finish(self) -> None:
        """Complete the file and move it to its place.

        Raises
        ------
        ValueError
            If tiles are missing.
        """
        if missing := self.missing:
            raise ValueError(f"{len(missing)} tiles of {self.path} are not written.")
        if self._folder is not None:
            self._close_segment()
            self._file = h5py.File(self._temporary, "w", libver=_LIBVER)
            self._file.create_group("tiles")
            for segment in sorted(set(self._written.values())):
                with h5py.File(segment) as part:
                    for number in part["tiles"]:
                        part.copy(f"tiles/{number}", self._file["tiles"])
        file, layout = self._file, self.layout
        file.attrs.update(
            fixed({"format": FORMAT, "version": VERSION, "uuid": uuid.uuid4().hex})
        )
        tiles = file["tiles"]
        tiles.attrs["shape"] = np.array(layout.shape, np.uint64)
        tiles.attrs["navigation_dimension"] = layout.navigation_dimension
        tiles.attrs["tile_shape"] = np.array(layout.tile_shape, np.uint64)
        tiles.attrs["dtype"] = np.bytes_(layout.dtype.str)
        write_array(file, "hyperspy", deflate(self._header))
        write_array(file, "total_counts", deflate(self._totals))
        if self._frames is not None:
            times = np.asarray(self._frames["event_time_zero"], float)
            file["event_time_zero"] = times
            units = {"units": self._frames.get("units") or "1"}
            file["event_time_zero"].attrs.update(fixed(units))
        file.close()
        os.replace(self._temporary, self.path)
        self._file = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        """Give up: delete what was written, except complete segments."""
        if self._file is not None:
            self._file.close()
        for leftover in (self._temporary, self._unfinished()):
            if leftover is not None:
                leftover.unlink(missing_ok=True)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.discard()

    def _segment(self) -> Path:
        """File to which tiles are written now."""
        return self._unfinished() or self._temporary

    def _unfinished(self) -> Path | None:
        return None if self._folder is None else self._folder / "unfinished.h5"

    def _close_segment(self) -> None:
        """Keep the tiles of the segment, which is complete now."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        unfinished = self._unfinished()
        segment = self._folder / f"{uuid.uuid4().hex}.h5"
        os.replace(unfinished, segment)
        for number, place in self._written.items():
            if place == unfinished:
                self._written[number] = segment

    def _resume(self, fingerprint: str) -> None:
        """Take over the segments of an earlier writer of the same content."""
        self._folder = self.path.with_name(f".{self.path.name}.parts")
        note = self._folder / "fingerprint"
        if note.is_file() and note.read_text(encoding="utf-8") == fingerprint:
            for segment in self._folder.glob("?*.h5"):
                if segment != self._unfinished():
                    self._take_over(segment)
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        note.write_text(fingerprint, encoding="utf-8")

    def _take_over(self, segment: Path) -> None:
        with contextlib.suppress(OSError, KeyError), h5py.File(segment) as part:
            kind = np.dtype(part["tiles"].attrs["dtype"].decode())
            if kind.itemsize > self.layout.dtype.itemsize:
                self.layout = self.layout._replace(dtype=kind)
            for name, total in part.attrs.items():
                number = int(name.removeprefix("total-"))
                self._totals[number] = total
                self._written[number] = segment


def header_image(signal: Mapping[str, Any]) -> np.ndarray:
    """Axes and metadata as HyperSpy stores them: an .hspy file of a single number.

    Parameters
    ----------
    signal : dict
        Signal as HyperSpy describes it to writers.

    Returns
    -------
    (n,) uint8 array
        Bytes of the file.
    """
    from rsciio.hspy._api import HyperspyWriter, version

    content = io.BytesIO()
    one = np.zeros((1,) * len(signal["axes"]), np.uint8)
    with h5py.File(content, "w", libver=_LIBVER) as file:
        file.attrs["file_format"] = "HyperSpy"
        file.attrs["file_format_version"] = version
        group = file.create_group("Experiments/signal")
        described = {**signal, "data": one}
        HyperspyWriter(file, described, group, compression="gzip", shuffle=True).write()
    return np.frombuffer(content.getvalue(), np.uint8)


def fixed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with texts of fixed length, which have checksums in the file.

    Parameters
    ----------
    attributes : dict
        Attributes of a group.

    Returns
    -------
    dict
        Attributes to store.
    """
    return {
        name: np.bytes_(value.encode("utf-8")) if isinstance(value, str) else value
        for name, value in attributes.items()
    }


def write_array(group: h5py.Group, name: str, array: Stored) -> None:
    """Write a compressed array as a dataset of one chunk.

    Parameters
    ----------
    group : h5py.Group
        Where the dataset goes.
    name : str
        Name of the dataset.
    array : Stored
        The array.
    """
    if array.size:
        dataset = group.create_dataset(
            name, (array.size,), array.dtype, chunks=(array.size,),
            shuffle=array.dtype.itemsize > 1, compression="gzip", track_times=False,
        )  # fmt: skip
        dataset.id.write_direct_chunk((0,), array.raw)
    else:
        dataset = group.create_dataset(name, (0,), array.dtype, track_times=False)
    dataset.attrs["crc32"] = np.uint32(array.crc32)
