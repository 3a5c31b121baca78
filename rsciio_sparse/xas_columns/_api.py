"""Reader of columns of numbers under comment lines."""

import re
from pathlib import Path

from rsciio_sparse._spectra import spectrum
from rsciio_sparse._text import MalformedFile, lines_of, table_of

KEV = 200.0
"""Edges start at some hundred eV: a column that stays below this is in keV."""


def file_reader(filename, lazy=False, x=0, y=1, quantity=None):
    """Read two columns of a text file.

    Parameters
    ----------
    filename : str or pathlib.Path
    lazy : bool
        A spectrum is read at once in either case.
    x, y : int
        Columns of the energy (or k) and of mu (or chi), from 0.
    quantity : {"mu", "chi"}, optional
        By default "chi" for files called .chi, else "mu".

    Returns
    -------
    list of one dict

    Raises
    ------
    MalformedFile
        With the line and the reason.
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
    kind = {}
    if quantity == "chi":
        kind = {"name": "k", "units": "1/Angstrom"}
        kind |= {"signal_type": "EXAFS", "quantity": "chi"}
    elif table[:, x].max() < KEV:
        raise MalformedFile(
            path,
            numbers[0],
            f"column {x} runs from {table[0, x]:g} to {table[-1, x]:g}: an energy in "
            "eV was expected. Is it in keV, or is it chi(k)? (quantity='chi')",
        )
    return [
        spectrum(
            path,
            table[:, x],
            table[:, y],
            numbers,
            None,
            metadata,
            {"comments": comments, "table": table},
            **kind,
        )
    ]


def _start_of_numbers(path, lines):
    """First line of two numbers, after which there are only numbers."""
    for index, line in enumerate(lines):
        words = re.split(r"[\s,]+", line.strip())
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            continue
        if len(numbers) >= 2:
            return index
    raise MalformedFile(path, None, "no line holds two numbers: this is no table.")
