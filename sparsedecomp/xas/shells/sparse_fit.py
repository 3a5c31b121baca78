"""Shells of one EXAFS spectrum or of a million: the fit from chi(k) to N(R)."""

import logging
from dataclasses import replace

import numpy as np

from .coordinates import window_coordinates
from .grid_support import grid_problem, grid_shells
from .hierarchical_prior import HierarchicalPrior
from .lasso import choose_penalty, lambda_ratios, lasso_path, noise_penalty
from .model import ShellModel, ShellPrior
from .off_grid import column_parameters, polish_support, shells_of
from .pixel_fits import fit_fixed, fit_greedy, fit_lasso, fit_samples
from .pixel_moments import PixelMoments
from .results import PixelShells
from .search import search_shells
from .shape_error import SharedError

_logger = logging.getLogger(__name__)

METHODS = ("evidence", "lasso", "mcmc")
SUPPORTS = ("joint", "pixel")
# Part of the signal that theory leaves unexplained, for the shape of the noise.
_MODEL_ERROR = 0.05
# Shells this far beyond the window of R only take up what leaks into it, in angstrom.
_LEAKAGE = 0.4
_BEYOND = 0.6
_LEVELS = np.geomspace(1 / 4, 4, 5)


class SparseEXAFS:
    """Sparse fit of EXAFS spectra that share their basis.

    The energy zero, displacements, anharmonicity and noise are those of the largest
    evidence for the mean spectrum; then

    * ``support="joint"``: one set of shells for all pixels, from the exact evidence of
      all of them together, its distances polished off the grid; numbers of atoms per
      pixel in closed form, non-negative;
    * ``support="pixel"``: a set of shells for each pixel, on the grid of distances.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
    method : {"evidence", "lasso", "mcmc"}, default "evidence"
        Exact evidence, searched greedily; Lasso; or sampling of the posterior.
    support : {"joint", "pixel"}, default "joint"
        For ``"evidence"``; the other methods work pixel by pixel.
    k_range : (float, float), optional
        In 1/angstrom; 3 to 16, or 0.5 before the end of the data.
    r_range : (float, float), default (1.0, 5.2)
        Of the transform without phase correction, in angstrom.
    k_weight : float, default 3
        The theory's error is taken as even in chi times this power of k.
    e0, sigma2 : float, optional
        Fix the shift of the energy zero (eV) or the displacement (square angstrom;
        `Debye` for one of each distance).
    noise : float, optional
        Standard deviation of chi in a pixel; from chi(R) beyond 15 angstrom otherwise.
    prior : ShellPrior, optional
    polish : bool, default True
        Fit a joint support off the grid; all others stay on it.
    population : bool, default True
        On a joint support, estimate each pixel given the mean and covariance of the
        atoms in all pixels (`HierarchicalPrior`): the error over the image falls where
        noise is large, and a single odd pixel is drawn to the others. False fits every
        pixel by itself, without bias.
    max_shells : int, default 12
    penalty : float or {"kblock", "scans"}, default "kblock"
        Of the Lasso: a part of the largest, or how it is chosen. ``"scans"`` takes
        all spectra given to `fit` as repeats of one.
    n_lambdas : int, default 20
        Penalties of the Lasso's path.
    n_sweeps : int, default 20000
        Of mcmc.
    random_state : None, int or numpy.random.Generator
        For mcmc.

    Attributes
    ----------
    k_range_ : (float, float)
    coordinates_ : Coordinates
        Of pixels.
    shells_ : Shells
        One for each column of `predict`'s results.
    mean_fit_ : ShellFit or None
        Search on the mean spectrum.
    model_ : ShellModel or None
    noise_ : float
        Standard deviation of chi in a pixel.
    population_ : HierarchicalPrior or None
        Of a joint support.
    shared_error_ : SharedError
        Of the numbers of atoms of all pixels.
    log_evidence_ : float
        Of the mean spectrum, comparable between bases and noise models.
    cross_validation_ : CrossValidation or None
    path_ : (m, p) array or None
        Lasso path of the mean spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import FeffBasis, SparseEXAFS
    >>> basis = FeffBasis.from_composition("Cu", ["Cu"])
    >>> k = np.arange(0, 16.5, 0.05)
    >>> chi = 12 * basis.channels[0].columns(k[1:], 2.556, sigma2=0.008)[0]
    >>> fit = SparseEXAFS(basis).fit(np.insert(chi, 0, 0, axis=1), k)
    >>> fit.shells_.r.round(2).tolist()
    [2.56]
    """

    def __init__(
        self,
        basis,
        *,
        method="evidence",
        support="joint",
        k_range=None,
        r_range=(1.0, 5.2),
        k_weight=3,
        e0=None,
        sigma2=None,
        noise=None,
        prior=None,
        polish=True,
        population=True,
        max_shells=12,
        penalty="kblock",
        n_lambdas=20,
        n_sweeps=20000,
        random_state=None,
    ):
        self.basis = basis
        self.method = method
        self.support = support
        self.k_range = k_range
        self.r_range = r_range
        self.k_weight = k_weight
        self.e0 = e0
        self.sigma2 = sigma2
        self.noise = noise
        self.prior = prior
        self.polish = polish
        self.population = population
        self.max_shells = max_shells
        self.penalty = penalty
        self.n_lambdas = n_lambdas
        self.n_sweeps = n_sweeps
        self.random_state = random_state

    def fit(self, chi, k):
        """Find the shells of spectra.

        Parameters
        ----------
        chi : (n_pixels, n_k) array
            Not weighted by k. Pixels with NaN are left out.
        k : (n_k,) array
            Evenly spaced wavenumbers in 1/angstrom.

        Returns
        -------
        SparseEXAFS
            Itself.

        Raises
        ------
        ValueError
            If the range of k leaves the data or the basis, or every pixel holds NaN.
        """
        chi = np.atleast_2d(chi)
        scans = chi if self.method == "lasso" and self.penalty == "scans" else None
        return self.fit_moments(PixelMoments.of(chi), k, scans=scans)

    def fit_moments(self, moments, k, *, scans=None):
        """Find the shells of spectra of which the moments are known.

        Parameters
        ----------
        moments : PixelMoments
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        scans : (n_scans, n_k) array, optional
            Repeats, for ``penalty="scans"``.

        Returns
        -------
        SparseEXAFS
            Itself.
        """
        k = np.asarray(k, dtype=float)
        self._check()
        moments.check(k)
        self.k_range_ = self.k_range or (3.0, min(16.0, k[-1] - 0.5))
        noise = self.noise_ = self.noise or moments.white_noise(k, self.k_range_)
        signal = self._coordinates(k, 0.0, 1.0)
        mean_noise = noise / np.sqrt(moments.count)
        # In units of k^n chi.
        error = _MODEL_ERROR * signal.signal_level(moments.mean, mean_noise)
        self.coordinates_ = self._coordinates(k, noise, error)
        mean_coordinates = self._coordinates(k, mean_noise, error)
        self.mean_fit_ = self.model_ = self.cross_validation_ = self.path_ = None
        self.population_ = None
        if hasattr(self.basis, "channels"):
            self._search_mean(mean_coordinates, moments.mean)
        else:
            self._describe_linear()
        if self.method == "evidence" and self.support == "joint":
            self._fit_joint(moments)
        else:
            self._set_grid()
            if self.method == "lasso":
                self.ratios_ = lambda_ratios(self.n_lambdas)
                y = self.coordinates_.project(moments.mean)[None]
                self.path_ = lasso_path(self.problem_, y, self.ratios_)[0][:, 0]
                self.chosen_, self.cross_validation_ = choose_penalty(
                    self.problem_,
                    self.coordinates_,
                    moments.mean if scans is None else scans,
                    self.atoms_,
                    self.ratios_,
                    self.penalty,
                )
                # The mean spectrum, on which it was chosen, hides a pixel's noise.
                expected = self._levels()[2] if moments.count > 1 else 0.0
                self.floor_ = noise_penalty(self.problem_, expected)
        return self

    def predict(self, chi):
        """Numbers of atoms in pixels.

        Parameters
        ----------
        chi : (n_pixels, n_k) array

        Returns
        -------
        PixelShells
        """
        chi = np.atleast_2d(np.asarray(chi, dtype=float))
        good = np.all(np.isfinite(chi), axis=1)
        Y = self.coordinates_.project(chi[good])
        count = (len(chi), len(self.shells_.r))
        out = PixelShells(
            *(np.full(count, np.nan) for _ in range(3)),
            *(np.full(len(chi), np.nan) for _ in range(2)),
        )
        if not good.any() or not count[1]:
            return out
        weights, spread, inclusion, variance, evidence = self._weights(Y)
        shared = self.shared_error_.variance(weights)
        out.n[good] = self.shells_.r**2 * weights
        out.n_std[good] = self.shells_.r**2 * np.sqrt(spread**2 + shared)
        out.inclusion[good] = inclusion
        out.noise[good] = np.sqrt(variance)
        out.log_evidence[good] = evidence
        return out

    def chi_of(self, n):
        """EXAFS of numbers of atoms.

        Parameters
        ----------
        n : (..., m) array
            As `predict` gives them.

        Returns
        -------
        (..., n_inside) array
            On ``coordinates_.k``.
        """
        return np.nan_to_num(n) @ self.atoms_

    def _check(self):
        for name, known in (("method", METHODS), ("support", SUPPORTS)):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"{name}={value!r}: expected one of {', '.join(known)}."
                )

    def _coordinates(self, k, noise, error):
        return window_coordinates(
            k,
            self.k_range_,
            self.r_range,
            k_weight=self.k_weight,
            noise=noise,
            model_error=error,
        )

    def _prior(self):
        prior = self.prior or ShellPrior()
        if self.e0 is not None:
            prior = replace(prior, e0=self.e0, e0_spread=1e-3, e0_scatter=1e-3)
        if self.sigma2 is not None:
            fixed = {"sigma2_spread": 1e-3, "sigma2_scatter": 1e-3}
            prior = replace(prior, sigma2=self.sigma2, **fixed)
        return prior

    def _search_mean(self, coordinates, mean):
        model = ShellModel(
            self.basis.channels, coordinates, self.r_range[1] + _BEYOND, self._prior()
        )
        y = self.mean_coordinates_ = coordinates.project(mean)
        fit = search_shells(model, y, max_shells=self.max_shells)
        self.model_, self.mean_fit_ = model, fit
        self.log_evidence_ = fit.log_evidence - coordinates.log_volume
        _logger.info("mean spectrum: %d shells, E0 %.2f", len(fit.kinds), fit.p[0])
        self.hyper_ = column_parameters(model, fit, self.basis)

    def _describe_linear(self):
        sigma2 = self.sigma2(self.basis.r) if callable(self.sigma2) else self.sigma2
        given = {"e0": self.e0, "sigma2": sigma2}
        self.hyper_ = {name: v for name, v in given.items() if v is not None}
        self.log_evidence_ = np.nan

    def _set_grid(self):
        prior, r_end = self._prior(), self.r_range[1]
        self.problem_, self.atoms_, self.used_ = grid_problem(
            self.basis,
            self.coordinates_,
            prior,
            self.hyper_,
            r_end + _BEYOND,
            self.model_,
            self.mean_fit_,
        )
        self.shells_ = grid_shells(
            self.basis, self.problem_, self.hyper_, self.used_, r_end + _LEAKAGE
        )
        self.shared_error_ = SharedError(prior.amplitude_error)

    def _levels(self):
        """Noise variances of a pixel that are tried: the expected one, and about it."""
        known = self.mean_fit_ is not None
        return (max(1.0, self.mean_fit_.variance) if known else 1.0) * _LEVELS

    def _fit_joint(self, moments):
        self._set_grid()
        problem, model, fit = self.problem_, self.model_, self.mean_fit_
        matrix = self.coordinates_.matrix
        second, mean = moments.seen_by(matrix, self.coordinates_.inside)
        if fit and self.polish and moments.count == 1:
            self.variance_ = fit.variance
        else:
            support, _, self.variance_ = problem.joint(
                moments.count * second,
                mean,
                moments.count,
                self._levels(),
                max_size=self.max_shells,
            )
            fit = self._polished(support)
        if fit is None:
            support = support[np.argsort(problem.r[support])]
            self.shells_ = self.shells_.chosen(support)
            self.atoms_ = self.atoms_[support]
        else:
            r_end = self.r_range[1] + _LEAKAGE
            self.shells_, self.atoms_ = shells_of(model, fit, r_end)
            self.shared_error_ = SharedError.of(model, fit)
        self.problem_ = None
        self._columns = self.atoms_ @ matrix.T * self.shells_.r[:, None] ** 2
        if self.population:
            white = matrix @ matrix.T
            theory = self.variance_ * (np.eye(len(mean)) - self.noise_**2 * white)
            shared = self.shared_error_.variance
            self.population_ = HierarchicalPrior.of(
                self._columns, white, theory, shared, second, mean, moments.count
            )

    def _polished(self, support):
        """Fit of a support to the mean spectrum; None where that does not hold it."""
        if not (self.mean_fit_ and self.polish and len(support)):
            return None
        columns = np.flatnonzero(self.used_)[support]
        start = {name: v[columns] for name, v in self.hyper_.items()}
        y = self.mean_coordinates_
        return polish_support(
            self.model_, y, self.mean_fit_, self.problem_, support, start
        )

    def _weights(self, Y):
        problem, levels = self.problem_, self._levels()
        if problem is None:
            known = self.variance_, self._prior().density, self.population_
            return fit_fixed(self._columns, Y, *known)
        if self.method == "lasso":
            return fit_lasso(problem, Y, self.ratios_[: self.chosen_ + 1], self.floor_)
        if self.method == "evidence":
            return fit_greedy(problem, Y, levels, self.max_shells)
        found, self.samples_ = fit_samples(
            problem, Y, levels, self.max_shells, self.n_sweeps, self.random_state
        )
        return found
