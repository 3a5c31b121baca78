r"""Shells of atoms as a model of EXAFS coordinates, with prior distributions.

Common parameters are the shift of the energy zero, the level of the mean square
displacement and the anharmonicity. Each shell has its distance R, its weight N / R^2,
and deviations of its displacement and of its energy zero from the common ones. FEFF6L
makes different phase errors for light and heavy atoms and for paths with multiple
scattering; the deviation of the energy zero absorbs them, and without it the largest
of these errors would bias the distances of all shells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..theory.channels import Channel
from ..theory.elements import bond_length
from .coordinates import Coordinates
from .theory_error import TheoryError
from .weight_limits import WeightLimits

# Largest deviation of the middle atom of a focused path from half way, in angstrom. A
# larger value allows focused shells behind atoms that are not in line with them.
_HALF_WAY = 0.1
# Step of the numerical derivative of the expected displacement, in angstrom.
_STEP = 0.01
# Numbers of common parameters and of parameters of each shell.
GLOBALS = 3
PER_SHELL = 4
# Ranges of the common shift of the energy zero in eV and of the logarithm of the level
# of the displacements, far beyond the priors: trial steps stay within FEFF's table.
_E0_LIMIT, _LEVEL_LIMITS = 30.0, (-3.5, 3.0)
# Spread of a parameter that is given, in eV or relative: below what data determine.
_FIXED = 1e-3


@dataclass(frozen=True)
class TypicalSigma2:
    """Mean square displacement that is typical at a distance.

    Neighbours that touch the absorber move with it; atoms farther away move on their
    own. The numbers are those of the shared scans at 10 to 300 K.

    Attributes
    ----------
    bonded : float, default 0.005
        Displacement of atoms up to 2.3 angstrom, in square angstrom.
    growth : float, default 0.8
        Relative increase far away, reached within an angstrom or two.
    """

    bonded: float = 0.005
    growth: float = 0.8

    def __call__(self, r: np.ndarray) -> np.ndarray:
        """Displacement at distances in angstrom, in square angstrom."""
        far = 1 - np.exp(-np.maximum(np.asarray(r, dtype=float) - 2.3, 0))
        return self.bonded * (1 + self.growth * far)


@dataclass(frozen=True)
class ShellPrior:
    r"""Prior distributions of the parameters of shells.

    Attributes
    ----------
    density : float, default 2
        Standard deviation g of the weight N / R^2 in 1/angstrom^2, with a normal prior
        about zero; twelve atoms at 2.5 angstrom have the weight 1.9.
    shells_per_angstrom : float, default 1
        Expected number of shells per angstrom, all elements together. Larger: more
        shells are found.
    e0, e0_spread : float, default 4.3, 5
        Mean and standard deviation of the common shift of the energy zero, in eV: those
        of the shared scans of known structure. The steepest rise of an edge lies within
        a few eV of FEFF's zero.
    e0_scatter : float, default 1.5
        Standard deviation of the shift of a shell from the common one, in eV.
    sigma2 : float or callable, default TypicalSigma2()
        Median of the mean square displacement in square angstrom, a number or a
        function of the distance such as `sparsedecomp.xas.Debye`.
    sigma2_spread : float, default 0.7
        Standard deviation of the logarithm of the common factor of all displacements.
    sigma2_scatter : float, default 0.35
        Standard deviation of the logarithm of the displacement of a shell relative to
        the others.
    anharmonicity, anharmonicity_spread : float, default 1.05, 0.6
        Mean and standard deviation of the third cumulant over the squared second, in
        1/angstrom. In the anharmonic correlated Einstein model (Frenkel and Rehr,
        Phys. Rev. B 48 (1993) 585) it rises from half the constant of the Morse
        potential at zero temperature to one and a half times that; the constant is
        about 1.4 in metals. Harmonic pairs have 0. The defaults are mean and standard
        deviation of a uniform distribution from 0 to 2.1.
    model_error, model_error_weight : float, default 0.1, 8
        Remaining error of the theory as a fraction of the root mean square of the
        signal, which is added to the noise, and the number of coordinates that this
        guess counts for. Larger weights keep the noise level closer to the guess: less
        of a signal is taken for noise, and more shells are found.
    distance_error, amplitude_error : float, default 0.01, 0.15
        Standard deviation of a distance in angstrom, and of a number of atoms relative
        to it, due to FEFF, its guessed potentials and a guessed amplitude reduction
        factor, which is 0.7 to 1.0 in most samples. They are added in quadrature to
        those of the fit. With a factor measured in a standard (`estimate_s02`) the
        second one is about 0.08.
    shape_error, shape_length : float, default 0.1, 3
        Relative error of the complex scattering amplitude of an element, and the
        length in 1/angstrom over which it changes. Zero: the theory is exact.
    missing_paths : float, default 0.08
        Multiple scattering that the basis lacks, beyond one and a half times the
        nearest distance: root mean square weight N / R^2 of scatterers of random phase
        in an angstrom, as a fraction of the weight of the nearest shell of copper; it
        falls with the square of that weight. Larger: weak distant shells need more
        evidence, and their intervals are wider.
    bond_spread : float, default 0.12
        Standard deviation of the logarithm of the nearest distance over the sum of the
        covalent radii.
    """

    density: float = 2.0
    shells_per_angstrom: float = 1.0
    e0: float = 4.3
    e0_spread: float = 5.0
    e0_scatter: float = 1.5
    sigma2: float | Callable[[np.ndarray], np.ndarray] = TypicalSigma2()
    sigma2_spread: float = 0.7
    sigma2_scatter: float = 0.35
    anharmonicity: float = 1.05
    anharmonicity_spread: float = 0.6
    model_error: float = 0.1
    model_error_weight: float = 8.0
    distance_error: float = 0.01
    amplitude_error: float = 0.15
    shape_error: float = 0.1
    shape_length: float = 3.0
    missing_paths: float = 0.08
    bond_spread: float = 0.12

    def fixed_at(
        self,
        e0: float | None = None,
        sigma2: float | Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> ShellPrior:
        """Prior that all but fixes parameters at given values.

        Parameters
        ----------
        e0 : float, optional
            Shift of the energy zero in eV; by default as before.
        sigma2 : float or callable, optional
            Mean square displacement; by default as before.

        Returns
        -------
        ShellPrior
            Prior with the values given.
        """
        fixed: dict[str, Any] = {}
        if e0 is not None:
            fixed |= {"e0": e0, "e0_spread": _FIXED, "e0_scatter": _FIXED}
        if sigma2 is not None:
            fixed |= {"sigma2": sigma2}
            fixed |= {"sigma2_spread": _FIXED, "sigma2_scatter": _FIXED}
        return replace(self, **fixed)


class ShellModel:
    """Coordinates of a spectrum as a function of shells.

    Parameters
    ----------
    channels : sequence of Channel
        Kinds of shells.
    coordinates : Coordinates
        Window of k and R.
    rmax : float
        Longest distance of a shell in angstrom.
    prior : ShellPrior, optional
        Prior distributions of the parameters.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        coordinates: Coordinates,
        rmax: float,
        prior: ShellPrior | None = None,
    ) -> None:
        self.channels = tuple(channels)
        self.coordinates = coordinates
        self.prior = prior or ShellPrior()
        self.r_limits = np.array(
            [(c.r_limits[0], min(c.r_limits[1], rmax)) for c in self.channels]
        )
        elements = {channel.element for channel in self.channels}
        self.intensity = self.prior.shells_per_angstrom / len(elements)
        low, high = coordinates.k_range
        # Two shells of one channel closer than this beat less than once over the range.
        self.resolution = np.pi / (2 * (high - low))
        self.theory = TheoryError(self.channels, coordinates, rmax, self.prior)
        self.limits = WeightLimits(self.channels)
        # A channel of focused paths is nearest only where its middle atom is missing.
        self._bonds = [
            bond_length(c.grids[0].absorber.strip().capitalize(), c.element)
            * (2 if c.via else 1)
            for c in self.channels
        ]

    def split(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Common parameters, and one row for each parameter of the shells."""
        return p[:GLOBALS], p[GLOBALS:].reshape(PER_SHELL, -1)

    def shells(
        self, p: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Distance, atoms, displacement, third cumulant and energy shift of shells."""
        (e0, level, kappa), (r, u, log_ratio, shift) = self.split(p)
        sigma2 = np.exp(level + log_ratio) * self.expected(r)
        return r, u * r**2, sigma2, kappa * sigma2**2, e0 + shift

    def expected(self, r: np.ndarray) -> np.ndarray:
        """Prior median of the displacement at distances, in square angstrom."""
        sigma2 = self.prior.sigma2
        return sigma2(r) if callable(sigma2) else np.full(np.shape(r), sigma2)

    def spectra(self, p: np.ndarray, channel_index: np.ndarray) -> np.ndarray:
        """EXAFS of one atom of each shell, and derivatives, shape (5, K, n_inside)."""
        r, _, sigma2, third, e0 = self.shells(p)
        k = self.coordinates.k
        out = np.empty((5, len(channel_index), len(k)))
        for channel in np.unique(channel_index):
            of = channel_index == channel
            out[:, of] = self.channels[channel].columns(
                k, r[of], e0=e0[of], sigma2=sigma2[of], third=third[of]
            )
        return out

    def columns(self, p: np.ndarray, channel_index: np.ndarray) -> np.ndarray:
        """Coordinates of one atom of each shell, and derivatives, shape (5, K, n)."""
        return self.spectra(p, channel_index) @ self.coordinates.matrix.T

    def theory_covariance(
        self,
        p: np.ndarray,
        channel_index: np.ndarray,
        spectra: np.ndarray | None = None,
    ) -> np.ndarray:
        """Covariance of the coordinates due to errors of the theory, shape (n, n).

        Parameters
        ----------
        p : (3 + 4 K,) array
            Parameters.
        channel_index : (K,) int array
            Channel of each shell.
        spectra : (5, K, n_inside) array, optional
            What `spectra` returns for them, if it is known.
        """
        if spectra is None:
            spectra = self.spectra(p, channel_index)
        r, u = self.split(p)[1][:2]
        return self.theory.covariance(r, u, channel_index, spectra)

    def midpoint_occupied(
        self, r: np.ndarray, channel_index: np.ndarray, channel: int, at: np.ndarray
    ) -> np.ndarray:
        """Whether shells of a channel are possible at some distances.

        A focused path needs a shell of the atom half way.

        Parameters
        ----------
        r, channel_index : (K,) arrays
            Distance in angstrom and channel of the other shells.
        channel : int
            Channel of the new shell.
        at : (m,) array
            Distances of the new shell in angstrom.

        Returns
        -------
        (m,) bool array
            Whether each distance is possible.
        """
        via = self.channels[channel].via
        if not via:
            return np.ones(len(at), dtype=bool)
        middle = [
            x
            for x, other in zip(r, channel_index, strict=True)
            if self.channels[other].label == via
        ]
        return np.any(np.abs(np.subtract.outer(at / 2, middle)) < _HALF_WAY, axis=1)

    def predict(
        self,
        p: np.ndarray,
        channel_index: np.ndarray,
        spectra: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of the model spectrum, and their derivatives by the parameters.

        Parameters
        ----------
        p : (3 + 4 K,) array
            Parameters.
        channel_index : (K,) int array
            Channel of each shell.
        spectra : (5, K, n_inside) array, optional
            What `spectra` returns for them, if it is known.

        Returns
        -------
        prediction : (n,) array
            Coordinates.
        jacobian : (n, 3 + 4 K) array
            Derivatives.
        """
        (_, _, kappa), (r, u, _, _) = self.split(p)
        _, atoms, sigma2, third, _ = self.shells(p)
        if spectra is None:
            spectra = self.spectra(p, channel_index)
        chi, by_r, by_e0, by_sigma2, by_third = spectra @ self.coordinates.matrix.T
        n = atoms[:, None]
        by_log = n * (
            by_sigma2 * sigma2[:, None] + by_third * (2 * kappa * sigma2**2)[:, None]
        )
        by_kappa = n * by_third * (sigma2**2)[:, None]
        by_e0 = n * by_e0
        slope = np.log(self.expected(r + _STEP) / self.expected(r - _STEP)) / (
            2 * _STEP
        )
        jacobian = np.concatenate(
            [
                by_e0.sum(0)[None],
                by_log.sum(0)[None],
                by_kappa.sum(0)[None],
                n * by_r + (2 * u * r)[:, None] * chi + slope[:, None] * by_log,
                (r**2)[:, None] * chi,
                by_log,
                by_e0,
            ]
        )
        return atoms @ chi, jacobian.T

    def prior_of(self, n_shells: int) -> tuple[np.ndarray, np.ndarray]:
        """Prior means and standard deviations of the parameters; infinite for R."""
        prior = self.prior
        ones = np.ones(n_shells)
        mean = np.concatenate(
            [
                [prior.e0, 0.0, prior.anharmonicity],
                np.zeros(PER_SHELL * n_shells),
            ]
        )
        spread = np.concatenate(
            [
                [prior.e0_spread, prior.sigma2_spread, prior.anharmonicity_spread],
                np.inf * ones,
                prior.density * ones,
                prior.sigma2_scatter * ones,
                prior.e0_scatter * ones,
            ]
        )
        return mean, spread

    def bond_penalty(self, r: np.ndarray, channel_index: np.ndarray) -> float:
        """Negative log prior of the nearest distance, from the covalent radii.

        Parameters
        ----------
        r, channel_index : (K,) arrays
            Distance in angstrom and channel of each shell.

        Returns
        -------
        float
            Penalty; 0 without shells.
        """
        if not len(r):
            return 0.0
        nearest = int(np.argmin(r))
        bond = self._bonds[channel_index[nearest]]
        return 0.5 * float(np.log(r[nearest] / bond) / self.prior.bond_spread) ** 2

    def confine(self, p: np.ndarray, channel_index: np.ndarray) -> np.ndarray:
        """Clip the parameters to their ranges."""
        p = p.copy()
        _, rows = self.split(p)
        rows[0] = np.clip(rows[0], *self.r_limits[channel_index].T)
        rows[1] = np.maximum(rows[1], 1e-6)
        p[0] = np.clip(p[0], -_E0_LIMIT, _E0_LIMIT)
        p[1] = np.clip(p[1], *_LEVEL_LIMITS)
        return p
