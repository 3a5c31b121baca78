"""PARAFAC2: spectra that shift or change their shape along one mode."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from sparsedecomp.decomposition.tensor.algebra import congruence
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compression import (
    OVERSAMPLING,
    compress_modes,
    compress_tensor,
)
from sparsedecomp.decomposition.tensor.descent import Problem, balance
from sparsedecomp.decomposition.tensor.exact_pass import loadings_of

# Directions of the channels that are kept at most, and sweeps before starts are
# compared.
_MOST = 90
_TRIAL = 30


class PARAFAC2(TensorFactorisation):
    """Parallel factors with spectra that differ from step to step of a series.

    ``X_k ~ A diag(d_k) B_k'`` for the spectrum images of a series: maps ``A`` shared
    by all steps, amounts ``d_k``, and spectra ``B_k`` of which only the inner products
    ``B_k' B_k`` are the same in all steps [1]_. A peak that moves along the series
    (temperature, tilt, charging) keeps its norm and, as long as peaks do not run into
    each other, its overlap: this is the model for it, where `CPD` needs several
    components for one moving peak. It is fitted directly [2]_, in compressed
    coordinates, after two passes over the data.

    It is unique with enough steps (four or more) and enough change in the amounts; the
    spectra are free to have any sign and are noisier than those of `CPD`, which one
    should prefer where it fits.

    Parameters
    ----------
    n_components : int, optional
        Default: 2.
    series : int, default 0
        Number of the mode along which the spectra change.
    modes : sequence of int or of sequences of int, optional
        Navigation axes of the two modes, the series and the pixels, as in `CPD`.
    nonnegative : bool, default True
        Of maps and amounts; never of the spectra.
    noise : {"auto", "uniform", "poisson"}
        As in `CPD`.
    n_init : int, default 4
        Starts; the best after some iterations goes on.
    max_iter : int, default 2000
    tol : float, default 1e-8
        Ends when the residual sum of squares falls by less than this part of itself.
    random_state : int, RandomState instance or None
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True stops the fit.

    Attributes
    ----------
    factors_ : list of arrays
        Amounts (n_steps, k) and maps (n_pixels, k) of unit norm, in the order of the
        modes.
    evolving_ : (n_steps, n_channels, k) float64 array
        Spectra of every step, in the units of the data.
    components_ : (k, n_channels) array
        Their mean over the steps.
    n_components_ : int
    congruence_ : (n_init,) float64 array
        Of the maps and amounts of every start where it was left, with the solution.
    noise_model_ : str
    noise_variance_ : float
    objective_history_ : (n_sweeps,) array
        Residual sum of squares relative to the data.
    residual_norm_, relative_residual_ : float
        Of the compressed (and weighted) data.
    n_iter_ : int
    converged_, interrupted_ : bool
    passes_ : int
    seconds_ : float

    References
    ----------
    .. [1] R. A. Harshman, UCLA Work. Pap. Phon. 22 (1972) 30.
    .. [2] H. A. L. Kiers, J. M. F. ten Berge and R. Bro, J. Chemom. 13 (1999) 275.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import PARAFAC2
    >>> rng = np.random.default_rng(0)
    >>> energy, maps = np.arange(60.0), rng.random((40, 2))
    >>> amounts, moved = rng.random((6, 2)) + 0.5, np.arange(6)[:, None]
    >>> peaks = [np.exp(-0.5 * ((energy - c - 2 * moved) / 2) ** 2) for c in (10, 40)]
    >>> X = np.einsum("kr,ir,rke->kie", amounts, maps, peaks)
    >>> model = PARAFAC2(n_components=2, tol=1e-5, random_state=0).fit(X)
    >>> model.evolving_.shape, model.relative_residual_ < 0.01
    ((6, 60, 2), True)
    """

    _parameter_constraints = {
        **TensorFactorisation._parameter_constraints,
        "series": [Interval(Integral, 0, 1, closed="both")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        series=0,
        modes=None,
        nonnegative=True,
        noise="auto",
        n_init=4,
        max_iter=2000,
        tol=1e-8,
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.series = series
        self.modes = modes
        self.nonnegative = nonnegative
        self.noise = noise
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X, y=None):
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, dask array or BlockMatrix
            With two modes besides the channels.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Amounts times maps, for spectra of the norm of those in ``evolving_``.
        """
        blocks, folding, noise, scale = self._prepare(X)
        k = 2 if self.n_components is None else self.n_components
        self._check_modes(folding, blocks, k)
        generator = self._generator()
        watch = self._watch(blocks, self.max_iter, self.n_init)
        room = min(folding.shape[self.series] * k, _MOST) + OVERSAMPLING
        data = compress_tensor(blocks, folding, room, noise=noise, generator=generator)
        Z = np.moveaxis(data.scores, self.series, 0)
        core, (_, basis) = compress_modes(Z, [len(Z), 2 * k + OVERSAMPLING])
        fit = _DirectFit(core, basis, data.sum_of_squares, k, self.nonnegative)
        ends, self.interrupted_, stopped = [], False, False
        try:
            for start in range(self.n_init):
                ends.append(fit.run(fit.start(generator), _TRIAL, 0.0, watch, start))
                if stopped := ends[-1].stopped:
                    break
            best = min(ends, key=lambda end: end.history[-1])
            if not stopped:
                best = fit.run(best.factors, self.max_iter, self.tol, watch, 0)
                stopped = best.stopped
        except KeyboardInterrupt:
            if not ends:
                raise
            self.interrupted_ = True
            best = min(ends, key=lambda end: end.history[-1])
        self._keep(data, best, ends)
        self._keep_fit(data, best.history[-1], best, watch)
        self._warn(stopped=stopped)
        W = loadings_of(self.factors_, folding, blocks.rows)
        return self._rescaled(W.astype(blocks.dtype), scale)

    def _check_modes(self, folding, blocks, k):
        if len(folding.modes) != 2:
            raise ValueError(
                f"PARAFAC2 needs two modes besides the channels, a series and the "
                f"pixels, but modes={folding.modes} makes {len(folding.modes)}."
            )
        n_pixels = folding.shape[1 - self.series]
        if k > min(n_pixels, blocks.shape[1]):
            raise ValueError(
                f"n_components = {k} was given for {n_pixels} pixels and "
                f"{blocks.shape[1]} channels, expected at most "
                f"{min(n_pixels, blocks.shape[1])}."
            )
        if blocks.shape[0] < np.prod(folding.shape):
            raise ValueError(
                "PARAFAC2 needs all positions, but some are masked. Crop the data to "
                "the pixels and steps that are complete."
            )

    def _keep(self, data, best, ends):
        D, A, H = best.factors
        spectra = data.basis @ (best.projections @ H)
        spectra = spectra * data.scales[-1][:, None]
        series, pixels = data.scales[self.series], data.scales[1 - self.series]
        D, A = D * series[:, None], A * pixels[:, None]
        norms = np.linalg.norm(D, axis=0), np.linalg.norm(A, axis=0)
        sums = spectra.sum(axis=(0, 1))
        sign = np.where((sums < 0) & (not self.nonnegative), -1.0, 1.0)
        spectra = spectra * norms[0] * norms[1] * sign
        D, A = (f / np.where(n > 0, n, 1.0) for f, n in zip((D, A), norms, strict=True))
        A = A * sign
        order = np.argsort(-np.square(spectra).sum(axis=(0, 1)), kind="stable")
        found = [D[:, order], A[:, order]]
        self.factors_ = found if self.series == 0 else found[::-1]
        self.evolving_ = spectra[:, :, order]
        self.components_ = self.evolving_.mean(axis=0).T.astype(data.scores.dtype)
        self.n_components_ = len(order)
        self.congruence_ = np.array(
            [congruence(best.factors[:2], end.factors[:2]) for end in ends]
        )


class _End:
    """Where an iteration was left."""

    def __init__(self, factors, projections, history):
        self.factors = factors
        self.projections = projections
        self.history = history
        self.converged = self.stopped = False


class _DirectFit:
    """Alternate between the projections of every step and a trilinear model."""

    def __init__(self, core, basis, sum_of_squares, k, nonnegative):
        self.core = core
        self.basis = basis
        self.sum_of_squares = sum_of_squares
        self.k = k
        self.nonnegative = (nonnegative, nonnegative, False)

    def start(self, generator):
        """Random maps, even amounts, spectra that are their own."""
        n = self.core.shape[1] if self.basis is None else len(self.basis)
        amounts = 1 + 0.1 * generator.random((len(self.core), self.k))
        return [amounts, generator.random((n, self.k)), np.eye(self.k)]

    def run(self, factors, max_iter, tol, watch, number):
        """Iterate from some factors."""
        factors = [f.copy() for f in factors]
        end = _End(factors, None, [])
        for _ in range(max_iter):
            end.projections = self._project(factors)
            projected = self.core @ end.projections
            problem = Problem(
                projected,
                [None, self.basis, None],
                self.sum_of_squares,
                nonnegative=self.nonnegative,
            )
            residual = float(problem.sweep(factors))
            balance(factors)
            end.history.append(residual)
            if watch(number, residual, self.k):
                end.stopped = True
                break
            if len(end.history) > 1:
                fell = end.history[-2] - residual
                if fell <= tol * residual and tol > 0:
                    end.converged = True
                    break
        return end

    def _project(self, factors):
        """Orthonormal bases of the spectra of every step, by the polar factor."""
        D, A, H = factors
        inside = A if self.basis is None else self.basis.T @ A
        target = np.einsum("kpe,pr,kr,qr->keq", self.core, inside, D, H, optimize=True)
        u, _, v = np.linalg.svd(target, full_matrices=False)
        return u @ v
