"""Recognition of files of X-ray absorption by what they hold.

Beamlines call their texts .dat, .txt or .001 and their HDF5 files .h5, extensions that
belong to no format or to many.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any


def recognising(original: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    """Wrap the function of HyperSpy that loads a file.

    Parameters
    ----------
    original : callable
        Function ``load_single_file`` of HyperSpy.
    module : module
        Module of that function, whose ``IO_PLUGINS`` lists all formats.

    Returns
    -------
    callable
        The same function, which calls `load`.
    """

    @functools.wraps(original)
    def load_single_file(filename: Any, **kwds: Any) -> Any:
        return load(original, vars(module)["IO_PLUGINS"], filename, kwds)

    load_single_file._sparsedecomp = True  # type: ignore[attr-defined]
    return load_single_file


def load(
    original: Callable[..., Any],
    plugins: list[dict[str, Any]],
    filename: Any,
    options: dict[str, Any],
) -> Any:
    """Load a file, with the format that its contents tell if no other one is known.

    Parameters
    ----------
    original : callable
        Function ``load_single_file`` of HyperSpy.
    plugins : list of dict
        All formats.
    filename : str or path-like
        Name of the file.
    options : dict
        Keyword arguments of the function.

    Returns
    -------
    hyperspy signal or list of them
        What the file holds.

    Raises
    ------
    ValueError
        If a text may hold a scan, does not say so, and nothing else can read it.
    """
    chosen = options.get("file_format") or options.get("reader")
    if chosen is not None or _is_claimed(filename, plugins):
        return original(filename, **options)
    from rsciio_sparse._sniff import may_be_scan, sniff

    found = sniff(filename)
    if found is not None:
        return original(filename, **{**options, "file_format": found})
    try:
        return original(filename, **options)
    except Exception as error:
        if not may_be_scan(filename):
            raise
        raise ValueError(
            f"{filename} holds columns of numbers. If they are an X-ray absorption "
            "scan, read them with file_format='XAS columns'."
        ) from error


def _is_claimed(filename: Any, plugins: list[dict[str, Any]]) -> bool:
    """Whether a single format has the extension of a file, or there is no file."""
    if not isinstance(filename, (str, os.PathLike)) or not os.path.isfile(filename):
        return True
    extension = os.path.splitext(filename)[1][1:].lower()
    readers = [
        plugin
        for plugin in plugins
        if extension in (name.lower() for name in plugin["file_extensions"])
    ]
    return len(readers) == 1
