"""Signal subspace sampling with VCA: the spectra farthest apart that data allow."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.cone import (
    SETTLED,
    SWEEPS,
    Bounds,
    Cone,
    CornerSearch,
    CornerState,
    Slice,
    start_corners,
)
from sparsedecomp.decomposition.geometric.simplex import (
    BRIGHT,
    OVERSAMPLING,
    best_vertices,
    grow,
    require_dimensions,
)
from sparsedecomp.decomposition.iterate import (
    Outcome,
    Phases,
    iterate,
)
from sparsedecomp.metrics import match_components
from sparsedecomp.noise.robust_pca import robust_pca
from sparsedecomp.noise.weights import NOISE_MODELS
from sparsedecomp.noise.whitened_space import even_space, turned_to
from sparsedecomp.noise.whitening import is_counts

_STARTS = 20
# A component that 99 of 100 pixels hold more of than this is everywhere ...
_EVERYWHERE = 0.05
# ... and one that 99 of 100 hold less of than this is nowhere near its spectrum.
_NOWHERE = 1 / 3
# Where every component makes more than this of one pixel in a hundred, pixels are pure.
_PURE = 0.8


class SSSVCA(GeometricUnmixing):
    """Signal subspace sampling and vertex component analysis [1]_, without sampling.

    1. The number of components, if it is not given, is the number of directions that
       regular pixels have above the noise, by robust principal components [2]_. How
       far every pixel is from them is kept: bad pixels stand out in a map of it.
    2. The signal space is that of the leading singular vectors of the data, not
       centred and weighted by their noise.
    3. Spectra of the space that are nowhere negative form a cone. "Nowhere" allows for
       the noise: each channel, and each window of 2, 4, 8, ... channels, may be as
       negative as its propagated noise explains, times a margin.
    4. VCA looks for the corners of the cone: the spectrum farthest along a random
       direction free of those found, then N-FINDR's exchange until the volume stands
       still. Both ask for extremes of linear functions over the cone, that is for
       linear programmes, which are solved exactly; a cloud of samples could only come
       near. `cone_` still gives one, for the picture.

    What it can decide: the spectra, and exactly, where every source has a channel of
    its own in which all others are silent; no pixel need be pure. What it cannot:
    without such channels its spectra are the outer body of all that non-negativity
    allows, and differ more than the true ones do. The pixels themselves give the inner
    body. The truth is in between, and `band_` says how wide that is. So backgrounds
    must be subtracted first: with a background that all sources share no channel is
    anybody's own, and every answer is over-separated (by 15 degrees on simulated
    EELS). A warning says so where at least half of the components are in 99 of 100
    pixels with more than a twentieth, or where one nowhere makes a third of a pixel.
    These limits were set on simulated EELS, EDX and peaks with and without background
    and on Sim1; Samson, whose background is no weaker, was warned of by the second.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: by robust principal components.
    margin : "auto" or float
        How many standard deviations a bound may be negative. "auto" is the number that
        noise exceeds in any of the bounds once in a hundred times, 4.4 to 5.
    noise : {"auto", "uniform", "poisson", "estimated"}
        How the variance of the noise depends on pixel and channel, as for `NMFSO`.
    coverage : float, default 0.98
        Part of the pixels that is trusted to be no outliers. The authors of robust
        principal components [2]_ take 0.75, with which a phase in less than a quarter
        of the pixels would be an outlier.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Of the abundances, see `abundances`.
    n_init : int, default 3
        Starts of VCA on the cone; the one of largest volume is kept.
    random_state : int, RandomState instance or None
        Seed of the random directions and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every exchange; returning True ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Outer body: corners of the cone, of unit Euclidean norm, the strongest first by
        the energy of their map.
    inner_ : (n_components_, n_channels) array
        Inner body: the pixels that VCA and N-FINDR choose, without the noise outside
        of the signal space, each beside the component that is nearest. With few counts
        the noise inside of the space moves them.
    band_ : (n_components_,) array
        Angle between both in degrees: how far the answer is free.
    n_components_ : int
    cone_ : Cone
        The cone at the mean noise of its corners; `Cone.rays` and `Cone.sample` give
        spectra as coefficients of `signal_space_`.
    signal_space_ : (k, n_channels) array
    shared_background_ : bool
        Whether the warning above was given.
    margin_ : float
    noise_model_ : str
    score_distance_, outlier_distance_ : (n_pixels,) arrays
        Of every pixel from the centre within the robust axes, and from these axes; the
        first in standard deviations, the second relative to its cutoff.
    outliers_ : (n_pixels,) bool array
        Pixels whose ``outlier_distance_`` exceeds one; a regular one does so in one of
        a thousand cases. They do not count for the number of components; mask them if
        they are bad.
    noise_variance_ : float
        Mean square of what lies outside of the signal space, per degree of freedom, of
        the weighted data.
    objective_history_ : (n_iter_,) array
        Volume of the simplex after each exchange, relative to the first.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
    converged_, interrupted_ : bool
    passes_ : int
        Reads of the whole of X.
    seconds_ : float

    References
    ----------
    .. [1] J. Spiegelberg, S. Muto, M. Ohtsuka, K. Pelckmans and J. Rusz,
       Ultramicroscopy 182 (2017) 205. https://doi.org/10.1016/j.ultramic.2017.07.009
    .. [2] M. Hubert, P. J. Rousseeuw and K. Vanden Branden, Technometrics 47 (2005)
       64. https://doi.org/10.1198/004017004000000563

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import SSSVCA
    >>> from sparsedecomp.metrics import match_components
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 500)
    >>> shares = shares[shares.max(axis=1) < 0.7]
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> model = SSSVCA(random_state=0).fit(shares @ spectra)
    >>> bool(match_components(spectra, model.components_)[2].max() < 1e-6)
    True
    """

    _parameter_constraints = {
        **GeometricUnmixing._parameter_constraints,
        "margin": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "noise": [StrOptions(set(NOISE_MODELS))],
        "coverage": [Interval(Real, 0.5, 1, closed="both")],
        "constraint": [StrOptions(set(CONSTRAINTS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        margin="auto",
        noise="auto",
        coverage=0.98,
        constraint="nonnegative",
        n_init=3,
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.margin = margin
        self.noise = noise
        self.coverage = coverage
        self.constraint = constraint
        self.n_init = n_init
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X, y=None):
        """Find the spectra and return the abundances of the pixels.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the ``constraint``, the strongest component first.
        """
        W = super().fit_transform(X)
        self.noise_variance_ = self._variance
        return W

    def _find(
        self,
        blocks: BlockMatrix,
        n_components: int | None,
        generator: np.random.Generator,
        phases: Phases[CornerState],
    ) -> tuple[NDArray, LowRank]:
        rank = max(n_components or 0, self._MOST) + OVERSAMPLING
        space = even_space(blocks, rank, self.noise, generator)
        with one_blas_thread():
            robust = robust_pca(
                space.low_rank,
                n_components,
                coverage=self.coverage,
                random_state=generator,
            )
        self.score_distance_ = robust.score_distance
        self.outlier_distance_ = robust.orthogonal_distance / robust.orthogonal_cutoff
        self.outliers_ = robust.outliers
        self.noise_model_ = space.noise_model
        regular = np.ones(blocks.shape[0], bool)
        if n_components is None:
            regular = ~robust.outliers
        k = n_components or max(robust.n_components, 1)
        low = turned_to(space.low_rank, regular)
        require_dimensions(low, k)
        self._variance = low.noise_variance
        V = low.basis[:, :k] * space.column_scale[:, None]
        points = _on_slice(low, V)
        moments = _moments(blocks, space, low, k)
        with one_blas_thread():
            S = self._search(points, V, moments, generator, phases)
        if self.shared_background_:
            self._warn_of_background()
        self.signal_space_ = V.T
        # Residuals are compared with the data as they are, not as they were weighted.
        return S, replace(space.low_rank, summary=space.summary)

    def _search(
        self,
        points: NDArray,
        V: NDArray,
        moments: NDArray,
        generator: np.random.Generator,
        phases: Phases[CornerState],
    ) -> NDArray:
        k = V.shape[1]
        self.shared_background_ = False
        self._purest = 1.0
        bounds = Bounds.of_windows(V, moments)
        self.margin_ = bounds.default_margin if self.margin == "auto" else self.margin
        if k == 1:
            self.converged_ = True
            phases.outcome = Outcome(CornerState(np.ones((1, 1)), 0.0), [1.0])
            self.inner_, self.band_, self.cone_ = _spectra(points[:1], V), [0.0], None
            return self.inner_
        inner = points[grow(points, best_vertices(points, k, _STARTS, generator))]
        where = Slice.through(points)
        cone = Cone(where, bounds.widened(inner, self.margin_))
        starts = [start_corners(cone, generator) for _ in range(self.n_init)]
        corners = max(starts, key=lambda C: abs(np.linalg.det(C)))
        search = CornerSearch(where, bounds, corners, self.margin_)
        outcome = phases.run(
            "corners",
            lambda _: iterate(
                search, CornerState(corners, np.inf), SWEEPS, phases.monitor
            ),
        )
        self.converged_ = outcome.state.moved < SETTLED
        corners = outcome.state.corners
        self.cone_ = Cone(where, bounds.widened(corners, self.margin_))
        self._look_for_background(points @ np.linalg.inv(corners))
        outer, inner = _spectra(corners, V), _spectra(inner, V)
        _, nearest, self.band_ = match_components(outer, inner)
        self.inner_ = inner[nearest]
        return outer

    def _look_for_background(self, shares):
        """Whether no pixel comes near to the corners, or few near to the facets."""
        low, high = np.quantile(shares, [0.01, 0.99], axis=0)
        everywhere = np.count_nonzero(low > _EVERYWHERE)
        self._purest = float(high.min())
        self.shared_background_ = bool(
            2 * everywhere >= len(low) or self._purest < _NOWHERE
        )
        self._background = (
            f"{everywhere} of {len(low)} components are in nearly every pixel, and "
            f"one is nowhere more than {self._purest:.0%} of a pixel"
        )

    def _warn_of_background(self):
        warnings.warn(
            f"{self._background}: the spectra seem to share a background, with which "
            "non-negativity decides little, and they come out farther apart than they "
            "are. Subtract the background first, or use MinimumVolume ('min_volume').",
            UserWarning,
            stacklevel=4,
        )

    @property
    def _most_steps(self):
        return SWEEPS

    def _reorder(self, order):
        self.inner_ = self.inner_[order]
        self.band_ = np.asarray(self.band_)[order]


def corners_of_cone(low, n_components, generator):
    """Spectra at the corners of the cone, where they tell more than the pixels do.

    The noise of the compressed matrix is taken as even.

    Parameters
    ----------
    low : LowRank
    n_components : int
    generator : numpy.random.Generator

    Returns
    -------
    (n_components, n_channels) array or None
        None where the spectra seem to share a background, so that the corners would be
        far from them, where pixels come near to every corner, and where the pixels are
        no mixtures of non-negative spectra.
    """
    search = SSSVCA(n_components)
    V = low.basis[:, :n_components].astype(float)
    moments = _even_moments(low, np.ones(len(V)), n_components)
    try:
        S = search._search(_on_slice(low, V), V, moments, generator, Phases())
    except ValueError:  # no bright pixels, or a cone without end
        return None
    return None if search.shared_background_ or search._purest > _PURE else S


def _on_slice(low, V):
    """Pixels that are bright enough, divided by their total intensity."""
    k = V.shape[1]
    Y = low.scores[:, :k].astype(np.float64)
    total = V.sum(axis=0)
    intensity = Y @ total
    least = BRIGHT * np.sqrt(low.noise_variance) * np.linalg.norm(total)
    bright = intensity > max(least, 1e-9 * np.abs(intensity).max())
    points = Y[bright] / intensity[bright, None]
    if len(points) < k or np.linalg.matrix_rank(points) < k:
        raise ValueError(
            f"The {len(points)} pixels whose total intensity is above its noise are no "
            f"mixtures of {k} spectra. Bin the data, ask for fewer components, or "
            "subtract less of the background."
        )
    return points


def _moments(blocks, space, low, k):
    """Covariance of the coefficients with which each channel enters a spectrum.

    The loadings of a channel are ``V_ea = sum_i t_ia x_ie``; the variance of counts is
    what they are themselves.

    Returns
    -------
    (n_channels, k, k) array
    """
    if space.noise_model != "poisson" or not is_counts(space.summary):
        return _even_moments(low, space.column_scale, k)
    unit = space.summary.quantum or 1.0
    T = low.scores[:, :k].astype(np.float64) / np.square(low.singular_values[:k])
    T /= space.row_scale[:, None]
    scale = np.abs(T).max()
    first, second = np.triu_indices(k)
    sums = blocks.rmatmul((T[:, first] / scale) * (T[:, second] / scale))
    moments = np.empty((len(sums), k, k))
    moments[:, first, second] = moments[:, second, first] = sums * (unit * scale**2)
    return moments


def _even_moments(low, column_scale, k):
    size = low.noise_variance * np.square(column_scale)
    return size[:, None, None] * np.diag(1 / np.square(low.singular_values[:k]))


def _spectra(coefficients, V):
    """Spectra of unit norm; what noise puts below zero is nothing that could be."""
    S = np.maximum(coefficients @ V.T, 0.0)
    return S / np.linalg.norm(S, axis=1, keepdims=True)
