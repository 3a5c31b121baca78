"""Physics of a core-loss EELS spectrum, one function per effect.

A spectrum is built in the order in which the electron meets the effects: single
inelastic scattering (power-law background plus ionisation edges), plural
scattering by the valence electrons, point spread of the spectrometer, and
integration over the detector channels. Energies are in eV; single-scattering
intensities are in kilobarn per eV and atom, or per nm\\ :sup:`3` once multiplied by
a number density.

References
----------
.. [1] R. F. Egerton, *Electron Energy-Loss Spectroscopy in the Electron
   Microscope*, 3rd ed., Springer (2011), chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EDGE_WINDOW = 100.0
"""Energy range above the onset, in eV, to which cross-sections refer."""


@dataclass(frozen=True)
class Edge:
    """An ionisation edge of one element in one bonding state.

    Attributes
    ----------
    element, shell : str
        Element and ionised shell, for instance ``"Ti"`` and ``"L"``.
    onset : float
        Threshold of the continuum in eV.
    cross_section : float
        Partial cross-section per atom over the first 100 eV, in kilobarn.
    decay : float
        Exponent s of the continuum (E / onset)^-s above the threshold.
    white_lines : tuple of (position eV, relative area, FWHM eV)
        Transitions to bound states: white lines of L and M edges, near-edge
        structure of K edges.
    line_share : float
        Share of the cross-section that the white lines carry, 0 to 1.
    delay : float
        Energy in eV over which the continuum rises: near zero for K edges, tens
        of eV where a centrifugal barrier delays the maximum (M edges).
    """

    element: str
    shell: str
    onset: float
    cross_section: float
    decay: float
    white_lines: tuple[tuple[float, float, float], ...]
    line_share: float
    delay: float = 2.0


def power_law(
    energy: np.ndarray, amplitude: float, exponent: float, reference: float = 450.0
) -> np.ndarray:
    """Background of all edges below the window, A (E / E_ref)^-r.

    Examples
    --------
    >>> float(power_law(np.array(900.0), 8.0, 3.0, reference=450.0))
    1.0
    """
    return amplitude * (energy / reference) ** -exponent


def lorentzian(energy: np.ndarray, centre: float, fwhm: float) -> np.ndarray:
    """Lorentzian of unit area."""
    half = fwhm / 2
    return half / np.pi / ((energy - centre) ** 2 + half**2)


def edge_intensity(energy: np.ndarray, edge: Edge) -> np.ndarray:
    """Single-scattering intensity of an ionisation edge.

    The continuum is a saw-tooth with a soft rise and a power-law fall; the white
    lines are Lorentzians. Both are scaled so that together they integrate to the
    edge's cross-section over the first 100 eV.

    Parameters
    ----------
    energy : ndarray of shape (n,)
        Uniform energies in eV.
    edge : Edge
        The edge.

    Returns
    -------
    ndarray of shape (n,)
        Intensity in kilobarn per eV and atom.
    """
    above = np.clip(energy - edge.onset, 0, None)
    continuum = (1 - np.exp(-above / edge.delay)) * (energy / edge.onset) ** -edge.decay
    step = energy[1] - energy[0]
    continuum /= continuum[above <= EDGE_WINDOW].sum() * step
    total = sum(area for _, area, _ in edge.white_lines)
    lines = sum(area * lorentzian(energy, at, w) for at, area, w in edge.white_lines)
    return edge.cross_section * (
        (1 - edge.line_share) * continuum + edge.line_share * (lines / total)
    )


def valence_loss(loss: np.ndarray, plasmon: float, width: float) -> np.ndarray:
    """Probability density of one valence loss: a Drude plasmon of unit area.

    Parameters
    ----------
    loss : ndarray of shape (n,)
        Uniform energy losses in eV, starting at 0.
    plasmon, width : float
        Energy and full width of the plasmon peak in eV.
    """
    drude = loss * width / ((loss**2 - plasmon**2) ** 2 + (loss * width) ** 2)
    return drude / (drude.sum() * (loss[1] - loss[0]))


def plural_scattering(
    single: np.ndarray, valence: np.ndarray, thickness: float, step: float
) -> np.ndarray:
    """Core-loss intensity after any number of valence losses.

    The number of valence losses is Poisson distributed with mean t / lambda, and
    each is drawn from the same density P, so that the series of self-convolutions

        J = sum_n exp(-t/lambda) (t/lambda)^n / n!  J1 * P * ... * P   (n times)

    is an exponential in Fourier space, J = J1 exp[t/lambda (P - 1)] [1]_.

    Parameters
    ----------
    single : ndarray of shape (n,)
        Single-scattering core loss J1 on uniform energies. It must reach far enough
        below the energies of interest, since valence losses shift it upwards.
    valence : ndarray of shape (n,)
        Density P of one valence loss at losses 0, step, 2 step, ...
    thickness : float
        Relative thickness t / lambda, in mean free paths.
    step : float
        Spacing of both energy grids in eV.

    Returns
    -------
    ndarray of shape (n,)
        Core loss J on the same energies.
    """
    n = len(single)
    # The discrete transform is periodic: with four times the length, intensity that is
    # shifted past the end does not appear again at the beginning.
    transfer = np.exp(thickness * (np.fft.rfft(valence * step, 4 * n) - 1))
    return np.fft.irfft(np.fft.rfft(single, 4 * n) * transfer, 4 * n)[:n]


def point_spread(
    offset: np.ndarray, fwhm: float, tail_share: float, tail_fwhm: float
) -> np.ndarray:
    """Spectrometer response of unit sum: a Gaussian core with Lorentzian tails.

    The core is the energy spread of the source; the tails are the light spread in
    the scintillator.
    """
    core = np.exp(-4 * np.log(2) * (offset / fwhm) ** 2)
    tails = lorentzian(offset, 0, tail_fwhm)
    return (1 - tail_share) * core / core.sum() + tail_share * tails / tails.sum()


def core_loss_spectrum(
    energy: np.ndarray,
    edges: Sequence[tuple[float, Edge]],
    background: tuple[float, float],
    *,
    plasmon: tuple[float, float],
    thickness: float,
    fwhm: float = 0.9,
    tail_share: float = 0.15,
    tail_fwhm: float = 3.0,
) -> np.ndarray:
    """Core-loss spectrum of one phase as the detector integrates it.

    Parameters
    ----------
    energy : ndarray of shape (n_channels,)
        Channel centres in eV, uniform.
    edges : sequence of (number density per nm^3, Edge)
        Edges of the elements of the phase.
    background : tuple of (amplitude, exponent)
        Power law at 450 eV, in kilobarn per eV and nm^3.
    plasmon : tuple of (energy, width)
        Valence plasmon in eV.
    thickness : float
        Relative thickness t / lambda.
    fwhm, tail_share, tail_fwhm : float, default 0.9 eV, 0.15, 3 eV
        Point spread of the spectrometer.

    Returns
    -------
    ndarray of shape (n_channels,)
        Intensity per channel, in kilobarn per nm^3 (relative counts).
    """
    dispersion = energy[1] - energy[0]
    per_channel = int(np.ceil(dispersion / 0.25))
    step = dispersion / per_channel
    # Margins, since intensity from outside the window is scattered into it.
    below = int(np.ceil(min(200.0, 0.5 * energy[0]) / dispersion))
    above = int(np.ceil(50.0 / dispersion))
    n_fine = (below + len(energy) + above) * per_channel
    start = energy[0] - dispersion / 2 - below * dispersion
    fine = start + step * (np.arange(n_fine) + 0.5)

    single = power_law(fine, *background)
    for density, edge in edges:
        single = single + density * edge_intensity(fine, edge)
    valence = valence_loss(step * np.arange(n_fine), *plasmon)
    plural = plural_scattering(single, valence, thickness, step)
    reach = round(40.0 / step)
    offset = step * np.arange(-reach, reach + 1)
    response = point_spread(offset, fwhm, tail_share, tail_fwhm)
    blurred = np.convolve(plural, response, mode="same")
    channels = blurred.reshape(-1, per_channel).sum(axis=1) * step
    return channels[below : below + len(energy)]
