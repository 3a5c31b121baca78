"""Physics of an EDX spectrum of a thin specimen, one function per effect.

Characteristic lines (ionisation, fluorescence yield, line weights) and
bremsstrahlung, seen through the entrance of a silicon drift detector and broadened
by its charge statistics. Energies are in keV.

References
----------
.. [1] D. B. Williams and C. B. Carter, *Transmission Electron Microscopy*, 2nd ed.,
   Springer (2009), chapters 4 and 32.
.. [2] J. I. Goldstein et al., *Scanning Electron Microscopy and X-Ray
   Microanalysis*, 4th ed., Springer (2018), chapters 4 and 16.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr

MN_K_ALPHA = 5.895
"""Energy of the line Mn K alpha in keV."""

FANO_FACTOR = 0.115
"""Ratio of variance and mean of the number of pairs in silicon."""

PAIR_ENERGY = 3.65e-3
"""Energy to create one electron-hole pair in silicon, in keV."""

SHELL_ELECTRONS = {"K": 2, "L": 8, "M": 10}
YIELD_CONSTANT = {"K": 1.0e6, "L": 1.0e8, "M": 4.0e9}

ATOMIC_NUMBER = {"C": 6, "O": 8, "Si": 14, "Fe": 26, "Cu": 29, "Ce": 58}

# (element, shell) -> (critical ionisation energy, {line: (energy, weight)}).
LINES = {
    ("C", "K"): (0.284, {"Ka": (0.277, 1.0)}),
    ("O", "K"): (0.543, {"Ka": (0.525, 1.0)}),
    ("Si", "K"): (1.839, {"Ka": (1.740, 1.0), "Kb": (1.836, 0.03)}),
    ("Fe", "K"): (7.112, {"Ka": (6.404, 1.0), "Kb": (7.058, 0.13)}),
    ("Fe", "L"): (0.707, {"La": (0.705, 1.0), "Lb1": (0.719, 0.3), "Ll": (0.615, 0.2)}),
    ("Cu", "K"): (8.979, {"Ka": (8.047, 1.0), "Kb": (8.905, 0.13)}),
    ("Cu", "L"): (0.933, {"La": (0.930, 1.0), "Lb1": (0.950, 0.2), "Ll": (0.811, 0.1)}),
    ("Ce", "L"): (
        5.723,
        {
            "La": (4.839, 1.0),
            "Lb1": (5.262, 0.6),
            "Lb2": (5.613, 0.2),
            "Lg1": (6.052, 0.1),
            "Ll": (4.289, 0.04),
        },
    ),
    ("Ce", "M"): (0.884, {"Ma": (0.883, 1.0), "Mb": (0.902, 0.6), "Mz": (0.676, 0.06)}),
}


def ionisation(critical: float, shell: str, beam_energy: float) -> float:
    """Bethe's ionisation cross-section in relative units, n / (E0 Ec) ln(0.65 E0 / Ec).

    Parameters
    ----------
    critical : float
        Critical ionisation energy Ec in keV.
    shell : {"K", "L", "M"}
        Ionised shell, with n electrons.
    beam_energy : float
        Beam energy E0 in keV.
    """
    return (
        SHELL_ELECTRONS[shell]
        / (beam_energy * critical)
        * np.log(0.65 * beam_energy / critical)
    )


def fluorescence_yield(atomic_number: int, shell: str) -> float:
    """Share of the ionisations that emit an X-ray, Z^4 / (a + Z^4).

    Examples
    --------
    >>> round(float(fluorescence_yield(29, "K")), 2)
    0.41
    """
    z4 = atomic_number**4
    return z4 / (YIELD_CONSTANT[shell] + z4)


def detector_efficiency(
    energy: float | np.ndarray, cut: float = 0.35
) -> float | np.ndarray:
    """Share of the X-rays that reach the crystal, exp(-(cut / E)^3).

    The mass absorption of the entrance electrode and of ice falls roughly as the
    cube of the energy away from edges.
    """
    return np.exp(-((cut / energy) ** 3))


def energy_resolution(energy: float, fwhm_mn: float = 0.130) -> float:
    """FWHM of a line in keV: electronic noise plus Fano's charge statistics.

    The noise follows from the resolution at Mn K alpha, `fwhm_mn`, which
    manufacturers quote: FWHM^2 = FWHM_Mn^2 + 8 ln2 F eps (E - E_Mn).

    Examples
    --------
    >>> round(float(energy_resolution(5.895)), 3)
    0.13
    """
    charge = 8 * np.log(2) * FANO_FACTOR * PAIR_ENERGY
    return np.sqrt(fwhm_mn**2 + charge * (energy - MN_K_ALPHA))


def detected_line(
    edges: np.ndarray, energy: float, fwhm_mn: float = 0.130
) -> np.ndarray:
    """Counts of a line of unit area in each channel.

    Parameters
    ----------
    edges : ndarray of shape (n_channels + 1,)
        Borders of the channels in keV.
    energy : float
        Energy of the line in keV.
    fwhm_mn : float, default 0.130
        Energy resolution at Mn K-alpha in keV.

    Returns
    -------
    ndarray of shape (n_channels,)
        Share of the line in each channel: integrals of the Gaussian, exact however
        wide the channels.
    """
    sigma = energy_resolution(energy, fwhm_mn) / np.sqrt(8 * np.log(2))
    return np.diff(ndtr((edges - energy) / sigma))


def bremsstrahlung(energy: np.ndarray, beam_energy: float) -> np.ndarray:
    """Kramers' continuum (E0 - E) / E behind the entrance of the detector."""
    return (beam_energy - energy) / energy * detector_efficiency(energy)


def edx_spectrum(
    energy: np.ndarray,
    composition: Mapping[str, float],
    *,
    continuum_share: float = 0.15,
    beam_energy: float = 200.0,
) -> np.ndarray:
    """Expected EDX spectrum of one phase of a thin specimen.

    Parameters
    ----------
    energy : ndarray of shape (n_channels,)
        Channel centres in keV, uniform.
    composition : dict of str to float
        Number density of each element in atoms per nm^3.
    continuum_share : float, default 0.15
        Share of bremsstrahlung in the counts of the window.
    beam_energy : float, default 200
        Beam energy in keV.

    Returns
    -------
    ndarray of shape (n_channels,)
        Relative counts per channel; the scale is common to all compositions.
    """
    scale = energy[1] - energy[0]
    edges = np.append(energy - scale / 2, energy[-1] + scale / 2)
    lines = np.zeros_like(energy)
    for (element, shell), (critical, family) in LINES.items():
        emission = (
            composition.get(element, 0)
            * ionisation(critical, shell, beam_energy)
            * fluorescence_yield(ATOMIC_NUMBER[element], shell)
        )
        total = sum(weight for _, weight in family.values())
        for at, weight in family.values():
            detected = emission * weight / total * detector_efficiency(at)
            lines += detected * detected_line(edges, at)
    continuum = bremsstrahlung(energy, beam_energy)
    continuum *= continuum_share / (1 - continuum_share) * lines.sum() / continuum.sum()
    return lines + continuum
