"""Reading of text files of numbers in columns; errors name the line and the reason."""

from __future__ import annotations

import numpy as np

PRINTABLE = 40
"""Number of characters of a line that a message repeats."""


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


def lines_of(path: str) -> list[str]:
    """Lines of a text file.

    Parameters
    ----------
    path : str
        Name of the file.

    Returns
    -------
    list of str
        Lines without their ends.

    Raises
    ------
    MalformedFile
        If the file is empty or binary.
    """
    with open(path, "rb") as file:
        content = file.read()
    if b"\0" in content[:4096]:
        raise MalformedFile(path, None, "this is a binary file, text was expected.")
    if not content.strip():
        raise MalformedFile(path, None, "the file is empty.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Comments may be in other encodings; numbers are ASCII in all of them.
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


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
        words = line.replace(",", " ").split()
        if not words:
            continue
        shown = line.strip()[:PRINTABLE]
        if words[0].startswith("#"):
            raise MalformedFile(
                path,
                number,
                f"{shown!r} between the rows of data. Files that hold several scans "
                "in one table are not read: split them.",
            )
        try:
            # Fortran may write 1.0D+03.
            row = [float(word.replace("D", "E").replace("d", "e")) for word in words]
        except ValueError:
            raise MalformedFile(
                path, number, f"{shown!r} contains something other than numbers."
            ) from None
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
