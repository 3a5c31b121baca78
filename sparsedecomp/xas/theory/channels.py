"""Channels of a fit: the kinds of shells, by element and scattering path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from ...kernels.exafs import stick_columns
from ..units import ETOK
from .elements import bond_length
from .scattering import ScatteringGrid

# Shortest distance of a shell as a fraction of the sum of the covalent radii. Bonds to
# atoms that EXAFS detects are longer, except multiple bonds such as U=O (0.67). A
# larger fraction excludes short bonds, a smaller one lets residual background pass as
# shells.
_CLOSEST = 0.75

OVER_ABSORBER = ("through", "opposite", "return")
"""Kinds of the collinear paths that pass the absorber between the same or opposite
atoms. In fcc metals they add 14, 9 and 4 per cent to the amplitude of the fourth shell
and its focusing paths; without them it has 16 to 18 atoms instead of 12."""


@dataclass(frozen=True)
class Channel:
    """EXAFS of one kind of atom at any distance.

    Attributes
    ----------
    element : str
        Symbol of the scattering atom.
    grids : tuple of ScatteringGrid
        Paths whose EXAFS is summed: single scattering, and for an atom behind another
        the collinear paths over the atom half way, which focuses the wave, and over
        the absorber.
    multiplicities : tuple of float
        Factor of each grid in the sum.
    nearest : float
        Shortest distance at which a shell may lie, in angstrom.
    s02 : float, default 1
        Amplitude reduction factor.
    """

    element: str
    grids: tuple[ScatteringGrid, ...]
    multiplicities: tuple[float, ...]
    nearest: float
    s02: float = 1.0

    @cached_property
    def _tables(self) -> tuple[tuple[np.ndarray, ...], ...]:
        return tuple(map(_table, self.grids))

    @property
    def via(self) -> str:
        """Symbol of the atom half way, empty for single scattering."""
        return self.grids[-1].via

    @property
    def label(self) -> str:
        """Element and the atom half way, for example "Cu" and "Ni via O"."""
        return f"{self.element} via {self.via}" if self.via else self.element

    @property
    def r_limits(self) -> tuple[float, float]:
        """Shortest and longest distance of a shell, in angstrom."""
        first = max(grid.r[0] for grid in self.grids)
        return max(first, self.nearest), min(grid.r[-1] for grid in self.grids)

    @property
    def kmax(self) -> float:
        """Largest wavenumber that FEFF computed, in 1/angstrom."""
        return min(grid.k[-1] for grid in self.grids)

    def columns(
        self,
        k: np.ndarray,
        r: ArrayLike,
        *,
        e0: float | np.ndarray = 0.0,
        sigma2: float | np.ndarray = 0.0,
        third: float | np.ndarray = 0.0,
    ) -> np.ndarray:
        r"""EXAFS of one atom at each distance, and its derivatives.

        .. math:: \chi_r(k) = \frac{S_0^2 A_r(q)}{q r^2} \operatorname{Im}
           \exp\left\{-2 r \operatorname{Im} p - 2 p^2 \sigma^2
           + i \left[2 q r + \phi_r(q) - 4 p \sigma^2 / r
           - \tfrac{4}{3} p^3 C_3\right]\right\}

        with q^2 = k^2 - 0.2625 E0 and the complex momentum p(q), as larch computes it
        for one FEFF path; summed over the grids with their multiplicities.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        r : (n,) array
            Distances in angstrom.
        e0, sigma2, third : float or (n,) array
            Shift of the energy zero in eV, mean square displacement in square
            angstrom and third cumulant in cubic angstrom; 0 by default.

        Returns
        -------
        (5, n, n_k) array
            Spectrum chi, and its derivatives by r, e0, sigma2 and third.
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


def _table(grid: ScatteringGrid) -> tuple[np.ndarray, ...]:
    """Distances, wavenumbers and cubic polynomials in k, for the kernel."""
    r = grid.r
    amplitude, phase = grid.amplitude, grid.phase
    if len(r) == 1:
        # A single path: its amplitude and phase are used at every distance.
        r = np.array([r[0], r[0] + 1.0])
        amplitude, phase = np.repeat(amplitude, 2, 0), np.repeat(phase, 2, 0)

    def cubics(values: np.ndarray) -> np.ndarray:
        # (4, n_f - 1, rows), highest power first
        c = CubicSpline(grid.k, np.asarray(values, dtype=float), axis=1).c
        return np.ascontiguousarray(np.moveaxis(c[::-1], (0, 1, 2), (2, 1, 0)))

    momentum = np.array([grid.momentum, grid.mean_free_path])
    return r, grid.k, cubics(amplitude), cubics(phase), cubics(momentum)


def make_channels(
    grids: Iterable[ScatteringGrid],
    elements: Sequence[str],
    focusing: bool = True,
    s02: float = 1.0,
) -> tuple[Channel, ...]:
    """Channels of single scattering, then those of an atom behind another.

    Parameters
    ----------
    grids : iterable of ScatteringGrid
        Scattering amplitudes in any order.
    elements : sequence of str
        Symbols, whose order is that of the channels.
    focusing : bool, default True
        Whether there are channels of an atom behind another.
    s02 : float, default 1
        Amplitude reduction factor.

    Returns
    -------
    tuple of Channel
        Channels of the basis.
    """
    grids = sorted(
        grids,
        key=lambda grid: (
            elements.index(grid.via or grid.scatterer),
            elements.index(grid.scatterer),
        ),
    )
    of_kind = {(grid.kind, grid.via, grid.scatterer): grid for grid in grids}
    channels = []
    for (kind, _, end), grid in of_kind.items():
        if kind == "single":
            nearest = _CLOSEST * bond_length(grid.absorber, end)
            channels.append(Channel(end, (grid,), (1.0,), nearest, s02))
    for (kind, via, end), grid in of_kind.items():
        if kind == "double" and focusing:
            # Rows of atoms have inversion symmetry more often than not, and with it
            # paths of the same length over the absorber.
            over_absorber = [
                of_kind[way, via, via]
                for way in OVER_ABSORBER
                if (way, via, via) in of_kind
            ]
            # The double path runs both ways round.
            parts = (
                *over_absorber,
                of_kind["single", "", end],
                grid,
                of_kind["triple", via, end],
            )
            times = (*[1.0] * len(over_absorber), 1.0, 2.0, 1.0)
            nearest = 2 * _CLOSEST * bond_length(grid.absorber, via)
            channels.append(Channel(end, parts, times, nearest, s02))
    return tuple(channels)
