"""Readers of the files of the data sets, which give HyperSpy signals.

Every reader takes the path of the file and whether the signal shall be lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ground_truth import Truth, attach_truth
from .signals import spectrum_image, uniform_axis
from .simulate import noisy_cube

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

MANTLE_PIXEL = 9.8591
"""Pixel of the mantle lamella, and of its phantoms, in nm."""


def hspy(path: Path, lazy: bool) -> BaseSignal:
    """Read a file in HyperSpy's own format."""
    import hyperspy.api as hs

    return hs.load(path, lazy=lazy)


def cuzn_eels(path: Path, lazy: bool) -> BaseSignal:
    """Read the copper-zinc map, whose file does not name the elements."""
    signal = hspy(path, lazy)
    signal.metadata.set_item("Sample.elements", ["Cu", "Zn"])
    return signal


def mn3o4(path: Path, lazy: bool) -> BaseSignal:
    """Read the noisy Mn3O4 cube, whose pixel size was not published."""
    with np.load(path) as file:
        return mn3o4_signal(file["X"], file["ev"], "Mn3O4, noisy", lazy)


def mn3o4_clean(path: Path, lazy: bool) -> BaseSignal:
    """Read the noise-free Mn3O4 cube; its energy axis is that of the noisy one."""
    from scipy.io import loadmat

    data = loadmat(path)["datar"]
    energy = np.linspace(10, 200, data.shape[-1])
    return mn3o4_signal(data, energy, "Mn3O4, noise-free", lazy)


def mn3o4_signal(
    data: np.ndarray, energy: np.ndarray, title: str, lazy: bool
) -> BaseSignal:
    """Make the EELS signal of a Mn3O4 cube."""
    axes = pixel_axes(data.shape[:2])
    axes.append(uniform_axis("Energy loss", "eV", energy))
    metadata = {"General": {"title": title}, "Sample": {"elements": ["Mn", "O"]}}
    return read_signal(data, axes, "EELS", metadata, lazy)


def edx_particles_espm(path: Path, lazy: bool) -> BaseSignal:
    """Read particles simulated with espm, whose energy axis begins at 0.2 keV."""
    with np.load(path) as file:
        counts, phases = file["counts"], file["phases"]
        maps = file["weights"] * file["densities"] * file["N"]
    energy = 0.2 + 0.01 * np.arange(counts.shape[-1])
    names = ("V-Rb-W matrix", "N-Pt-Yb particles", "Al-La-Ti particles")
    axes = [*pixel_axes(counts.shape[:2]), uniform_axis("Energy", "keV", energy)]
    elements = ["Al", "La", "N", "Pt", "Rb", "Ti", "V", "W", "Yb"]
    metadata = {
        "General": {"title": "Particles simulated with espm"},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
        "Sample": {"elements": elements},
    }
    signal = read_signal(counts, axes, "EDS_TEM", metadata, lazy)
    attach_truth(signal, Truth(phases, maps, names, energy))
    return signal


def samson(path: Path, lazy: bool) -> BaseSignal:
    """Read the Samson scene.

    Its truth is valid after each pixel is scaled to unit norm: the abundances sum to
    1, while the cube keeps the brightness of the pixels.
    """
    with np.load(path) as file:
        cube, endmembers = file["cube"], file["endmembers"]
        abundances, names = file["abundances"], file["names"]
    wavelength = np.linspace(401, 889, cube.shape[-1])
    axes = [*pixel_axes(cube.shape[:2]), uniform_axis("Wavelength", "nm", wavelength)]
    metadata = {"General": {"title": "Samson"}, "Signal": {"quantity": "Reflectance"}}
    signal = read_signal(cube, axes, "", metadata, lazy)
    known = Truth(endmembers.T, abundances, tuple(map(str, names)), wavelength)
    attach_truth(signal, known)
    return signal


def minerals(path: Path, lazy: bool) -> BaseSignal:
    """Read Sim1 or Sim2, mixtures of six minerals over 224 spectral bands."""
    with np.load(path) as file:
        cube, endmembers = file["cube"], file["endmembers"]
        abundances = file["abundances"]
    band = np.arange(cube.shape[-1], dtype=float)
    axes = [*pixel_axes(cube.shape[:2]), uniform_axis("Band", "", band)]
    metadata = {
        "General": {"title": path.stem},
        "Signal": {"quantity": "Reflectance"},
    }
    signal = read_signal(cube, axes, "", metadata, lazy)
    names = tuple(f"mineral {i + 1}" for i in range(endmembers.shape[1]))
    attach_truth(signal, Truth(endmembers.T, abundances, names, band))
    return signal


def phantom(path: Path, lazy: bool) -> BaseSignal:
    """Draw counts with seed 0 from the expected maps and spectra of a phantom."""
    with np.load(path) as file:
        (maps,) = (file[key] for key in file.files if key.startswith("maps"))
        spectra, energy = file["spectra"].T.astype(float), file["energy_keV"]
    names = tuple(f"phase {i + 1}" for i in range(len(spectra)))
    known = Truth(spectra, maps.astype(float), names, energy)
    counts = noisy_cube(known, seed=0, dtype="uint16", lazy=lazy)
    axes = pixel_axes(counts.shape[:2], scale=MANTLE_PIXEL, units="nm")
    axes.append(uniform_axis("Energy", "keV", energy))
    metadata = {
        "General": {"title": path.stem},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
    }
    signal = spectrum_image(counts, axes, "EDS_TEM", metadata)
    attach_truth(signal, known)
    return signal


def amino_acids(path: Path, lazy: bool) -> BaseSignal:
    """Read fluorescence of three amino acids, ``Sample.concentrations`` in mol/l."""
    with np.load(path) as file:
        data, concentrations = file["X"], file["conc_mol_per_l"]
        emission, excitation = file["emission_nm"], file["excitation_nm"]
    axes = [
        {"name": "sample", "size": len(data)},
        uniform_axis("emission", "nm", emission.astype(float)),
        uniform_axis("excitation", "nm", excitation.astype(float)),
    ]
    metadata = {
        "General": {"title": "Amino acids, fluorescence"},
        "Sample": {"concentrations": concentrations},
        "Signal": {"quantity": "Fluorescence"},
    }
    return read_signal(data, axes, "", metadata, lazy)


def kinetic(path: Path, lazy: bool) -> BaseSignal:
    """Read fluorescence during a reaction, NaN where nothing was measured."""
    with np.load(path) as file:
        data = np.where(file["missing"], np.nan, file["X"]).astype(np.float32)
        emission, excitation = file["emission_nm"], file["excitation_nm"]
        time = file["time_min"]
    axes = [
        {"name": "sample", "size": len(data)},
        uniform_axis("emission", "nm", emission),
        uniform_axis("excitation", "nm", excitation.astype(float)),
        uniform_axis("time", "min", time),
    ]
    metadata = {
        "General": {"title": "Kinetic fluorescence"},
        "Signal": {"quantity": "Fluorescence"},
    }
    return read_signal(data, axes, "", metadata, lazy)


def pixel_axes(
    shape: Sequence[int], scale: float = 1.0, units: str = ""
) -> list[dict[str, Any]]:
    """Descriptions of the navigation axes y and x; unitless if not calibrated."""
    return [
        {"name": name, "size": size, "scale": scale, "units": units}
        for name, size in zip("yx", shape, strict=True)
    ]


def read_signal(
    data: np.ndarray,
    axes: Sequence[dict[str, Any]],
    signal_type: str,
    metadata: dict[str, Any],
    lazy: bool,
) -> BaseSignal:
    """Make the signal of an array that was read from a file."""
    signal = spectrum_image(data, axes, signal_type, metadata)
    return signal.as_lazy() if lazy else signal
