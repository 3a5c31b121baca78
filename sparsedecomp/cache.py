"""Disk cache of arrays that take long to compute, one checksummed file per result."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
from numpy.typing import NDArray

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

# Environment variable that names the folder; by default the operating system's.
VARIABLE = "SPARSEDECOMP_CACHE_DIR"
# Names of the files in each folder; listing and clearing leave other files alone.
_PATTERNS = {
    "dictionaries": ("*_*.npz", ".*.tmp"),
    "feff": ("*_*.npz", ".*.tmp"),
    "fetched": ("*",),
}
# Names of the arrays that a file holds beside the result.
_KEY, _CHECKSUM = "_key", "_sha256"
# Bytes that are written at once to reserve space on the disk.
_PIECE = 2**20


def cache_root() -> Path:
    """Folder of the cache; it need not exist.

    Returns
    -------
    pathlib.Path
        Path in the environment variable ``SPARSEDECOMP_CACHE_DIR`` if set, else the
        folder that the operating system provides for caches.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return Path(platformdirs.user_cache_dir("sparsedecomp", appauthor=False))


def cache_folder(kind: str) -> Path:
    """Folder for results of one kind; it need not exist.

    Parameters
    ----------
    kind : str
        Name of the folder, for instance "feff".

    Returns
    -------
    pathlib.Path
        Path of the folder.
    """
    return cache_root() / kind


def cached_files() -> list[Path]:
    """List the files of the cache, temporary files of killed processes included.

    Returns
    -------
    list of pathlib.Path
        Files that this package wrote, sorted by name.
    """
    return sorted(
        file
        for kind, patterns in _PATTERNS.items()
        for pattern in patterns
        for file in cache_folder(kind).glob(pattern)
        if file.is_file()
    )


def file_name(name: str, key: Any) -> str:
    """Name of the file that holds the result for a key.

    Parameters
    ----------
    name : str
        First part of the file name, for people who look into the folder.
    key : object
        Everything that the result depends on, as JSON can hold it.

    Returns
    -------
    str
        Name ending in ``.npz``.
    """
    return f"{name}_{_digest_of_key(key)[:12]}.npz"


def cached(
    kind: str,
    name: str,
    key: Any,
    compute: Callable[[], Mapping[str, NDArray]],
    convert: Callable[[Mapping[str, NDArray]], _Result],
) -> _Result:
    """Read a result from the cache, or compute it and keep it there.

    A file that is damaged, belongs to another key, or holds arrays of unexpected
    shapes is computed again and replaced, with a warning in the log. A cache that
    cannot be written is no error either.

    Parameters
    ----------
    kind, name : str
        Folder in the cache, and first part of the file name.
    key : object
        Everything that the result depends on, as JSON can hold it.
    compute : callable
        Function without parameters that returns the arrays by name.
    convert : callable
        Function that makes the result from the arrays. It raises ValueError or
        KeyError if an array is missing or has an unexpected shape.

    Returns
    -------
    object
        What ``convert`` returns.
    """
    file = cache_folder(kind) / file_name(name, key)
    if file.is_file():
        try:
            return convert(_read(file, key))
        except Exception as error:
            # NumPy, zipfile and zlib each fail in their own way on a damaged file.
            _logger.warning(
                "The cache file %s is not valid and is replaced: %s",
                file,
                str(error) or type(error).__name__,
            )
    arrays = compute()
    try:
        _write(file, key, arrays)
    except OSError as error:
        _logger.warning("%s was not kept in the cache: %s", file, error)
    return convert(arrays)


def _digest_of_key(key: Any) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _checksum(arrays: Mapping[str, NDArray]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read(file: Path, key: Any) -> dict[str, NDArray]:
    with np.load(file, allow_pickle=False) as stored:
        arrays = dict(stored)
    if not {_KEY, _CHECKSUM} <= arrays.keys():
        raise ValueError("it has no key or checksum")
    stored_key, checksum = str(arrays.pop(_KEY)), str(arrays.pop(_CHECKSUM))
    if stored_key != _digest_of_key(key):
        raise ValueError("it was computed for another key")
    if checksum != _checksum(arrays):
        raise ValueError("its checksum does not match its contents")
    return arrays


def _write(file: Path, key: Any, arrays: Mapping[str, NDArray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    own = {_KEY: _digest_of_key(key), _CHECKSUM: _checksum(arrays)}
    everything: dict[str, Any] = {**arrays, **own}
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **everything)


@contextmanager
def replacing(file: Path, size: int = 0) -> Iterator[Path]:
    """Yield a temporary file beside another, which it replaces if all goes well.

    Readers never see part of a file, and a failure leaves the old one.

    Parameters
    ----------
    file : pathlib.Path
        File to be written; its folder must exist.
    size : int, default 0
        Bytes that are reserved, so that a full disk is found before the first is
        written: HDF5 cannot close a file that it cannot write.

    Yields
    ------
    pathlib.Path
        Temporary file.
    """
    temporary = file.with_name(f".{file.stem}-{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as reserved:
            for _ in range(0, size, _PIECE):
                reserved.write(bytes(_PIECE))
            os.fsync(reserved.fileno())
        yield temporary
        # Windows writes the buffers only of files that are open for writing.
        with temporary.open("r+b") as whole:
            os.fsync(whole.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
