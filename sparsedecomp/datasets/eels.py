"""The physics of a core-loss EELS spectrum, one function per effect.

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
        For instance ``"Ti"`` and ``"L"``.
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
    white_lines: tuple
    line_share: float
    delay: float = 2.0


def power_law(energy, amplitude, exponent, reference=450.0):
    """Background of all edges below the window, A (E / E_ref)^-r.

    Examples
    --------
    >>> float(power_law(900.0, 8.0, 3.0, reference=450.0))
    1.0
    """
    return amplitude * (energy / reference) ** -exponent


def lorentzian(energy, centre, fwhm):
    """Lorentzian of unit area."""
    half = fwhm / 2
    return half / np.pi / ((energy - centre) ** 2 + half**2)


def edge_intensity(energy, edge):
    """Single-scattering intensity of an ionisation edge.

    The continuum is a saw-tooth with a soft rise and a power-law fall; the white
    lines are Lorentzians. Both are scaled so that together they integrate to the
    edge's cross-section over the first 100 eV.

    Parameters
    ----------
    energy : ndarray of shape (n,)
        Uniform energies in eV.
    edge : Edge

    Returns
    -------
    ndarray of shape (n,)
        Kilobarn per eV and atom.
    """
    above = np.clip(energy - edge.onset, 0, None)
    continuum = (1 - np.exp(-above / edge.delay)) * (energy / edge.onset) ** -edge.decay
    step = energy[1] - energy[0]
    continuum /= continuum[above <= EDGE_WINDOW].sum() * step
    lines = sum(area * lorentzian(energy, at, w) for at, area, w in edge.white_lines)
    lines = lines / sum(area for _, area, _ in edge.white_lines)
    return edge.cross_section * (
        (1 - edge.line_share) * continuum + edge.line_share * lines
    )


def valence_loss(loss, plasmon, width):
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


def plural_scattering(single, valence, thickness, step):
    """Core-loss intensity after any number of valence losses.

    The number of valence losses is Poisson distributed with mean t / lambda, and
    each is drawn from the same density P, so that the series of self-convolutions

        J = sum_n exp(-t/lambda) (t/lambda)^n / n!  J1 * P * ... * P   (n times)

    is an exponential in Fourier space, J = J1 exp[t/lambda (P - 1)] [1]_.

    Parameters
    ----------
    single : ndarray of shape (n,)
        Single-scattering core loss J1 on uniform energies. It must reach far enough
        below the energies of interest: losses come in from there.
    valence : ndarray of shape (n,)
        Density P of one valence loss at losses 0, step, 2 step, ...
    thickness : float
        t / lambda, in mean free paths.
    step : float
        Spacing of both energy grids in eV.

    Returns
    -------
    ndarray of shape (n,)
    """
    n = len(single)
    # A loss never lowers the energy: four times the length keeps what is shifted
    # past the end from coming back round at the beginning.
    transfer = np.exp(thickness * (np.fft.rfft(valence * step, 4 * n) - 1))
    return np.fft.irfft(np.fft.rfft(single, 4 * n) * transfer, 4 * n)[:n]


def point_spread(offset, fwhm, tail_share, tail_fwhm):
    """Spectrometer response of unit sum: a Gaussian core with Lorentzian tails.

    The core is the energy spread of the source; the tails are the light spread in
    the scintillator.
    """
    core = np.exp(-4 * np.log(2) * (offset / fwhm) ** 2)
    tails = lorentzian(offset, 0, tail_fwhm)
    return (1 - tail_share) * core / core.sum() + tail_share * tails / tails.sum()


def core_loss_spectrum(
    energy,
    edges,
    background,
    *,
    plasmon,
    thickness,
    fwhm=0.9,
    tail_share=0.15,
    tail_fwhm=3.0,
):
    """Core-loss spectrum of one phase as the detector integrates it.

    Parameters
    ----------
    energy : ndarray of shape (n_channels,)
        Channel centres in eV, uniform.
    edges : sequence of (number density per nm^3, Edge)
    background : tuple of (amplitude, exponent)
        Power law at 450 eV, in kilobarn per eV and nm^3.
    plasmon : tuple of (energy, width)
        Valence plasmon in eV.
    thickness : float
        t / lambda.
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
    # The margins hold what is scattered into the window from either side of it.
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
