"""EXAFS of single atoms with derivatives, cubic in k and linear in r between knots."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def stick_columns(k, r, e0, sigma2, third, grid, knots, amplitude, phase, momentum):
    """EXAFS of one atom at each distance and its four derivatives.

    Parameters
    ----------
    k : (n_k,) float64 array
        Wavenumbers in 1/angstrom.
    r, e0, sigma2, third : (n,) float64 arrays
        Distance (angstrom), shift of the energy zero (2 m / hbar^2 times eV, that is
        1/angstrom^2), mean square displacement and third cumulant of each atom.
    grid : (n_r,) float64 array
        Distances of the table, increasing, at least two.
    knots : (n_f,) float64 array
        Wavenumbers of the table, increasing.
    amplitude, phase : (n_r, n_f - 1, 4) float64 arrays
        Coefficients of the cubic between two knots, constant first.
    momentum : (2, n_f - 1, 4) float64 array
        Coefficients of the cubics for the real part of p and the mean free path.

    Returns
    -------
    (5, n, n_k) float64 array
        The EXAFS chi, and its derivatives by r, e0, sigma2 and third.
    """
    n, n_k = len(r), len(k)
    out = np.zeros((5, n, n_k))
    last = len(knots) - 2
    for i in range(n):
        low = 0
        while low < len(grid) - 2 and grid[low + 1] < r[i]:
            low += 1
        width = grid[low + 1] - grid[low]
        part = (r[i] - grid[low]) / width
        cell = 0
        for j in range(n_k):
            q = math.sqrt(max(k[j] * k[j] - e0[i], 1e-4))
            while cell < last and knots[cell + 1] < q:
                cell += 1
            while cell > 0 and knots[cell] > q:
                cell -= 1
            x = q - knots[cell]
            a = amplitude[low, cell]
            b = amplitude[low + 1, cell]
            a_low = a[0] + x * (a[1] + x * (a[2] + x * a[3]))
            a_high = b[0] + x * (b[1] + x * (b[2] + x * b[3]))
            a_slope = (1.0 - part) * (a[1] + x * (2.0 * a[2] + x * 3.0 * a[3]))
            a_slope += part * (b[1] + x * (2.0 * b[2] + x * 3.0 * b[3]))
            value = (1.0 - part) * a_low + part * a_high
            c = phase[low, cell]
            d = phase[low + 1, cell]
            c_low = c[0] + x * (c[1] + x * (c[2] + x * c[3]))
            c_high = d[0] + x * (d[1] + x * (d[2] + x * d[3]))
            c_slope = (1.0 - part) * (c[1] + x * (2.0 * c[2] + x * 3.0 * c[3]))
            c_slope += part * (d[1] + x * (2.0 * d[2] + x * 3.0 * d[3]))
            shift = (1.0 - part) * c_low + part * c_high
            m = momentum[0, cell]
            real = m[0] + x * (m[1] + x * (m[2] + x * m[3]))
            real_slope = m[1] + x * (2.0 * m[2] + x * 3.0 * m[3])
            m = momentum[1, cell]
            path = m[0] + x * (m[1] + x * (m[2] + x * m[3]))
            path_slope = m[1] + x * (2.0 * m[2] + x * 3.0 * m[3])
            p = complex(real, 1.0 / path)
            p_slope = complex(real_slope, -path_slope / (path * path))

            by_sigma2 = -2.0 * p * p - 4j * p / r[i]
            by_third = -(4j / 3.0) * p * p * p
            wave = np.exp(
                -2.0 * r[i] * p.imag
                + by_sigma2 * sigma2[i]
                + by_third * third[i]
                + 1j * (2.0 * q * r[i] + shift)
            ) / (q * r[i] * r[i])
            chi = value * wave
            by_r = (
                chi
                * (
                    -2.0 * p.imag
                    + 2j * q
                    + 4j * p * sigma2[i] / (r[i] * r[i])
                    - 2.0 / r[i]
                    + 1j * (c_high - c_low) / width
                )
                + wave * (a_high - a_low) / width
            )
            by_q = (
                chi
                * (
                    -2.0 * r[i] * p_slope.imag
                    - (4.0 * p + 4j / r[i]) * p_slope * sigma2[i]
                    - 4j * p * p * p_slope * third[i]
                    + 1j * (2.0 * r[i] + c_slope)
                    - 1.0 / q
                )
                + wave * a_slope
            )
            out[0, i, j] = chi.imag
            out[1, i, j] = by_r.imag
            out[2, i, j] = -by_q.imag / (2.0 * q)
            out[3, i, j] = (chi * by_sigma2).imag
            out[4, i, j] = (chi * by_third).imag
    return out
