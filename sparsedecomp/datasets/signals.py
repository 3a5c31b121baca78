"""Simulated cubes as HyperSpy signals, with calibrated axes and metadata."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .ground_truth import Truth, attach_truth
from .simulate import noisy_cube
from .specimens import BEAM_ENERGY, oxide_interface_truth, particles_truth

if TYPE_CHECKING:
    import dask.array as da
    from hyperspy.signals import Signal1D

_logger = logging.getLogger(__name__)


def eels_oxide_interface(
    shape: tuple[int, int] = (64, 64),
    n_channels: int = 1024,
    dose: float = 5e5,
    seed: int = 0,
    lazy: bool = False,
    dtype: DTypeLike = "float32",
    chunks: tuple[int, int] | None = None,
) -> Signal1D:
    """
    Core-loss EELS of an oxide film on a substrate, with known truth.

    A LaMnO3 film (with Mn3O4 precipitates) on SrTiO3 in cross-section, 32 nm x 32 nm,
    at losses of 430 to 942 eV: Ti L, O K, Mn L and La M edges with white lines that
    differ between the phases, on power-law backgrounds, with plural scattering of
    each phase at its own t / lambda, the point spread of the spectrometer, a
    thickness that falls by a quarter from left to right, a rough diffuse interface,
    and Poisson noise.

    Parameters
    ----------
    shape : tuple (ny, nx), default (64, 64)
        Pixels; the field of view stays the same.
    n_channels : int, default 1024
        Channels; the energy window stays the same.
    dose : float, default 5e5
        Mean number of electrons of a pixel in the window.
    seed : int, default 0
        Seed of the shape of the specimen and of the noise.
    lazy : bool, default False
        Whether to return a lazy signal whose blocks are drawn when they are computed.
        It holds the same counts as the eager one, whatever its chunks.
    dtype : dtype, default "float32"
        Floating or integer type of the counts.
    chunks : tuple (cy, cx), optional
        Navigation chunks of a lazy signal, about 32 MiB each if not given.

    Returns
    -------
    EELSSpectrum or LazyEELSSpectrum
        Signal1D or LazySignal1D where exspy is not installed. `truth` gives its
        spectra (counts at the mean thickness) and maps (share of the pixel times its
        relative thickness); the cube without noise is their product.

    Raises
    ------
    ValueError
        If the dose is not positive or `dtype` cannot hold the counts.

    Notes
    -----
    Angles between the spectra: SrTiO3 - LaMnO3 13.6, SrTiO3 - Mn3O4 17.3, LaMnO3 -
    Mn3O4 11.6 degrees. Pixels that hold more than 98 % of one phase: SrTiO3 37 %,
    LaMnO3 31 %, Mn3O4 10 % (a few per cent more or less from seed to seed).

    The background is most of the signal and common to all phases: as with real data,
    a factorisation without a prior may move it from one component to another. Vertex
    component analysis of the leading three singular vectors finds all spectra within
    0.4 degrees; plain non-negative matrix factorisation does not.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> s = datasets.eels_oxide_interface(shape=(16, 24), n_channels=256)
    >>> s.data.shape
    (16, 24, 256)
    >>> s.axes_manager[-1].units
    'eV'
    """
    truth = oxide_interface_truth(shape, n_channels, dose, seed)
    data = noisy_cube(truth, seed=seed, dtype=dtype, lazy=lazy, chunks=chunks)
    instrument = {
        "beam_energy": BEAM_ENERGY,
        "convergence_angle": 20.0,
        "Detector": {"EELS": {"collection_angle": 30.0}},
    }
    energy = uniform_axis("Energy loss", "eV", truth.energy)
    return spectrum_image(
        data,
        image_axes(shape, energy, 32.0 / np.array(shape), "nm"),
        "EELS",
        {
            "General": {"title": "Simulated LaMnO3 film on SrTiO3, EELS"},
            "Acquisition_instrument": {"TEM": instrument},
            "Sample": {"elements": ["La", "Mn", "O", "Ti"]},
            "Signal": {"quantity": "Electrons (Counts)"},
        },
        truth=truth,
    )


def edx_particles(
    shape: tuple[int, int] = (64, 64),
    n_channels: int = 1024,
    counts: float = 200.0,
    seed: int = 0,
    lazy: bool = False,
    dtype: DTypeLike = "uint16",
    chunks: tuple[int, int] | None = None,
) -> Signal1D:
    """
    STEM-EDX of two kinds of particles in a film, with known truth.

    Fe3O4 and CeO2 particles in a film of silica, 400 nm x 400 nm, at 0.2 to 10.44
    keV: K, L and M lines of O, Si, Fe and Ce, carbon contamination, stray copper
    from the grid, bremsstrahlung, the detector's entrance and resolution (130 eV at
    Mn K alpha), and Poisson noise of few counts.

    Parameters
    ----------
    shape : tuple (ny, nx), default (64, 64)
        Pixels; the field of view stays the same.
    n_channels : int, default 1024
        Channels; the energy window stays the same.
    counts : float, default 200
        Mean number of X-rays of a pixel in the window.
    seed : int, default 0
        Seed of the places of the particles and of the noise.
    lazy : bool, default False
        Whether to return a lazy signal whose blocks are drawn when they are computed.
        It holds the same counts as the eager one, whatever its chunks.
    dtype : dtype, default "uint16"
        Floating or integer type of the counts.
    chunks : tuple (cy, cx), optional
        Navigation chunks of a lazy signal, about 32 MiB each if not given.

    Returns
    -------
    EDSTEMSpectrum or LazyEDSTEMSpectrum
        Signal1D or LazySignal1D where exspy is not installed. `truth` gives its
        spectra (counts at the mean thickness) and maps (share of the beam's path
        times the relative thickness); the cube without noise is their product.

    Raises
    ------
    ValueError
        If `counts` is not positive or `dtype` cannot hold the counts.

    Notes
    -----
    Angles between the spectra: film - Fe3O4 77, film - CeO2 71, Fe3O4 - CeO2 79
    degrees. Pixels that hold more than 98 % of one phase: film 74 %, Fe3O4 9 %, CeO2
    6 % (a few per cent more or less from seed to seed). All three phases share
    oxygen, carbon and copper.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> s = datasets.edx_particles(shape=(16, 16), n_channels=256)
    >>> s.data.dtype
    dtype('uint16')
    >>> s.metadata.Sample.elements
    ['C', 'Ce', 'Cu', 'Fe', 'O', 'Si']
    """
    truth = particles_truth(shape, n_channels, counts, seed)
    data = noisy_cube(truth, seed=seed, dtype=dtype, lazy=lazy, chunks=chunks)
    detector = {
        "azimuth_angle": 0.0,
        "elevation_angle": 18.0,
        "energy_resolution_MnKa": 130.0,
    }
    instrument = {
        "beam_energy": BEAM_ENERGY,
        "Stage": {"tilt_alpha": 0.0},
        "Detector": {"EDS": detector},
    }
    lines = ["C_Ka", "Ce_La", "Cu_Ka", "Fe_Ka", "O_Ka", "Si_Ka"]
    energy = uniform_axis("Energy", "keV", truth.energy)
    return spectrum_image(
        data,
        image_axes(shape, energy, 400.0 / np.array(shape), "nm"),
        "EDS_TEM",
        {
            "General": {"title": "Simulated Fe3O4 and CeO2 in silica, EDX"},
            "Acquisition_instrument": {"TEM": instrument},
            "Sample": {
                "elements": ["C", "Ce", "Cu", "Fe", "O", "Si"],
                "xray_lines": lines,
            },
            "Signal": {"quantity": "X-rays (Counts)"},
        },
        truth=truth,
    )


def image_axes(
    shape: Sequence[int],
    signal_axis: dict[str, Any],
    step: float | np.ndarray = 1.0,
    units: str = "",
) -> list[dict[str, Any]]:
    """Axes of a spectrum image: y, x and that of the spectra.

    Parameters
    ----------
    shape : (ny, nx, ...)
        Shape of the cube.
    signal_axis : dict
        Axis of the spectra, see `uniform_axis`.
    step : float or (2,) array, default 1
        Step of both pixel axes, or of each.
    units : str, default ""
        Unit of the step.

    Returns
    -------
    list of dict
        Axes in array order.
    """
    pixels = [
        {"name": name, "size": size, "scale": float(scale), "units": units}
        for name, size, scale in zip(
            "yx", shape[:2], np.broadcast_to(step, 2), strict=True
        )
    ]
    return [*pixels, signal_axis]


def uniform_axis(name: str, units: str, values: np.ndarray) -> dict[str, Any]:
    """Description of a uniform signal axis through the given values."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    return {
        "name": name,
        "units": units,
        "size": len(values),
        "offset": float(values[0]),
        "scale": float(step),
    }


def spectrum_image(
    data: np.ndarray | da.Array,
    axes: Sequence[dict[str, Any]],
    signal_type: str,
    metadata: dict[str, Any],
    *,
    truth: Truth | None = None,
    lazy: bool = False,
) -> Signal1D:
    """Signal of a type, or Signal1D where it is not known.

    EELS and EDS types are classes of exspy, which is optional.

    Parameters
    ----------
    data : ndarray or dask.array.Array
        Spectra along the last axis.
    axes : sequence of dict
        Axes in array order.
    signal_type : str
        HyperSpy's signal type; empty for Signal1D.
    metadata : dict
        HyperSpy's metadata.
    truth : Truth, optional
        Spectra and maps of the cube, which the signal keeps.
    lazy : bool, default False
        Whether the signal is lazy; it always is where the data are.

    Returns
    -------
    Signal1D
        Signal of the type.
    """
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(data, axes=axes, metadata=metadata)
    if lazy or not isinstance(data, np.ndarray):
        signal = signal.as_lazy()
    needs_exspy = signal_type.startswith(("EELS", "EDS"))
    if needs_exspy and importlib.util.find_spec("exspy") is None:
        _logger.info(
            "exspy is not installed: the signal is a Signal1D, not of type %s. "
            'Install it with: pip install "sparsedecomp[eds]".',
            signal_type,
        )
    elif signal_type:
        signal.set_signal_type(signal_type)
    if truth is not None:
        attach_truth(signal, truth)
    return signal
