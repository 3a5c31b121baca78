"""Unmixing by the simplex under which the cloud of pixels is most likely."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.min_volume import MinimumVolume
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    require_dimensions,
)
from sparsedecomp.decomposition.geometric.vca import VCA
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    iterate,
    uninterrupted,
)
from sparsedecomp.decomposition.progress import watching_phases
from sparsedecomp.decomposition.simplex_likelihood.face_mixture import FaceMixture, Fit
from sparsedecomp.decomposition.simplex_likelihood.last_fit import (
    spectra_of_all_channels,
)
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import (
    PixelCloud,
    WhitenedData,
    pixel_cloud,
    whitened_signal_space,
)
from sparsedecomp.decomposition.simplex_likelihood.rivals import (
    UndeterminedWarning,
    agree,
    is_known,
    rivals_of,
)
from sparsedecomp.noise import NOISE_MODELS

if TYPE_CHECKING:
    from sparsedecomp.decomposition.base import MatrixLike

# The first climb is among so many pixels, where there are at least twice as many: it
# takes less time and ends nearby.
_FEW_PIXELS = 500
# Most starts, and climbs from each: among few pixels and among all.
_STARTS, _STAGES = 4, 2


class SimplexML(GeometricUnmixing):
    """Unmixing by maximum likelihood of the cloud of pixels in a simplex.

    Mixtures of ``k`` spectra fill a simplex whose vertices are the spectra. Many
    simplices fit the data equally well; this takes the one under which the *cloud* of
    pixels is most likely, if each face of the simplex (a pure phase, a mixture of two,
    of three, ...) holds some share of the pixels, spread uniformly over it, and every
    pixel has the noise of its own counts. The likelihood is that of probabilistic
    simplex component analysis [1]_, with faces of every dimension in place of the
    interior alone and with Poisson noise, so that pure pixels and pixels that lack a
    component decide as far as there are any.

    The data are whitened [2]_, projected to ``k`` dimensions and divided by their
    brightness, so that thickness does not matter. The likelihood is maximised by
    L-BFGS from the answers of `VCA` and `MinimumVolume`; shares of the faces come from
    expectation maximisation and the noise of each face from the spectra of its
    vertices, both updated up to six times. A quadratic penalty in units of the counting
    error keeps spectra from being negative. At last the spectra are fitted to all
    channels, unless a pixel holds too few counts to know its abundances to a fifth.

    What it can decide: spectra of phases that have pure pixels, however few, and of
    phases without any where enough pixels lack one component or another. Its ends are
    the same from almost any start; where they are not and the likelihood does not
    exclude the rival, ``is_unique_`` is False and ``rivals_`` holds it. What it cannot
    decide: where a phase occurs only together with another one in a fixed proportion,
    or where a support lies under everything, the purest mixture is a legitimate vertex;
    only a zero in a spectrum could tell, see `PoissonNMF`.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: the lower end of the interval of
        `estimate_rank`, which noise exceeds once in ten thousand times.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model, see `estimate_rank`.
    n_pixels : int, default 2000
        Most pixels that the likelihood is computed from: the outermost ones and a
        random sample that stands for all others. More of them make the answer more
        precise and the fit slower in proportion.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Constraint on the abundances, see `abundances`.
    max_iter : int, default 6
        Most updates of shares and noise for each start.
    random_state : int, RandomState instance or None
        Seed of the range finder, of the sample of pixels and of the starts.
    callback : callable, optional
        Called with a `Progress` after each update of shares and noise; returning True
        ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of unit Euclidean norm, strongest first by the energy of their map.
    n_components_ : int
        Number of components.
    log_likelihood_ : float
        Log likelihood of the answer, in nats.
    rivals_ : list of Rival
        Other local maxima, more than three degrees away, that are less likely by less
        than two standard deviations.
    is_unique_ : bool
        Whether there is no rival.
    mixture_ : FaceMixture or None
        The likelihood and its sample of pixels; None for one component.
    vertices_ : (n_components_, n_components_ - 1) array or None
        The spectra as points of the plane of the pixels.
    noise_variance_ : float
        Noise variance of the whitened data; about one for counts.
    objective_history_ : (n_iter_,) array
        Negative log likelihood after each update of shares and noise, one start after
        the other, first among a part of the pixels. It may rise from one to the next.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
        Number of updates of shares and noise.
    converged_, interrupted_ : bool
        Whether the fit ended by itself, and whether it was interrupted.
    passes_ : int
        Reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] R. Wu, W.-K. Ma, Y. Li, A. M.-C. So and N. D. Sidiropoulos, IEEE Trans.
       Signal Process. 70 (2022) 582. https://arxiv.org/abs/2103.10027
    .. [2] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import SimplexML
    >>> from sparsedecomp.metrics import match_components
    >>> rng = np.random.default_rng(0)
    >>> shares = rng.dirichlet([0.3, 0.3, 0.3], 1000)
    >>> spectra = rng.uniform(1, 300, (3, 16))
    >>> model = SimplexML(random_state=0).fit(rng.poisson(shares @ spectra))
    >>> model.n_components_, model.is_unique_
    (3, True)
    >>> bool(match_components(spectra, model.components_)[2].max() < 4)
    True
    """

    _parameter_constraints = {
        **GeometricUnmixing._parameter_constraints,
        "noise": [StrOptions(set(NOISE_MODELS))],
        "n_pixels": [Interval(Integral, 100, None, closed="left")],
        "constraint": [StrOptions(set(CONSTRAINTS))],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        noise: str = "auto",
        n_pixels: int = 2000,
        constraint: str = "nonnegative",
        max_iter: int = 6,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable | None = None,
    ) -> None:
        self.n_components = n_components
        self.noise = noise
        self.n_pixels = n_pixels
        self.constraint = constraint
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray[np.floating]:
        """Find the spectra and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels). A dask array is read in passes over
            its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the ``constraint``, the strongest component first.
        """
        W = super().fit_transform(X)
        self.noise_variance_ = self._noise_variance
        if not self.is_unique_:
            worst = max(self.rivals_, key=lambda rival: rival.angle)
            warnings.warn(
                f"The data do not decide between spectra that differ by "
                f"{worst.angle:.0f} degrees: the rival is less likely by "
                f"{worst.difference:.1f} +- {worst.standard_deviation:.1f} nats. "
                "Look at rivals_; pure pixels, known spectra or more counts decide.",
                UndeterminedWarning,
                stacklevel=2,
            )
        return W

    def _find(
        self,
        blocks: BlockMatrix,
        n_components: int | None,
        generator: np.random.Generator,
        phases: Phases[Fit],
    ) -> tuple[NDArray[np.floating], LowRank]:
        k = n_components or _number_of_components(blocks, self.noise, generator)
        rank = k + max(OVERSAMPLING, k)
        data = whitened_signal_space(blocks, k, rank, self.noise, generator)
        require_dimensions(data.low_rank, k)
        self._noise_variance = data.noise_variance
        with one_blas_thread():
            S, found = find_simplex(
                data, k, self.n_pixels, self.max_iter, generator, phases
            )
        self.log_likelihood_, self.rivals_, self.mixture_, self.vertices_ = found
        self.converged_ = True
        noise = 0.0
        if self.mixture_ is not None:
            noise = self.mixture_.noise_of_shares(self.vertices_).max()
        S = phases.complete(lambda: spectra_of_all_channels(blocks, data, S, noise))
        S /= np.linalg.norm(S, axis=1, keepdims=True)
        self.is_unique_ = not self.rivals_
        return S, replace(data.low_rank, summary=data.noise.summary)

    @property
    def _most_steps(self):
        return _most_updates(self.max_iter)

    def _reorder(self, order):
        self.rivals_ = [
            replace(rival, spectra=rival.spectra[order]) for rival in self.rivals_
        ]


class _KnownMaximum(Exception):
    """A climb comes to a maximum that is known."""


class _Climbs(IterativeMethod[Fit]):
    """One climb after another; every step is an update of the shares and noise."""

    monotone = False

    def __init__(self, data, cloud, starts, rounds, ends, k):
        self.mixture = FaceMixture(cloud)
        self.data, self.ends, self.k = data, ends, k
        stages = [self.mixture]
        if len(cloud.points) > 2 * _FEW_PIXELS:
            stages.insert(0, FaceMixture(cloud.thinned(_FEW_PIXELS)))
        self.fits = self._fits(starts, stages, rounds)

    def _fits(self, starts, stages, rounds):
        for vertices in starts:
            try:
                for stage in stages:
                    best = None
                    for fit in stage.climb(vertices, rounds, self._stop_where_known):
                        if best is None or fit.objective > best.objective:
                            best = fit
                        yield fit
                    vertices = best.vertices
            except _KnownMaximum:
                continue
            self.ends.append(best)

    def _stop_where_known(self, vertices):
        if is_known(self.mixture.cloud, vertices, self.ends):
            raise _KnownMaximum

    def step(self, state: Fit) -> tuple[Fit, float]:
        fit = next(self.fits, state)
        return fit, -fit.objective

    def is_small(self, old: Fit, new: Fit, decrease: float, objective: float) -> bool:
        # A generator that has ended has no frame: nothing is left to try.
        return self.fits.gi_frame is None

    def n_components(self, state: Fit) -> int:
        return self.k

    def spectra(self, state: Fit) -> NDArray:
        return self.mixture.cloud.spectra(state.vertices)

    def maps(self, state: Fit) -> NDArray:
        return self.data.rough_maps(self.spectra(state))


def _most_updates(rounds: int) -> int:
    """Most updates of shares and noise in all; a climb tells of its start, too."""
    return _STARTS * _STAGES * (rounds + 1) + 1


def find_simplex(
    data: WhitenedData,
    k: int,
    n_pixels: int,
    rounds: int,
    generator: np.random.Generator,
    phases: Phases[Fit],
) -> tuple[NDArray[np.floating], tuple]:
    """The most likely simplex of whitened data, and the rivals it does not exclude.

    Parameters
    ----------
    data : WhitenedData
        From `whitened_signal_space`.
    k : int
        Number of components.
    n_pixels : int
        Most pixels that the likelihood is computed from.
    rounds : int
        Most updates of shares and noise for each start.
    generator : numpy.random.Generator
        Draws the sample of pixels and the starts.
    phases : Phases
        Runs the starts.

    Returns
    -------
    spectra : (k, n_channels) array
        In the units of the data, of unit brightness.
    found : tuple
        Log likelihood, list of rivals, mixture of faces and vertices; the last two are
        None for one component.
    """
    if k == 1:
        S = data.low_rank.basis[:, :1].T * data.noise.column_scale
        phases.outcome = Outcome(None, [0.0])
        return S * np.sign(S.sum()), (np.nan, [], None, None)
    cloud = pixel_cloud(data, k, n_pixels, generator)
    ends: list[Fit] = []
    starts = _starts(data, cloud, k, generator, ends)
    method = _Climbs(data, cloud, starts, rounds, ends, k)
    start = Fit(np.zeros((k, k - 1)), -np.inf, np.zeros(0), np.zeros(0))
    most = _most_updates(rounds)
    found = phases.run(
        "starts",
        lambda _: iterate(method, start, most, phases.monitor, keep_start=False),
    )
    # A fit that was stopped before the first maximum keeps what it had come to.
    best = max(
        ends or [method.mixture.score(found.state.vertices)],
        key=lambda fit: fit.objective,
    )
    rivals = rivals_of(cloud, best, ends)
    return cloud.spectra(best.vertices), (
        best.objective,
        rivals,
        method.mixture,
        best.vertices,
    )


def _number_of_components(blocks, noise, generator):
    """Lower end of the interval of the rank, at least one."""
    from sparsedecomp.decomposition.rank import estimate_rank

    rank = estimate_rank(
        blocks, noise=noise, random_state=int(generator.integers(2**31))
    )
    edge = rank.method in ("bootstrap", "noise_edge")
    return max(rank.interval[0] if edge else rank.n_components, 1)


def _starts(
    data: WhitenedData,
    cloud: PixelCloud,
    k: int,
    generator: np.random.Generator,
    ends: list[Fit],
):
    """Vertices to start from; more of them while the ends found so far disagree."""
    scores = data.low_rank.scores[cloud.rows].astype(np.float64)
    basis = data.low_rank.basis.T * data.noise.column_scale
    seed = int(generator.integers(2**31))
    yield from _geometric_starts(scores, basis, cloud, k, seed)
    if len(ends) < 2 or agree(cloud, *ends[:2]):
        return
    # The same methods without the weights of the noise.
    plain = scores * data.noise.row_scale[cloud.rows, None]
    turn, triangle = np.linalg.qr(basis.T)
    yield from _geometric_starts(plain @ triangle.T, turn.T, cloud, k, seed)


def _geometric_starts(scores, basis, cloud, k, seed):
    for method in (VCA, MinimumVolume):
        model = method(k, random_state=seed)
        with warnings.catch_warnings(), watching_phases(lambda _: None):
            warnings.simplefilter("ignore")
            try:
                spectra = uninterrupted(model.fit(scores)).components_ @ basis
            except ValueError:
                continue
        vertices = cloud.vertices(spectra)
        bright = (spectra / cloud.column_scale) @ cloud.basis @ cloud.brightness > 0
        if bright.all() and np.isfinite(vertices).all():
            yield vertices
