"""Errors of the scattering theory as a covariance of the coordinates of a spectrum.

FEFF6L with guessed potentials makes errors of amplitude and phase of some per cent that
change slowly with k and are the same for all shells of an element, and the basis lacks
multiple scattering that is not collinear. Residuals of good fits are these errors, not
noise: they are far larger, and correlated. In the evidence they widen the intervals and
explain side lobes that would otherwise become shells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..theory.channels import Channel
from .coordinates import Coordinates

if TYPE_CHECKING:
    from .model import ShellPrior

# Modes of the smooth error with less than this fraction of the largest variance are
# left out: together they hold less than a per cent.
_SMALLEST = 0.003
# Step in angstrom, mean square displacement in square angstrom, and first distance in
# units of the nearest one, of the scatterers that stand for missing paths.
_STEP, _SIGMA2, _BEYOND = 0.1, 0.008, 1.5
# Weight N / R^2 of the nearest shell of copper.
_CLOSE_PACKED = 1.85


class TheoryError:
    r"""Covariance of coordinates due to errors of the theory.

    The EXAFS of shell l is multiplied by 1 + a(k) + i b(k), where a and b are Gaussian
    processes of standard deviation s and correlation length L, common to the shells of
    an element. The quadrature component follows from the derivative by the distance,
    :math:`(\partial \chi / \partial R + 2 \chi / R) / 2k`.

    Parameters
    ----------
    channels : sequence of Channel
        Kinds of shells.
    coordinates : Coordinates
        Window of k and R.
    rmax : float
        Longest distance of a shell in angstrom.
    prior : ShellPrior
        Sizes of the errors.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        coordinates: Coordinates,
        rmax: float,
        prior: ShellPrior,
    ) -> None:
        self.channels = tuple(channels)
        self.coordinates = coordinates
        self.rmax = rmax
        self.missing_weight = prior.missing_paths
        k = coordinates.k
        correlation = np.exp(-0.5 * ((k[:, None] - k) / prior.shape_length) ** 2)
        variance, modes = np.linalg.eigh(correlation)
        kept = variance > _SMALLEST * variance[-1]
        scaled = modes[:, kept] * np.sqrt(variance[kept]) * prior.shape_error
        # Coordinates of a spectrum times a mode, for all modes.
        modal = scaled.T[:, None] * coordinates.matrix
        self._modes = modal.reshape(-1, len(k)).T.copy()
        self._missing: dict[tuple[int, float], np.ndarray] = {}

    def factors(
        self, r: np.ndarray, channel_index: np.ndarray, spectra: np.ndarray
    ) -> list[np.ndarray]:
        """Errors of the coordinates per unit weight of each shell.

        Parameters
        ----------
        r, channel_index : (K,) arrays
            Distance in angstrom and channel of each shell.
        spectra : (5, K, n_inside) array
            EXAFS of one atom of each shell and its derivatives.

        Returns
        -------
        list of (K, m, n) arrays
            For each element and each of the two components: independent errors of
            unit variance, which the shells of the element share.
        """
        if not len(r) or not self._modes.any():
            return []
        chi, by_r = spectra[:2]
        other = (by_r + 2 * chi / r[:, None]) / (2 * self.coordinates.k)
        both = np.stack([chi, other]) * r[:, None] ** 2
        elements = np.array([self.channels[i].element for i in channel_index])
        out = []
        for element in dict.fromkeys(elements.tolist()):
            own = np.where((elements == element)[:, None], both, 0.0)
            shape = (len(r), -1, self.coordinates.size)
            out += [(part @ self._modes).reshape(shape) for part in own]
        return out

    def covariance(
        self,
        r: np.ndarray,
        u: np.ndarray,
        channel_index: np.ndarray,
        spectra: np.ndarray,
    ) -> np.ndarray:
        """Covariance of the coordinates due to all errors of the theory.

        Parameters
        ----------
        r, u, channel_index : (K,) arrays
            Distance in angstrom, weight N / R^2 and channel of each shell.
        spectra : (5, K, n_inside) array
            EXAFS of one atom of each shell and its derivatives.

        Returns
        -------
        (n, n) array
            Covariance.
        """
        T = self.missing(r, u, channel_index).copy()
        if not len(r) or not self._modes.any():
            return T
        chi, by_r = spectra[:2]
        other = (by_r + 2 * chi / r[:, None]) / (2 * self.coordinates.k)
        weights = u * r**2
        elements = np.array([self.channels[i].element for i in channel_index])
        for element in dict.fromkeys(elements.tolist()):
            own = np.where(elements == element, weights, 0.0)
            X = (np.stack([own @ chi, own @ other]) @ self._modes).reshape(
                -1, self.coordinates.size
            )
            T += X.T @ X
        return T

    def missing(
        self, r: np.ndarray, u: np.ndarray, channel_index: np.ndarray
    ) -> np.ndarray:
        """Covariance due to multiple scattering that the basis lacks.

        Parameters
        ----------
        r, u, channel_index : (K,) arrays
            Distance in angstrom, weight N / R^2 and channel of each shell.

        Returns
        -------
        (n, n) array
            Covariance of the coordinates.
        """
        n = self.coordinates.size
        if not len(r) or not self.missing_weight:
            return np.zeros((n, n))
        nearest = int(np.argmin(r))
        unit = self.missing_unit(channel_index[nearest], float(r[nearest]))
        # Pairs of neighbours make these paths: few where neighbours are few.
        return (self.missing_weight * u[nearest] ** 2 / _CLOSE_PACKED) ** 2 * unit

    def missing_unit(self, channel: int, nearest: float) -> np.ndarray:
        """Covariance of scatterers of unit weight in an angstrom, with random phase."""
        first = round(_BEYOND * nearest, 1)
        if (channel, first) not in self._missing:
            low, high = self.channels[channel].r_limits
            r = np.arange(max(first, low), min(self.rmax + 0.3, high), _STEP)
            k, matrix = self.coordinates.k, self.coordinates.matrix
            chi, by_r = self.channels[channel].columns(k, r, sigma2=_SIGMA2)[:2]
            other = (by_r + 2 * chi / r[:, None]) / (2 * k)
            X = (np.vstack([chi, other]) * np.tile(r, 2)[:, None] ** 2) @ matrix.T
            self._missing[channel, first] = X.T @ X * _STEP
        return self._missing[channel, first]
