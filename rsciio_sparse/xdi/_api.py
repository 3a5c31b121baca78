"""Reader of XDI: a header of ``# Family.key: value``, then columns of numbers.

The dictionary of names is that of the XDI specification 1.0; B. Ravel et al., J. Phys.
Conf. Ser. 712 (2016) 012148.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rsciio_sparse._columns import absorption_of
from rsciio_sparse._spectra import (
    HC,
    UNITS_OF_ENERGY,
    Families,
    chi_spectrum,
    metadata_of,
    question_about_element,
    spectrum,
)
from rsciio_sparse._text import MalformedFile, lines_of, table_of

FIELD = re.compile(r"#\s*([A-Za-z]\w*)\.(\w+)\s*:\s*(.*)$")
COLUMN = re.compile("[0-9]{1,4}")
END_OF_FIELDS = re.compile(r"#\s*/{3,}")
END_OF_HEADER = re.compile(r"#\s*-{3,}")

UNITS_OF_ANGLE = {"degree": np.pi / 180, "degrees": np.pi / 180, "": np.pi / 180}
UNITS_OF_ANGLE |= {"deg": np.pi / 180, "radian": 1.0, "radians": 1.0, "rad": 1.0}


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    column: str | None = None,
    dead_time: bool = False,
) -> list[dict[str, Any]]:
    """Read an XDI file.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file.
    lazy : bool
        Ignored: a spectrum is read at once.
    column : str, optional
        Column of the file to read, an expression of columns such as
        "sum(fe_ka_mca*) / i0", or "transmission", "fluorescence" or "reference" to
        compute the absorption from counts. By default mu as recorded, or else from
        the counts: in transmission, unless the edge is much clearer in fluorescence.
    dead_time : bool, default False
        Whether the counts of each element of a fluorescence detector are multiplied
        by its column of dead-time factors.

    Returns
    -------
    list of dict
        A single spectrum, with energies in eV as they are spaced in the file; the
        original metadata keep all fields and columns.

    Raises
    ------
    MalformedFile
        If the file is not an XDI file; the message names line and reason.
    """
    path = str(filename)
    lines = lines_of(path)
    families, comments, labels, first = _header(path, lines)
    table, numbers = table_of(path, lines, first)
    names, units = _columns(path, lines, families, labels, table.shape[1])
    columns = dict(zip(names, table.T, strict=True))
    original: dict[str, Any] = {**families, "columns": columns, "comments": comments}
    metadata = metadata_of(families)
    if comments:
        metadata.setdefault("General", {})["notes"] = comments
    title = families.get("Sample", {}).get("name")
    if "k" in columns and "energy" not in names[:1] and "angle" not in columns:
        k, (chi, _) = columns["k"], absorption_of(path, columns, column or "chi")
        return [chi_spectrum(path, k, chi, numbers, title, metadata, original)]
    energy = _energy(path, lines, columns, units, families)
    mu, chosen = absorption_of(path, columns, column, dead_time, energy)
    question_about_element(path, energy, mu, families)
    original["column"] = chosen
    return [spectrum(path, energy, mu, numbers, title, metadata, original)]


def _header(path: str, lines: list[str]) -> tuple[Families, str, list[str], int]:
    """Fields by family, comments, column labels, and index of the first numbers."""
    if not re.match(r"#\s*XDI/\d", lines[0]):
        raise MalformedFile(
            path,
            1,
            f"{lines[0][:40]!r} where '# XDI/1.0' was expected: this is no XDI file. "
            "Columns of other programs are read with file_format='XAS columns'.",
        )
    families: Families = {}
    comments: list[str] = []
    labels: list[str] = []
    in_fields = in_comments = True
    for index, line in enumerate(lines[1:], start=1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("#"):
            _add_element(families)
            return families, "\n".join(comments), labels, index
        line = line.strip()
        if END_OF_HEADER.match(line):
            in_fields, in_comments = False, False
        elif END_OF_FIELDS.match(line):
            in_fields = False
        elif in_fields and (field := FIELD.match(line)):
            family, key, value = field.groups()
            families.setdefault(_family(family), {})[key] = value.strip()
        elif in_fields and line.lstrip("# "):
            raise MalformedFile(
                path,
                index + 1,
                f"{line[:40]!r} is no field: expected '# Family.key: value', or the "
                "line '# ///' before comments.",
            )
        elif not in_fields:
            text = line.lstrip("# ").strip()
            if in_comments:
                comments.append(text)
            else:
                labels = text.split()
    raise MalformedFile(path, len(lines), "the header is followed by no data.")


def _add_element(families: Families) -> None:
    """Take the element and the edge from the parameters of the scan of EPICS."""
    parameters = families.get("ScanParameters", {})
    for key, name in (("symbol", "element"), ("edge", "edge")):
        if parameters.get(name) and not families.get("Element", {}).get(key):
            families.setdefault("Element", {})[key] = parameters[name]


def _family(name: str) -> str:
    known = ("Element", "Mono", "Beamline", "Facility", "Detector", "Scan", "Sample")
    return next((k for k in known if k.lower() == name.lower()), name)


def _columns(
    path: str, lines: list[str], families: Families, labels: list[str], n_columns: int
) -> tuple[list[str], dict[str, str]]:
    """Names and units of the columns, in lower case."""
    given = {
        int(key): value.split(None, 1)
        for key, value in families.get("Column", {}).items()
        if COLUMN.fullmatch(key)
    }
    if given and max(given) > n_columns:
        number = _line_of(lines, f"Column.{max(given)}")
        raise MalformedFile(
            path,
            number,
            f"Column.{max(given)} is described, but the data have {n_columns} columns.",
        )
    if not given and len(labels) == n_columns:
        given = {i: [label] for i, label in enumerate(labels, start=1)}
    names, units = [], []
    for number in range(1, n_columns + 1):
        words = given.get(number) or [f"column_{number}"]
        names.append(words[0].lower())
        units.append(words[1].strip().lower() if len(words) > 1 else "")
    return names, dict(zip(names, units, strict=True))


def _energy(
    path: str,
    lines: list[str],
    columns: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    families: Families,
) -> np.ndarray:
    """Energies in eV, from energies or from angles of the monochromator."""
    if "energy" in columns:
        unit = units["energy"].split()[0] if units["energy"] else ""
        if unit not in UNITS_OF_ENERGY:
            raise MalformedFile(
                path,
                _line_of(lines, "energy"),
                f"the energy is in {unit!r}; eV or keV was expected.",
            )
        return columns["energy"] * UNITS_OF_ENERGY[unit]
    if "angle" not in columns:
        raise MalformedFile(
            path,
            _line_of(lines, "Column.1"),
            f"the columns are {', '.join(columns)}: neither energy nor angle, so this "
            "is no absorption spectrum.",
        )
    unit = units["angle"]
    d_spacing = families.get("Mono", {}).get("d_spacing", "")
    try:
        spacing = float(d_spacing.split()[0])
        radians = columns["angle"] * UNITS_OF_ANGLE[unit]
    except (IndexError, ValueError):
        raise MalformedFile(
            path,
            _line_of(lines, "Mono.d_spacing"),
            f"angles need Mono.d_spacing in angstrom, found {d_spacing!r}.",
        ) from None
    except KeyError:
        raise MalformedFile(
            path,
            _line_of(lines, "angle"),
            f"the angle is in {unit!r}; degrees or radians were expected.",
        ) from None
    return HC / (2 * spacing * np.sin(radians))


def _line_of(lines: list[str], text: str) -> int | None:
    """Number of the first line that holds a text; None if there is none."""
    return next((i for i, line in enumerate(lines, start=1) if text in line), None)
