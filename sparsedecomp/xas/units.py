"""Photon energy and photoelectron wavenumber: how one becomes the other."""

import numpy as np

# 2 m_e / hbar^2 in 1/(eV angstrom^2), CODATA. (Programs of before 2000 rounded it to
# 0.2624683: that moves k by half a millionth.)
ETOK = 0.262468424


def wavenumber(energy, e0):
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
        k in 1/angstrom; 0 below the threshold.

    Examples
    --------
    >>> from sparsedecomp.xas.units import wavenumber
    >>> wavenumber([8970.0, 8979.0, 8979.0 + 381.0], 8979.0).round(3).tolist()
    [0.0, 0.0, 10.0]
    """
    return np.sqrt(ETOK * np.clip(np.asarray(energy, dtype=float) - e0, 0, None))


def photon_energy(k, e0):
    """Photon energy that gives a wavenumber, E = E0 + k^2 / ETOK.

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
