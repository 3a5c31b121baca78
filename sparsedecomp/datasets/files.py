"""Files of the data sets: in the data folder, in the cache, or downloaded."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..cache import cache_folder
from .registry import Dataset, find

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

_logger = logging.getLogger(__name__)

ENVIRONMENT = "SPARSEDECOMP_DATA_DIR"


def data_dir() -> Path | None:
    """Folder of the published data sets.

    The environment variable ``SPARSEDECOMP_DATA_DIR`` names it. Otherwise, in a
    checkout of the repository, it is ``../shared/data`` beside it, if that exists.

    Returns
    -------
    pathlib.Path or None
        Folder, or None if there is none.

    Raises
    ------
    FileNotFoundError
        If the environment variable names a folder that does not exist.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{ENVIRONMENT} is set to {named!r}, which is not a folder: set it to "
                "the folder that holds the data sets, or unset it."
            )
        return folder
    root = Path(__file__).resolve().parents[2]
    folder = root.parent / "shared" / "data"
    is_checkout = (root / "pyproject.toml").is_file()
    return folder if is_checkout and folder.is_dir() else None


def load(name: str, lazy: bool = False) -> BaseSignal:
    """Load a published data set.

    Parameters
    ----------
    name : str
        One of `names`; `describe` describes each.
    lazy : bool, default False
        Whether to return a lazy signal.

    Returns
    -------
    hyperspy.signals.BaseSignal
        Signal with axes, units and elements as published. `truth` gives the ground
        truth of the simulated ones and of ``"samson"``, whose truth is valid after
        every pixel is scaled to unit norm.

    Raises
    ------
    ValueError
        If there is no data set of that name, or its file is not the published one.
    FileNotFoundError
        If the file is not in the data folder and cannot be fetched.
    ModuleNotFoundError
        If the file has to be fetched and pooch is not installed.

    Notes
    -----
    A data set with a free licence is fetched when it is not in the data folder, and
    kept in the user's cache. Every file is checked by its SHA-256.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> s = datasets.load("mn3o4")  # doctest: +SKIP
    """
    entry = find(name)
    return entry.read(locate(name), lazy)


def locate(name: str) -> Path:
    """Path of the file of a data set, which is fetched if need be; its hash is checked.

    Raises
    ------
    FileNotFoundError
        If the file is not in the data folder and cannot be fetched.
    """
    entry = find(name)
    folder = data_dir()
    if folder is not None and (folder / entry.file).is_file():
        path = folder / entry.file
        check_hash(path, entry.sha256)
        return path
    looked = (
        f"as {folder / entry.file}"
        if folder is not None
        else f"({ENVIRONMENT} is not set)"
    )
    advice = (
        f"Set {ENVIRONMENT} to a folder that holds {entry.file} "
        f"(source: {entry.source})."
    )
    if entry.url is None:
        raise FileNotFoundError(
            f"The data set {name!r} was not found {looked} and cannot be fetched: its "
            f"licence is {entry.licence!r} or it has no public address. {advice}"
        )
    try:
        return fetch(name, entry)
    except OSError as error:
        raise FileNotFoundError(
            f"The data set {name!r} was not found {looked} and could not be fetched "
            f"from {entry.url} ({error}). {advice}"
        ) from error


def check_hash(path: Path, sha256: str) -> None:
    """Refuse a file whose content is not the published one.

    Raises
    ------
    ValueError
        If the hashes differ.
    """
    actual = sha256_of(path)
    if actual != sha256:
        raise ValueError(
            f"{path} has SHA-256 {actual}, the published file has {sha256}: it is "
            "damaged or another version. Replace it."
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of the contents of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(name: str, entry: Dataset) -> Path:
    """Fetch the file of a data set into the cache, unless it is there already.

    Raises
    ------
    ModuleNotFoundError
        If pooch is not installed.
    ValueError
        If what was fetched has another hash; it is deleted.
    OSError
        If the address cannot be reached.
    """
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Fetching the data set {name!r} needs pooch: install it with "
            f'pip install "sparsedecomp[data]", or set {ENVIRONMENT} to a folder that '
            f"holds {entry.file}."
        ) from error
    path = cache_folder("fetched") / Path(entry.file).name
    if path.is_file() and sha256_of(path) != entry.sha256:
        _logger.warning("The cache file %s is damaged and is fetched again", path)
    _logger.info("data set %s from %s, licence %s", name, entry.url, entry.licence)
    return Path(
        pooch.retrieve(
            entry.url,
            known_hash=f"sha256:{entry.sha256}",
            fname=path.name,
            path=path.parent,
        )
    )
