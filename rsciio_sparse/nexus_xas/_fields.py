"""Columns, energies and descriptions in the groups of NXxas entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rsciio_sparse._hdf5 import (
    attribute,
    dataset,
    member,
    numbers_of,
    subgroups,
    text_of,
)
from rsciio_sparse._spectra import UNITS_OF_ENERGY, Families
from rsciio_sparse._text import MalformedFile

if TYPE_CHECKING:
    import h5py

COLUMNS = {
    "incoming_beam": "i0",
    "i0": "i0",
    "absorbed_beam": "itrans",
    "itrans": "itrans",
    "ifluor": "ifluor",
    "irefer": "irefer",
    "mutrans": "mutrans",
    "mufluor": "mufluor",
    "intensity": "mu",
    "absorption": "mu",
    "absorbed_spectrum": "mu",
    "mu": "mu",
}
"""Names in NeXus files -> names of XDI."""

PLACES = {
    ("Element", "symbol"): (
        "element/symbol",
        "element/name",
        "element",
        "scan/xrayedge/element",
    ),
    ("Element", "edge"): ("edge/name", "edge", "scan/xrayedge/edge"),
    ("Facility", "name"): ("instrument/source/name",),
    ("Beamline", "name"): ("instrument/source/beamline", "instrument/name"),
    ("Mono", "d_spacing"): ("instrument/monochromator/crystal/d_spacing",),
    ("Sample", "name"): ("sample/name",),
    ("Scan", "start_time"): ("start_time",),
}
"""Names of XDI -> paths in an entry, the best first."""

KEV = 200.0
"""Energies below this are keV where a field does not say its units."""


def columns_of(
    path: str, entry: h5py.Group
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Energies in eV and the columns of a spectrum, under the names of XDI.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    entry : h5py.Group
        Entry or sub-entry with the definition NXxas.

    Returns
    -------
    energy : numpy.ndarray of shape (n,), or None
        Energies; None if the entry has none.
    columns : dict of str to numpy.ndarray
        Columns by name.
    """
    columns: dict[str, np.ndarray] = {}
    energy: np.ndarray | None = None
    for group in _groups(path, entry):
        for name in group:
            if name != "energy" and name not in COLUMNS:
                continue
            # Detectors keep counts in a field `data`, NXdata in fields of their names.
            field = dataset(path, group, name) or dataset(path, group, f"{name}/data")
            if field is None or field.shape is None or field.ndim != 1:
                continue
            if field.dtype.kind not in "iuf":
                continue
            if name == "energy":
                energy = energy if energy is not None else energy_of(path, field)
            else:
                columns.setdefault(COLUMNS[name], numbers_of(path, field))
    return energy, columns


def energy_of(path: str, field: h5py.Dataset) -> np.ndarray:
    """Energies in eV.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    field : h5py.Dataset
        Field with the energies.

    Returns
    -------
    numpy.ndarray of shape (n,)
        Energies.

    Raises
    ------
    MalformedFile
        If the field is in other units than eV or keV, or holds fewer than two numbers.
    """
    energy = numbers_of(path, field)
    unit = attribute(field, "units") or attribute(field.parent, "units")
    if not unit:
        # The label of the axis may name them.
        label = attribute(field, "long_name").lower()
        unit = "keV" if "kev" in label else "eV" if "ev" in label else ""
        if not unit and energy.size and energy.max() < KEV:
            unit = "keV"
    if unit.lower() not in UNITS_OF_ENERGY:
        raise MalformedFile(
            path, None, f"{field.name} is in {unit!r}; eV or keV was expected."
        )
    if energy.size < 2:
        raise MalformedFile(
            path, None, f"{field.name} holds {energy.size} energies, two are needed."
        )
    return energy * UNITS_OF_ENERGY[unit.lower()]


def is_fluorescence(path: str, entry: h5py.Group) -> bool:
    """Whether the entry says that fluorescence was measured.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    entry : h5py.Group
        Entry or sub-entry with the definition NXxas.

    Returns
    -------
    bool
        True if its mode is fluorescence.
    """
    names = ("mode", "mode/name", "data/mode")
    modes = (text_of(path, entry, name) for name in names)
    return any((mode or "").lower().startswith("fluo") for mode in modes)


def families_of(path: str, entry: h5py.Group) -> Families:
    """Element, source, crystal and sample under the names of XDI.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    entry : h5py.Group
        Entry or sub-entry. What a sub-entry lacks is taken from its entry.

    Returns
    -------
    dict of dict of str
        Fields by family.
    """
    groups = [entry]
    if attribute(entry, "NX_class") == "NXsubentry":
        groups.append(entry.parent)
    families: Families = {}
    for (family, key), places in PLACES.items():
        values = (text_of(path, group, place) for group in groups for place in places)
        value = next(filter(None, values), None)
        if value:
            families.setdefault(family, {})[key] = value
    return families


def _groups(path: str, entry: h5py.Group) -> Iterator[h5py.Group]:
    """Groups in which the columns of a spectrum may be, the best first."""
    import h5py

    yield entry
    for name in ("data", "absorption", "instrument", "instrument/monochromator"):
        group = member(path, entry, name)
        if isinstance(group, h5py.Group):
            yield group
    for group in subgroups(path, entry).values():
        if attribute(group, "NX_class") == "NXdata":
            yield group
