"""Signal subspace sampling with VCA: the most contrasted spectra that data allow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.cone import Bounds
from sparsedecomp.decomposition.geometric.corners import (
    SWEEPS,
    CornerState,
    SpectraBodies,
    find_corners,
    points_on_slice,
    uniform_moments,
)
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    require_dimensions,
)
from sparsedecomp.decomposition.iterate import Phases
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.noise import NOISE_MODELS, find_noise, whiten
from sparsedecomp.noise.robust_pca import robust_pca
from sparsedecomp.noise.whitening import turned_to


class SSSVCA(GeometricUnmixing):
    """Signal subspace sampling and vertex component analysis [1]_, without sampling.

    1. The number of components, if it is not given, is the number of directions that
       regular pixels have above the noise, by robust principal components [2]_. The
       distance of every pixel from them is kept: bad pixels stand out in its map.
    2. The signal space is spanned by the leading singular vectors of the data, which
       are weighted by their noise and not centred.
    3. The spectra of this space without negative channels form a cone. Each channel,
       and each window of 2, 4, 8, ... channels, may be negative by its propagated
       noise times a margin.
    4. VCA finds corners of the cone: the spectrum farthest along a random direction
       orthogonal to the corners before, then N-FINDR exchanges corners until the
       volume no longer grows. Both maximise linear functions over the cone by linear
       programmes, which are exact, where samples of the cone only approximate the
       corners. ``cone_.sample`` draws such samples for figures.

    What it can decide: the spectra, exactly, where every source has a channel in which
    all others are zero; no pixel need be pure. What it cannot: without such channels
    its spectra are the outer body of all spectra that non-negativity allows, and
    differ more than the true ones do. The purest pixels are the inner body. The truth
    is in between, and `band_` is the angle between both. Backgrounds must be
    subtracted first: with a background that all sources share, no source has a channel
    of its own, and the spectra come out too different (by 15 degrees on simulated
    EELS). A warning is given if at least half of the components make more than a
    twentieth of 99 in 100 pixels, or if one of them hardly makes a third of any pixel.
    These limits were set on simulated EELS, EDX and peaks with and without background
    and on Sim1. Samson, which has a shared background, is warned of by the second.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: by robust principal components.
    margin : "auto" or float
        Number of standard deviations by which a bound may be negative. "auto" is the
        number that noise exceeds in any of the bounds with a probability of 1 %, 4.4
        to 5. Larger margins make the spectra more different.
    noise : {"auto", "uniform", "poisson", "estimated"}
        How the variance of the noise depends on pixel and channel, as for `NMFSO`.
    coverage : float, default 0.98
        Part of the pixels that is assumed to contain no outliers. With 0.75, the usual
        choice for robust principal components [2]_, a phase in less than a quarter of
        the pixels would be an outlier.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Constraint on the abundances, see `abundances`.
    n_init : int, default 3
        Number of starts of VCA on the cone; the one of largest volume is kept.
    random_state : int, RandomState instance or None
        Seed of the random directions and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every exchange; returning True ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Outer body: corners of the cone, of unit Euclidean norm, the strongest first by
        the energy of map and spectrum.
    inner_ : (n_components_, n_channels) array
        Inner body: the pixels that VCA and N-FINDR choose, without the noise outside
        of the signal space, each matched to the nearest component. With few counts
        they contain the noise inside of the signal space.
    band_ : (n_components_,) array
        Angle in degrees between outer and inner body, within which the data leave the
        spectra open.
    n_components_ : int
        Number of components.
    cone_ : Cone
        The cone at the largest noise of its corners; `Cone.rays` and `Cone.sample`
        give spectra as coefficients of `signal_space_`.
    signal_space_ : (k, n_channels) array
        Basis of the signal space.
    shared_background_ : bool
        Whether the warning above was given.
    margin_ : float
        Margin that was used.
    noise_model_ : str
        Noise model that was used.
    score_distance_, outlier_distance_ : (n_pixels,) arrays
        Distance of every pixel from the centre within the robust axes, in standard
        deviations, and its distance from these axes, relative to the cutoff.
    outliers_ : (n_pixels,) bool array
        Pixels whose ``outlier_distance_`` exceeds one, which one in a thousand regular
        pixels does. They do not count for the number of components; mask them if they
        are bad.
    noise_variance_ : float
        Mean square of the weighted data outside of the signal space, per degree of
        freedom.
    objective_history_ : (n_iter_,) array
        Volume of the simplex after each exchange, relative to the first.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
        Number of exchanges.
    converged_ : bool
        Whether the corners no longer moved.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

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
        n_components: int | None = None,
        *,
        margin: str | float = "auto",
        noise: str = "auto",
        coverage: float = 0.98,
        constraint: str = "nonnegative",
        n_init: int = 3,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.margin = margin
        self.noise = noise
        self.coverage = coverage
        self.constraint = constraint
        self.n_init = n_init
        self.random_state = random_state
        self.callback = callback

    def _find(
        self,
        blocks: BlockMatrix,
        n_components: int | None,
        generator: np.random.Generator,
        phases: Phases[CornerState],
    ) -> tuple[NDArray, LowRank]:
        rank = max(n_components or 0, self._MOST) + OVERSAMPLING
        noise = find_noise(blocks, self.noise).with_loud_pixels()
        space = whiten(blocks, rank, noise=noise, random_state=generator)
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
        self.noise_model_ = space.noise
        regular = np.ones(blocks.shape[0], bool)
        if n_components is None:
            regular = ~robust.outliers
        k = n_components or max(robust.n_components, 1)
        low = turned_to(space.low_rank, regular)
        require_dimensions(low, k)
        self._variance = low.noise_variance
        V = low.basis[:, :k] * space.noise.column_scale[:, None]
        points = points_on_slice(low, V)
        bounds = Bounds.of_windows(V, _moments(blocks, space, low, k))
        self.margin_ = bounds.default_margin
        if not isinstance(self.margin, str):
            self.margin_ = float(self.margin)
        with one_blas_thread():
            body = find_corners(
                points, V, bounds, self.margin_, self.n_init, generator, phases
            )
        self.inner_, self.band_, self.cone_ = body.inner, body.band, body.cone
        self.shared_background_ = body.shared_background
        if body.shared_background:
            self._warn_of_background(body)
        self.signal_space_ = V.T
        # Residuals are compared with the data as they are, not as they were weighted.
        return body.outer, replace(space.low_rank, summary=space.noise.summary)

    def _warn_of_background(self, body: SpectraBodies) -> None:
        warnings.warn(
            f"{body.n_everywhere} of {len(body.outer)} components are in nearly every "
            f"pixel, and one is nowhere more than {body.purest:.0%} of a pixel: the "
            "spectra seem to share a background, with which non-negativity decides "
            "little, and they come out more different than they are. Subtract the "
            "background first, or use MinimumVolume ('min_volume').",
            UserWarning,
            stacklevel=4,
        )

    @property
    def _most_steps(self) -> int:
        return SWEEPS

    def _variance_outside(self, low: LowRank, k: int) -> float:
        return self._variance

    def _reorder(self, order: NDArray) -> None:
        self.inner_ = self.inner_[order]
        self.band_ = self.band_[order]


def _moments(blocks, space, low, k):
    """Covariance of the coefficients with which each channel enters a spectrum.

    The loadings of a channel are ``V_ea = sum_i t_ia x_ie``, and the variance of a
    count is its mean, which the count itself estimates.

    Returns
    -------
    (n_channels, k, k) array
    """
    if not space.noise.counts:
        return uniform_moments(low, space.noise.column_scale, k)
    unit = space.noise.gain
    T = low.scores[:, :k].astype(np.float64) / np.square(low.singular_values[:k])
    T /= space.noise.row_scale[:, None]
    scale = np.abs(T).max()
    first, second = np.triu_indices(k)
    sums = blocks.rmatmul((T[:, first] / scale) * (T[:, second] / scale))
    moments = np.empty((len(sums), k, k))
    moments[:, first, second] = moments[:, second, first] = sums * (unit * scale**2)
    return moments
