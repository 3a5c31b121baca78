"""EXAFS equation of scattering grids, written out with SciPy's splines."""

import numpy as np
from scipy.interpolate import CubicSpline

from sparsedecomp.xas.units import ETOK


def exafs(grid, k, r, *, e0=0.0, sigma2=0.0, third=0.0, s02=1.0):
    r"""EXAFS of one atom at each distance r, for wavenumbers k.

    .. math:: \chi_r(k) = \frac{S_0^2 A_r(q)}{q r^2} \operatorname{Im}
       \exp\left\{-2 r \operatorname{Im} p - 2 p^2 \sigma^2
       + i \left[2 q r + \phi_r(q) - 4 p \sigma^2 / r
       - \tfrac{4}{3} p^3 C_3\right]\right\}

    with q^2 = k^2 - 0.2625 E0 and the complex momentum p(q). Amplitude and phase are
    interpolated linearly in r.
    """
    r = np.asarray(r, dtype=float)
    e0, sigma2, third = (np.broadcast_to(v, r.shape) for v in (e0, sigma2, third))
    rows = [_row(grid, k, *at) for at in zip(r, e0, sigma2, third, strict=True)]
    return s02 * np.array(rows)


def _row(grid, k, r, e0, sigma2, third):
    amplitude, phase = (
        np.array([np.interp(r, grid.r, column) for column in values.T])
        for values in (grid.amplitude, grid.phase)
    )
    q = np.sqrt(np.asarray(k) ** 2 - ETOK * e0)
    a, phi, momentum, path = (
        CubicSpline(grid.k, values)(q)
        for values in (amplitude, phase, grid.momentum, grid.mean_free_path)
    )
    p = momentum + 1j / path
    exponent = -2 * r * p.imag - 2 * p**2 * sigma2
    angle = 2 * q * r + phi - 4 * p * sigma2 / r - 4 / 3 * p**3 * third
    return a / (q * r**2) * np.exp(exponent + 1j * angle).imag
