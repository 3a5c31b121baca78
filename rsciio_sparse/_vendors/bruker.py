"""Counts of Bruker's .bcf files."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from rsciio_sparse._counts import Counts, counts_of_csr
from rsciio_sparse._kernels.streams import bruker_pixels
from rsciio_sparse._text import MalformedFile
from rsciio_sparse._vendors.source import Source, check_rebin
from rsciio_sparse.scube._layout import Layout

# Place of the first line in the stream.
_FIRST_LINE = 0x1A0
# Places in the header of the container, sizes of its items and of their headers.
_ITEM, _CHUNK_HEADER, _TREE = 0x200, 0x20, 0x138
# Bytes that are read before pixels are parsed.
_PART = 2**18
# Largest size of the uncompressed blocks of a stream.
_MAX_BLOCK = 2**26


def sources(
    path: str | os.PathLike[str],
    *,
    frames: bool = False,
    rebin_energy: int = 1,
    drop_frames: Sequence[int] = (),
) -> list[Source]:
    """Counts of a Bruker .bcf file.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    frames, drop_frames : bool, sequence of int
        The format adds its frames up: only the defaults are possible.
    rebin_energy : int, default 1
        Number of channels that are put together.

    Returns
    -------
    list of Source
        One signal.

    Raises
    ------
    MalformedFile
        If the file is damaged.
    ValueError
        If frames are asked for.
    """
    from rsciio.bruker._api import BCF_reader, SFS_reader, bcf_hyperspectra

    path = str(path)
    if frames or len(drop_frames):
        raise ValueError(f"{path}: a .bcf file does not hold single frames.")
    _check_container(path)
    try:
        container = SFS_reader(path)
        _check_header(path, container.get_file("EDSDatabase/HeaderData"))
        reader = BCF_reader(path)
        (signal,) = bcf_hyperspectra(reader, downsample=1, lazy=True)
        index = reader.def_index
        height, width, n_channels = signal.pop("data").shape
        dtype = reader.header.estimate_map_depth(index)
        item = reader.get_file(f"EDSDatabase/SpectrumData{index}")
    except MalformedFile:
        raise
    except Exception as error:
        raise MalformedFile(
            path, None, f"its header is damaged ({type(error).__name__}: {error})."
        ) from error
    check_rebin(n_channels, rebin_energy)
    shape = (height, width, n_channels // rebin_energy)
    energy = signal["axes"][-1]
    energy["size"] = shape[-1]
    # The centre of the first bin, as HyperSpy's `rebin` has it.
    energy["offset"] += energy["scale"] * (rebin_energy - 1) / 2
    energy["scale"] *= rebin_energy
    read = partial(_read, path, item, n_channels, rebin_energy)
    return [Source(signal, shape, np.dtype(dtype), read)]


def _read(
    path: str, item: Any, n_channels: int, rebin: int, layout: Layout,
    numbers: Sequence[int],
) -> Iterator[tuple[int, Counts]]:  # fmt: skip
    """Tiles of whole lines, read in their order; tiles not asked for are skipped."""
    width, wanted = layout.shape[1], set(numbers)
    lines = _Lines(path, _blocks(path, item), width, n_channels)
    for number in range(max(wanted, default=-1) + 1):
        rows = layout.window(number)[0]
        pixels, channels, values = lines.until(rows.stop)
        if number not in wanted:
            continue
        matrix = scipy.sparse.coo_array(
            (values, (pixels - rows.start * width, channels // rebin)),
            shape=((rows.stop - rows.start) * width, n_channels // rebin),
        )
        yield number, counts_of_csr(matrix)


class _Lines:
    """Reading of pixels from a stream that arrives block by block."""

    def __init__(
        self, path: str, blocks: Iterator[bytes], width: int, n_channels: int
    ) -> None:
        self.path, self.blocks = path, blocks
        self.width, self.n_channels = width, n_channels
        self.raw, self.place = np.empty(0, np.uint8), _FIRST_LINE
        self.state, self.padded = np.zeros(3, np.int64), False

    def until(self, stop: int) -> tuple[NDArray, NDArray, NDArray]:
        """Pixel, channel and counts of the entries of all further lines before one."""
        parts = [self._parsed(stop, _PART)]
        while self.state[0] < stop:
            before = self.place
            parts.append(self._parsed(stop, _PART))
            if self.place == before and not self._more():
                reason = f"its stream ends in line {self.state[0]} of the map."
                raise MalformedFile(self.path, None, reason)
        pixels, channels, values = zip(*parts, strict=True)
        return np.concatenate(pixels), np.concatenate(channels), np.concatenate(values)

    def _parsed(self, stop: int, size: int) -> list[NDArray]:
        """Entries of some bytes, which may be none."""
        part = self.raw[: self.place + size]
        while True:
            n = 2 * max(0, len(part) - self.place) + 8
            arrays = [np.empty(n, kind) for kind in (np.int64, np.int32, np.uint32)]
            self.state[2] = 0
            shape = (stop, self.width, self.n_channels)
            place = bruker_pixels(part, self.place, self.state, shape, *arrays)
            if place < 0:
                reason = f"line {self.state[0]} of its map is damaged."
                raise MalformedFile(self.path, None, reason)
            if place > self.place or len(part) == len(self.raw):
                break
            # A pixel of more than so many bytes.
            part = self.raw
        self.place = place
        return [array[: self.state[2]].copy() for array in arrays]

    def _more(self) -> bool:
        """Append the next blocks to what was not parsed yet."""
        parts, size = [self.raw[self.place :]], 0
        for block in self.blocks:
            parts.append(np.frombuffer(block, np.uint8))
            size += len(block)
            if size >= _PART:
                break
        if not size and not self.padded:
            # Numbers of 12 bits are read in groups of four, the last one in part.
            parts.append(np.zeros(8, np.uint8))
            self.padded, size = True, 8
        self.place = max(0, self.place - len(self.raw))
        self.raw = np.concatenate(parts)
        return size > 0


def _blocks(path: str, item: Any) -> Iterator[bytes]:
    """Uncompressed blocks of a file in the container, of limited size."""
    if item.sfs.compression != "zlib":
        yield from item._iter_read_chunks()
        return
    place = 0x80
    for _ in range(item.no_of_compr_blk):
        (length,) = struct.unpack("<I", item.read_piece(place, 16)[:4])
        if length > item.size:
            raise MalformedFile(
                path, None, f"a block of its stream has {length} bytes."
            )
        packed = item.read_piece(place + 16, length)
        place += 16 + length
        try:
            block = zlib.decompressobj().decompress(packed, _MAX_BLOCK + 1)
        except zlib.error as error:
            reason = f"a block of its stream is damaged ({error})."
            raise MalformedFile(path, None, reason) from None
        if len(block) > _MAX_BLOCK:
            raise MalformedFile(path, None, "a block of its stream is too large.")
        yield block


def _check_container(path: str) -> None:
    """Refuse a container on which RosettaSciIO's reader would not end."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if file.read(8) != b"AAMVHFSS":
            raise MalformedFile(path, None, "this is no Bruker .bcf file.")
        file.seek(0x124)
        head = file.read(8)
        file.seek(0x140)
        tree = file.read(12)
        if len(head) < 8 or len(tree) < 12:
            raise MalformedFile(path, None, "its header is cut off.")
        (chunk,) = struct.unpack("<4xI", head)
        place, n_items, _ = struct.unpack("<III", tree)
        per_chunk = (chunk - _CHUNK_HEADER) // _ITEM
        if per_chunk < 1 or not 0 < n_items <= size // _ITEM:
            raise MalformedFile(path, None, f"{n_items} items, {chunk} bytes a chunk.")
        parents: list[int] = []
        while len(parents) < n_items:
            file.seek(chunk * place + _TREE - _CHUNK_HEADER)
            (place,) = struct.unpack("<I", file.read(4).ljust(4, b"\0"))
            file.seek(28, 1)
            for _ in range(min(per_chunk, n_items - len(parents))):
                item = file.read(_ITEM)
                if len(item) < _ITEM:
                    raise MalformedFile(path, None, "its table of files is cut off.")
                length, parent = struct.unpack_from("<4xQ28xi", item)
                if length > size or not -1 <= parent < n_items:
                    reason = f"a file of {length} bytes in item {parent}."
                    raise MalformedFile(path, None, reason)
                parents.append(parent)
    for number in range(n_items):
        steps = 0
        while number != -1:
            number, steps = parents[number], steps + 1
            if steps > n_items:
                raise MalformedFile(path, None, "its table of files has a circle.")


def _check_header(path: str, item: Any) -> None:
    """Refuse a header that is implausibly large once it is uncompressed."""
    size = 0
    for block in _blocks(path, item):
        size += len(block)
        if size > _MAX_BLOCK:
            raise MalformedFile(path, None, "its header is too large.")
