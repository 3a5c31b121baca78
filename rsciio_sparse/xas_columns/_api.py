"""Reader of columns of numbers under the headers that beamlines and programs write."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from rsciio_sparse._columns import absorption_of, log_ratio
from rsciio_sparse._expressions import evaluate
from rsciio_sparse._labels import has_role, is_energy, plain
from rsciio_sparse._spectra import (
    Families,
    chi_spectrum,
    metadata_of,
    question_about_element,
    spectrum,
)
from rsciio_sparse._tables import Table, tables_of
from rsciio_sparse._text import MalformedFile, lines_of
from rsciio_sparse.xas_columns._header import families_of, simulated_edge

KEV = 200.0
"""Energies below this are taken for keV: X-ray edges start at some hundred eV."""

MEASURED = re.compile(r"achieved|read|rbv|fbk|feedback|actual|measured|enc")
REQUESTED = re.compile(r"request|set|target|_?sp$|step|shift|edge|init|final|ring")
"""Labels of energies that were measured, and that were asked for or are no scan."""

DIGITS = 1e-5
"""Relative error within which a column is the logarithm of the ratio of two others."""


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    x: int | str | None = None,
    y: int | str | None = None,
    quantity: str | None = None,
    column: str | None = None,
    units: str | None = None,
    dead_time: bool = False,
) -> list[dict[str, Any]]:
    """Read spectra from the columns of a text file.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file. Files of XDI and of version 9809 are read as such.
    lazy : bool
        Ignored: a spectrum is read at once.
    x : int or str, optional
        Energy (or k): number of a column from 0, its label, or an expression of
        columns. By default the column whose label says so, else the first.
    y : int, optional
        Number of the column of mu (or chi), from 0.
    quantity : {"mu", "chi"}, optional
        Measured quantity; by default "chi" for files called .chi and for columns
        called k and chi, else "mu".
    column : str, optional
        What mu (or chi) is: the label of a column, an expression of columns such as
        ``"ln(I0 / I1)"``, ``"sum(Fe_Ka_mca*) / I0"`` or ``"$4 / $2"`` with the fourth
        and second column, or "transmission", "fluorescence" or "reference" to compute
        it from the counts that the labels name. By default as recorded, or else from
        counts, in transmission unless the edge is much clearer in fluorescence.
    units : {"eV", "keV"}, optional
        Units of the energy; by default as labelled, and keV for labelled energies
        below 200.
    dead_time : bool, default False
        Whether the counts of each element of a fluorescence detector are multiplied
        by its column of dead-time factors.

    Returns
    -------
    list of dict
        A single spectrum; one for each scan of a file of SPEC.

    Raises
    ------
    MalformedFile
        If the columns hold no spectrum; the message names line and reason. Also where
        the labels do not tell which columns to take; the message lists them.
    ValueError
        If `quantity` or `units` is not known.
    """
    path = str(filename)
    if quantity not in (None, "mu", "chi"):
        raise ValueError(f"quantity={quantity!r}: choose 'mu' or 'chi'.")
    if units not in (None, "eV", "keV"):
        raise ValueError(f"units={units!r}: choose 'eV' or 'keV'.")
    lines = lines_of(path)
    if x is None and y is None:
        if re.match(r"#\s*XDI/[0-9]", lines[0]):
            from rsciio_sparse.xdi import file_reader as read_xdi

            return read_xdi(path, column=column, dead_time=dead_time)
        if re.match(r"\s*9809\s", lines[0]):
            from rsciio_sparse.xas9809 import file_reader as read_9809

            return read_9809(path, column=column)
    tables = tables_of(path, lines)
    signals = []
    for number, table in enumerate(tables, start=1):
        title = f"{Path(path).stem}, scan {number}" if len(tables) > 1 else None
        signals.append(
            _signal(path, table, title, x, y, quantity, column, units, dead_time)
        )
    return signals


def _signal(
    path: str,
    table: Table,
    title: str | None,
    x: int | str | None,
    y: int | str | None,
    quantity: str | None,
    column: str | None,
    units: str | None,
    dead_time: bool,
) -> dict[str, Any]:
    width = table.rows.shape[1]
    labels = table.labels or [f"column_{number}" for number in range(1, width + 1)]
    columns = dict(zip(labels, table.rows.T, strict=True))
    if quantity is None:
        is_chi = Path(path).suffix.lower() == ".chi"
        is_chi |= {"k", "chi"} <= {label.lower() for label in labels}
        quantity = "chi" if is_chi else "mu"
    abscissa, label = _abscissa(path, table, columns, x, quantity)
    comments = "\n".join(line.lstrip("#%;! ").rstrip() for line in table.header).strip()
    original: dict[str, Any] = {"comments": comments, "table": table.rows}
    original["columns"] = columns
    if isinstance(y, int):
        column = f"${y + 1}"
        if not 0 <= y < width:
            raise MalformedFile(
                path,
                table.line_numbers[0],
                f"{width} columns, but column {y} (from 0) was asked for.",
            )
    elif y is not None:
        column = y
    metadata: dict[str, Any] = {"General": {"notes": comments}} if comments else {}
    if quantity == "chi":
        if column is None:
            column = next((c for c in labels if c.lower() == "chi"), "$2")
        chi, _ = absorption_of(path, columns, column)
        numbers = table.line_numbers
        return chi_spectrum(path, abscissa, chi, numbers, title, metadata, original)
    if simulated := simulated_edge(table.header):
        # Energies of FDMNES are relative to the edge, unless it was told otherwise.
        if abscissa.max() < simulated[0] / 2:
            abscissa = abscissa + simulated[0]
        units = "eV"
    energy = _in_ev(path, table, abscissa, label, units)
    if column is None and not table.labels:
        column = _unlabelled(path, table)
    elif column is None and width == 2 and label in labels:
        # Of two columns, the one that is neither energy nor counts is mu.
        other = 1 - labels.index(label)
        column = None if has_role(labels[other]) else f"${other + 1}"
    mu, chosen = absorption_of(path, columns, column, dead_time, energy)
    families = families_of(table.header, columns, energy)
    question_about_element(path, energy, mu, families)
    return _described(
        path, table, energy, mu, title, families, metadata, original, chosen
    )


def _described(
    path: str,
    table: Table,
    energy: np.ndarray,
    mu: np.ndarray,
    title: str | None,
    families: Families,
    metadata: dict[str, Any],
    original: dict[str, Any],
    chosen: str,
) -> dict[str, Any]:
    """Spectrum with the metadata of the header."""
    for key, value in metadata_of(families).items():
        metadata[key] = {**metadata.get(key, {}), **value}
    original |= {**families, "column": chosen}
    name = title or families.get("Sample", {}).get("name")
    quantity = "Absorption"
    if chosen.lower() in ("norm", "flat", "normtrans", "normfluor"):
        metadata["XAS"] = {"normalized": True}
        quantity = "Normalised absorption"
    return spectrum(
        path, energy, mu, table.line_numbers, name, metadata, original,
        quantity=quantity,
    )  # fmt: skip


def _abscissa(
    path: str,
    table: Table,
    columns: dict[str, np.ndarray],
    x: int | str | None,
    quantity: str,
) -> tuple[np.ndarray, str]:
    """Energies or wavenumbers as they are in the file, and their label."""
    labels = list(columns)
    if isinstance(x, int):
        if not 0 <= x < len(labels):
            raise MalformedFile(
                path,
                table.line_numbers[0],
                f"{len(labels)} columns, but column {x} (from 0) was asked for.",
            )
        return columns[labels[x]], labels[x] if table.labels else ""
    if x is not None:
        try:
            return evaluate(x, columns), x
        except ValueError as error:
            raise MalformedFile(path, None, f"x={x!r}: {error}.") from None
    if not table.labels:
        return columns[labels[_first_rising(table.rows)]], ""
    if quantity == "chi":
        label = next((c for c in labels if c.lower() == "k"), labels[0])
        return columns[label], label
    named = [c for c in labels if is_energy(c) and np.ptp(columns[c]) != 0]
    if not named:
        raise MalformedFile(
            path,
            table.line_numbers[0],
            f"no energy among the columns {', '.join(labels)}. Choose with x=, by a "
            "label, or the number of a column from 0.",
        )

    def rank(label: str) -> int:
        name = plain(label)
        if name in ("energy", "e", "ev"):
            return 0
        return 1 if MEASURED.search(name) else 3 if REQUESTED.search(name) else 2

    label = min(named, key=rank)
    return columns[label], label


def _first_rising(rows: np.ndarray) -> int:
    """First column that mostly rises, or mostly falls, as the energy of a scan does."""
    for index, values in enumerate(rows.T):
        steps = np.diff(values)
        if max(np.mean(steps > 0), np.mean(steps < 0)) > 0.9:
            return index
    return 0


def _in_ev(
    path: str, table: Table, values: np.ndarray, label: str, units: str | None
) -> np.ndarray:
    if units is None:
        if "kev" in label.lower():
            units = "keV"
        elif not values.max() < KEV:
            units = "eV"
        elif is_energy(label):
            units = "keV"
        else:
            raise MalformedFile(
                path,
                table.line_numbers[0],
                f"the first column runs from {values[0]:g} to {values[-1]:g}: an "
                "energy in eV was expected. Is it in keV (units='keV'), or is it "
                "chi(k)? (quantity='chi')",
            )
    energy = values * (1000.0 if units == "keV" else 1.0)
    finite = np.isfinite(energy)
    bad = ~finite | (energy <= 0)
    if bad.any():
        place = int(np.argmax(bad))
        raise MalformedFile(
            path, table.line_numbers[place], f"the energy is {values[place]}."
        )
    return energy


def _unlabelled(path: str, table: Table) -> str:
    """Column of mu among columns without labels: the only one, or a logarithm."""
    rows = table.rows
    if rows.shape[1] == 2:
        return "$2"
    for index in range(1, rows.shape[1]):
        for before in range(1, index):
            for after in range(before + 1, index):
                expected = log_ratio(rows[:, before], rows[:, after])
                close = np.abs(rows[:, index] - expected) <= DIGITS * np.abs(expected)
                if close.all():
                    return f"${index + 1}"
    raise MalformedFile(
        path,
        table.line_numbers[0],
        f"{rows.shape[1]} columns without labels. Which of them is the absorption? "
        "Choose with column=, such as '$2', or 'ln($2 / $3)' for counts before and "
        "behind the sample, where $2 is the second column.",
    )
