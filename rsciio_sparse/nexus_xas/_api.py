"""Reader of NXxas spectra and NXstxm stacks, with their uneven energies.

RosettaSciIO's own NeXus reader takes the energy of a stack for a navigation axis with
steps of 1.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from rsciio_sparse._columns import absorption_of
from rsciio_sparse._hdf5 import (
    attribute,
    check_heaps,
    check_stored,
    damage_is_said,
    dataset,
    numbers_of,
    subgroups,
    text_of,
)
from rsciio_sparse._spectra import (
    axis_of,
    metadata_of,
    question_about_element,
    spectrum,
)
from rsciio_sparse._text import MalformedFile
from rsciio_sparse.nexus_xas._fields import (
    columns_of,
    energy_of,
    families_of,
    is_fluorescence,
)
from rsciio_sparse.nexus_xas._measurement import counters_of

if TYPE_CHECKING:
    import h5py

DEFINITIONS = ("NXxas", "NXstxm")


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
        Name of one NXentry, or of one of its NXsubentry as "1.1/itrans"; all by
        default.
    column : str, optional
        Column to read. For a spectrum, "transmission", "fluorescence", "reference", a
        column of the file or an expression of columns such as "ifluor / i0"; for a
        stack, the NXdata group of one of several counters.

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
    check_heaps(path)
    with damage_is_said(path):
        # A lazy stack needs the open file.
        file = h5py.File(path, "r")
        keep = False
        try:
            signals = []
            for group, definition in _entries(path, file, entry):
                if definition == "NXstxm":
                    signals.append(_stack(path, group, lazy, column))
                else:
                    signals.append(_spectrum(path, group, definition, column))
            keep = lazy and any(hasattr(s["data"], "dask") for s in signals)
            return signals
        finally:
            if not keep:
                file.close()


def holds_absorption(path: str) -> bool:
    """Whether a file has an entry with a definition that `file_reader` reads.

    Parameters
    ----------
    path : str
        Name of an HDF5 file.

    Returns
    -------
    bool
        False if it has none, or is damaged.
    """
    import h5py

    try:
        check_heaps(path)
        with damage_is_said(path), h5py.File(path, "r") as file:
            return bool(_entries(path, file, None))
    except (MalformedFile, OSError):
        return False


def _entries(
    path: str, file: h5py.File, wanted: str | None
) -> list[tuple[h5py.Group, str]]:
    """Entries and sub-entries with a definition that this module reads."""
    found: list[tuple[h5py.Group, str]] = []
    others, plain = [], []
    for name, group in subgroups(path, file).items():
        if attribute(group, "NX_class") != "NXentry":
            continue
        entries = {name: group}
        for inner, subgroup in subgroups(path, group).items():
            if attribute(subgroup, "NX_class") == "NXsubentry":
                entries[f"{name}/{inner}"] = subgroup
        for place, each in entries.items():
            definition = text_of(path, each, "definition")
            if definition in DEFINITIONS and wanted in (None, name, place):
                found.append((each, definition))
            elif not definition and wanted in (None, name, place):
                plain.append(each)
            others.append(f"{place} ({definition or 'without definition'})")
    if not found:
        # Files of bliss have no definition; their counters tell what they are.
        found = [(each, "") for each in plain if counters_of(path, each)]
    if not found:
        shown = ", ".join(others[:40]) + (", ..." if len(others) > 40 else "")
        raise MalformedFile(
            path,
            None,
            f"no entry {wanted or ''} with the definition NXxas or NXstxm; there are: "
            f"{shown or 'none'}.",
        )
    return found


def _spectrum(
    path: str, entry: h5py.Group, definition: str, column: str | None
) -> dict[str, Any]:
    counters = None if definition else counters_of(path, entry)
    energy, columns = counters or columns_of(path, entry)
    if energy is None:
        raise MalformedFile(path, None, f"{entry.name} holds no field 'energy'.")
    if (
        column is None
        and definition
        and "mu" not in columns
        and is_fluorescence(path, entry)
    ):
        if "mufluor" not in columns:
            # NXxas calls what the detector counts the absorbed beam, in any mode.
            absorbed = columns.pop("itrans", None)
            if absorbed is not None:
                columns.setdefault("ifluor", absorbed)
        column = "mufluor" if "mufluor" in columns else "fluorescence"
    lengths = {name: len(values) for name, values in columns.items()}
    wrong = [name for name, length in lengths.items() if length != len(energy)]
    if wrong:
        raise MalformedFile(
            path,
            None,
            f"{entry.name}: {lengths[wrong[0]]} points of {wrong[0]} for {len(energy)} "
            "energies.",
        )
    mu, chosen = absorption_of(path, columns, column, energy=energy)
    families = families_of(path, entry)
    question_about_element(path, energy, mu, families)
    every = {"energy": energy, **columns}
    original: dict[str, Any] = {**families, "columns": every, "column": chosen}
    titles = (text_of(path, entry, name) for name in ("title", "sample/name"))
    title = next(filter(None, titles), None)
    if not title and attribute(entry, "NX_class") == "NXsubentry":
        title = (entry.name or "").strip("/")
    metadata = metadata_of(families)
    return spectrum(path, energy, mu, None, title, metadata, original)


def _stack(
    path: str, entry: h5py.Group, lazy: bool, counter: str | None
) -> dict[str, Any]:
    data = _counter(path, entry, counter)
    fields = {name: dataset(path, data, name) for name in ("data", "energy")}
    missing = [name for name, field in fields.items() if field is None]
    if missing:
        raise MalformedFile(path, None, f"{data.name} lacks {' and '.join(missing)}.")
    energy, images = energy_of(path, fields["energy"]), fields["data"]
    if images.shape is None or images.ndim != 3 or images.shape[0] != len(energy):
        raise MalformedFile(
            path,
            None,
            f"{images.name} has shape {images.shape}: energies ({len(energy)}), y and "
            "x were expected.",
        )
    if images.dtype.kind not in "iuf" or 0 in images.shape:
        raise MalformedFile(path, None, f"{images.name} holds no numbers.")
    steps = np.diff(energy)
    if not (steps > 0).all():
        place = int(np.argmin(steps > 0))
        raise MalformedFile(
            path,
            None,
            f"{data.name}/energy: {energy[place + 1]:.10g} eV follows "
            f"{energy[place]:.10g} at index {place}: the stack does not increase.",
        )
    check_stored(path, images)
    if lazy:
        import dask.array as da

        cube = da.moveaxis(da.from_array(images, chunks="auto"), 0, -1)
        cube = cube.rechunk({0: "auto", 1: "auto", 2: -1})
    else:
        cube = np.ascontiguousarray(np.moveaxis(images[()], 0, -1))
    axes = [
        _pixels(path, data, name, size)
        for name, size in zip(("y", "x"), images.shape[1:], strict=True)
    ]
    families = families_of(path, entry)
    control = dataset(path, entry, "control/data")
    original: dict[str, Any] = {**families, "energy": energy}
    if control is not None:
        original["control"] = numbers_of(path, control)
    metadata = metadata_of(families)
    metadata["General"] = {"title": text_of(path, entry, "title") or "STXM stack"}
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
        for name, group in subgroups(path, entry).items()
        if attribute(group, "NX_class") == "NXdata"
    }
    if counter is None and groups:
        default = attribute(entry, "default")
        counter = default if default in groups else next(iter(groups))
    if counter not in groups:
        raise MalformedFile(
            path,
            None,
            f"{entry.name} has no NXdata {counter or ''}; there are: "
            f"{', '.join(groups) or 'none'}.",
        )
    return groups[counter]


def _pixels(path: str, data: h5py.Group, name: str, size: int) -> dict[str, Any]:
    """Uniform axis of y or x, without scale if none is recorded."""
    axis: dict[str, Any] = {"name": name, "size": size, "navigate": True}
    field = dataset(path, data, f"sample_{name}") or dataset(path, data, name)
    if field is not None and field.shape == (size,) and size > 1:
        place = numbers_of(path, field)
        scale = (place[-1] - place[0]) / (size - 1)
        if np.isfinite(place).all() and scale:
            axis |= {"offset": place[0], "scale": scale}
            axis["units"] = attribute(field, "units") or "um"
    return axis
