"""The two demonstration specimens as plain arrays: composition, maps and truth.

Their phases touch, mix and share elements as in real specimens, yet each fills some
pixels alone, so that the truth can be determined from the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .edx import edx_spectrum
from .eels import Edge, core_loss_spectrum
from .ground_truth import Truth
from .maps import oxide_layers, particles_in_film

EELS_WINDOW = (430.0, 942.0)
"""Energy losses that the core-loss cube covers, in eV."""

EDX_WINDOW = (0.2, 10.44)
"""X-ray energies that the EDX cube covers, in keV."""

BEAM_ENERGY = 200.0
"""Beam energy of both microscopes, in keV."""

# Cross-sections are rough values for 200 kV and 30 mrad; line positions follow
# published near-edge structures of the oxides. Numbers per nm^3 from the unit cells.
EELS_PHASES: dict[str, dict[str, Any]] = {
    "SrTiO3": dict(
        edges=(
            (
                16.8,
                Edge(
                    "Ti",
                    "L",
                    onset=458.0,
                    cross_section=9.5,
                    decay=1.5,
                    white_lines=(
                        (458.0, 0.7, 0.7),
                        (460.4, 1.3, 1.3),
                        (463.4, 0.8, 1.4),
                        (465.7, 1.2, 1.9),
                    ),
                    line_share=0.48,
                ),
            ),
            (
                50.4,
                Edge(
                    "O",
                    "K",
                    onset=532.0,
                    cross_section=2.0,
                    decay=3.5,
                    white_lines=(
                        (531.8, 0.5, 1.0),
                        (534.2, 0.35, 1.6),
                        (537.4, 0.9, 2.5),
                        (544.5, 1.6, 6.0),
                    ),
                    line_share=0.35,
                ),
            ),
        ),
        background=(5.5, 3.05),
        plasmon=(30.0, 14.0),
        thickness=0.45,
    ),
    "LaMnO3": dict(
        edges=(
            (
                16.5,
                Edge(
                    "Mn",
                    "L",
                    onset=641.0,
                    cross_section=4.5,
                    decay=1.5,
                    white_lines=((641.9, 2.0, 2.8), (653.0, 0.9, 3.4)),
                    line_share=0.42,
                ),
            ),
            (
                49.4,
                Edge(
                    "O",
                    "K",
                    onset=532.0,
                    cross_section=2.0,
                    decay=3.5,
                    white_lines=(
                        (529.9, 0.25, 1.4),
                        (535.6, 1.2, 3.0),
                        (542.8, 1.6, 7.0),
                    ),
                    line_share=0.33,
                ),
            ),
            (
                16.5,
                Edge(
                    "La",
                    "M",
                    onset=832.0,
                    cross_section=6.0,
                    decay=2.0,
                    white_lines=((833.6, 0.8, 2.0), (850.4, 1.0, 2.2)),
                    line_share=0.5,
                    delay=30.0,
                ),
            ),
        ),
        background=(5.3, 3.1),
        plasmon=(25.0, 13.0),
        thickness=0.5,
    ),
    "Mn3O4": dict(
        edges=(
            (
                38.2,
                Edge(
                    "Mn",
                    "L",
                    onset=640.0,
                    cross_section=4.5,
                    decay=1.5,
                    white_lines=(
                        (640.1, 1.2, 1.6),
                        (642.0, 1.0, 2.4),
                        (651.6, 0.7, 3.4),
                    ),
                    line_share=0.42,
                ),
            ),
            (
                50.9,
                Edge(
                    "O",
                    "K",
                    onset=532.0,
                    cross_section=2.0,
                    decay=3.5,
                    white_lines=(
                        (530.8, 0.6, 1.6),
                        (536.5, 0.5, 2.5),
                        (541.2, 1.9, 5.0),
                    ),
                    line_share=0.35,
                ),
            ),
        ),
        background=(5.0, 3.05),
        plasmon=(23.0, 12.0),
        thickness=0.42,
    ),
}

# Atoms per nm^3. Copper is from the grid, excited by stray electrons. Carbon is the
# contamination on both faces.
EDX_PHASES = {
    "SiO2 film": {"Si": 22.0, "O": 44.0, "C": 8.0, "Cu": 0.5},
    "Fe3O4": {"Fe": 40.5, "O": 54.0, "C": 8.0, "Cu": 0.8},
    "CeO2": {"Ce": 25.2, "O": 50.4, "C": 8.0, "Cu": 1.0},
}


def channel_centres(window: tuple[float, float], n_channels: int) -> np.ndarray:
    """Centres of channels that divide an energy window equally.

    Raises
    ------
    ValueError
        If there are fewer than two channels.
    """
    if n_channels < 2:
        raise ValueError(f"A spectrum needs at least 2 channels, got {n_channels}.")
    start, stop = window
    width = (stop - start) / n_channels
    return start + width * (np.arange(n_channels) + 0.5)


def oxide_interface_truth(
    shape: tuple[int, int] = (64, 64),
    n_channels: int = 1024,
    dose: float = 5e5,
    seed: int = 0,
) -> Truth:
    """Truth of the cube that `eels_oxide_interface` draws.

    Parameters
    ----------
    shape : tuple of int, default (64, 64)
        Pixels in y and x.
    n_channels : int, default 1024
        Channels of the energy window.
    dose : float, default 5e5
        Mean number of electrons of a pixel in the energy window.
    seed : int, default 0
        Seed of the shapes of the phases.

    Returns
    -------
    Truth
        Spectra and maps of the substrate, the film and the precipitates.

    Examples
    --------
    >>> from sparsedecomp.datasets import oxide_interface_truth
    >>> truth = oxide_interface_truth(shape=(32, 32), n_channels=256)
    >>> truth.names
    ('SrTiO3', 'LaMnO3', 'Mn3O4')
    >>> round(float(truth.expected().sum(axis=-1).mean()))
    500000
    """
    energy = channel_centres(EELS_WINDOW, n_channels)
    spectra = [core_loss_spectrum(energy, **phase) for phase in EELS_PHASES.values()]
    maps = oxide_layers(shape, np.random.default_rng(seed))
    return scaled_truth(spectra, maps, tuple(EELS_PHASES), energy, dose)


def particles_truth(
    shape: tuple[int, int] = (64, 64),
    n_channels: int = 1024,
    counts: float = 200.0,
    seed: int = 0,
) -> Truth:
    """Truth of the cube that `edx_particles` draws.

    Parameters
    ----------
    shape : tuple of int, default (64, 64)
        Pixels in y and x.
    n_channels : int, default 1024
        Channels of the energy window.
    counts : float, default 200
        Mean number of counts of a pixel.
    seed : int, default 0
        Seed of the places and sizes of the particles.

    Returns
    -------
    Truth
        Spectra and maps of the film and of both kinds of particles.

    Examples
    --------
    >>> from sparsedecomp.datasets import particles_truth
    >>> truth = particles_truth(shape=(32, 32), n_channels=256)
    >>> truth.names
    ('SiO2 film', 'Fe3O4', 'CeO2')
    """
    energy = channel_centres(EDX_WINDOW, n_channels)
    spectra = [
        edx_spectrum(energy, composition, beam_energy=BEAM_ENERGY)
        for composition in EDX_PHASES.values()
    ]
    maps = particles_in_film(shape, np.random.default_rng(seed))
    return scaled_truth(spectra, maps, tuple(EDX_PHASES), energy, counts)


def scaled_truth(
    spectra: Sequence[np.ndarray],
    maps: np.ndarray,
    names: tuple[str, ...],
    energy: np.ndarray,
    counts: float,
) -> Truth:
    """Truth whose mean pixel expects `counts` counts over all channels.

    Raises
    ------
    ValueError
        If `counts` is not positive.
    """
    if not counts > 0:
        raise ValueError(
            f"The mean counts per pixel must be positive, got {counts!r}: give the "
            "expected number of detected electrons or X-rays."
        )
    relative = np.stack(spectra)
    mean = maps.reshape(-1, len(names)).mean(axis=0) @ relative.sum(axis=1)
    return Truth(relative * (counts / mean), maps, names, energy)
