"""Reader of columns of numbers under comment lines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from rsciio_sparse._spectra import chi_spectrum, spectrum
from rsciio_sparse._text import MalformedFile, lines_of, table_of

KEV = 200.0
"""Energies below this are taken for keV: X-ray edges start at some hundred eV."""


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    x: int = 0,
    y: int = 1,
    quantity: str | None = None,
) -> list[dict[str, Any]]:
    """Read two columns of a text file.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file.
    lazy : bool
        Ignored: a spectrum is read at once.
    x, y : int
        Columns of the energy (or k) and of mu (or chi), from 0.
    quantity : {"mu", "chi"}, optional
        Measured quantity; by default "chi" for files called .chi, else "mu".

    Returns
    -------
    list of dict
        A single spectrum.

    Raises
    ------
    MalformedFile
        If the columns hold no spectrum; the message names line and reason.
    ValueError
        If `quantity` is not known.
    """
    path = str(filename)
    if quantity is None:
        quantity = "chi" if Path(path).suffix.lower() == ".chi" else "mu"
    if quantity not in ("mu", "chi"):
        raise ValueError(f"quantity={quantity!r}: choose 'mu' or 'chi'.")
    lines = lines_of(path)
    first = _start_of_numbers(path, lines)
    table, numbers = table_of(path, lines, first)
    if max(x, y) >= table.shape[1]:
        raise MalformedFile(
            path,
            numbers[0],
            f"{table.shape[1]} columns, but column {max(x, y)} (from 0) was asked for.",
        )
    comments = "\n".join(line.lstrip("#%;! ").rstrip() for line in lines[:first])
    metadata = {"General": {"notes": comments}} if comments.strip() else {}
    original = {"comments": comments, "table": table}
    describe = chi_spectrum if quantity == "chi" else spectrum
    if quantity == "mu" and table[:, x].max() < KEV:
        raise MalformedFile(
            path,
            numbers[0],
            f"column {x} runs from {table[0, x]:g} to {table[-1, x]:g}: an energy in "
            "eV was expected. Is it in keV, or is it chi(k)? (quantity='chi')",
        )
    return [describe(path, table[:, x], table[:, y], numbers, None, metadata, original)]


def _start_of_numbers(path: str, lines: list[str]) -> int:
    """Index of the first line that consists of two or more numbers."""
    for index, line in enumerate(lines):
        words = re.split(r"[\s,]+", line.strip())
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            continue
        if len(numbers) >= 2:
            return index
    raise MalformedFile(path, None, "no line holds two numbers: this is not a table.")
