"""Reader of NXxas spectra and NXstxm stacks, with their uneven energies.

RosettaSciIO's own NeXus reader takes the energy of a stack for a navigation axis with
steps of 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rsciio_sparse._spectra import (
    UNITS_OF_ENERGY,
    Families,
    absorption_of,
    axis_of,
    metadata_of,
    spectrum,
)
from rsciio_sparse._text import MalformedFile

if TYPE_CHECKING:
    import h5py

DEFINITIONS = ("NXxas", "NXstxm")

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
    "mu": "mu",
}
"""Names in NeXus files -> names of XDI."""


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    entry: str | None = None,
    column: str | None = None,
) -> list[dict[str, Any]]:
    """Read NXxas spectra or NXstxm stacks.

    Parameters
    ----------
    filename : str or pathlib.Path
        Files called .nxs, .h5 or .hdf5 need ``file_format="NXxas"`` or
        ``file_format="NXstxm"`` in ``hs.load``.
    lazy : bool
        Whether to leave a stack in the file.
    entry : str, optional
        Name of one NXentry; all by default.
    column : str, optional
        Column to read. For a spectrum, "transmission", "fluorescence", "reference" or
        a column of the file; for a stack, the NXdata group of one of several counters.

    Returns
    -------
    list of dict
        Spectra and stacks. A stack is the intensity with y and x as navigation and
        the energy as signal axis; the current or the incoming counts of each energy
        are in ``original_metadata.control``, if recorded.

    Raises
    ------
    MalformedFile
        If there is no such entry, or energies or counts are missing or have different
        lengths.
    """
    import h5py

    path = str(filename)
    if not h5py.is_hdf5(path):
        raise MalformedFile(path, None, "this is not an HDF5 file, as NeXus files are.")
    # A lazy stack needs the open file.
    file = h5py.File(path, "r")
    keep = False
    try:
        found = _entries(path, file, entry)
        signals = []
        for group, definition in found:
            if definition == "NXstxm":
                signals.append(_stack(path, group, lazy, column))
                keep = lazy
            else:
                signals.append(_spectrum(path, group, column))
        return signals
    finally:
        if not keep:
            file.close()


def _entries(
    path: str, file: h5py.File, wanted: str | None
) -> list[tuple[h5py.Group, str]]:
    """Groups with a definition that this module reads."""
    found, others = [], []
    for name, group in file.items():
        if not hasattr(group, "keys") or _class_of(group) != "NXentry":
            continue
        definition = _text(group, "definition")
        if definition in DEFINITIONS and wanted in (None, name):
            found.append((group, definition))
        others.append(f"{name} ({definition or 'without definition'})")
    if not found:
        raise MalformedFile(
            path,
            None,
            f"no entry {wanted or ''} with the definition NXxas or NXstxm; there are: "
            f"{', '.join(others) or 'none'}.",
        )
    return found


def _spectrum(path: str, entry: h5py.Group, column: str | None) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    energy: np.ndarray | None = None
    for group in _groups(entry):
        for name, item in group.items():
            # Detectors keep counts in a field `data`, NXdata in fields of their names.
            field = item["data"] if hasattr(item, "keys") and "data" in item else item
            if (
                hasattr(field, "keys")
                or field.ndim != 1
                or field.dtype.kind not in "iuf"
            ):
                continue
            if name == "energy":
                energy = energy if energy is not None else _energy(path, field)
            elif name in COLUMNS:
                columns.setdefault(COLUMNS[name], np.asarray(field, dtype=float))
    if energy is None:
        raise MalformedFile(path, None, f"{entry.name} holds no field 'energy'.")
    if column is None and (_text(entry, "data/mode") or "").lower()[:4] == "fluo":
        if "mufluor" not in columns:
            columns.setdefault("ifluor", columns.pop("itrans", None))
            columns = {
                key: value for key, value in columns.items() if value is not None
            }
        column = "mufluor" if "mufluor" in columns else "fluorescence"
    mu, chosen = absorption_of(path, columns, column)
    if len(mu) != len(energy):
        raise MalformedFile(
            path,
            None,
            f"{entry.name}: {len(mu)} points of {chosen} for {len(energy)} energies.",
        )
    families = _families(entry)
    every = {"energy": energy, **columns}
    original: dict[str, Any] = {**families, "columns": every, "column": chosen}
    title = _text(entry, "title") or _text(entry, "sample/name")
    metadata = metadata_of(families)
    return spectrum(path, energy, mu, None, title, metadata, original)


def _stack(
    path: str, entry: h5py.Group, lazy: bool, counter: str | None
) -> dict[str, Any]:
    data = _counter(path, entry, counter)
    missing = [name for name in ("data", "energy") if name not in data]
    if missing:
        raise MalformedFile(path, None, f"{data.name} lacks {' and '.join(missing)}.")
    energy, images = _energy(path, data["energy"]), data["data"]
    if images.ndim != 3 or images.shape[0] != len(energy):
        raise MalformedFile(
            path,
            None,
            f"{images.name} has shape {images.shape}: energies ({len(energy)}), y and "
            "x were expected.",
        )
    steps = np.diff(energy)
    if not (steps > 0).all():
        place = int(np.argmin(steps > 0))
        raise MalformedFile(
            path,
            None,
            f"{data['energy'].name}: {energy[place + 1]:.10g} eV follows "
            f"{energy[place]:.10g} at index {place}: the stack does not increase.",
        )
    if lazy:
        import dask.array as da

        cube = da.moveaxis(da.from_array(images, chunks="auto"), 0, -1)
        cube = cube.rechunk({0: "auto", 1: "auto", 2: -1})
    else:
        cube = np.ascontiguousarray(np.moveaxis(images[()], 0, -1))
    axes = [
        _pixels(data, name, size)
        for name, size in zip(("y", "x"), images.shape[1:], strict=True)
    ]
    families = _families(entry)
    control = entry.get("control/data")
    original: dict[str, Any] = {**families, "energy": energy}
    if control is not None:
        original["control"] = np.asarray(control[()])
    metadata = metadata_of(families)
    metadata["General"] = {"title": _text(entry, "title") or "STXM stack"}
    metadata["Signal"] = {"signal_type": "XAS", "quantity": "Intensity"}
    return {
        "data": cube,
        "axes": [*axes, axis_of(energy, "Energy", "eV")],
        "metadata": metadata,
        "original_metadata": original,
    }


def _counter(path: str, entry: h5py.Group, counter: str | None) -> h5py.Group:
    groups = {
        name: group
        for name, group in entry.items()
        if hasattr(group, "keys") and _class_of(group) == "NXdata"
    }
    if counter is None and groups:
        default = entry.attrs.get("default", next(iter(groups)))
        counter = default if default in groups else next(iter(groups))
    if counter not in groups:
        raise MalformedFile(
            path,
            None,
            f"{entry.name} has no NXdata {counter or ''}; there are: "
            f"{', '.join(groups) or 'none'}.",
        )
    return groups[counter]


def _pixels(data: h5py.Group, name: str, size: int) -> dict[str, Any]:
    """Uniform axis of y or x, without scale if none is recorded."""
    axis: dict[str, Any] = {"name": name, "size": size, "navigate": True}
    field = data.get(f"sample_{name}", data.get(name))
    if field is not None and field.shape == (size,) and size > 1:
        place = np.asarray(field, dtype=float)
        axis |= {"offset": place[0], "scale": (place[-1] - place[0]) / (size - 1)}
        axis["units"] = _decoded(field.attrs.get("units", "")) or "um"
    return axis


def _energy(path: str, field: h5py.Dataset) -> np.ndarray:
    unit = _decoded(field.attrs.get("units", ""))
    if unit.lower() not in UNITS_OF_ENERGY:
        raise MalformedFile(
            path, None, f"{field.name} is in {unit!r}; eV or keV was expected."
        )
    return np.asarray(field, dtype=float) * UNITS_OF_ENERGY[unit.lower()]


def _groups(entry: h5py.Group) -> Iterator[h5py.Group]:
    """Groups in which the columns of a spectrum may be, the best first."""
    for path in ("data", "absorption", "instrument", "instrument/monochromator"):
        if path in entry and hasattr(entry[path], "keys"):
            yield entry[path]
    for group in entry.values():
        if hasattr(group, "keys") and _class_of(group) == "NXdata":
            yield group


def _families(entry: h5py.Group) -> Families:
    """Element, source, crystal and sample under the names of XDI."""
    places = {
        ("Element", "symbol"): ("element", "element/name", "scan/xrayedge/element"),
        ("Element", "edge"): ("edge", "edge/name", "scan/xrayedge/edge"),
        ("Facility", "name"): ("instrument/source/name",),
        ("Mono", "d_spacing"): ("instrument/monochromator/crystal/d_spacing",),
        ("Sample", "name"): ("sample/name",),
        ("Scan", "start_time"): ("start_time",),
    }
    families: Families = {}
    for (family, key), paths in places.items():
        value = next(filter(None, (_text(entry, path) for path in paths)), None)
        if value:
            families.setdefault(family, {})[key] = value
    return families


def _text(group: h5py.Group, path: str) -> str | None:
    """Text of a field; None if there is none."""
    field = group.get(path)
    if field is None or hasattr(field, "keys"):
        return None
    value = field[()]
    value = value.ravel()[0] if isinstance(value, np.ndarray) and value.size else value
    return _decoded(value)


def _class_of(group: h5py.Group) -> str:
    return _decoded(group.attrs.get("NX_class", ""))


def _decoded(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
