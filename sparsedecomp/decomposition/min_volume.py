"""Unmixing by the smallest simplex that holds the pixels but for the noise."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import ndtr
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import compress
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric import GeometricUnmixing
from sparsedecomp.decomposition.simplex import (
    BRIGHT,
    OVERSAMPLING,
    best_vertices,
    grow,
    require_dimensions,
)
from sparsedecomp.kernels.simplex import soft_hinge

_logger = logging.getLogger(__name__)

NORMALISATIONS = ("auto", "none", "projective", "sum")
# Pixels that the search looks at; more of them move facets by less than their noise.
_PIXELS = 2**15
_STARTS = 20
# The first simplex is that of VCA blown up by this factor, its weight nearly hard.
_BLOW_UP = 1.5
_FIRST_WEIGHT = 300.0
# Corners of the hinge are rounded by this part of the noise, and more at first.
_ROUNDING = 0.3
_FIRST_WIDTH = 0.02
# Noise is taken to be at least this part of the spread of the pixels.
_LEAST_NOISE = 1e-5
# The hinge counts as matched to the noise within this part.
_MATCHED = 0.03
# How far the weight of one facet may be from the weight of all of them.
_APART = 2.0
# Pixels lie in a plane if they are no farther from it than this times their noise.
_FLAT = 1.5


@dataclass(frozen=True)
class Cloud:
    """The pixels on a plane, in ``k`` homogeneous coordinates of unit spread.

    Attributes
    ----------
    T : (n, k) float64 array
        The last column is one.
    sigma : (n,) array
        Expected error of each pixel along any direction.
    origin : (k,) array
    axes : (k, k - 1) array
        A point ``t`` is ``origin + axes @ t[:-1]`` in the signal space.
    """

    T: np.ndarray
    sigma: np.ndarray
    origin: np.ndarray
    axes: np.ndarray

    def spectra(self, vertices):
        """Vertices (k, k) as points of the signal space."""
        return self.origin + vertices[:, :-1] @ self.axes.T


def flatness(Y, noise_variance):
    """Distance of the pixels from the plane ``y u = 1`` that suits them best.

    Returns
    -------
    float
        Root mean square of ``1 - y u`` over what the noise makes of it; near one where
        abundances add up to one.
    """
    u = np.linalg.lstsq(Y, np.ones(len(Y)), rcond=None)[0]
    off = np.sqrt(np.mean(np.square(1 - Y @ u)))
    expected = np.sqrt(noise_variance) * np.linalg.norm(u)
    return off / max(expected, 1e-6)


def make_cloud(low_rank, k, normalisation):
    """Put the pixels on a plane and estimate their errors there.

    The error is what the next ``k`` directions after the signal space hold, so it
    includes what the linear model gets wrong; its mean square is modelled as a
    constant and a part that grows as the pixel gets darker.

    Parameters
    ----------
    low_rank : LowRank
    k : int
    normalisation : {"none", "projective", "sum"}

    Returns
    -------
    Cloud
    """
    n = len(low_rank.scores)
    seen = np.linspace(0, n - 1, min(n, _PIXELS)).round().astype(int)
    scores = low_rank.scores[seen].astype(np.float64)
    Y = scores[:, :k]
    brightness = np.ones(len(Y))
    if normalisation != "none":
        direction = Y.mean(axis=0)
        if normalisation == "sum":
            direction = low_rank.basis[:, :k].sum(axis=0)
        brightness = Y @ direction / np.linalg.norm(direction)
        least = BRIGHT * np.sqrt(low_rank.noise_variance)
        bright = brightness > max(least, 1e-9 * np.abs(brightness).max())
        if np.count_nonzero(bright) < k:
            raise ValueError(
                f"Only {np.count_nonzero(bright)} pixels are brighter than their "
                f"noise, expected at least the {k} components. Bin the data, ask for "
                "fewer components, or use normalisation='none'."
            )
        scores, Y, brightness = scores[bright], Y[bright], brightness[bright]
    Z = Y / brightness[:, None]
    origin = Z.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(Z.T, bias=True).reshape(k, k))
    axes = axes[:, ::-1][:, : k - 1]
    T = (Z - origin) @ axes
    scale = np.sqrt(np.square(T).sum(axis=1).mean()) or 1.0
    error = np.zeros(len(Z))
    if scores.shape[1] > k:
        beyond = scores[:, k : 2 * k] / brightness[:, None]
        darkness = brightness**-2.0
        parts = np.column_stack([np.ones(len(Z)), darkness / darkness.mean()])
        weights, _ = nnls(parts, np.square(beyond).mean(axis=1))
        error = np.sqrt(parts @ weights)
    sigma = np.maximum(error / scale, _LEAST_NOISE)
    return Cloud(
        np.column_stack([T / scale, np.ones(len(T))]), sigma, origin, axes * scale
    )


def smallest_simplex(T, Q, width, weight):
    """Minimise ``-log |det Q| + mean of the weighted hinge`` over closed ``Q``.

    Parameters
    ----------
    T : (n, k) array
    Q : (k, k) array
        Where to start. Its rows sum to the last unit vector, so that abundances
        ``T Q`` add up to one.
    width, weight : (k,) arrays
        Of the rounded corners, and of the hinge of each abundance.

    Returns
    -------
    Q : (k, k) array
    """
    n, k = T.shape
    last = np.zeros(k)
    last[-1] = 1.0
    slope = np.empty((k, k))

    def whole(x):
        part = x.reshape(k, k - 1)
        return np.column_stack([part, last - part.sum(axis=1)])

    def objective(x):
        Q = whole(x)
        value = soft_hinge(T, Q, width, weight / n, slope)
        sign, log_det = np.linalg.slogdet(Q)
        if sign == 0:
            return np.inf, np.zeros_like(x)
        G = slope - np.linalg.inv(Q).T
        return value - log_det, (G[:, :-1] - G[:, -1:]).ravel()

    found = minimize(
        objective,
        Q[:, :-1].ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-6, "maxcor": 20},
    )
    return whole(found.x)


def overshoot(T, Q, sigma):
    """How far abundances are below zero, and how far noise alone would put them.

    The noise of a pixel makes ``s h`` of an abundance, with the norm ``h`` of its
    column of ``Q``. A pixel of abundance ``a`` is expected below zero by
    ``s h phi(z) - a Phi(-z)`` with ``z = a / (s h)``; those below zero count as zero.

    Returns
    -------
    found, expected : (k,) arrays
        Sums over the pixels.
    """
    A = T @ Q
    s = sigma[:, None] * np.linalg.norm(Q[:-1], axis=0)
    z = np.maximum(A, 0.0) / s
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.maximum(-A, 0.0).sum(axis=0), (s * (density - z * ndtr(-z))).sum(axis=0)


class _Matching:
    """Weights of the hinge that bring the overshoot to what the noise explains."""

    def __init__(self, k, largest):
        self.weight = np.full(k, _FIRST_WEIGHT)
        self.largest = largest
        self.pooled = True
        self._restart(k)

    def _restart(self, k):
        self.power = np.full(k, 0.7)
        self.before = np.zeros(k)

    def update(self, found, expected):
        """Change the weights; True once there is nothing to change."""
        k = len(self.weight)
        if self.pooled:
            found, expected = np.full((2, k), [[found.sum()], [expected.sum()]])
        with np.errstate(divide="ignore"):
            excess = np.log(np.clip(found / expected, 1e-3, 1e3))
        self.power = np.where(excess * self.before < 0, 0.6 * self.power, self.power)
        self.before = excess
        step = np.clip(self.power * excess, -1.4, 1.4)
        new = np.clip(self.weight * np.exp(step), 1.0, self.largest)
        if not self.pooled:
            new = np.clip(new, self.common / _APART, self.common * _APART)
        moved = np.abs(np.log(new / self.weight)).max()
        self.weight = new
        if moved > _MATCHED * 0.7 and np.abs(excess).max() > _MATCHED:
            return False
        if self.pooled:
            self.pooled, self.common = False, self.weight
            self._restart(k)
            return False
        return True


class MinimumVolume(GeometricUnmixing):
    """Unmixing by the simplex of least volume: no pixel needs to be pure."""

    _parameter_constraints = {
        **GeometricUnmixing._parameter_constraints,
        "normalisation": [StrOptions(set(NORMALISATIONS))],
        "regularisation": [
            StrOptions({"matched"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "constraint": [StrOptions({"auto", *CONSTRAINTS})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        normalisation="auto",
        regularisation="matched",
        constraint="auto",
        max_iter=100,
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.normalisation = normalisation
        self.regularisation = regularisation
        self.constraint = constraint
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def _find(self, blocks, n_components, generator, watch):
        rank = (n_components or self._MOST) + max(OVERSAMPLING, n_components or 0)
        low = compress(blocks, rank, random_state=generator)
        k = n_components or self._components_above_noise(low)
        require_dimensions(low, k)
        Y = low.scores[:, :k].astype(np.float64)
        self.flatness_ = float(flatness(Y, low.noise_variance))
        self.normalisation_ = self.normalisation
        if self.normalisation == "auto":
            self.normalisation_ = "none" if self.flatness_ < _FLAT else "projective"
        cloud = make_cloud(low, k, self.normalisation_)
        vertices = self._search(cloud, generator, watch)
        S = cloud.spectra(vertices) @ low.basis[:, :k].T
        if self.normalisation_ != "none":
            S /= np.linalg.norm(S, axis=1, keepdims=True)
        return S, low

    def _search(self, cloud, generator, watch):
        T, sigma = cloud.T, cloud.sigma
        n, k = T.shape
        self.objective_history_, self.interrupted_ = [], False
        self.converged_ = k == 1
        self.regularisation_ = np.full(k, np.nan)
        if k == 1:
            return np.ones((1, 1))
        start = T[grow(T, best_vertices(T, k, _STARTS, generator))]
        centre = start.mean(axis=0)
        Q = np.linalg.inv(centre + _BLOW_UP * (start - centre))
        first = np.linalg.slogdet(Q)[1]
        matching = _Matching(k, largest=10.0 * n * k)
        if self.regularisation != "matched":
            matching.weight[:] = self.regularisation
        typical, widest = np.median(sigma), _FIRST_WIDTH
        try:
            for iteration in range(1, self.max_iter + 1):
                noise = _ROUNDING * typical * np.linalg.norm(Q[:-1], axis=0)
                Q = smallest_simplex(
                    T, Q, np.maximum(noise, widest), matching.weight
                )
                self.regularisation_ = matching.weight.copy()
                volume = float(np.exp(first - np.linalg.slogdet(Q)[1]))
                self.objective_history_.append(volume)
                settled = bool(np.all(noise >= widest)) or widest <= _LEAST_NOISE
                widest = max(widest / 3, _LEAST_NOISE)
                if self.regularisation == "matched" and settled:
                    self.converged_ = matching.update(*overshoot(T, Q, sigma))
                elif self.regularisation == "matched":
                    matching.update(*overshoot(T, Q, np.maximum(sigma, widest)))
                    matching.pooled = True
                else:
                    self.converged_ = settled
                if watch(iteration, volume, k) or self.converged_:
                    break
            else:
                warnings.warn(
                    f"Maximum number of iterations {self.max_iter} reached. Increase "
                    "max_iter to match the simplex to the noise.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
        except KeyboardInterrupt:
            self.interrupted_ = True
        return np.linalg.inv(Q)

    def _constraint(self):
        if self.constraint != "auto":
            return self.constraint
        closed = self.normalisation_ == "none"
        return "fully_constrained" if closed else "nonnegative"

    def _reorder(self, order):
        self.regularisation_ = self.regularisation_[order]
