"""Which format of X-ray absorption a file has, by its first bytes."""

from __future__ import annotations

import os
import re
import zlib

import numpy as np

from rsciio_sparse._labels import is_energy
from rsciio_sparse._text import MalformedFile, lines_of

HEAD = 65536
"""Bytes of a file that are read to recognise its format."""

MIN_ROWS = 20
"""Fewer rows of numbers than this are no scan that is recognised."""

SPAN = (15.0, 20_000.0)
"""Range in eV over which scans of one edge go."""

ENERGIES = (50.0, 150_000.0)
"""Photon energies in eV of X-ray absorption."""

SHARE = 0.9
"""Smallest share of steps in one direction, for energies of a scan."""


def sniff(path: str | os.PathLike[str]) -> str | None:
    """Name of the format of a file of X-ray absorption.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    str or None
        Name of the format, to be passed as ``file_format`` to ``hs.load``; None if
        the file holds something else, or is damaged.
    """
    path = str(path)
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _sniff_hdf5(path)
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, 1000)
        except zlib.error:
            return None
        return "Athena" if b"Athena project file" in head else None
    if b"\0" in head or not head.strip():
        return None
    if b"Athena project file" in head[:1000]:
        return "Athena"
    if re.match(rb"(?:\xef\xbb\xbf)?#\s*XDI/[0-9]", head):
        return "XDI"
    if re.match(rb"\s{0,20}9809\s", head):
        return "XAS 9809"
    if re.search(rb"=\s?E_edge,", head[:1000]):
        return "XAS columns"
    return "XAS columns" if _has_energies(path, named=True) else None


def may_be_scan(path: str | os.PathLike[str]) -> bool:
    """Whether a text holds a table of which the first column may be photon energies.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    bool
        True if nothing speaks against a scan, and no label for it.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return b"\0" not in head and _has_energies(str(path), named=False)


def _sniff_hdf5(path: str) -> str | None:
    from rsciio_sparse.nexus_xas._api import holds_absorption

    return "NeXus XAS" if holds_absorption(path) else None


def _has_energies(path: str, named: bool) -> bool:
    """Whether a text holds a table with the energies of an absorption scan.

    They are in a column of which the label says so or, unless that is asked for, in the
    first one.
    """
    from rsciio_sparse._tables import tables_of

    try:
        tables = tables_of(path, lines_of(path))
    except MalformedFile:
        return False
    return any(
        _are_energies(values, named)
        for table in tables
        for values in (
            [
                v
                for c, v in zip(table.labels, table.rows.T, strict=False)
                if is_energy(c)
            ]
            if named
            else [table.rows[:, 0]]
        )
    )


def _are_energies(values: np.ndarray, named: bool) -> bool:
    if len(values) < MIN_ROWS or not np.isfinite(values).all():
        return False
    kev = named and values.max() < 200
    values = values * (1000.0 if kev else 1.0)
    steps = np.diff(values)
    share = max(np.mean(steps > 0), np.mean(steps < 0))
    return bool(
        share >= SHARE
        and SPAN[0] < np.ptp(values) < SPAN[1]
        and ENERGIES[0] < values.min()
        and values.max() < ENERGIES[1]
    )
