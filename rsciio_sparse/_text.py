"""Reading of text files of numbers in columns; errors name the line and the reason."""

from __future__ import annotations

import os
import re

import numpy as np

PRINTABLE = 40
"""Number of characters of a line that a message repeats."""

MAX_BYTES = 64 * 2**20
"""Largest size of a text that is read. The longest scans are a tenth of it; larger
texts are something else, and would fill the memory."""

MAX_DIGITS = 300
"""Longest word that is taken for a number; Python refuses integers of 4300 digits."""

NUMBER = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][-+]?[0-9]{1,4})?|[-+]?(?:nan|inf)",
    re.IGNORECASE,
)


class MalformedFile(ValueError):
    """Error in the contents of a file.

    Parameters
    ----------
    path : str
        Name of the file.
    line : int or None
        Number of the line, from 1; None if the error is in no single line.
    reason : str
        What was found, what was expected, what to do.
    """

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        place = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{place}: {reason}")
        self.path, self.line, self.reason = str(path), line, reason

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.line, self.reason)


def content_of(path: str) -> bytes:
    """Content of a text file.

    Parameters
    ----------
    path : str
        Name of the file.

    Returns
    -------
    bytes
        Everything that the file holds.

    Raises
    ------
    MalformedFile
        If the file is larger than `MAX_BYTES`.
    """
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise MalformedFile(
            path,
            None,
            f"the file has {size >> 20} MiB; a text of at most {MAX_BYTES >> 20} MiB "
            "was expected.",
        )
    with open(path, "rb") as file:
        return file.read()


def lines_of(path: str) -> list[str]:
    """Lines of a text file.

    Parameters
    ----------
    path : str
        Name of the file.

    Returns
    -------
    list of str
        Lines without their ends, up to the end-of-file mark of DOS if there is one.

    Raises
    ------
    MalformedFile
        If the file is empty, binary or larger than `MAX_BYTES`.
    """
    content = content_of(path)
    if b"\0" in content[:4096]:
        raise MalformedFile(path, None, "this is a binary file, text was expected.")
    if not content.strip():
        raise MalformedFile(path, None, "the file is empty.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Comments may be in other encodings; numbers are ASCII in all of them.
        text = content.decode("latin-1")
    if text.rstrip().endswith("\x1a"):
        text = text.rstrip().rstrip("\x1a")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def number_in(word: str) -> float | None:
    """Number that a word stands for.

    Parameters
    ----------
    word : str
        Digits as C, Python or Fortran write them, such as 1.0D+03; nan and inf.

    Returns
    -------
    float or None
        The number; None if the word is no number.
    """
    if len(word) > MAX_DIGITS or not NUMBER.fullmatch(word):
        return None
    return float(word.replace("D", "E").replace("d", "e"))


def numbers_in(line: str) -> list[float] | None:
    """Numbers of a line that are separated by blanks, tabulators, commas or semicolons.

    Parameters
    ----------
    line : str
        Line of a text.

    Returns
    -------
    list of float or None
        Numbers; None if the line is empty or holds anything else.
    """
    words = line.replace(",", " ").replace(";", " ").split()
    numbers = []
    for word in words:
        number = number_in(word)
        if number is None:
            return None
        numbers.append(number)
    return numbers or None


def table_of(path: str, lines: list[str], first: int) -> tuple[np.ndarray, list[int]]:
    """Numbers in columns.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    lines : list of str
        Lines of the file.
    first : int
        Index of the first line of numbers.

    Returns
    -------
    table : numpy.ndarray of shape (n_rows, n_columns)
        Numbers.
    line_numbers : list of int
        Line of each row, from 1.

    Raises
    ------
    MalformedFile
        If a line holds something else, or another number of columns; if there are
        fewer than two rows.
    """
    rows: list[list[float]] = []
    line_numbers = []
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip():
            continue
        shown = line.strip()[:PRINTABLE]
        if line.lstrip().startswith("#"):
            raise MalformedFile(
                path,
                number,
                f"{shown!r} between the rows of data. Files that hold several scans "
                "in one table are not read: split them.",
            )
        row = numbers_in(line)
        if row is None:
            raise MalformedFile(
                path, number, f"{shown!r} contains something other than numbers."
            )
        if rows and len(row) != len(rows[0]):
            raise MalformedFile(
                path,
                number,
                f"{len(row)} columns, but {len(rows[0])} in the rows before.",
            )
        rows.append(row)
        line_numbers.append(number)
    if len(rows) < 2:
        raise MalformedFile(
            path, None, f"{len(rows)} rows of numbers, at least two were expected."
        )
    return np.array(rows), line_numbers
