"""Phases of counted spectra: a multinomial mixture with a Potts prior."""

from __future__ import annotations

import logging
from numbers import Integral, Real
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, MatrixLike
from sparsedecomp.decomposition.base import warn_of_end
from sparsedecomp.decomposition.segmentation.clusters import (
    PixelClusters,
    k_means,
    require_pixels,
)
from sparsedecomp.decomposition.segmentation.neighbours import PixelNeighbourhood
from sparsedecomp.noise import count_gain

_logger = logging.getLogger(__name__)

# Annealing: fractions of the coupling, and iterations at each but the last. Chosen on
# the simulations that the docstring of `PottsMixture` describes.
_ANNEALING = (0.3, 0.6, 1.0)
_ITERATIONS_PER_STAGE = 5
# Bounds of the estimated coupling (same simulations).
LEAST_COUPLING, MOST_COUPLING = 4.0, 12.0
# Share of the counts that candidates for the number of clusters are fitted to.
_TRAINING = 0.8
# Standard errors by which a larger number of clusters must predict better (same
# simulations).
_STANDARD_ERRORS = 2.0


class PottsMixture(PixelClusters):
    """Phases of counted spectra by a multinomial mixture with a Potts prior.

    The counts of a pixel of phase ``c`` are a multinomial sample of its composition
    ``p_c`` (share of the counts in every channel or line window), for any thickness.
    Neighbours tend to belong to the same phase: the prior of a pixel is

        P(c) ~ exp(coupling * mean over the eight neighbours of P_j(c)),

    a mean weighted by the inverse distance. Compositions and probabilities are updated
    in turn, the probabilities in the mean-field approximation [1]_. Two measures keep
    data with few counts from collapsing into one phase: the start is a k-means
    clustering of smoothed counts, and the coupling is raised in steps from three tenths
    of its value.

    ``coupling="auto"`` maximises the pseudo-likelihood of the probabilities [2]_,
    between 4 and 12. The lower bound was chosen on simulations of two oxides with known
    truth (Fe/O ratios 0.783 and 0.699 in broad regions, 96 x 96 pixels, 30 to 10,000
    counts per pixel), the rule for the number of phases on similar ones. Adjusted Rand
    indices for two phases, means of six seeds that were not used for these choices,
    compared with k-means of single pixels:

    ===============  =====  =====  =====  =====  =====  ======
    counts a pixel   30     100    300    1000   3000   10,000
    ===============  =====  =====  =====  =====  =====  ======
    mixture          0.71   0.89   0.94   0.98   0.995  1.00
    k-means          0.02   0.05   0.14   0.39   0.76   0.99
    ===============  =====  =====  =====  =====  =====  ======

    The mixture separates phases whose compositions differ by more than the noise of a
    region, even if they differ by less than the noise of a pixel. Inclusions of a few
    pixels with weak contrast are assigned to their surroundings;
    ``coupling=0, smoothing=0`` finds them if they are many or differ strongly. Five
    pixels of 1600 at 4.6 standard deviations are not found even then, because k-means
    splits the noise of the other pixels instead. Mixed pixels are assigned to the
    nearest phase.

    Parameters
    ----------
    n_clusters : int, optional
        Number of phases. Default: the smallest number whose likelihood on held-out
        counts (one in five, drawn at random) is not below the best by more than two
        standard errors, or ``log n_pixels`` nats. Needs whole numbers. It is not the
        number of `estimate_rank`: a phase may be a mixture of other phases' spectra.
    max_clusters : int, default 6
        Largest number of phases tried if `n_clusters` is not given.
    coupling : "auto" or float, default "auto"
        Logarithmic odds that eight neighbours of one phase give to a pixel; a larger
        value gives larger regions. With 0, and for pixels without neighbours, the
        prior of a phase is its overall frequency.
    smoothing : float, default 3
        Standard deviation in pixels of the Gaussian filter of the counts for the start.
    navigation_shape : tuple of int, optional
        Shape of the image, up to three axes, if X is a plain matrix. Without it pixels
        have no neighbours. A `BlockMatrix` has its own.
    n_channels : int, default 64
        Data with more channels are summed over this many groups of adjacent channels,
        with about equal counts in each.
    max_iter : int, default 100
        Largest number of iterations at the full coupling.
    tol : float, default 1e-3
        The fit has converged when the probabilities change by less than this on
        average; a smaller value needs more iterations.
    random_state : int, RandomState instance or None
        Seed of the start and of the held-out counts.

    Attributes
    ----------
    labels_ : (n_pixels,) int array
        Most probable phase, numbered by falling size; -1 for pixels without counts.
    probabilities_ : (n_pixels, n_clusters_) array
        Probability of every phase; NaN for pixels without counts.
    n_clusters_ : int
        Number of phases that have pixels.
    cluster_centers_ : (n_clusters_, n_channels) array
        Mean spectra of the pixels of each phase, in the units of X.
    sizes_ : (n_clusters_,) int array
        Number of pixels of each phase, falling.
    coupling_ : float
        Coupling that was used.
    scores_ : dict of int to (float, float)
        Held-out log-likelihood below the best and its standard error, in nats, for
        each number of phases tried. Empty if the number was given.
    objective_history_ : (n_iter_,) array
        Negative log-likelihood in nats with the neighbours fixed. It may rise while
        the coupling is raised.
    n_iter_ : int
        Number of iterations, those with reduced coupling included.
    converged_ : bool
        Whether the fit met `tol`.
    passes_ : int
        Number of times the whole of X was read.

    References
    ----------
    .. [1] G. Celeux, F. Forbes and N. Peyrard, Pattern Recognit. 36 (2003) 131.
       https://doi.org/10.1016/S0031-3203(02)00027-4
    .. [2] J. Besag, J. R. Stat. Soc. B 48 (1986) 259.
       https://doi.org/10.1111/j.2517-6161.1986.tb01412.x

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.decomposition import PottsMixture
    >>> share = np.where(np.arange(40) < 25, 0.4, 0.6)
    >>> iron = np.random.default_rng(0).binomial(50, np.tile(share, (40, 1)))
    >>> counts = np.stack([iron, 50 - iron], axis=-1)
    >>> model = PottsMixture(n_clusters=2, random_state=0).fit(as_blocks(counts))
    >>> model.sizes_.tolist()
    [1000, 600]
    """

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "max_clusters": [Interval(Integral, 1, None, closed="left")],
        "coupling": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "navigation_shape": [tuple, list, None],
        "n_channels": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        max_clusters: int = 6,
        coupling: float | Literal["auto"] = "auto",
        smoothing: float = 3.0,
        navigation_shape: tuple[int, ...] | None = None,
        n_channels: int = 64,
        max_iter: int = 100,
        tol: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.coupling = coupling
        self.smoothing = smoothing
        self.navigation_shape = navigation_shape
        self.n_channels = n_channels
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: MatrixLike, y: None = None) -> PottsMixture:
        """Find the phases.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Counts of shape (n_pixels, n_channels). Lazy data are read in three passes.
        y : None
            Ignored.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            For NaN, infinity and negative data (the message names the place); if all
            pixels are empty, or fewer than the clusters; for data that are not whole
            numbers if no number of clusters is given.
        """
        self._validate_params()
        blocks = self._blocks(X)
        read_before = blocks.passes
        summary = blocks.describe()
        require_pixels(summary, self.n_clusters)
        groups = _channel_groups(summary.column_sums, self.n_channels)
        counts = blocks.matmul(groups)
        pixels = self._neighbourhood(X, blocks, summary.row_sums > 0)
        generator = np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )
        kept = pixels.kept
        counts = counts[kept].astype(float)
        self.scores_: dict[int, tuple[float, float]] = {}
        k = self.n_clusters
        if k is None:
            if not (summary.whole_numbers and count_gain(blocks)):
                raise ValueError(
                    "The number of clusters is found by holding out counts, but the "
                    "data are no counts. Give n_clusters, or the counts as "
                    "they were measured."
                )
            k = self._choose_n_clusters(pixels, counts, generator)
        Q, self.coupling_, history, self.converged_ = self._fit(
            pixels, counts, k, generator
        )
        labels = np.full(blocks.shape[0], -1)
        labels[kept] = Q.argmax(axis=1)
        order = self._keep(labels, k, blocks)
        self.probabilities_ = np.full((blocks.shape[0], len(order)), np.nan)
        self.probabilities_[kept] = Q[:, order] / Q[:, order].sum(axis=1, keepdims=True)
        self.objective_history_ = np.array(history)
        self.n_iter_ = len(history)
        self.passes_ = blocks.passes - read_before
        if not self.converged_:
            warn_of_end(False, self.n_iter_, self.max_iter)
        return self

    def _neighbourhood(
        self,
        X: MatrixLike,
        blocks: BlockMatrix,
        kept: np.ndarray,
    ) -> PixelNeighbourhood:
        shape = self.navigation_shape
        if isinstance(X, BlockMatrix):
            shape = X.navigation_shape
        if shape is None:
            return PixelNeighbourhood.without_coupling(kept)
        shape = tuple(int(size) for size in shape)
        if len(shape) > 3 or np.prod(shape) <= blocks.rows.max():
            raise ValueError(
                f"The navigation shape {shape} was given for {blocks.shape[0]} pixels, "
                "expected up to three axes with a place for every pixel."
            )
        return PixelNeighbourhood(shape, blocks.rows, kept)

    def _choose_n_clusters(
        self,
        pixels: PixelNeighbourhood,
        counts: np.ndarray,
        generator: np.random.Generator,
    ) -> int:
        """Number of clusters by the likelihood of held-out counts."""
        training = generator.binomial(counts.astype(np.int64), _TRAINING)
        held_out = counts - training
        scores = []
        for k in range(1, min(self.max_clusters, len(counts)) + 1):
            Q = self._fit(pixels, training.astype(float), k, generator)[0]
            L = held_out @ np.log(_compositions(Q, training)).T
            scores.append(logsumexp(L, axis=1, b=Q))
        totals = [score.sum() for score in scores]
        best = int(np.argmax(totals))
        for number, score in enumerate(scores):
            below = scores[best] - score
            error = float(np.sqrt(len(below)) * below.std())
            self.scores_[number + 1] = (float(-below.sum()), error)
        # The largest of several likelihoods exceeds the others by some nats by chance,
        # even where each standard error is small.
        chance = np.log(len(counts))
        chosen = next(
            k
            for k, (below, error) in self.scores_.items()
            if -below <= max(_STANDARD_ERRORS * error, chance)
        )
        _logger.info("%d clusters of %s", chosen, self.scores_)
        return chosen

    def _fit(
        self,
        pixels: PixelNeighbourhood,
        counts: np.ndarray,
        k: int,
        generator: np.random.Generator,
    ) -> tuple[np.ndarray, float, list[float], bool]:
        """Probabilities (n, k), the coupling, the history, whether it converged."""
        Q = np.eye(k)[self._initial_labels(pixels, counts, k, generator)]
        history: list[float] = []
        change = np.inf
        coupling = 0.0 if self.coupling == "auto" else float(self.coupling)
        for fraction in _ANNEALING:
            last = fraction == _ANNEALING[-1]
            for _ in range(self.max_iter if last else _ITERATIONS_PER_STAGE):
                L = counts @ np.log(_compositions(Q, counts)).T
                L -= L.max(axis=1, keepdims=True)
                field = pixels.field(Q)
                if self.coupling == "auto" and k > 1 and pixels.connected:
                    coupling = _pseudo_likelihood_coupling(Q, field)
                prior = fraction * coupling * field
                unary = L
                if coupling == 0:
                    # Without spatial coupling the prior is the frequency of the phases.
                    prior = np.log(np.maximum(Q.mean(axis=0, keepdims=True), 1e-12))
                    unary = L + prior
                history.append(_negative_log_likelihood(L, prior))
                before = Q.copy()
                pixels.solve_mean_field(Q, unary, fraction * coupling)
                change = np.abs(Q - before).sum() / len(Q)
                if change <= self.tol:
                    break
        return Q, coupling, history, bool(change <= self.tol)

    def _initial_labels(
        self,
        pixels: PixelNeighbourhood,
        counts: np.ndarray,
        k: int,
        generator: np.random.Generator,
    ) -> np.ndarray:
        smooth = pixels.smoothed(counts, self.smoothing)
        total = smooth.sum(axis=1)
        shares = smooth / total[:, None]
        scale = np.sqrt(counts.sum(axis=0) / counts.sum())
        shares /= np.where(scale > 0, scale, 1.0)
        seed = int(generator.integers(2**31))
        return k_means(k, 5, seed, shares, total).labels_


def _channel_groups(column_sums: np.ndarray, n_groups: int) -> np.ndarray:
    """Matrix (n_channels, m) that sums adjacent channels to about equal counts."""
    n = len(column_sums)
    if n <= n_groups:
        return np.eye(n)
    share = (np.cumsum(column_sums) - column_sums / 2) / column_sums.sum()
    group = np.minimum((share * n_groups).astype(int), n_groups - 1)
    return np.eye(n_groups)[:, np.unique(group)][group]


def _compositions(Q: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Shares (k, m) of the counts, with one count of the mean composition added."""
    total = counts.sum(axis=0)
    sums = Q.T @ counts + (total + 1e-12 * total.sum()) / total.sum()
    return sums / sums.sum(axis=1, keepdims=True)


def _pseudo_likelihood_coupling(Q: np.ndarray, field: np.ndarray) -> float:
    def negative(coupling: float) -> float:
        return logsumexp(coupling * field, axis=1).sum() - coupling * np.vdot(Q, field)

    bounds = (LEAST_COUPLING, MOST_COUPLING)
    return float(
        minimize_scalar(
            negative, bounds=bounds, method="bounded", options={"xatol": 0.01}
        ).x
    )


def _negative_log_likelihood(L: np.ndarray, prior: np.ndarray) -> float:
    prior = prior - logsumexp(prior, axis=1, keepdims=True)
    return -float(logsumexp(L + prior, axis=1).sum())
