"""Unmixing by the smallest simplex that contains the pixels up to their noise."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.minimum_volume_simplex import (
    LEAST_NOISE,
    Cloud,
    Matching,
    flatness,
    make_cloud,
    overshoot,
    smallest_simplex,
    uncertainty,
    whitened_channels,
)
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    best_vertices,
    grow,
    require_dimensions,
)
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    iterate,
)
from sparsedecomp.decomposition.progress import Progress

NORMALISATIONS = ("auto", "none", "projective", "sum")
# Runs of VCA from whose largest simplex the search starts.
_STARTS = 20
# The simplex of VCA is enlarged by this factor for the start. It lies inside of the
# cloud of pixels where none is pure; a larger factor takes more iterations.
_BLOW_UP = 1.5
# The corner of the hinge is rounded over this part of the noise, and over _FIRST_WIDTH
# of the spread of the pixels at first. Wider corners make the minimisation easier and
# shift the facets outwards.
_ROUNDING = 0.3
_FIRST_WIDTH = 0.02
# Uncertainty of a spectrum in degrees from which on a warning is given. On scenes
# without pure pixels the largest angle to the truth is .4 to 2.4 times the uncertainty:
# from here on more than five degrees are possible.
_UNCERTAIN = 2.5
# The pixels count as lying in a plane if their rms distance from it is at most this
# many standard deviations of the noise. Set with the scene Sim2 in view; larger values
# take varying thickness for noise.
_FLAT = 1.5


class SimplexState(NamedTuple):
    """A simplex between two steps of the search.

    Attributes
    ----------
    Q : (k, k) array
        From pixels on the plane to abundances.
    weight : (k,) array
        Weights of the hinge that gave it; NaN before the first step.
    widest : float
        Width of the rounded corners of the hinge, which falls from step to step.
    matched : bool
        Whether the weights agree with the noise.
    """

    Q: NDArray
    weight: NDArray
    widest: float = _FIRST_WIDTH
    matched: bool = False

    @property
    def n_components(self) -> int:
        """Number of vertices."""
        return len(self.Q)


class SimplexSearch(IterativeMethod[SimplexState]):
    """Find the smallest simplex for some weights, then adapt the weights.

    Parameters
    ----------
    cloud : Cloud
        The pixels on a plane.
    Q : (k, k) array
        Simplex to start from.
    weight : float, optional
        Weight of the hinge of all abundances. Default: matched to the noise.
    """

    monotone = False

    def __init__(self, cloud: Cloud, Q: NDArray, weight: float | None = None) -> None:
        n, k = cloud.T.shape
        self.cloud = cloud
        self.adapts = weight is None
        self.matching = Matching(k, largest=10.0 * n * k)
        if weight is not None:
            self.matching.weight[:] = weight
        self._typical = np.median(cloud.sigma)
        self._first = np.linalg.slogdet(Q)[1]

    def step(self, state: SimplexState) -> tuple[SimplexState, float]:
        """One simplex; the objective is its volume relative to that of the start."""
        T, sigma, matching = self.cloud.T, self.cloud.sigma, self.matching
        linear = self.cloud.linear
        Q, widest = state.Q, state.widest
        noise = _ROUNDING * self._typical * np.linalg.norm(Q[:-1], axis=0)
        Q = smallest_simplex(T, Q, np.maximum(noise, widest), matching.weight)
        weight = matching.weight.copy()
        settled = bool(np.all(noise >= widest)) or widest <= LEAST_NOISE
        matched = False
        widest = max(widest / 3, LEAST_NOISE)
        if not self.adapts:
            matched = settled
        elif settled:
            matched = matching.update(*overshoot(T, Q, sigma, linear))
        else:
            wide = np.maximum(sigma, widest)
            matching.update(*overshoot(T, Q, wide, linear))
            matching.pooled = True
        volume = float(np.exp(self._first - np.linalg.slogdet(Q)[1]))
        return SimplexState(Q, weight, widest, matched), volume

    def is_small(
        self,
        old: SimplexState,
        new: SimplexState,
        decrease: float,
        objective: float,
    ) -> bool:
        """Whether the weights agree with the noise."""
        return new.matched


class MinimumVolume(GeometricUnmixing):
    """Unmixing by the simplex of least volume: no pixel needs to be pure.

    Mixtures fill a simplex whose corners are the spectra. In the signal space, after
    each pixel is divided by its brightness unless all lie in one plane already, this
    finds the matrix ``Q`` from pixels ``t`` to abundances ``t Q`` that minimises, after
    SISAL [1]_,

        -log |det Q| + sum_j (l_j / n) sum_i max(-(t_i Q)_j, 0),

    the logarithm of the volume and a penalty on pixels outside of a facet (the hinge).

    The weights ``l_j`` are chosen so that pixels lie as far outside as noise alone
    would put them. A pixel of abundance ``a`` with the noise ``s`` is outside by
    ``s phi(a/s) - a Phi(-a/s)`` on average, with the density ``phi`` and the
    distribution function ``Phi`` of the normal distribution. The sum over the pixels is
    matched for all facets together and then facet by facet, up to a factor of two. At
    the true facets the ratio of the observed to the expected sum is 0.7 for evenly
    spread abundances and 1.4 where a component is absent in most pixels; it is matched
    at one. The noise is estimated from the ``k`` directions after the signal space, as
    a constant and a part that grows as pixels get darker. It includes the errors of
    the linear model, which are assumed to be as large inside of the signal space.

    The rule was chosen on the scenes Samson and Sim1 (30 dB) with their truth in view.
    Mean angles to it in degrees, over the normalisations that put pixels on a plane:

    ===============================================  ===========  ==========
    rule                                             Samson       Sim1
    ===============================================  ===========  ==========
    likelihood of evenly spread abundances           5.0 to 5.8   5 to 11
    hinge matched, white noise, all facets together  6.2 to 6.9   not tried
    hinge matched, next direction, all together      2.3 to 2.9   0.5
    hinge matched, next direction, facet by facet    2.4 to 3.3   0.5
    hinge matched, next k directions, all together   1.9 to 2.0   not tried
    the same, facet by facet                         1.6 to 1.8   0.5
    ===============================================  ===========  ==========

    Without the bound of two, single facets moved far outwards on simulated particles
    with few counts. The threshold of "auto" below and the number of passes for the
    signal space were set with Sim2 in view as well.

    What it can decide: spectra of which no pixel is pure, if pixels lie on every facet
    of the simplex, that is if enough pixels lack each component. What it cannot: where
    they do not, the smallest simplex is too small, and the fit does not show it. Where
    the noise is about as large as the simplex, corners are uncertain by many degrees,
    see `uncertainty_`; a warning says so. Data may be negative.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: the number of singular values above the noise,
        if the noise is white.
    normalisation : {"auto", "none", "projective", "sum"}
        Divisor of the pixels: their projection on the mean ("projective"), their sum
        over the channels of the signal space ("sum") or one ("none"). "auto" takes
        "none" if the pixels are within their noise of one plane, as they are where
        abundances add up to one, and "projective" otherwise.
    regularisation : {"matched"} or float
        Weights ``l_j`` of the facets. "matched" is the rule above; a number is the
        weight of all facets, and larger numbers leave fewer pixels outside.
    constraint : {"auto", "nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Constraint on the abundances, see `abundances`. "auto" takes
        "fully_constrained" where pixels are in one plane and "nonnegative" otherwise.
    max_iter : int, default 100
        Upper bound on the number of simplices that are computed.
    random_state : int, RandomState instance or None
        Seed of the start (VCA, enlarged) and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every simplex; returning True ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra in the units of X where pixels are in one plane, otherwise of unit
        Euclidean norm; the strongest first by the energy of map and spectrum.
    n_components_ : int
        Number of components.
    flatness_ : float
        Root mean square distance of the pixels from their best-fitting plane, over the
        noise; about one where abundances add up to one.
    normalisation_, constraint_ : str
        Normalisation and constraint that were used.
    regularisation_ : (n_components_,) array
        Weights ``l_j`` that were used.
    uncertainty_ : (n_components_,) array
        Degrees by which a spectrum turns when all facets move by half the noise of a
        pixel, about as far as they may be from the true ones. A warning is given above
        2.5 degrees.
    noise_variance_ : float
        Mean square of the data outside of the signal space, per degree of freedom.
    objective_history_ : (n_iter_,) array
        Volume of each simplex over that of the start; it rises and falls while the
        weights are matched.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
        Number of simplices that were computed.
    converged_ : bool
        Whether the weights agree with the noise.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] J. M. Bioucas-Dias, 1st Workshop on Hyperspectral Image and Signal
       Processing (WHISPERS, 2009). https://doi.org/10.1109/WHISPERS.2009.5289072

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import MinimumVolume
    >>> from sparsedecomp.metrics import match_components
    >>> shares = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.3], 2000)
    >>> shares = shares[shares.max(axis=1) < 0.8]
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> model = MinimumVolume(n_components=3, random_state=0).fit(shares @ spectra)
    >>> bool(match_components(spectra, model.components_)[2].max() < 0.5)
    True
    """

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
        n_components: int | None = None,
        *,
        normalisation: str = "auto",
        regularisation: str | float = "matched",
        constraint: str = "auto",
        max_iter: int = 100,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.normalisation = normalisation
        self.regularisation = regularisation
        self.constraint = constraint
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def _find(
        self,
        blocks: BlockMatrix,
        n_components: int | None,
        generator: np.random.Generator,
        phases: Phases[SimplexState],
    ) -> tuple[NDArray, LowRank]:
        rank = (n_components or self._MOST) + max(OVERSAMPLING, n_components or 0)
        low, channels = whitened_channels(blocks, rank, generator)
        self._mean_scale = float(np.square(channels).mean())
        k = n_components or self._components_above_noise(blocks)
        require_dimensions(low, k)
        Y = low.scores[:, :k].astype(np.float64)
        self.flatness_ = flatness(Y, low.noise_variance)
        self.normalisation_ = self.normalisation
        if self.normalisation == "auto":
            self.normalisation_ = "none" if self.flatness_ < _FLAT else "projective"
        if self.constraint == "auto":
            closed = self.normalisation_ == "none"
            self.constraint_ = "fully_constrained" if closed else "nonnegative"
        cloud = make_cloud(low, k, self.normalisation_)
        # More threads would only wait for one another, since the matrices are small.
        with one_blas_thread():
            vertices = self._search(cloud, generator, phases)
        S = cloud.spectra(vertices) @ low.basis[:, :k].T * channels
        self.uncertainty_ = uncertainty(S, cloud, vertices)
        if self.uncertainty_.max() > _UNCERTAIN:
            self._warn_of_noise()
        if self.normalisation_ != "none":
            S /= np.linalg.norm(S, axis=1, keepdims=True)
        return S, low

    def _warn_of_noise(self) -> None:
        worst = self.uncertainty_.max()
        warnings.warn(
            f"The counts may be too few, or the noise too large, for the smallest "
            f"simplex: within its noise a spectrum may be off by {worst:.0f} degrees, "
            "see uncertainty_. Bin pixels or channels, or use SimplexML "
            "('simplex_ml') or, for counts, PoissonNMF ('nmf_kl').",
            UserWarning,
            stacklevel=4,
        )

    def _search(
        self, cloud: Cloud, generator: np.random.Generator, phases: Phases[SimplexState]
    ) -> NDArray:
        T, k = cloud.T, cloud.T.shape[1]
        if k == 1:
            state = SimplexState(np.ones((1, 1)), np.full(1, np.nan), matched=True)
            phases.outcome = Outcome(state, [1.0], converged=True)
            self.regularisation_ = state.weight
            return state.Q
        start = T[grow(T, best_vertices(T, k, _STARTS, generator))]
        centre = start.mean(axis=0)
        Q = np.linalg.inv(centre + _BLOW_UP * (start - centre))
        weight = self.regularisation
        search = SimplexSearch(cloud, Q, None if isinstance(weight, str) else weight)
        outcome = phases.run(
            "simplices",
            lambda _: iterate(
                search,
                SimplexState(Q, np.full(k, np.nan)),
                self.max_iter,
                phases.monitor,
            ),
        )
        outcome.converged = outcome.state.matched
        self.regularisation_ = outcome.state.weight
        if not (outcome.converged or outcome.stopped):
            warnings.warn(
                f"Maximum number of iterations {self.max_iter} reached. Increase "
                "max_iter to match the simplex to the noise.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return np.linalg.inv(outcome.state.Q)

    def _variance_outside(self, low: LowRank, k: int) -> float:
        return self._mean_scale * super()._variance_outside(low, k)

    def _reorder(self, order: NDArray) -> None:
        self.regularisation_ = self.regularisation_[order]
        self.uncertainty_ = self.uncertainty_[order]
