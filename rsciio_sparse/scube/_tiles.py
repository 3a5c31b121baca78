"""One tile of a file: counts of some pixels as arrays, compressed, with checksums."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsciio_sparse._counts import Counts, narrow
from rsciio_sparse._kernels.events import decode_events, encode_events, is_valid_csr

CSR = ("pointers_to_1", "indices_1", "values")
"""Datasets of a CSR tile, as binsparse names them."""

EVENTS = ("event_index", "pulse_height")
"""Datasets of an event tile, as NXevent_data names them."""

BINSPARSE = "0.1.0"
"""Version of the binsparse specification."""

MAX_RATIO = 256
"""Largest ratio of the size of an array to its size in the file.

Deflate reaches 1032 for zeros. Readers refuse more than this, so that a small file
cannot ask for a large piece of memory; the writer stores such an array less compressed.
"""

# Number of events of a tile on which the choice of an encoding is made, and of bytes on
# which that of a method is. Larger samples take more time than they save bytes.
_SAMPLE, _SAMPLED_BYTES = 2**15, 2**13
# Deflate's general method is taken only where it saves this share: it is three times
# slower than to code single bytes and runs, which is all there is in sparse counts.
_WORTH = 0.05
_METHODS = (
    (zlib.Z_RLE, 6),
    (zlib.Z_HUFFMAN_ONLY, 6),
    (zlib.Z_DEFAULT_STRATEGY, 4),
)


class Stored(NamedTuple):
    """An array as it lies in the file.

    Attributes
    ----------
    raw : bytes
        Shuffled and deflated bytes of the array.
    size : int
        Number of elements.
    dtype : dtype
        Type of the elements, little-endian unsigned integers.
    crc32 : int
        CRC-32 of the bytes of the array.
    """

    raw: bytes
    size: int
    dtype: np.dtype
    crc32: int


def encode(counts: Counts) -> dict[str, Stored]:
    """Compress the counts of a tile, as events or as CSR, whichever is smaller.

    Parameters
    ----------
    counts : Counts
        Counts of the pixels of the tile.

    Returns
    -------
    dict of str to Stored
        Arrays by their names: those of `CSR` or of `EVENTS`.
    """
    total = counts.total
    if total <= _SAMPLE:
        return min(_as_events(counts), _as_csr(counts), key=stored_bytes)
    # The choice is made on some of the pixels: compression takes most of the time.
    n = int(np.searchsorted(counts.indptr, counts.indptr[-1] * _SAMPLE // total))
    first = (counts.n_pixels - n) // 2
    part = _rows(counts, first, max(first + 1, first + n))
    if stored_bytes(_as_events(part)) <= stored_bytes(_as_csr(part)):
        return _as_events(counts)
    return _as_csr(counts)


def stored_bytes(arrays: dict[str, Stored]) -> int:
    """Bytes of some arrays in the file."""
    return sum(len(array.raw) for array in arrays.values())


def attributes(arrays: dict[str, Stored], counts: Counts) -> dict[str, str]:
    """Attributes of the group of a tile.

    Parameters
    ----------
    arrays : dict
        What `encode` returned.
    counts : Counts
        Counts of the tile.

    Returns
    -------
    dict of str to str
        The header of binsparse in JSON, or the class of NeXus.
    """
    if "values" not in arrays:
        return {"NX_class": "NXevent_data"}
    header = {
        "version": BINSPARSE,
        "format": "CSR",
        "shape": [counts.n_pixels, counts.n_channels],
        "number_of_stored_values": len(counts.values),
        "data_types": {name: array.dtype.name for name, array in arrays.items()},
    }
    return {"binsparse": json.dumps({"binsparse": header})}


def decode(arrays: dict[str, Stored], n_pixels: int, n_channels: int) -> Counts:
    """Counts of a tile.

    Parameters
    ----------
    arrays : dict of str to Stored
        Arrays as they lie in the file.
    n_pixels, n_channels : int
        Shape of the tile.

    Returns
    -------
    Counts
        The counts.

    Raises
    ------
    ValueError
        If an array is damaged or does not fit the others; the message says how.
    """
    indptr = np.empty(n_pixels + 1, np.int64)
    if set(arrays) == set(EVENTS):
        number, steps = (inflate(arrays[name], name) for name in EVENTS)
        if len(number) != n_pixels:
            raise ValueError(f"event_index has {len(number)} of {n_pixels} pixels")
        indices = np.empty(len(steps), np.int32)
        values = np.empty(len(steps), np.uint32)
        n = decode_events(number, steps, n_channels, indptr, indices, values)
        if n < 0:
            raise ValueError("events lie outside the tile")
        return Counts(indptr, indices[:n], narrow(values[:n]), n_channels)
    if set(arrays) != set(CSR):
        raise ValueError(f"a tile holds {sorted(arrays)}, neither events nor CSR")
    pointers, indices, values = (inflate(arrays[name], name) for name in CSR)
    if len(pointers) != n_pixels + 1 or len(indices) != len(values):
        raise ValueError("the arrays of a CSR tile do not fit together")
    if not is_valid_csr(pointers, indices, n_channels) or not np.all(values):
        raise ValueError("entries lie outside the tile, are unsorted or are zero")
    indptr[:] = pointers
    return Counts(indptr, indices.astype(np.int32), values, n_channels)


def deflate(array: NDArray) -> Stored:
    """Compress an array by the method that suits it.

    Parameters
    ----------
    array : (n,) unsigned integer array
        The array.

    Returns
    -------
    Stored
        The array as it lies in the file.
    """
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    raw = array.tobytes()
    # HDF5's filter "shuffle": the first bytes of all elements, then the second ones.
    planes = array.view(np.uint8).reshape(-1, array.dtype.itemsize).T
    packed = _packed([_method(plane) for plane in planes], planes)
    if len(raw) > MAX_RATIO * len(packed):
        packed = _packed([_METHODS[1]] * len(planes), planes)
    return Stored(packed, array.size, array.dtype, zlib.crc32(raw))


def inflate(stored: Stored, name: str) -> NDArray:
    """Read an array, in memory that its size in the file justifies.

    Parameters
    ----------
    stored : Stored
        The array as it lies in the file.
    name : str
        Name of the array, for messages.

    Returns
    -------
    array
        The array.

    Raises
    ------
    ValueError
        If the array is damaged.
    """
    size = stored.size * stored.dtype.itemsize
    if not size and not stored.raw:
        return np.empty(0, stored.dtype)
    check_ratio(size, len(stored.raw), name)
    packer = zlib.decompressobj()
    try:
        raw = packer.decompress(stored.raw, size + 1)
    except zlib.error as error:
        raise ValueError(f"{name} cannot be decompressed ({error})") from None
    if len(raw) != size or not packer.eof:
        raise ValueError(f"{name} has {len(raw)} bytes or more, expected {size}")
    array = np.empty(stored.size, stored.dtype)
    planes = np.frombuffer(raw, np.uint8).reshape(stored.dtype.itemsize, -1)
    for number, plane in enumerate(planes):
        array.view(np.uint8)[number :: len(planes)] = plane
    if zlib.crc32(array.data) != stored.crc32:
        raise ValueError(f"{name} does not have its checksum")
    return array


def check_ratio(size: int, stored: int, name: str) -> None:
    """Refuse an array that is implausibly large for its bytes in the file.

    Parameters
    ----------
    size, stored : int
        Bytes of the array in memory and in the file.
    name : str
        Name of the array, for messages.

    Raises
    ------
    ValueError
        If the ratio is above `MAX_RATIO`.
    """
    if size > MAX_RATIO * stored + 1024:
        raise ValueError(
            f"{name} would take {size} bytes, but has {stored} in the file"
        )


def _as_events(counts: Counts) -> dict[str, Stored]:
    # Both arrays are narrow in nearly all tiles; the few others are encoded again.
    number = np.empty(counts.n_pixels, np.uint16)
    steps = np.empty(counts.total, np.uint16)
    entries = counts.indptr, counts.indices, counts.values
    most, widest = encode_events(*entries, number, steps)
    if max(most, widest) > np.iinfo(np.uint16).max:
        number, steps = number.astype(np.uint64), steps.astype(np.uint32)
        encode_events(*entries, number, steps)
    arrays = (
        number.astype(np.min_scalar_type(most)),
        steps.astype(np.min_scalar_type(widest)),
    )
    return {name: deflate(array) for name, array in zip(EVENTS, arrays, strict=True)}


def _as_csr(counts: Counts) -> dict[str, Stored]:
    arrays = (narrow(counts.indptr), narrow(counts.indices), narrow(counts.values))
    return {name: deflate(array) for name, array in zip(CSR, arrays, strict=True)}


def _rows(counts: Counts, first: int, last: int) -> Counts:
    """Some of the pixels."""
    entries = slice(counts.indptr[first], counts.indptr[last])
    return Counts(
        counts.indptr[first : last + 1] - counts.indptr[first],
        counts.indices[entries], counts.values[entries], counts.n_channels,
    )  # fmt: skip


def _method(plane: NDArray) -> tuple[int, int]:
    """Strategy and level of deflate that suit some bytes best, judged on a sample."""
    start = max(0, (len(plane) - _SAMPLED_BYTES) // 2)
    sample = plane[start : start + _SAMPLED_BYTES].tobytes()
    runs, single, general = (len(_deflated(sample, *each)) for each in _METHODS)
    if general < (1 - _WORTH) * min(runs, single):
        return _METHODS[2]
    return _METHODS[0] if runs <= single else _METHODS[1]


def _packed(methods: Sequence[tuple[int, int]], planes: NDArray) -> bytes:
    """One zlib stream of some rows of bytes, each coded by itself.

    The codes of one row would suit the bytes of the next one badly.
    """
    parts, check = [b"\x78\x01"], 1
    for number, (method, plane) in enumerate(zip(methods, planes, strict=True)):
        raw = plane.tobytes()
        parts.append(_deflated(raw, *method, last=number == len(planes) - 1))
        check = zlib.adler32(raw, check)
    return b"".join([*parts, check.to_bytes(4, "big")])


def _deflated(raw: bytes, strategy: int, level: int, last: bool = True) -> bytes:
    """A part of a deflate stream, or its last part."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    end = zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH
    return packer.compress(raw) + packer.flush(end)
