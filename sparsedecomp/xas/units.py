"""Conversion between photon energy and photoelectron wavenumber."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

ETOK = 0.262468424
"""2 m_e / hbar^2 in 1/(eV angstrom^2), CODATA 2018. The value 0.2624683 of older
programs changes k by half a millionth."""


def wavenumber(energy: ArrayLike, e0: float) -> np.ndarray:
    """Wavenumber of the photoelectron, k = sqrt(ETOK (E - E0)).

    Parameters
    ----------
    energy : array_like
        Photon energies in eV.
    e0 : float
        Threshold energy in eV.

    Returns
    -------
    numpy.ndarray
        Wavenumbers k in 1/angstrom; 0 below the threshold.

    Examples
    --------
    >>> from sparsedecomp.xas.units import wavenumber
    >>> wavenumber([8970.0, 8979.0, 8979.0 + 381.0], 8979.0).round(3).tolist()
    [0.0, 0.0, 10.0]
    """
    return np.sqrt(ETOK * np.clip(np.asarray(energy, dtype=float) - e0, 0, None))


def photon_energy(k: ArrayLike, e0: float) -> np.ndarray:
    """Photon energy of a photoelectron wavenumber, E = E0 + k^2 / ETOK.

    Parameters
    ----------
    k : array_like
        Wavenumbers in 1/angstrom.
    e0 : float
        Threshold energy in eV.

    Returns
    -------
    numpy.ndarray
        Energies in eV.

    Examples
    --------
    >>> from sparsedecomp.xas.units import photon_energy
    >>> photon_energy([0.0, 10.0], 8979.0).round(1).tolist()
    [8979.0, 9360.0]
    """
    return e0 + np.asarray(k, dtype=float) ** 2 / ETOK
