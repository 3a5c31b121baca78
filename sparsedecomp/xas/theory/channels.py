"""Channels of a fit: the elements, and scattering paths, whose shells it may find."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from ...kernels.exafs import stick_columns
from ..units import ETOK
from .scattering import ScatteringGrid


@dataclass(frozen=True)
class Channel:
    """EXAFS of one kind of atom at any distance.

    Attributes
    ----------
    element : str
        Symbol of the scattering atom.
    grids : tuple of ScatteringGrid
        What is added up: single scattering, and the collinear paths where an atom
        half way focuses the wave.
    multiplicities : tuple of float
        How often each grid counts.
    nearest : float
        Shortest distance at which a shell may lie, in angstrom.
    s02 : float
        Amplitude reduction factor.
    """

    element: str
    grids: tuple
    multiplicities: tuple
    nearest: float
    s02: float = 1.0

    @cached_property
    def _tables(self):
        return tuple(map(_table, self.grids))

    @property
    def via(self):
        """Symbol of the atom half way, empty for single scattering."""
        return self.grids[-1].via

    @property
    def label(self):
        """Element, and the atom half way: "Cu", "Ni via O"."""
        return f"{self.element} via {self.via}" if self.via else self.element

    @property
    def r_limits(self):
        """Shortest and longest distance, in angstrom."""
        first = max(grid.r[0] for grid in self.grids)
        return max(first, self.nearest), min(grid.r[-1] for grid in self.grids)

    @property
    def kmax(self):
        """Largest wavenumber FEFF computed, in 1/angstrom."""
        return min(grid.k[-1] for grid in self.grids)

    def columns(self, k, r, *, e0=0.0, sigma2=0.0, third=0.0):
        """EXAFS of one atom at each distance, with derivatives.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        r : (n,) array
            Distances in angstrom.
        e0, sigma2, third : float or (n,) array
            Shift of the energy zero in eV, mean square displacement in square
            angstrom and third cumulant in cubic angstrom.

        Returns
        -------
        (5, n, n_k) array
            chi, and its derivatives by r, e0, sigma2 and third.
        """
        r = np.ascontiguousarray(np.atleast_1d(r), dtype=float)
        e0, sigma2, third = (
            np.broadcast_to(np.asarray(v, dtype=float), r.shape).copy()
            for v in (e0, sigma2, third)
        )
        total = np.zeros((5, len(r), len(k)))
        for table, times in zip(self._tables, self.multiplicities, strict=True):
            total += times * stick_columns(k, r, e0 * ETOK, sigma2, third, *table)
        total *= self.s02
        total[2] *= ETOK
        return total


def _table(grid: ScatteringGrid):
    """Grid as the kernel wants it: cubics in k at each distance."""
    r = grid.r
    amplitude, phase = grid.amplitude, grid.phase
    if len(r) == 1:
        # One path only: its amplitude and phase serve at every distance.
        r = np.array([r[0], r[0] + 1.0])
        amplitude, phase = np.repeat(amplitude, 2, 0), np.repeat(phase, 2, 0)

    def cubics(values):
        # (4, n_f - 1, rows), highest power first
        c = CubicSpline(grid.k, np.asarray(values, dtype=float), axis=1).c
        return np.ascontiguousarray(np.moveaxis(c[::-1], (0, 1, 2), (2, 1, 0)))

    momentum = np.array([grid.momentum, grid.mean_free_path])
    return r, grid.k, cubics(amplitude), cubics(phase), cubics(momentum)
