"""Access to HDF5 files that others made: damage, links, texts and sizes."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rsciio_sparse._text import MalformedFile

if TYPE_CHECKING:
    import h5py

_SIGNATURE, _HEADER = b"GCOL\x01\0\0\0", 16

MAX_TEXT = 2**20
"""Longest text in bytes that is read from an HDF5 file."""

MAX_POINTS = 2**22
"""Largest number of energies of a spectrum; the longest scans have ten thousands."""

MAX_RATIO = 1100
"""Largest ratio of numbers to their compressed size, which deflate can just reach."""

MAX_UNSTORED = 2**20
"""Bytes up to which a field may be larger than what is stored: it is a small one."""


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


@contextmanager
def damage_is_said(path: str) -> Iterator[None]:
    """Raise `MalformedFile` for whatever the library raises on damaged files.

    Parameters
    ----------
    path : str
        Name of the file.

    Raises
    ------
    MalformedFile
        If the library cannot read the file.
    """
    try:
        yield
    except (MalformedFile, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        raise MalformedFile(
            path,
            None,
            f"HDF5 cannot read this file ({type(error).__name__}: {error}): it is "
            "damaged or cut short.",
        ) from error


def member(path: str, group: h5py.Group, name: str) -> Any:
    """Group or field of a group.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    group : h5py.Group
        Group in which the name is searched.
    name : str
        Name, or names joined by slashes.

    Returns
    -------
    h5py.Group, h5py.Dataset or None
        What has this name; None if there is nothing, or a link that leads nowhere.

    Raises
    ------
    MalformedFile
        If a link leads to a file outside of the folder, or a field is stored in
        another file: a file that was received could show what it holds.
    """
    import h5py

    item: Any = group
    for part in name.split("/"):
        if not isinstance(item, h5py.Group):
            return None
        try:
            link = item.get(part, getlink=True)
        except (KeyError, RuntimeError, OSError):
            return None
        if isinstance(link, h5py.ExternalLink):
            _check_outside(path, f"{item.name}/{part}", link.filename)
        try:
            item = item[part]
        except (KeyError, RuntimeError, OSError):
            # Links that lead nowhere, or in a circle.
            return None
    if isinstance(item, h5py.Dataset):
        if item.external:
            raise MalformedFile(
                path,
                None,
                f"{item.name} is stored in the file {item.external[0][0]!r}: fields "
                "in other files are not read.",
            )
        if item.is_virtual:
            for source in item.virtual_sources():
                if source.file_name != ".":
                    _check_outside(path, item.name, source.file_name)
    return item


def _check_outside(path: str, name: str, target: str) -> None:
    parts = target.replace("\\", "/").split("/")
    if target.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise MalformedFile(
            path,
            None,
            f"{name} is a link to the file {target!r}: links out of the folder of the "
            "file are not followed.",
        )


def dataset(path: str, group: h5py.Group, name: str) -> h5py.Dataset | None:
    """Field of a group; None if there is none, or a group of this name.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    group : h5py.Group
        Group in which the field is searched.
    name : str
        Name, or names joined by slashes.

    Returns
    -------
    h5py.Dataset or None
        The field.
    """
    import h5py

    item = member(path, group, name)
    return item if isinstance(item, h5py.Dataset) else None


def subgroups(path: str, group: h5py.Group) -> dict[str, h5py.Group]:
    """Groups in a group, by name; links that lead nowhere are left out.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    group : h5py.Group
        Group that holds them.

    Returns
    -------
    dict of str to h5py.Group
        The groups in the order of the file.
    """
    import h5py

    found = {}
    for name in group:
        item = member(path, group, name)
        if isinstance(item, h5py.Group):
            found[name] = item
    return found


def text_of(path: str, group: h5py.Group, name: str) -> str | None:
    """Text or number in a field, as a text.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    group : h5py.Group
        Group in which the field is searched.
    name : str
        Name, or names joined by slashes.

    Returns
    -------
    str or None
        First text of the field; None if there is no such field, or an empty one.
    """
    field = dataset(path, group, name)
    if field is None or field.shape is None or not field.size:
        return None
    if field.size * field.dtype.itemsize > MAX_TEXT:
        return None
    return decoded(field[()])


def attribute(item: Any, name: str) -> str:
    """Attribute as a text; empty if there is none.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        What has the attribute.
    name : str
        Name of the attribute.

    Returns
    -------
    str
        The text, without blanks around it.
    """
    return decoded(item.attrs.get(name, "")).strip()


def decoded(value: Any) -> str:
    """Text of a value that HDF5 holds, in UTF-8 or, where it is none, in Latin-1.

    Parameters
    ----------
    value : bytes, str, number or array of them
        Value, of which the first is taken.

    Returns
    -------
    str
        The text.
    """
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return str(value)


def numbers_of(path: str, field: h5py.Dataset) -> np.ndarray:
    """Numbers of a field of one dimension.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    field : h5py.Dataset
        Field with the numbers.

    Returns
    -------
    numpy.ndarray of shape (n,)
        Numbers as float64.

    Raises
    ------
    MalformedFile
        If the field holds something else, or is absurdly large.
    """
    if field.shape is None or field.ndim != 1 or field.dtype.kind not in "iuf":
        raise MalformedFile(
            path, None, f"{field.name} is no field of numbers with one dimension."
        )
    if field.size > MAX_POINTS:
        raise MalformedFile(
            path,
            None,
            f"{field.name} has {field.size} points, at most {MAX_POINTS} were "
            "expected.",
        )
    return np.asarray(field[()], dtype=float)


def check_stored(path: str, field: h5py.Dataset) -> None:
    """Refuse a field that is much larger than what the file stores of it.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    field : h5py.Dataset
        Field that is to be read into memory.

    Raises
    ------
    MalformedFile
        If reading would fill the memory with numbers that nobody measured.
    """
    size = field.size * field.dtype.itemsize
    stored = size if field.is_virtual else field.id.get_storage_size()
    if size > MAX_UNSTORED and size > MAX_RATIO * stored:
        raise MalformedFile(
            path,
            None,
            f"{field.name} would take {size / 2**20:.0f} MiB, of which the file "
            f"stores {stored} bytes: it was not written completely, or is damaged.",
        )
