"""Readers of X-ray absorption data sets, which give HyperSpy signals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.datasets.signals import spectrum_image
from sparsedecomp.xas import absorption, shifted

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


def uo2(path: Path, lazy: bool) -> BaseSignal:
    """Read the merged record of the project of UO2."""
    return _records(path, lazy, ["UO2 77K"])[0]


def nio_scans(path: Path, lazy: bool) -> BaseSignal:
    """Read ten scans of NiO, shifted in energy as the authors found from a foil."""
    labels = [f"NiO.{number:03}" for number in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10)]
    # The first scan is in the project twice.
    scans = {s.metadata.General.title: s for s in _records(path, False, labels)}
    first = scans[labels[0]]
    energy = first.axes_manager[-1].axis
    mu = [
        shifted(energy, scan.data, -scan.original_metadata.Athena.energy_shift)
        for scan in scans.values()
    ]
    axes = [{"name": "scan", "size": len(mu), "navigate": True}, _energy_axis(energy)]
    metadata = first.metadata.as_dictionary()
    metadata["General"] = {"title": "NiO, ten scans"}
    return spectrum_image(np.array(mu), axes, "XAS", metadata, lazy=lazy)


def nickel_and_oxide(path: Path, lazy: bool) -> BaseSignal:
    """Read the merged records of the NiO sample and of the nickel foil behind it."""
    foil, oxide = (_records(path, False, [label])[0] for label in ("  Ref NiO", "NiO"))
    energy = oxide.axes_manager[-1].axis
    mu = np.array(
        [np.interp(energy, foil.axes_manager[-1].axis, foil.data), oxide.data]
    )
    axes = [{"name": "phase", "size": 2, "navigate": True}, _energy_axis(energy)]
    metadata = oxide.metadata.as_dictionary()
    metadata["General"] = {"title": "Nickel foil and NiO"}
    return spectrum_image(mu, axes, "XAS", metadata, lazy=lazy)


def fe2p_plume(path: Path, lazy: bool) -> BaseSignal:
    """Read an STXM stack; the counts beside the particle are the incoming intensity."""
    import h5py

    with h5py.File(path) as file:
        counts, incoming = file["intensity"][()], file["i0_counts"][()]
        energy = file["energy_eV"][()]
        place = [file[f"{name}_um"][()] for name in "yx"]
    mu = absorption(incoming.astype(counts.dtype), np.moveaxis(counts, 0, -1))
    axes = [
        {
            "name": name,
            "units": "um",
            "size": len(at),
            "offset": at[0],
            "scale": at[1] - at[0],
            "navigate": True,
        }
        for name, at in zip("yx", place, strict=True)
    ]
    element = {"symbol": "Fe", "edge": "L3"}
    metadata = {
        "General": {"title": "Iron L edge, STXM stack of a plume particle"},
        "Acquisition_instrument": {"XAS": {"Element": element}},
        "Sample": {"elements": ["Fe"]},
        "Signal": {"quantity": "Absorption"},
    }
    return spectrum_image(mu, [*axes, _energy_axis(energy)], "XAS", metadata, lazy=lazy)


def _records(path: Path, lazy: bool, labels: list[str]) -> list[BaseSignal]:
    import hyperspy.api as hs

    loaded = hs.load(path, lazy=lazy, records=labels)
    return loaded if isinstance(loaded, list) else [loaded]


def _energy_axis(energy: np.ndarray) -> dict[str, Any]:
    return {"name": "Energy", "units": "eV", "axis": energy, "navigate": False}
