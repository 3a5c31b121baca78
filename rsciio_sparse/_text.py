"""Text files of numbers in columns: read, or refused with the line and the reason."""

import numpy as np

PRINTABLE = 40
"""Characters of a line that a message repeats."""


class MalformedFile(ValueError):
    """A file that does not hold what its format says.

    Parameters
    ----------
    path : str
    line : int or None
        Number of the line, from 1; None where no line is to blame.
    reason : str
        What was found, what was expected, what to do.
    """

    def __init__(self, path, line, reason):
        place = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{place}: {reason}")
        self.path, self.line, self.reason = str(path), line, reason

    def __reduce__(self):
        return type(self), (self.path, self.line, self.reason)


def lines_of(path):
    """Lines of a text file.

    Parameters
    ----------
    path : str

    Returns
    -------
    list of str

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
        # Comments in other encodings; the numbers are ASCII in all of them.
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def table_of(path, lines, first):
    """Numbers in columns.

    Parameters
    ----------
    path : str
        For messages.
    lines : list of str
    first : int
        Index of the first line of numbers.

    Returns
    -------
    table : numpy.ndarray of shape (n_rows, n_columns)
    numbers : list of int
        Line of each row, from 1.

    Raises
    ------
    MalformedFile
        If a line holds something else, or another number of columns; if there are
        fewer than two rows.
    """
    rows, numbers = [], []
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
            # Fortran writes 1.0D+03 too.
            row = [float(word.replace("D", "E").replace("d", "e")) for word in words]
        except ValueError:
            raise MalformedFile(
                path, number, f"{shown!r} holds something that is no number."
            ) from None
        if rows and len(row) != len(rows[0]):
            raise MalformedFile(
                path,
                number,
                f"{len(row)} columns, but {len(rows[0])} in the rows before.",
            )
        rows.append(row)
        numbers.append(number)
    if len(rows) < 2:
        raise MalformedFile(
            path, None, f"{len(rows)} rows of numbers, at least two were expected."
        )
    return np.array(rows), numbers
