"""Sparse fit of EXAFS spectra: from chi(k) to the numbers of atoms N(R)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from ...suggestions import check_choice
from ..grids import accept_old_names
from ..theory.debye import Debye
from ..theory.feff_basis import FeffBasis
from ..theory.linear_bases import ArrayBasis, FourierBasis
from . import lasso
from .coordinates import Coordinates, window_coordinates
from .grid_columns import given_parameters, shell_grid
from .hierarchical_prior import HierarchicalPrior
from .joint_fit import fit_joint
from .map_refinement import ShellFit
from .mcmc import SupportSample
from .mean_search import notes_of, search_mean
from .model import ShellModel, ShellPrior
from .off_grid import column_parameters
from .pixel_fits import PixelWeights, fit_greedy, fit_lasso, fit_samples
from .pixel_moments import PixelMoments
from .results import PixelShells
from .shape_error import SharedError

METHODS = ("evidence", "lasso", "mcmc")
SUPPORTS = ("joint", "pixel")

MODEL_ERROR = 0.05
"""Error of the theory as a fraction of the signal, which sets the ratio of the two
noise terms of the coordinates. Residuals of good fits to the shared foils are of this
order; the level itself is fitted."""

LEVELS = np.geomspace(1 / 4, 4, 5)
"""Noise variances that are tried, relative to the expected one."""


class SparseEXAFS(BaseEstimator):
    """Sparse fit of EXAFS spectra that share a basis.

    The shift of the energy zero, the displacements, the anharmonicity and the noise are
    those of the largest evidence for the mean spectrum. Then

    * ``support="joint"``: one set of shells for all pixels, chosen by their joint exact
      evidence and refined off the grid; non-negative numbers of atoms of each pixel in
      closed form;
    * ``support="pixel"``: a set of shells for each pixel, on the grid of distances.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
        EXAFS of one atom as a function of element and distance.
    method : {"evidence", "lasso", "mcmc"}, default "evidence"
        How shells are chosen: the largest exact evidence; the Lasso and the posterior
        mean over sets are for exploration, without errors of the theory in intervals.
    support : {"joint", "pixel"}, default "joint"
        One set of shells for all pixels or one for each, for ``method="evidence"``; the
        other methods work pixel by pixel.
    kmin, kmax : float, default 3 and min(16, end of the data - 0.5)
        Range of k in 1/angstrom.
    rmin, rmax : float, default 1 and 5.2
        Range of R of the transform without phase correction, in angstrom.
    kweight : float, default 3
        The error of the theory is assumed to be constant in k^kweight chi.
    e0 : float, optional
        Shift of the energy zero in eV; fitted by default.
    sigma2 : float or Debye, optional
        Mean square displacement in square angstrom, or a function of the distance;
        fitted by default.
    noise : float, optional
        Standard deviation of chi in a pixel; by default estimated from chi(R) at 15
        to 25 angstrom.
    prior : ShellPrior, optional
        Prior distributions of the parameters.
    refine : bool, default True
        Refine distances and other parameters of a joint set of shells off the grid.
    hierarchical : bool, default True
        On a joint set of shells, estimate each pixel with the mean and covariance of
        all pixels as its prior (`HierarchicalPrior`). The error over the image falls
        where noise is large, but a single unusual pixel is shrunk towards the others.
        False gives the unbiased estimate of each pixel.
    max_shells : int, default 12
        Largest number of shells.
    penalty : float or {"kblock", "scans"}, default "kblock"
        Penalty of the Lasso as a fraction of the largest one, or how it is chosen by
        cross-validation: by blocks of k, or by the spectra given to `fit` as repeated
        scans.
    n_lambdas : int, default 20
        Number of penalties of the Lasso path.
    n_sweeps : int, default 20000
        Number of Monte Carlo sweeps for each pixel. The standard error of the
        posterior falls with its square root.
    random_state : None, int or numpy.random.Generator
        Seed of the Monte Carlo method.

    Attributes
    ----------
    k_range_ : (float, float)
        Range of k in use, in 1/angstrom.
    coordinates_ : Coordinates
        Coordinates of the pixels.
    shells_ : Shells
        Shell of each column of the results of `predict`.
    mean_fit_ : ShellFit or None
        Search on the mean spectrum; None without a FEFF basis.
    model_ : ShellModel or None
        Model of that search.
    alternatives_ : list of ShellFit
        Other fits of the mean spectrum that the search visited.
    prior_ : ShellPrior
        Prior in use, in which parameters that were given are fixed.
    noise_ : float
        Standard deviation of chi in a pixel.
    hierarchical_prior_ : HierarchicalPrior or None
        Prior of the weights of a joint set of shells.
    shared_error_ : SharedError
        Errors of the numbers of atoms that all pixels share.
    log_evidence_ : float
        Log evidence of the mean spectrum, comparable between bases and noise models.
    cross_validation_ : CrossValidation or None
        Errors of the penalties of the Lasso.
    path_ : (m, p) array or None
        Lasso path of the mean spectrum.
    samples_ : list of SupportSample or None
        Monte Carlo samples of the pixels that were predicted last.
    notes_ : list of str
        What limits the fit, if something does.

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

    @accept_old_names
    def __init__(
        self,
        basis: FeffBasis | FourierBasis | ArrayBasis,
        *,
        method: str = "evidence",
        support: str = "joint",
        kmin: float = 3.0,
        kmax: float | None = None,
        rmin: float = 1.0,
        rmax: float = 5.2,
        kweight: float = 3,
        e0: float | None = None,
        sigma2: float | Debye | None = None,
        noise: float | None = None,
        prior: ShellPrior | None = None,
        refine: bool = True,
        hierarchical: bool = True,
        max_shells: int = 12,
        penalty: float | str = "kblock",
        n_lambdas: int = 20,
        n_sweeps: int = 20000,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.basis = basis
        self.method = method
        self.support = support
        self.kmin = kmin
        self.kmax = kmax
        self.rmin = rmin
        self.rmax = rmax
        self.kweight = kweight
        self.e0 = e0
        self.sigma2 = sigma2
        self.noise = noise
        self.prior = prior
        self.refine = refine
        self.hierarchical = hierarchical
        self.max_shells = max_shells
        self.penalty = penalty
        self.n_lambdas = n_lambdas
        self.n_sweeps = n_sweeps
        self.random_state = random_state

    def fit(self, chi: ArrayLike, k: ArrayLike) -> SparseEXAFS:
        """Find the shells of spectra.

        Parameters
        ----------
        chi : (n_pixels, n_k) array
            Spectra, not weighted by k. Pixels with NaN are excluded.
        k : (n_k,) array
            Evenly spaced wavenumbers in 1/angstrom.

        Returns
        -------
        SparseEXAFS
            The fitted estimator.

        Raises
        ------
        ValueError
            If the range of k leaves the data or the basis, or every pixel holds NaN.
        """
        chi = np.atleast_2d(chi)
        scans = chi if self.method == "lasso" and self.penalty == "scans" else None
        return self.fit_moments(PixelMoments.of(chi), k, scans=scans)

    def fit_moments(
        self, moments: PixelMoments, k: ArrayLike, *, scans: ArrayLike | None = None
    ) -> SparseEXAFS:
        """Find the shells of spectra from their first and second moments.

        Parameters
        ----------
        moments : PixelMoments
            Count, sum and second moments of the spectra.
        k : (n_k,) array
            Evenly spaced wavenumbers in 1/angstrom.
        scans : (n_scans, n_k) array, optional
            Repeated scans, for ``penalty="scans"``.

        Returns
        -------
        SparseEXAFS
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`.
        """
        k = np.asarray(k, dtype=float)
        check_choice("method", self.method, METHODS)
        check_choice("support", self.support, SUPPORTS)
        moments.check(k)
        self.prior_ = (self.prior or ShellPrior()).fixed_at(self.e0, self.sigma2)
        kmax = min(16.0, k[-1] - 0.5) if self.kmax is None else self.kmax
        self.k_range_ = self.kmin, kmax
        noise = self.noise_ = self.noise or moments.white_noise(k, self.k_range_)
        mean_noise = noise / np.sqrt(moments.count)
        signal = self._coordinates(k, 0.0, 1.0)
        error = MODEL_ERROR * signal.signal_level(moments.mean, mean_noise)
        self.coordinates_ = self._coordinates(k, noise, error)
        mean_coordinates = self._coordinates(k, mean_noise, error)
        self.mean_fit_: ShellFit | None = None
        self.model_: ShellModel | None = None
        self.alternatives_: list[ShellFit] = []
        self.hierarchical_prior_: HierarchicalPrior | None = None
        self.cross_validation_: lasso.CrossValidation | None = None
        self.path_: np.ndarray | None = None
        self.samples_: list[SupportSample] | None = None
        if isinstance(self.basis, FeffBasis):
            self._search_mean(self.basis, mean_coordinates, moments)
        else:
            self.column_parameters_ = given_parameters(self.basis, self.e0, self.sigma2)
            self.log_evidence_ = np.nan
        self.problem_, self.atoms_, self.shells_, self.used_ = shell_grid(
            self.basis,
            self.coordinates_,
            self.prior_,
            self.column_parameters_,
            self.model_,
            self.mean_fit_,
        )
        self.shared_error_ = SharedError(self.prior_.amplitude_error)
        if self.method == "lasso":
            self._posterior = self._fit_lasso(moments, scans)
        elif self.method == "evidence" and self.support == "joint":
            joint = fit_joint(self, moments)
            self.shells_, self.atoms_ = joint.shells, joint.atoms
            self.shared_error_ = joint.shared_error
            self.hierarchical_prior_ = joint.prior
            self._posterior = joint.weights
        else:
            self._posterior = partial(
                fit_greedy if self.method == "evidence" else self._sample,
                problem=self.problem_,
                variances=self.noise_levels(),
                max_size=self.max_shells,
            )
        self.notes_ = notes_of(self)
        return self

    def predict(self, chi: ArrayLike) -> PixelShells:
        """Estimate the numbers of atoms of pixels.

        Parameters
        ----------
        chi : (n_pixels, n_k) array
            Spectra on the wavenumbers of `fit`.

        Returns
        -------
        PixelShells
            Numbers of atoms of each pixel; NaN for pixels with NaN.
        """
        chi = np.atleast_2d(np.asarray(chi, dtype=float))
        finite = np.all(np.isfinite(chi), axis=1)
        Y = self.coordinates_.project(chi[finite])
        shape = (len(chi), len(self.shells_.r))
        out = PixelShells(
            *(np.full(shape, np.nan) for _ in range(3)),
            *(np.full(len(chi), np.nan) for _ in range(2)),
        )
        if not finite.any() or not shape[1]:
            # Without shells all of the signal is noise.
            out.noise[finite] = np.sqrt(np.mean(Y**2, axis=1))
            return out
        weights = self._posterior(Y)
        shared = self.shared_error_.variance(weights.mean)
        out.n[finite] = self.shells_.r**2 * weights.mean
        out.n_std[finite] = self.shells_.r**2 * np.sqrt(weights.std**2 + shared)
        out.inclusion[finite] = weights.inclusion
        out.noise[finite] = np.sqrt(weights.variance)
        out.log_evidence[finite] = weights.log_evidence
        self.samples_ = weights.samples
        return out

    def chi_of(self, n: ArrayLike) -> np.ndarray:
        """EXAFS of given numbers of atoms.

        Parameters
        ----------
        n : (..., m) array
            Numbers of atoms as `predict` returns them.

        Returns
        -------
        (..., n_inside) array
            Spectra on ``coordinates_.k``, not weighted by k.
        """
        return np.nan_to_num(n) @ self.atoms_

    def _coordinates(self, k: np.ndarray, noise: float, error: float) -> Coordinates:
        return window_coordinates(
            k,
            self.k_range_,
            (self.rmin, self.rmax),
            kweight=self.kweight,
            noise=noise,
            model_error=error,
        )

    def _search_mean(
        self, basis: FeffBasis, coordinates: Coordinates, moments: PixelMoments
    ) -> None:
        search = search_mean(self, basis, coordinates, moments)
        self.model_, self.mean_fit_ = search.model, search.fit
        self.alternatives_ = search.alternatives
        self.mean_coordinates_ = search.coordinates
        self.log_evidence_ = search.fit.log_evidence - coordinates.log_volume
        self.column_parameters_ = column_parameters(search.model, search.fit, basis)

    def noise_levels(self) -> np.ndarray:
        """Noise variances of a pixel that are tried.

        Returns
        -------
        numpy.ndarray
            Variances in units of the noise model.
        """
        fit = self.mean_fit_
        return LEVELS * (1.0 if fit is None else max(1.0, fit.variance))

    def _sample(self, Y: np.ndarray, **grid: Any) -> PixelWeights:
        return fit_samples(
            Y, n_sweeps=self.n_sweeps, random_state=self.random_state, **grid
        )

    def _fit_lasso(
        self, moments: PixelMoments, scans: ArrayLike | None
    ) -> Callable[[np.ndarray], PixelWeights]:
        self.ratios_ = lasso.lambda_ratios(self.n_lambdas)
        y = self.coordinates_.project(moments.mean)[None]
        self.path_ = lasso.lasso_path(self.problem_, y, self.ratios_)[0][:, 0]
        self.chosen_, self.cross_validation_ = lasso.choose_penalty(
            self.problem_,
            self.coordinates_,
            moments.mean if scans is None else scans,
            self.atoms_,
            self.ratios_,
            self.penalty,
        )
        # The penalty was chosen on the mean spectrum, whose noise is lower than that
        # of a pixel: keep it above what the pixel's own noise needs.
        expected = self.noise_levels()[2] if moments.count > 1 else 0.0
        return partial(
            fit_lasso,
            problem=self.problem_,
            ratios=self.ratios_[: self.chosen_ + 1],
            floor=lasso.noise_penalty(self.problem_, expected),
        )
