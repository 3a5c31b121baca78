"""Damage of HDF5 files on which the HDF5 library does not end."""

from __future__ import annotations

import mmap
import os
import struct

from rsciio_sparse._text import MalformedFile

_SIGNATURE, _HEADER = b"GCOL\x01\0\0\0", 16


def check_heaps(path: str | os.PathLike[str]) -> None:
    """Refuse a file whose heaps of texts are damaged.

    Texts of variable length lie in global heaps, which have no checksums. The library
    walks through the objects of a heap by their sizes, for ever where one is zero.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Raises
    ------
    MalformedFile
        If the objects of a heap do not fill it.
    """
    if not os.path.getsize(path):
        raise MalformedFile(str(path), None, "the file is empty.")
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = content.find(_SIGNATURE)
        while start >= 0:
            if not _is_sound(content, start):
                reason = f"the heap of texts at byte {start} is damaged."
                raise MalformedFile(str(path), None, reason)
            start = content.find(_SIGNATURE, start + 1)


def _is_sound(content: mmap.mmap, start: int) -> bool:
    """Whether the objects of a heap follow one another to its end."""
    if start + _HEADER > len(content):
        return False
    (size,) = struct.unpack_from("<Q", content, start + 8)
    end, place = start + size, start + _HEADER
    if end > len(content):
        return False
    while place + _HEADER <= end:
        number, _, _, length = struct.unpack_from("<HHIQ", content, place)
        # Free space, which has the number 0, counts its own header.
        step = _HEADER + (length + 7) // 8 * 8 if number else length
        if not _HEADER <= step <= end - place:
            return False
        place += step
    return True
