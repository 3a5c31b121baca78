"""Readers of the files of the data sets, which give HyperSpy signals.

Every reader takes the path of the file and whether the signal shall be lazy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ground_truth import Truth
from .signals import image_axes, spectrum_image, uniform_axis
from .simulate import noisy_cube

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

MANTLE_PIXEL = 9.8591
"""Pixel of the mantle lamella, and of its phantoms, in nm."""


def hyperspy_file(path: Path, lazy: bool) -> BaseSignal:
    """Read one signal from a file that HyperSpy can load."""
    import hyperspy.api as hs

    return hs.load(path, lazy=lazy)


def cuzn_eels(path: Path, lazy: bool) -> BaseSignal:
    """Read the copper-zinc map, whose file does not name the elements."""
    signal = hyperspy_file(path, lazy)
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
    axes = image_axes(data.shape, uniform_axis("Energy loss", "eV", energy))
    metadata = {"General": {"title": title}, "Sample": {"elements": ["Mn", "O"]}}
    return spectrum_image(data, axes, "EELS", metadata, lazy=lazy)


def edx_particles_espm(path: Path, lazy: bool) -> BaseSignal:
    """Read particles simulated with espm, whose energy axis begins at 0.2 keV."""
    with np.load(path) as file:
        counts, phases = file["counts"], file["phases"]
        maps = file["weights"] * file["densities"] * file["N"]
    energy = 0.2 + 0.01 * np.arange(counts.shape[-1])
    names = ("V-Rb-W matrix", "N-Pt-Yb particles", "Al-La-Ti particles")
    axes = image_axes(counts.shape, uniform_axis("Energy", "keV", energy))
    elements = ["Al", "La", "N", "Pt", "Rb", "Ti", "V", "W", "Yb"]
    metadata = {
        "General": {"title": "Particles simulated with espm"},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
        "Sample": {"elements": elements},
    }
    known = Truth(phases, maps, names, energy)
    return spectrum_image(counts, axes, "EDS_TEM", metadata, truth=known, lazy=lazy)


def samson(path: Path, lazy: bool) -> BaseSignal:
    """Read the Samson scene.

    Its truth is valid after each pixel is scaled to unit norm: the abundances sum to
    1, while the cube keeps the brightness of the pixels.
    """
    return _reflectance(path, "Samson", ("Wavelength", "nm"), (401, 889), lazy)


def minerals(path: Path, lazy: bool) -> BaseSignal:
    """Read Sim1 or Sim2, mixtures of six minerals over 224 spectral bands."""
    return _reflectance(path, path.stem, ("Band", ""), (0, 223), lazy)


def _reflectance(
    path: Path, title: str, axis: tuple[str, str], ends: tuple[float, float], lazy: bool
) -> BaseSignal:
    """Read a scene of reflectances with its endmembers and abundances."""
    with np.load(path) as file:
        endmembers, abundances = file["endmembers"], file["abundances"]
        named = [f"mineral {i + 1}" for i in range(endmembers.shape[1])]
        names = tuple(map(str, file.get("names", named)))
        cube = file["cube"]
    values = np.linspace(*ends, cube.shape[-1])
    axes = image_axes(cube.shape, uniform_axis(*axis, values))
    metadata = {"General": {"title": title}, "Signal": {"quantity": "Reflectance"}}
    known = Truth(endmembers.T, abundances, names, values)
    return spectrum_image(cube, axes, "", metadata, truth=known, lazy=lazy)


def phantom(path: Path, lazy: bool) -> BaseSignal:
    """Draw counts with seed 0 from the expected maps and spectra of a phantom."""
    with np.load(path) as file:
        (maps,) = (file[key] for key in file.files if key.startswith("maps"))
        spectra, energy = file["spectra"].T.astype(float), file["energy_keV"]
    names = tuple(f"phase {i + 1}" for i in range(len(spectra)))
    known = Truth(spectra, maps.astype(float), names, energy)
    counts = noisy_cube(known, seed=0, dtype="uint16", lazy=lazy)
    axis = uniform_axis("Energy", "keV", energy)
    metadata = {
        "General": {"title": path.stem},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
    }
    axes = image_axes(counts.shape, axis, MANTLE_PIXEL, "nm")
    return spectrum_image(counts, axes, "EDS_TEM", metadata, truth=known)


def amino_acids(path: Path, lazy: bool) -> BaseSignal:
    """Read fluorescence of three amino acids, ``Sample.concentrations`` in mol/l."""
    with np.load(path) as file:
        about = {
            "General": {"title": "Amino acids, fluorescence"},
            "Sample": {"concentrations": file["conc_mol_per_l"]},
        }
        return _fluorescence(file, file["X"], about, lazy)


def kinetic(path: Path, lazy: bool) -> BaseSignal:
    """Read fluorescence during a reaction, NaN where nothing was measured."""
    with np.load(path) as file:
        data = np.where(file["missing"], np.nan, file["X"]).astype(np.float32)
        about = {"General": {"title": "Kinetic fluorescence"}}
        return _fluorescence(file, data, about, lazy)


def _fluorescence(
    file: Mapping[str, np.ndarray],
    data: np.ndarray,
    about: dict[str, Any],
    lazy: bool,
) -> BaseSignal:
    """Make a series of excitation-emission matrices, and of times if there are any."""
    axes: list[dict[str, Any]] = [{"name": "sample", "size": len(data)}]
    for name, units in (("emission", "nm"), ("excitation", "nm"), ("time", "min")):
        values = file.get(f"{name}_{units}")
        if values is not None:
            axes.append(uniform_axis(name, units, values.astype(float)))
    metadata = about | {"Signal": {"quantity": "Fluorescence"}}
    return spectrum_image(data, axes, "", metadata, lazy=lazy)
