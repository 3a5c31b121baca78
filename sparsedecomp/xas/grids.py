"""Grids of energies and wavenumbers: what every step of the reduction asks of them."""

import numpy as np


def increasing(values, name="energy", unit="eV", at_least=2):
    """Return a grid as float64, or say where it does not increase.

    Parameters
    ----------
    values : array_like of shape (n,)
    name, unit : str
        For the message.
    at_least : int
        Fewest points that are accepted.

    Returns
    -------
    numpy.ndarray of shape (n,)

    Raises
    ------
    ValueError
        If there are too few points, one is not finite, or the grid does not increase
        strictly.
    """
    grid = np.asarray(values, dtype=float)
    if grid.ndim != 1 or len(grid) < at_least:
        raise ValueError(
            f"{name} has shape {grid.shape}: give a row of {at_least} points or more."
        )
    if not np.isfinite(grid).all():
        place = int(np.argmin(np.isfinite(grid)))
        raise ValueError(f"{name} is {grid[place]} at index {place}: drop that point.")
    rises = np.diff(grid) > 0
    if not rises.all():
        place = int(np.argmin(rises))
        raise ValueError(
            f"{name} does not increase: {grid[place]:.10g} {unit} at index {place} is "
            f"followed by {grid[place + 1]:.10g}. Sort the data and average points of "
            f"equal {name}."
        )
    return grid


def even_step(grid, name="k", unit="1/angstrom"):
    """Return the step of an evenly spaced grid.

    Raises
    ------
    ValueError
        If the steps differ by more than a part in ten thousand.
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


def spectra_on(values, grid, name="mu"):
    """Return spectra as floats whose last axis is the grid's; float32 stays float32.

    Raises
    ------
    ValueError
        If the number of channels differs from that of the grid.
    """
    spectra = np.asarray(values)
    if spectra.ndim == 0 or spectra.shape[-1] != len(grid):
        raise ValueError(
            f"{name} has shape {spectra.shape}, but the grid has {len(grid)} points: "
            "spectra are rows, the last axis must be that of the grid."
        )
    if spectra.dtype.kind != "f":
        spectra = spectra.astype(float)
    return spectra


def nearest(grid, value):
    """Index of the point of an increasing grid that is nearest to a value."""
    return int(np.abs(grid - value).argmin())


def applied(matrix, spectra):
    """Apply a matrix to every spectrum, as one product.

    Parameters
    ----------
    matrix : numpy.ndarray of shape (m, n)
        Real or complex.
    spectra : numpy.ndarray of shape (..., n)
        Real. One product of two matrices is ten times faster than NumPy's product of
        a matrix with each plane of a cube.

    Returns
    -------
    numpy.ndarray of shape (..., m)
    """
    rows = spectra.reshape(-1, spectra.shape[-1])
    result = np.empty((len(rows), len(matrix)), dtype=np.result_type(matrix, rows))
    if np.iscomplexobj(matrix):
        result.real = rows @ matrix.real.T
        result.imag = rows @ matrix.imag.T
    else:
        np.matmul(rows, matrix.T, out=result)
    return result.reshape(*spectra.shape[:-1], len(matrix))
