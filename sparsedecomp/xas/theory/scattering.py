"""Scattering amplitudes and phases as functions of distance, and their EXAFS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from ..units import ETOK

if TYPE_CHECKING:
    from .feff_path import FeffPath


@dataclass(frozen=True)
class ScatteringGrid:
    """Amplitudes and phases of one kind of scattering path on a grid of distances.

    Attributes
    ----------
    absorber, edge : str
        Symbol and edge of the absorbing atom.
    scatterer : str
        Symbol of the scattering atom.
    r : (n_r,) array
        Half path lengths, increasing, in angstrom.
    k : (n_f,) array
        Wavenumbers at which the amplitudes were computed, in 1/angstrom.
    amplitude : (n_r, n_f) array
        Effective scattering amplitude with the reduction factor, in angstrom.
    phase : (n_r, n_f) array
        Sum of all phase shifts except 2 k r, in radian, continuous in k and r.
    mean_free_path, momentum : (n_f,) array
        Mean free path in angstrom, and real part of the complex momentum in
        1/angstrom. Neither depends on the distance.
    kind : {"single", "double", "triple"}, default "single"
        Single scattering, or a collinear path over an atom half way, which focuses the
        wave: "double" passes that atom once, "triple" twice.
    via : str, default ""
        Symbol of the atom half way.
    note : str, default ""
        Program and potentials from which the grid was computed.
    """

    absorber: str
    edge: str
    scatterer: str
    r: np.ndarray
    k: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    mean_free_path: np.ndarray
    momentum: np.ndarray
    kind: str = "single"
    via: str = ""
    note: str = ""

    @classmethod
    def from_paths(
        cls, paths: Sequence[FeffPath], kind: str = "single", note: str = ""
    ) -> ScatteringGrid:
        """Build a grid from paths that differ in their distance only.

        Parameters
        ----------
        paths : sequence of FeffPath
            Paths with the same atoms and wavenumbers.
        kind, note : str
            Attributes of the grid; "single" and "" by default.

        Returns
        -------
        ScatteringGrid
            Grid by increasing distance.

        Raises
        ------
        ValueError
            If the paths are of different atoms or wavenumbers.
        """
        paths = sorted(paths, key=lambda path: path.distance)
        first = paths[0]
        for path in paths:
            if (path.absorber, path.scatterers) != (first.absorber, first.scatterers):
                raise ValueError(
                    f"A grid holds one kind of path, and {first.absorber}-"
                    f"{'-'.join(first.scatterers)} and {path.absorber}-"
                    f"{'-'.join(path.scatterers)} were given: make one grid of each."
                )
            if not np.array_equal(path.k, first.k):
                raise ValueError(
                    f"The path at {path.distance} angstrom has other wavenumbers than "
                    f"that at {first.distance}: all must come from one run of FEFF."
                )
        phase = np.array([path.phase for path in paths])
        # FEFF gives the phase up to a multiple of 2 pi: make it continuous in r.
        middle = phase.shape[1] // 2
        jump = np.unwrap(phase[:, middle]) - phase[:, middle]
        return cls(
            absorber=first.absorber,
            edge=first.edge,
            scatterer=first.scatterers[0 if kind == "single" else 1],
            r=np.array([path.distance for path in paths]),
            k=first.k,
            amplitude=np.array([path.amplitude for path in paths]),
            phase=phase + jump[:, None],
            mean_free_path=first.mean_free_path,
            momentum=first.momentum,
            kind=kind,
            via="" if kind == "single" else first.scatterers[0],
            note=note,
        )

    def at(self, r: ArrayLike) -> ScatteringGrid:
        """Interpolate the grid linearly to other distances.

        Parameters
        ----------
        r : (n,) array_like
            Distances in angstrom, within the grid.

        Returns
        -------
        ScatteringGrid
            Grid at these distances.

        Raises
        ------
        ValueError
            If a distance lies outside the grid.
        """
        r = np.atleast_1d(np.asarray(r, dtype=float))
        if len(self.r) == 1:
            if np.any(np.abs(r - self.r[0]) > 1e-9):
                raise ValueError(
                    f"The path {self.absorber}-{self.scatterer} is known at "
                    f"{self.r[0]:.4f} angstrom only; other distances need a grid."
                )
            low, part = np.zeros(len(r), dtype=int), np.zeros((len(r), 1))
            high = low
        else:
            outside = (r < self.r[0] - 1e-6) | (r > self.r[-1] + 1e-6)
            if np.any(outside):
                raise ValueError(
                    f"{r[outside][0]:.3f} angstrom lies outside the grid of "
                    f"{self.absorber}-{self.scatterer}, which runs from "
                    f"{self.r[0]:.3f} to {self.r[-1]:.3f}: choose rmin and rmax "
                    "within it, or compute a longer grid."
                )
            low = np.clip(np.searchsorted(self.r, r) - 1, 0, len(self.r) - 2)
            high = low + 1
            part = ((r - self.r[low]) / (self.r[high] - self.r[low]))[:, None]
        return replace(
            self,
            r=r,
            amplitude=(1 - part) * self.amplitude[low] + part * self.amplitude[high],
            phase=(1 - part) * self.phase[low] + part * self.phase[high],
        )

    def chi(
        self,
        k: ArrayLike,
        *,
        e0: ArrayLike = 0.0,
        sigma2: ArrayLike = 0.0,
        third: ArrayLike = 0.0,
        s02: float = 1.0,
    ) -> np.ndarray:
        r"""EXAFS of one atom at each distance.

        .. math:: \chi_r(k) = \frac{S_0^2 A_r(q)}{q r^2} \operatorname{Im}
           \exp\left\{-2 r \operatorname{Im} p - 2 p^2 \sigma^2
           + i \left[2 q r + \phi_r(q) - 4 p \sigma^2 / r
           - \tfrac{4}{3} p^3 C_3\right]\right\}

        with q^2 = k^2 - 0.2625 E0 and the complex momentum p(q), as larch computes it
        for one FEFF path.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        e0 : float or (n_r,) array, default 0
            Shift of the energy zero, in eV.
        sigma2 : float or (n_r,) array, default 0
            Mean square relative displacement, in square angstrom.
        third : float or (n_r,) array, default 0
            Third cumulant, in cubic angstrom.
        s02 : float, default 1
            Amplitude reduction factor.

        Returns
        -------
        (n_r, n_k) array
            Spectra, not weighted by k.

        Raises
        ------
        ValueError
            If a wavenumber, shifted by e0, exceeds those that FEFF computed.
        """
        k = np.asarray(k, dtype=float)
        e0, sigma2, third = (
            np.asarray(value, dtype=float).reshape(-1, 1)
            for value in (e0, sigma2, third)
        )
        r = self.r[:, None]
        energy = k**2 - ETOK * e0
        # q is odd in the energy, as in larch; fits do not reach below the shifted edge.
        q = np.sign(energy) * np.sqrt(np.maximum(np.abs(energy), 1e-12))
        if q.max() > self.k[-1] + 1e-9:
            raise ValueError(
                f"The amplitudes of {self.absorber}-{self.scatterer} end at k = "
                f"{self.k[-1]:.2f} 1/angstrom, the data (with E0) reach "
                f"{q.max():.2f}: choose a smaller kmax, or compute FEFF further."
            )
        amplitude = self._between(self.amplitude, q)
        phase = self._between(self.phase, q)
        p = self._between(self.momentum, q) + 1j / self._between(self.mean_free_path, q)
        exponent = (
            -2 * r * p.imag
            - 2 * p**2 * sigma2
            + 1j * (2 * q * r + phase - 4 * p * sigma2 / r - 4 / 3 * p**3 * third)
        )
        return s02 * amplitude / (q * r**2) * np.exp(exponent).imag

    def _between(self, values: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Cubic spline in k at one set of wavenumbers, or at one for each distance."""
        if len(q) == 1:
            return CubicSpline(self.k, values, axis=-1)(q[0])
        if values.ndim == 1:
            return CubicSpline(self.k, values)(q)
        return np.array(
            [CubicSpline(self.k, row)(at) for row, at in zip(values, q, strict=True)]
        )
