r"""Shells of atoms as a model of EXAFS coordinates, with its priors.

The parameters are one shift of the energy zero, one level of the mean square
displacement and one anharmonicity, and for every shell its distance R, its atoms
N / R^2, and how far its displacement and its energy zero deviate from the common ones.
Light and heavy atoms, and paths to which multiple scattering adds, have phase errors in
FEFF6L that a shift of their own energy zero takes up; without it distances of all
shells are bent by the worst.
"""

from dataclasses import dataclass

import numpy as np

# A row of atoms focuses where the middle one lies half way to within this, in angstrom.
_HALF_WAY = 0.1
# Of the derivative of the expected displacement, in angstrom.
_STEP = 0.01
GLOBALS = 3
PER_SHELL = 4


@dataclass(frozen=True)
class ShellPrior:
    r"""What is known of shells before any data. Nothing here was fitted to a truth.

    Attributes
    ----------
    density : float, default 2
        Standard deviation of N / R^2 in 1/angstrom^2: twelve atoms in contact at 2.5
        angstrom make 1.9. The prior is exp(-z_0 (w / R^2)^2) with z_0 = 1 / (2 g^2).
    shells_per_angstrom : float, default 1
        Expected number of shells in an angstrom, over all elements together.
    e0, e0_spread : float, default 0, 6
        Common shift of the energy zero in eV: mean and standard deviation. The
        steepest rise of an edge lies within some eV of FEFF's zero.
    e0_scatter : float, default 2
        Standard deviation in eV of a shell's own shift from the common one.
    sigma2 : float or callable, default 0.006
        Median of the mean square displacement in square angstrom, or that as a
        function of the distance: `sparsedecomp.xas.Debye`.
    sigma2_spread : float, default 0.7
        Standard deviation of the logarithm of what all shells deviate from it.
    sigma2_scatter : float, default 0.35
        Standard deviation of the logarithm of a shell's displacement around that.
    anharmonicity, anharmonicity_spread : float, default 1.05, 0.6
        Third cumulant over the squared second, in 1/angstrom. In the anharmonic
        correlated Einstein model (Frenkel & Rehr, Phys. Rev. B 48 (1993) 585) it
        rises from half the constant of the Morse potential, which is about 1.4 in
        metals, at zero temperature to one and a half times that; harmonic pairs have
        none. Mean and standard deviation of all between none and 2.1.
    model_error, model_error_weight : float, default 0.1, 4
        Error of the theory as a part of the signal's root mean square, and how many
        coordinates that guess is worth: it keeps the noise level from vanishing.
    distance_error, amplitude_error : float, default 0.005, 0.05
        Standard deviations of a distance in angstrom, and of a number of atoms as a
        part of it, that are due to FEFF and the guess of its potentials; added to
        those of the fit. The first is that of nine distances in copper at 10 K, cobalt,
        ZnSe and UO2 as measured, from those of the crystals. Potentials of a guessed
        cluster instead of the crystal's own bend distances by 0.09 % and numbers of
        atoms by 5 % (root mean square of the first two shells of 43 cubic crystals,
        NiO not among them).
    """

    density: float = 2.0
    shells_per_angstrom: float = 1.0
    e0: float = 0.0
    e0_spread: float = 6.0
    e0_scatter: float = 2.0
    sigma2: float = 0.006
    sigma2_spread: float = 0.7
    sigma2_scatter: float = 0.35
    anharmonicity: float = 1.05
    anharmonicity_spread: float = 0.6
    model_error: float = 0.1
    model_error_weight: float = 4.0
    distance_error: float = 0.005
    amplitude_error: float = 0.05


class ShellModel:
    """Coordinates of a spectrum as a function of shells.

    Parameters
    ----------
    channels : sequence of Channel
        Kinds of atoms.
    coordinates : Coordinates
        Window of k and R.
    rmax : float
        Longest distance of a shell, in angstrom.
    prior : ShellPrior, optional
    """

    def __init__(self, channels, coordinates, rmax, prior=None):
        self.channels = tuple(channels)
        self.coordinates = coordinates
        self.prior = prior or ShellPrior()
        self.r_limits = np.array(
            [(c.r_limits[0], min(c.r_limits[1], rmax)) for c in self.channels]
        )
        elements = {channel.element for channel in self.channels}
        self.intensity = self.prior.shells_per_angstrom / len(elements)
        low, high = coordinates.k_range
        # Two shells of one channel that are closer beat only once over the whole range.
        self.resolution = np.pi / (2 * (high - low))

    def split(self, p):
        """Parts of a parameter vector: globals, and one row per shell parameter."""
        return p[:GLOBALS], p[GLOBALS:].reshape(PER_SHELL, -1)

    def shells(self, p):
        """Distance, atoms, displacement, third cumulant and energy shift of shells."""
        (e0, level, kappa), (r, u, log_ratio, shift) = self.split(p)
        sigma2 = np.exp(level + log_ratio) * self.expected(r)
        return r, u * r**2, sigma2, kappa * sigma2**2, e0 + shift

    def expected(self, r):
        """Displacement at distances that the common level multiplies."""
        sigma2 = self.prior.sigma2
        return sigma2(r) if callable(sigma2) else np.full(np.shape(r), sigma2)

    def columns(self, p, channel_index):
        """Coordinates of one atom of each shell, with derivatives, (5, K, n)."""
        r, _, sigma2, third, e0 = self.shells(p)
        out = np.empty((5, len(channel_index), self.coordinates.size))
        for channel in np.unique(channel_index):
            of = channel_index == channel
            out[:, of] = (
                self.channels[channel].columns(
                    self.coordinates.k,
                    r[of],
                    e0=e0[of],
                    sigma2=sigma2[of],
                    third=third[of],
                )
                @ self.coordinates.matrix.T
            )
        return out

    def midpoint_occupied(self, r, channel_index, channel, at):
        """Whether shells of a channel are possible at distances, given other shells.

        A focused atom needs a shell of the atom half way.

        Parameters
        ----------
        r, channel_index : (K,) arrays
            The shells there are.
        channel : int
            Channel in question.
        at : (m,) array
            Distances in angstrom.

        Returns
        -------
        (m,) bool array
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

    def predict(self, p, channel_index):
        """Coordinates of the model, and their derivatives by the parameters.

        Parameters
        ----------
        p : (3 + 4 K,) array
            Parameters.
        channel_index : (K,) int array
            Channel of each shell.

        Returns
        -------
        prediction : (n,) array
        jacobian : (n, 3 + 4 K) array
        """
        (_, _, kappa), (r, u, _, _) = self.split(p)
        _, atoms, sigma2, third, _ = self.shells(p)
        chi, by_r, by_e0, by_sigma2, by_third = self.columns(p, channel_index)
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

    def prior_of(self, n_shells):
        """Means and standard deviations of the parameters; R has a uniform prior."""
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

    def confine(self, p, channel_index):
        """Parameters with distances and atoms put back into their ranges."""
        p = p.copy()
        _, rows = self.split(p)
        rows[0] = np.clip(rows[0], *self.r_limits[channel_index].T)
        rows[1] = np.maximum(rows[1], 1e-6)
        # Steps of the search go astray, FEFF's table of k and positive numbers end.
        p[0] = np.clip(p[0], -30, 30)
        p[1] = np.clip(p[1], -3.5, 3.0)
        return p
