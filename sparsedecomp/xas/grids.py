"""Checks of energy and wavenumber grids, and of spectra measured on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.deprecation import renamed_parameters

accept_old_names = renamed_parameters(
    clamp_high="clamp_hi",
    clamp_low="clamp_lo",
    k_max="kmax",
    k_min="kmin",
    k_range=("kmin", "kmax"),
    k_step="kstep",
    k_weight="kweight",
    n_clamp="nclamp",
    polish="refine",
    population="hierarchical",
    post=("norm1", "norm2"),
    post_degree="nnorm",
    pre=("pre1", "pre2"),
    pre_degree="npre",
    r_bkg="rbkg",
    r_max="rmax",
    r_min="rmin",
    r_range=("rmin", "rmax"),
    r_step="rstep",
    taper="dk",
)
"""Decorator that accepts the names which parameters had before they took larch's."""


def increasing(
    values: ArrayLike, name: str = "energy", unit: str = "eV", at_least: int = 2
) -> np.ndarray:
    """Return a grid as float64 after checking that it increases.

    Parameters
    ----------
    values : array_like of shape (n,)
        Points of the grid.
    name, unit : str
        Name and unit of the quantity, used in error messages.
    at_least : int, default 2
        Smallest number of points that is accepted.

    Returns
    -------
    numpy.ndarray of shape (n,)
        The grid.

    Raises
    ------
    ValueError
        If there are too few points, one is not finite, or the grid does not increase
        strictly.
    """
    grid = np.asarray(values, dtype=float)
    if grid.ndim != 1 or len(grid) < at_least:
        raise ValueError(
            f"{name} has shape {grid.shape}: give a one-dimensional array of "
            f"{at_least} points or more."
        )
    if not np.isfinite(grid).all():
        index = int(np.argmin(np.isfinite(grid)))
        raise ValueError(f"{name} is {grid[index]} at index {index}: drop that point.")
    rises = np.diff(grid) > 0
    if not rises.all():
        index = int(np.argmin(rises))
        raise ValueError(
            f"{name} does not increase: {grid[index]:.10g} {unit} at index {index} is "
            f"followed by {grid[index + 1]:.10g}. Sort the data and average points of "
            f"equal {name}."
        )
    return grid


def check_e0(energy: np.ndarray, e0: float) -> None:
    """Refuse a threshold outside the energies that were measured.

    Parameters
    ----------
    energy : (n,) array
        Increasing energies in eV.
    e0 : float
        Threshold of the edge in eV.

    Raises
    ------
    ValueError
        Names the range of the energies.
    """
    if not energy[0] <= e0 < energy[-1]:
        raise ValueError(
            f"e0={e0:g} eV lies outside the energies, {energy[0]:g} to "
            f"{energy[-1]:g} eV: give the threshold of the edge that was measured."
        )


def check_positive(**parameters: float) -> None:
    """Refuse parameters that are not above zero.

    Parameters
    ----------
    **parameters : float
        Values by their names.

    Raises
    ------
    ValueError
        Names the first such parameter.
    """
    for name, value in parameters.items():
        if not value > 0:
            raise ValueError(f"{name}={value!r}: give a positive number.")


def even_step(grid: np.ndarray, name: str = "k", unit: str = "1/angstrom") -> float:
    """Return the step of an evenly spaced grid.

    Parameters
    ----------
    grid : numpy.ndarray of shape (n,)
        Increasing points.
    name, unit : str
        Name and unit of the quantity, used in error messages.

    Returns
    -------
    float
        Mean step.

    Raises
    ------
    ValueError
        If a step differs from the mean step by more than 1e-4 of it.
    """
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    steps = np.diff(grid)
    if np.abs(steps - step).max() > 1e-4 * step:
        raise ValueError(
            f"{name} is not evenly spaced (steps from {steps.min():.4g} to "
            f"{steps.max():.4g} {unit}) and the transform needs an even grid: "
            "interpolate first."
        )
    return step


def spectra_on(values: ArrayLike, grid: np.ndarray, name: str = "mu") -> np.ndarray:
    """Return spectra as a floating-point array after checking their last axis.

    Parameters
    ----------
    values : array_like of shape (..., n)
        Spectra. Float32 stays float32; integers become float64.
    grid : numpy.ndarray of shape (n,)
        Energies or wavenumbers of the last axis.
    name : str, default "mu"
        Name of the quantity, used in error messages.

    Returns
    -------
    numpy.ndarray of shape (..., n)
        The spectra.

    Raises
    ------
    ValueError
        If the number of channels differs from that of the grid.
    """
    spectra = np.asarray(values)
    if spectra.ndim == 0 or spectra.shape[-1] != len(grid):
        raise ValueError(
            f"{name} has shape {spectra.shape}, but the grid has {len(grid)} points: "
            "the last axis must be that of the grid."
        )
    if spectra.dtype.kind != "f":
        spectra = spectra.astype(float)
    return spectra


def nearest(grid: np.ndarray, value: float) -> int:
    """Index of the grid point that is nearest to a value."""
    return int(np.abs(grid - value).argmin())


def applied(matrix: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Multiply every spectrum by a matrix, as one matrix product.

    Reshaping a cube to a single matrix product is about ten times faster than NumPy's
    stacked product.

    Parameters
    ----------
    matrix : numpy.ndarray of shape (m, n)
        Real or complex matrix.
    spectra : numpy.ndarray of shape (..., n)
        Real spectra.

    Returns
    -------
    numpy.ndarray of shape (..., m)
        ``spectra @ matrix.T``.
    """
    flat = spectra.reshape(-1, spectra.shape[-1])
    result = np.empty((len(flat), len(matrix)), dtype=np.result_type(matrix, flat))
    if np.iscomplexobj(matrix):
        result.real = flat @ matrix.real.T
        result.imag = flat @ matrix.imag.T
    else:
        np.matmul(flat, matrix.T, out=result)
    return result.reshape(*spectra.shape[:-1], len(matrix))
