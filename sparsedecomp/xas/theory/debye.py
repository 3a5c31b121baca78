"""Mean square relative displacements in the correlated Debye model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..grids import check_positive

# hbar^2 / (k_B u) in square angstrom kelvin, CODATA 2018.
_HBAR2_OVER_KB_U = 48.5087
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def debye_sigma2(
    r: ArrayLike, temperature: float, theta: float, mass: float, density: float
) -> np.ndarray:
    r"""Correlated Debye model of the mean square relative displacement.

    .. math:: \sigma^2(R) = \frac{3 \hbar}{m \omega_D} \int_0^1 x
       \coth\frac{\theta x}{2 T} \left[1 - \frac{\sin(x q_D R)}{x q_D R}\right] dx,
       \qquad q_D = (6 \pi^2 \rho)^{1/3}

    Parameters
    ----------
    r : (n,) array_like
        Distances in angstrom.
    temperature, theta : float
        Temperature and Debye temperature in kelvin.
    mass : float
        Mass of an atom in atomic units; twice the reduced mass for unlike atoms.
    density : float
        Number density of the atoms in 1/angstrom^3.

    Returns
    -------
    (n,) array
        Displacements in square angstrom. The model holds for solids of one element; in
        compounds theta is an effective parameter that differs between pairs.

    Raises
    ------
    ValueError
        If one of the numbers is not positive.

    References
    ----------
    G. Beni and P. M. Platzman, Phys. Rev. B 14 (1976) 1514; E. Sevillano, H. Meuth
    and J. J. Rehr, Phys. Rev. B 20 (1979) 4908.

    Examples
    --------
    Copper at 10 K; larch gives 0.0032:

    >>> from sparsedecomp.xas.theory.debye import debye_sigma2
    >>> float(debye_sigma2(2.5478, 10, 315, 63.546, 0.0855).round(4))
    0.0031
    """
    check_positive(temperature=temperature, theta=theta, mass=mass, density=density)
    x, weight = (_NODES + 1) / 2, _WEIGHTS / 2
    phase = np.multiply.outer(np.asarray(r, dtype=float), x)
    phase = phase * (6 * np.pi**2 * density) ** (1 / 3)
    correlation = np.sinc(phase / np.pi)
    occupation = x / np.tanh(theta * x / (2 * temperature))
    return (
        3
        * _HBAR2_OVER_KB_U
        / (mass * theta)
        * ((1 - correlation) @ (occupation * weight))
    )


@dataclass(frozen=True)
class Debye:
    """Displacements of a solid of one element, as a function of distance.

    ``SparseEXAFS(sigma2=Debye(...))`` fixes all displacements to the model;
    ``SparseEXAFS(prior=ShellPrior(sigma2=Debye(...)))`` uses it as the prior, from
    which the fit deviates where the Debye temperature is wrong.

    Attributes
    ----------
    temperature, theta : float
        Temperature and Debye temperature in kelvin.
    mass : float
        Mass of an atom in atomic units.
    density : float
        Number density of the atoms in 1/angstrom^3.

    Examples
    --------
    >>> from sparsedecomp.xas import Debye
    >>> copper = Debye(temperature=10, theta=315, mass=63.546, density=0.0855)
    >>> copper([2.548, 3.603]).round(4).tolist()
    [0.0031, 0.0036]
    """

    temperature: float
    theta: float
    mass: float
    density: float

    def __call__(self, r: ArrayLike) -> np.ndarray:
        """Mean square relative displacement in square angstrom at distances."""
        return debye_sigma2(r, self.temperature, self.theta, self.mass, self.density)
