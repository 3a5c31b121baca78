"""What a lattice says of shells: displacements by Debye, sites by two distances."""

import numpy as np

# hbar^2 / (k_B u) in square angstrom kelvin, CODATA 2018.
_HBAR2_OVER_KB_U = 48.5087
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
SITES = {"tetrahedral": np.sqrt(8 / 3), "octahedral": np.sqrt(2)}


def debye_sigma2(r, temperature, theta, mass, density):
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
        Mass of an atom in atomic units; of unlike atoms twice the reduced mass.
    density : float
        Atoms in a cubic angstrom.

    Returns
    -------
    (n,) array
        In square angstrom. It is for solids of one element; in others theta is a
        parameter of the fit and differs between the kinds of pairs.

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

    >>> from sparsedecomp.xas.debye import debye_sigma2
    >>> float(debye_sigma2(2.5478, 10, 315, 63.546, 0.0855).round(4))
    0.0031
    """
    given = dict(temperature=temperature, theta=theta, mass=mass, density=density)
    for name, value in given.items():
        if not value > 0:
            raise ValueError(f"{name}={value!r}: expected a positive number.")
    x, weight = (_NODES + 1) / 2, _WEIGHTS / 2
    phase = np.multiply.outer(np.asarray(r, dtype=float), x)
    phase = phase * (6 * np.pi**2 * density) ** (1 / 3)
    together = np.sinc(phase / np.pi)
    occupation = x / np.tanh(theta * x / (2 * temperature))
    return (
        3 * _HBAR2_OVER_KB_U / (mass * theta) * ((1 - together) @ (occupation * weight))
    )


def site_probabilities(near, far, sites=None, *, tolerance=0.02):
    """Which site an atom occupies, from the distances of its first two shells.

    In a face-centred cubic lattice of absorbers the atoms in its tetrahedral sites
    are sqrt(8/3) = 1.633 times closer than the next absorbers, those in the octahedral
    sites sqrt(2) = 1.414 times.

    Parameters
    ----------
    near, far : (float, float)
        Distance in angstrom and its standard deviation: of the light atoms, and of
        the absorbers.
    sites : dict of str to float, optional
        Ratio of the distances for each site, all equally likely beforehand;
        tetrahedral and octahedral by default.
    tolerance : float, default 0.02
        Standard deviation of the ratio that is due to FEFF6L's distances of light
        atoms, some 0.03 angstrom short, and to distorted lattices.

    Returns
    -------
    dict of str to float
        Posterior probability of each site, among these.

    Examples
    --------
    >>> from sparsedecomp.xas.debye import site_probabilities
    >>> p = site_probabilities((2.074, 0.011), (2.954, 0.006))
    >>> max(p, key=p.get)
    'octahedral'
    """
    sites = sites or SITES
    ratio = far[0] / near[0]
    variance = ratio**2 * ((far[1] / far[0]) ** 2 + (near[1] / near[0]) ** 2)
    spread = np.sqrt(variance + tolerance**2)
    logs = np.array(
        [-0.5 * ((ratio - expected) / spread) ** 2 for expected in sites.values()]
    )
    logs -= np.logaddexp.reduce(logs)
    return dict(zip(sites, np.exp(logs).tolist(), strict=True))
