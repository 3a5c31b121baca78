"""What the labels of columns say: counts of which detector, in which emission line."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from rsciio_sparse._edges import energies_of

Columns = Mapping[str, np.ndarray]

ROLES = {
    "i0": r"i_?[0o](?:[_ ].*)?|imonitor|mon(?:itor)?|.*[_ ]i0",
    "itrans": r"itrans|i_?t|i_?1(?:[_ ].*)?|i?_?trans(?:mission)?|it[_ ].*|itr|"
    r".*[_ ]i1",
    "irefer": r"irefer|i_?ref|i_?2(?:[_ ].*)?|ir|ref(?:erence)?|.*[_ ]i2",
    "ifluor": r"ifluor|i_?f{1,2}\d*|i_?f_?ch\d+|i?fluo?r?(?:escence)?_?\d*|"
    r"fl(?:a|uo)?_?(?:tot|sum)|fl(?:a|uo)?_?\d+|pips|lytle",
}
"""Labels of counts before, behind and beside the sample, in small letters."""

ROLES_OF = {role: re.compile(pattern) for role, pattern in ROLES.items()}

LINE = re.compile(
    r"(?:^|[_ .:])(?P<element>[A-Z][a-z]?)[_ ]?(?P<shell>[KLM])[_ ]?"
    r"(?:a|b|g|alpha|beta)[0-9]?(?![a-z])",
    re.IGNORECASE,
)
"""Label of counts in a fluorescence line, such as Fe_Ka_mca1."""

NO_COUNTS = re.compile(r"gain|sens|offset|dark|slow|fast|icr|ocr|factor|clock|time|bkg")

TOTAL = re.compile(r"sum|tot")
BEYOND = 50.0
"""Distance in eV by which a scan may end before the edge of its emission line."""


def has_role(label: str) -> bool:
    """Whether a label names counts of a detector.

    Parameters
    ----------
    label : str
        Label of a column.

    Returns
    -------
    bool
        True for "I0", "fluor" and "Counts", but not for "sample 1".
    """
    name = plain(label)
    known = any(pattern.fullmatch(name) for pattern in ROLES_OF.values())
    return known or bool(re.search(r"counts?|cps|det", name))


def is_energy(label: str) -> bool:
    """Whether a label names an energy.

    Parameters
    ----------
    label : str
        Label of a column.

    Returns
    -------
    bool
        True for "Mono Energy (eV)" and "e", but not for "angle".
    """
    return "energy" in label.lower() or plain(label) in ("e", "ev", "en")


def fluorescence_labels(columns: Columns) -> list[str]:
    """Labels of the counts of a fluorescence detector that are to be summed.

    Parameters
    ----------
    columns : dict of str to numpy.ndarray
        Columns of the file.

    Returns
    -------
    list of str
        Counts in one emission line, or of all elements of a detector; a single label
        if the file holds their sum. Empty if there are none, or lines of several
        elements whose edges lie in the scan.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    for label in columns:
        if (line := _line_of(label)) and not NO_COUNTS.search(label.lower()):
            lines.setdefault(line, []).append(label)
    lines = {key: value for key, value in lines.items() if _in_scan(key, columns)}
    if len(lines) == 1:
        (labels,) = lines.values()
    elif lines:
        return []
    else:
        labels = labels_of_role(columns, "ifluor")
    totals = [label for label in labels if TOTAL.search(label.lower())]
    if totals:
        return totals[:1]
    corrected = [label for label in labels if "corr" in label.lower()]
    return corrected or labels


def emission_line(columns: Columns) -> tuple[str, str] | None:
    """Element and shell of the only emission line among the labels, or in the scan.

    Parameters
    ----------
    columns : dict of str to numpy.ndarray
        Columns of the file.

    Returns
    -------
    (str, str) or None
        Element and "K", "L" or "M"; None if there is none, or several.
    """
    lines = {line for line in map(_line_of, columns) if line}
    lines = {line for line in lines if _in_scan(line, columns)}
    return lines.pop() if len(lines) == 1 else None


def labels_of_role(columns: Columns, role: str) -> list[str]:
    """Labels of a role; those that XDI defines before others."""
    names = {label: plain(label) for label in columns}
    exact = [label for label, name in names.items() if name == role]
    return exact or [
        label
        for label, name in names.items()
        if ROLES_OF[role].fullmatch(name) and not NO_COUNTS.search(name)
    ]


def plain(label: str) -> str:
    """Label in small letters, without units and without the number of its column."""
    name = re.sub(r"[([].{0,20}$", "", label.lower()).strip() or label.lower()
    return re.sub(r"_c[0-9]+$", "", name)


def _line_of(label: str) -> tuple[str, str] | None:
    """Element and shell of the emission line that a label names."""
    line = LINE.search(label)
    if line is None or not energies_of(line["element"].capitalize()):
        return None
    return line["element"].capitalize(), line["shell"].upper()


def number_of_element(label: str) -> str:
    """Last number in a label, which counts the elements of a detector."""
    numbers = re.findall(r"[0-9]+", label)
    return numbers[-1] if numbers else ""


def _in_scan(line: tuple[str, str], columns: Columns) -> bool:
    """Whether the edge of an emission line lies within the energies of the scan."""
    element, shell = line
    edges = {k: v for k, v in energies_of(element).items() if k.startswith(shell)}
    for label, values in columns.items():
        if "energy" in label.lower() and np.isfinite(values).any():
            scale = 1000.0 if np.nanmax(values) < 200 else 1.0
            low, high = np.nanmin(values) * scale, np.nanmax(values) * scale
            return any(low < energy < high + BEYOND for energy in edges.values())
    return True
