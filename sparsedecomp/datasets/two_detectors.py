"""Simulated EDX and core-loss EELS of one scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .edx import edx_spectrum
from .eels import Edge, core_loss_spectrum
from .ground_truth import Truth
from .maps import smooth_maps
from .signals import image_axes, spectrum_image, uniform_axis
from .simulate import noisy_cube
from .specimens import (
    BEAM_ENERGY,
    EDX_WINDOW,
    EELS_WINDOW,
    channel_centres,
    scaled_truth,
)

if TYPE_CHECKING:
    from hyperspy.signals import Signal1D

_OXYGEN = Edge(
    "O",
    "K",
    onset=532.0,
    cross_section=2.0,
    decay=3.5,
    white_lines=((537.0, 1.2, 3.0), (543.0, 1.0, 5.0)),
    line_share=0.3,
)
_IRON = Edge(
    "Fe",
    "L",
    onset=708.0,
    cross_section=4.0,
    decay=1.6,
    white_lines=((708.5, 1.2, 2.0), (721.5, 0.6, 3.0)),
    line_share=0.4,
)
_CERIUM = Edge(
    "Ce",
    "M",
    onset=883.0,
    cross_section=6.0,
    decay=2.0,
    white_lines=((884.0, 0.9, 2.2), (902.0, 1.0, 2.4)),
    line_share=0.5,
)
# Phases of `edx_eels_scan`: composition for EDX; edges and background for EELS.
PHASES = {
    "SiO2": ({"Si": 22.0, "O": 44.0}, ((44.0, _OXYGEN),), (4.0, 3.00)),
    "Fe2O3": ({"Fe": 40.0, "O": 60.0}, ((60.0, _OXYGEN), (40.0, _IRON)), (5.0, 3.02)),
    "CeO2": ({"Ce": 25.0, "O": 50.0}, ((50.0, _OXYGEN), (25.0, _CERIUM)), (5.5, 3.05)),
    "CeFeO3": (
        {"Ce": 17.0, "Fe": 17.0, "O": 51.0},
        ((51.0, _OXYGEN), (17.0, _IRON), (17.0, _CERIUM)),
        (5.3, 3.03),
    ),
}


def edx_eels_scan(
    shape: tuple[int, int] = (48, 48),
    n_channels: int = 512,
    edx_counts: float = 200.0,
    eels_counts: float = 2000.0,
    seed: int = 0,
) -> tuple[Signal1D, Signal1D]:
    """
    EDX and core-loss EELS of one scan, with the same maps and known truth.

    SiO2, Fe2O3, CeO2 and CeFeO3 that overlap everywhere, without pure pixels, and
    Poisson noise. Iron and cerium lines are strong in EDX, only EDX detects silicon,
    and the background is most of the EELS signal.

    Parameters
    ----------
    shape : tuple (ny, nx), default (48, 48)
        Pixels.
    n_channels : int, default 512
        Channels of each detector.
    edx_counts, eels_counts : float, default 200, 2000
        Mean number of counts of a pixel in each detector.
    seed : int, default 0
        Seed of the maps and of the noise.

    Returns
    -------
    edx : EDSTEMSpectrum
        EDX of the scan; Signal1D where exspy is not installed. `truth` gives its
        spectra and maps.
    eels : EELSSpectrum
        Core-loss EELS of the same scan, with its own truth.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> edx, eels = datasets.edx_eels_scan((8, 8), n_channels=128)
    >>> edx.data.shape == eels.data.shape == (8, 8, 128)
    True
    """
    rng = np.random.default_rng(seed)
    maps = smooth_maps(shape, len(PHASES), rng, contrast=0.7)
    names = tuple(PHASES)
    energy = channel_centres(EDX_WINDOW, n_channels)
    spectra = [edx_spectrum(energy, phase[0]) for phase in PHASES.values()]
    edx = scaled_truth(spectra, maps, names, energy, edx_counts)
    loss = channel_centres(EELS_WINDOW, n_channels)
    spectra = [
        core_loss_spectrum(loss, edges, background, plasmon=(24.0, 12.0), thickness=0.4)
        for _, edges, background in PHASES.values()
    ]
    eels = scaled_truth(spectra, maps, names, loss, eels_counts)

    def signal(known: Truth, kind: str, axis: tuple[str, str], seed: int) -> Signal1D:
        energy = uniform_axis(*axis, known.energy)
        return spectrum_image(
            noisy_cube(known, seed=seed),
            image_axes(shape, energy, 100.0 / np.array(shape), "nm"),
            kind,
            {
                "General": {"title": f"Simulated scan, {kind}"},
                "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
                "Sample": {"elements": ["Ce", "Fe", "O", "Si"]},
            },
            truth=known,
        )

    return (
        signal(edx, "EDS_TEM", ("Energy", "keV"), 2 * seed),
        signal(eels, "EELS", ("Energy loss", "eV"), 2 * seed + 1),
    )
