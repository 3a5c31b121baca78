"""Scans without definition: the counters of bliss in the group ``measurement``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rsciio_sparse._hdf5 import attribute, dataset, member, numbers_of
from rsciio_sparse._labels import is_energy
from rsciio_sparse.nexus_xas._fields import energy_of

if TYPE_CHECKING:
    import h5py

MAX_COUNTERS = 1000
"""Largest number of counters that are read."""


def counters_of(
    path: str, entry: h5py.Group
) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Energies in eV and counters of a scan.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    entry : h5py.Group
        Entry without a definition.

    Returns
    -------
    energy : numpy.ndarray of shape (n,)
        Energies of the counter whose name says so, of several that of the encoder.
    counters : dict of str to numpy.ndarray of shape (n,)
        All other counters of this length. None instead of both if the entry is no scan
        of the energy.
    """
    import h5py

    group = member(path, entry, "measurement")
    if not isinstance(group, h5py.Group):
        return None
    fields = {}
    for name in list(group)[:MAX_COUNTERS]:
        field = dataset(path, group, name)
        if field is None or field.shape is None or field.ndim != 1:
            continue
        if field.dtype.kind in "iuf" and field.size > 1:
            fields[name] = field
    named = sorted(
        (name for name in fields if is_energy(name)),
        key=lambda name: ("enc" not in name.lower(), len(name)),
    )
    for name in named:
        unit = attribute(fields[name], "units").lower()
        if unit not in ("", "ev", "kev"):
            continue
        energy = energy_of(path, fields[name])
        if np.ptp(energy) > 0:
            others = {key: fields[key] for key in fields if key not in named}
            return energy, {
                key: numbers_of(path, field)
                for key, field in others.items()
                if field.shape == energy.shape
            }
    return None
