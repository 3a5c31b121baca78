"""What the header of a table of columns says about the element and the sample."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from rsciio_sparse._edges import EDGES, SYMBOLS, edges_near, energies_of
from rsciio_sparse._labels import emission_line
from rsciio_sparse._spectra import Families
from rsciio_sparse._text import number_in

FIELD = re.compile(
    r"\W{0,8}(?:\w{1,30}\.)?(?P<key>atom|element|symbol|edge|name|sample)\s{0,9}[:=]"
    r"\s{0,99}(?P<value>\S.*)",
    re.IGNORECASE,
)
E0 = re.compile(r"(?:\bE0|edge[_ ]energy)\s{0,9}[:=]?\s{0,9}([0-9]{1,6}\.?[0-9]{0,9})")

SIMULATED = {1: "K", 2: "L1", 3: "L2", 4: "L3"}
"""Edges of FDMNES by their numbers."""

SIMULATION = re.compile(
    r"\s{0,20}([0-9.]{1,15})\s{1,20}([0-9]{1,3})\s{1,20}([0-9]{1,2})\s[^=]{0,200}=\s*E_edge"
)
"""Line of FDMNES with the energy of the edge, the atomic number and the edge."""

NEAREST = 12.0
"""Largest distance in eV of a threshold in a header from the edge that it stands for:
headers hold tabulated energies, of other tables."""


def families_of(
    header: list[str], columns: Mapping[str, np.ndarray], energy: np.ndarray
) -> Families:
    """Element, edge and name of the sample under the names of XDI.

    Parameters
    ----------
    header : list of str
        Lines above the table.
    columns : dict of str to numpy.ndarray
        Columns of the table, whose labels may name an emission line.
    energy : numpy.ndarray of shape (n,)
        Energies in eV.

    Returns
    -------
    dict of dict of str
        Fields by family; empty where the header says nothing.
    """
    symbol = edge = name = threshold = None
    if simulated := simulated_edge(header):
        symbol, edge = simulated[1], simulated[2] or None
    for line in header:
        if field := FIELD.match(line):
            key, value = field["key"].lower(), field["value"].split("||")[0].strip()
            if key in ("atom", "element", "symbol") and energies_of(value):
                symbol = value
            elif key == "edge" and value in EDGES:
                edge = value
            elif key in ("name", "sample") and name is None:
                name = value
        elif found := E0.search(line):
            threshold = float(found[1])
    if symbol is None and threshold is not None:
        # Some programs write keV.
        threshold *= 1000.0 if threshold < 200 else 1.0
        near = edges_near(threshold, NEAREST)
        if near and energy.min() < threshold < energy.max():
            symbol, edge = near[0]
    if symbol is None:
        symbol, edge = _of_emission(columns, energy)
    families: Families = {}
    if symbol:
        families["Element"] = {"symbol": symbol}
        if edge in energies_of(symbol):
            families["Element"]["edge"] = edge
    if name:
        families["Sample"] = {"name": name}
    return families


def simulated_edge(header: list[str]) -> tuple[float, str, str] | None:
    """Energy, element and name of the edge that FDMNES has simulated.

    Parameters
    ----------
    header : list of str
        Lines above the table.

    Returns
    -------
    (float, str, str) or None
        Energy in eV to which those of the table are relative, element, and edge (empty
        if it is unknown); None if this is no table of FDMNES.
    """
    for line in header:
        if found := SIMULATION.match(line):
            energy, number, edge = (number_in(word) for word in found.groups())
            if energy and number and 1 <= number <= len(SYMBOLS):
                name = SIMULATED.get(int(edge or 0), "")
                return energy, SYMBOLS[int(number) - 1], name
    return None


def _of_emission(
    columns: Mapping[str, np.ndarray], energy: np.ndarray
) -> tuple[str | None, str | None]:
    """Element and edge of the emission line that the labels name."""
    line = emission_line(columns)
    if line is None:
        return None, None
    symbol, shell = line
    inside = [
        name
        for name, value in energies_of(symbol).items()
        if name.startswith(shell) and energy.min() < value < energy.max()
    ]
    return symbol, inside[-1] if inside else None
