"""Bases that need no FEFF: sines and cosines, and columns given by the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...suggestions import check_choice
from ..grids import accept_old_names
from ..units import ETOK

FOURIER = ("plain", "windowed", "advanced")


@dataclass(frozen=True)
class FourierBasis:
    r"""Sines and cosines of 2 k R, without scattering theory.

    Weights of both signs are represented by four columns with non-negative weights,
    labelled "+sin", "-sin", "+cos" and "-cos"; the amplitude at a distance is the root
    of the sum of their squares. Distances are about 0.3 angstrom too short, since the
    phase shift is not known, and weights are not numbers of atoms.

    Attributes
    ----------
    rmin, rmax, rstep : float, default 1, 5.8, 0.05
        First and last distance and their step, in angstrom.
    kind : {"plain", "windowed", "advanced"}, default "advanced"
        Envelope of the sines in k^3 chi. ``plain``: constant. ``windowed``: Gaussian
        in k about the middle of the range. ``advanced``: attenuation of the EXAFS
        equation, k^2 / R^2 exp(-2 k^2 s^2 - 2 R / L).
    mean_free_path : float, default 8
        Mean free path L of the photoelectron in angstrom, for the advanced kind.
        Smaller values damp distant shells more.

    References
    ----------
    Y. Igarashi, F. Iesari et al., arXiv:2105.02341 (2021), compare the three bases.
    """

    rmin: float = 1.0
    rmax: float = 5.8
    rstep: float = 0.05
    kind: str = "advanced"
    mean_free_path: float = 8.0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, FOURIER)

    labels = ("+sin", "-sin", "+cos", "-cos")

    @property
    def _distances(self) -> np.ndarray:
        count = int(np.floor((self.rmax - self.rmin) / self.rstep + 1e-9)) + 1
        return self.rmin + self.rstep * np.arange(count)

    @property
    def r(self) -> np.ndarray:
        """Distance of each column, in angstrom."""
        return np.tile(self._distances, 4)

    @property
    def channel_index(self) -> np.ndarray:
        """Index of the label of each column."""
        return np.repeat(np.arange(4), len(self._distances))

    def columns(
        self, k: ArrayLike, *, e0: float = 0.0, sigma2: float = 0.006
    ) -> np.ndarray:
        """Columns as chi(k).

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        e0 : float, default 0
            Shift of the energy zero in eV.
        sigma2 : float, default 0.006
            Mean square displacement s^2 in square angstrom, for the advanced kind.

        Returns
        -------
        (n_columns, n_k) array
            Spectra, not weighted by k.
        """
        k = np.sqrt(np.maximum(np.asarray(k, dtype=float) ** 2 - ETOK * e0, 1e-4))
        r = self._distances[:, None]
        if self.kind == "advanced":
            envelope = np.exp(-2 * k**2 * sigma2 - 2 * r / self.mean_free_path)
            envelope = envelope / (k * r**2)
        else:
            envelope = k**-3.0
            if self.kind == "windowed":
                middle, width = (k[0] + k[-1]) / 2, (k[-1] - k[0]) / 4
                envelope = envelope * np.exp(-0.5 * ((k - middle) / width) ** 2)
        sine, cosine = envelope * np.sin(2 * k * r), envelope * np.cos(2 * k * r)
        return np.concatenate([sine, -sine, cosine, -cosine])


_init = FourierBasis.__init__
FourierBasis.__init__ = accept_old_names(_init)  # type: ignore[method-assign]


@dataclass(frozen=True)
class ArrayBasis:
    """Columns computed by another program, for example GNXAS.

    Attributes
    ----------
    gamma : (n_columns, n_grid) array
        EXAFS of one atom at each distance.
    k : (n_grid,) array
        Wavenumbers in 1/angstrom.
    r : (n_columns,) array
        Distances in angstrom, increasing within each element.
    elements : sequence of str
        Element of each column; columns of one element follow each other.
    """

    gamma: np.ndarray
    k: np.ndarray
    r: np.ndarray
    elements: Sequence[str]

    def __post_init__(self) -> None:
        gamma = np.asarray(self.gamma, dtype=float)
        shape = (len(self.r), len(self.k))
        if gamma.shape != shape or len(self.elements) != len(self.r):
            raise ValueError(
                f"gamma has shape {gamma.shape}; with {len(self.r)} distances, "
                f"{len(self.elements)} elements and {len(self.k)} wavenumbers it must "
                f"be {shape}, with an element for each distance."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Elements without repetition, in the order of the columns."""
        return tuple(dict.fromkeys(self.elements))

    @property
    def channel_index(self) -> np.ndarray:
        """Index of the element of each column."""
        return np.array([self.labels.index(element) for element in self.elements])

    def columns(self, k: ArrayLike) -> np.ndarray:
        """Columns at other wavenumbers, by cubic interpolation.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.

        Returns
        -------
        (n_columns, n_k) array
            Spectra, not weighted by k.

        Raises
        ------
        ValueError
            If the basis does not cover the wavenumbers.
        """
        from scipy.interpolate import CubicSpline

        k = np.asarray(k, dtype=float)
        if k[0] < self.k[0] - 1e-9 or k[-1] > self.k[-1] + 1e-9:
            raise ValueError(
                f"The basis covers k = {self.k[0]:.2f} to {self.k[-1]:.2f} "
                f"1/angstrom, the fit needs {k[0]:.2f} to {k[-1]:.2f}: choose "
                "kmin and kmax within the basis, or compute it further."
            )
        return CubicSpline(self.k, np.asarray(self.gamma, dtype=float), axis=1)(k)
