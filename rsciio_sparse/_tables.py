"""Tables of numbers among the other lines of a text: header, rows, labels, footer."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from rsciio_sparse._text import (
    PRINTABLE,
    MalformedFile,
    number_in,
    numbers_in,
    table_of,
)

COMMENT = "#%;!*/"
"""Characters with which lines of comments begin."""

MAX_LABELS = 20_000
"""Longest line in which labels are searched: 500 columns need half of it."""

SCAN = re.compile(r"#S\s+\S")
"""Line that begins a scan in files of SPEC."""

ITEM = re.compile(r"#?\s*(?:Column\.)?([0-9]{1,3})\s*[:)=]\s*(\S.*)", re.IGNORECASE)
"""Label of a single column, such as ``Column.2: I0 counts`` or ``2) I0``."""

EPICS = re.compile(r"\W*([PD][0-9]{1,3})\s*=\s*\{([^}]*)\}")
"""Label of a single column in files of EPICS: ``D1 = {I0} --> 13BMD:scaler1``."""


class Table(NamedTuple):
    """Rows of numbers, and what is written above them.

    Attributes
    ----------
    header : list of str
        Lines above the rows, from the beginning of the file or of the scan.
    rows : numpy.ndarray of shape (n_rows, n_columns)
        Numbers.
    line_numbers : list of int
        Line of each row, from 1.
    labels : list of str
        Label of each column; empty if the header has none.
    """

    header: list[str]
    rows: np.ndarray
    line_numbers: list[int]
    labels: list[str]


class _Block(NamedTuple):
    """Consecutive rows of equally many numbers."""

    start: int
    rows: list[list[float]]
    line_numbers: list[int]

    @property
    def width(self) -> int:
        return len(self.rows[0])


def tables_of(path: str, lines: list[str]) -> list[Table]:
    """Find the table of a text, or those of all scans of SPEC.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    lines : list of str
        Lines of the file.

    Returns
    -------
    list of Table
        The largest table; for files of SPEC, that of each scan with two rows or more.

    Raises
    ------
    MalformedFile
        If there is no table, or rows of it are damaged or interrupted.
    """
    starts = [index for index, line in enumerate(lines) if SCAN.match(line)]
    if not starts:
        return [_table(path, lines, 0)]
    tables, reason = [], None
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        try:
            tables.append(_table(path, lines[start:end], start))
        except MalformedFile as error:
            # A scan that was aborted at once has no rows, and damages no other.
            if any(map(numbers_in, lines[start:end])):
                raise
            reason = error
    if not tables and reason is not None:
        raise reason
    return tables


def _table(path: str, lines: list[str], offset: int) -> Table:
    """Table of a part of a text, of which the first line has the index ``offset``."""
    blocks = _blocks(lines)
    long = [block for block in blocks if len(block.rows) > 1 and block.width > 1]
    if not long:
        first = next((b.start for b in blocks if b.width > 1), None)
        if first is None:
            raise MalformedFile(
                path, None, "no line holds two numbers: this is not a table."
            )
        # Raises the error of the row that is no continuation.
        table_of(path, [""] * offset + lines, offset + first)
    best = max(long, key=lambda block: len(block.rows) * block.width)
    _check_surroundings(path, lines, blocks, best, offset)
    header = lines[: best.start]
    return Table(
        header,
        np.array(best.rows),
        [offset + index + 1 for index in best.line_numbers],
        labels_of(header, best.width),
    )


def _blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    open_block: _Block | None = None
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        numbers = numbers_in(line)
        if numbers is None:
            open_block = None
        elif open_block is not None and len(numbers) == open_block.width:
            open_block.rows.append(numbers)
            open_block.line_numbers.append(index)
        else:
            open_block = _Block(index, [numbers], [index])
            blocks.append(open_block)
    return blocks


def _check_surroundings(
    path: str, lines: list[str], blocks: list[_Block], best: _Block, offset: int
) -> None:
    """Refuse a table of which a row is damaged, or that is interrupted."""
    end = best.line_numbers[-1]

    def refuse(index: int, reason: str) -> None:
        shown = lines[index].strip()[:PRINTABLE]
        raise MalformedFile(path, offset + index + 1, f"{shown!r} {reason}")

    for block in blocks:
        if block is best:
            continue
        if block.start > end:
            between = [i for i in range(end + 1, block.start) if lines[i].strip()]
            if not between:
                raise MalformedFile(
                    path,
                    offset + block.start + 1,
                    f"{block.width} columns, but {best.width} in the rows before.",
                )
            if lines[between[0]].lstrip()[0] in COMMENT:
                refuse(
                    between[0],
                    "between the rows of data. Files that hold several scans in one "
                    "table are not read: split them.",
                )
            refuse(between[0], "contains something other than numbers.")
        last = block.line_numbers[-1]
        between = [i for i in range(last + 1, best.start) if lines[i].strip()]
        if len(between) == 1 and block.width == best.width:
            if _is_damaged_row(lines[between[0]], best.width):
                refuse(between[0], "contains something other than numbers.")
        elif not between and len(block.rows) > 1:
            raise MalformedFile(
                path,
                offset + best.start + 1,
                f"{best.width} columns, but {block.width} in the rows before.",
            )
    for index in range(end + 1, len(lines)):
        line = lines[index].strip()
        if line:
            if line[0] not in COMMENT and _is_damaged_row(line, best.width):
                refuse(index, "contains something other than numbers.")
            break


def _is_damaged_row(line: str, width: int) -> bool:
    """Whether a line looks like a row of the table of which a number is damaged."""
    words = line.replace(",", " ").split()
    numbers = sum(number_in(word) is not None for word in words)
    return line.lstrip()[0] not in COMMENT and (
        2 * numbers >= len(words) or numbers >= width - 1
    )


def labels_of(header: list[str], n_columns: int) -> list[str]:
    """Labels of the columns of a table.

    Parameters
    ----------
    header : list of str
        Lines above the table.
    n_columns : int
        Number of columns.

    Returns
    -------
    list of str
        Labels without repetitions; empty if the header has none.
    """
    labels = (
        _enumerated(header, n_columns)
        or _in_one_line(header, n_columns)
        or _one_in_a_line(header, n_columns)
    )
    unique: list[str] = []
    for label in labels:
        # Macros of the Canadian Light Source are $(NAME).
        label = label.strip().removeprefix("$(").removesuffix(")" * ("$(" in label))
        taken, name, number = set(unique), label, 2
        while name in taken:
            name, number = f"{label}_{number}", number + 1
        unique.append(name)
    return unique


def _enumerated(header: list[str], n_columns: int) -> list[str]:
    """Labels of which each is in a line with the number of its column."""
    found: dict[int, str] = {}
    named: dict[str, str] = {}
    for line in header:
        text = line.strip()
        if epics := EPICS.match(text):
            named[epics[1]] = epics[2]
        elif item := ITEM.fullmatch(text):
            # Units and remarks follow the label.
            label = item[2].split("||")[0].split("\t")[0].strip()
            words = re.split(r"\s{2,}", label)[0].split()
            known = words[-1].lower().strip("()") in ("ev", "kev", "counts")
            found[int(item[1])] = " ".join(words[:-1] if known and words[1:] else words)
            if known and words[1:] and words[-1].lower().strip("()") == "kev":
                found[int(item[1])] += " (keV)"
    if len(named) == n_columns:
        return list(named.values())
    if sorted(found) == list(range(1, n_columns + 1)):
        return [found[number] for number in range(1, n_columns + 1)]
    return []


def _in_one_line(header: list[str], n_columns: int) -> list[str]:
    """Labels of the last line that holds as many of them as there are columns."""
    for line in reversed(header):
        text = line.strip()
        if text.startswith("#L "):
            text = text[3:]
        else:
            # Files of the Canadian Light Source number their kinds of events.
            text = re.sub(r"^#\([0-9]+\)", "", text).strip(COMMENT + " ")
            text = re.sub(r"^C\s+(?=[0-9]+_)", "", text)
        if not 0 < len(text) <= MAX_LABELS:
            continue
        quoted = re.findall(r'"([^"]*)"', text)
        by_number = re.findall(r"(?<!\S)[0-9]+_(\S+(?: \([^)]*\))?)", text)
        for words in (
            by_number,
            quoted,
            text.split("\t"),
            text.split(","),
            text.split("*"),
            re.split(r"\s{2,}", text),
            text.split(),
            # Units in parentheses belong to the label before.
            re.findall(r"[^\s([]+(?: ?[([][^\])]{1,20}[\])])?", text),
        ):
            words = [word.strip() for word in words if word.strip()]
            if len(words) == n_columns and _are_labels(words):
                return words
    return []


def _one_in_a_line(header: list[str], n_columns: int) -> list[str]:
    """Labels in as many lines as there are columns, straight above the table."""
    lines = [line.strip() for line in header]
    while lines and not lines[-1].strip(COMMENT + "-= "):
        lines.pop()
    lines = lines[-n_columns:]
    short = all(0 < len(line) <= PRINTABLE for line in lines)
    return lines if len(lines) == n_columns and short and _are_labels(lines) else []


def _are_labels(words: list[str]) -> bool:
    """Whether words can be labels: no numbers, and one that names an energy or k."""
    if any(number_in(word) is not None for word in words):
        return False
    return any(
        re.search(r"energy|(?<![a-z])(?:e|k|ev|en)(?![a-z])|angle|theta", word.lower())
        for word in words
    )
