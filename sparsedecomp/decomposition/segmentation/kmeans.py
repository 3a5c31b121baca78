"""Clusters of like composition by k-means, in units of the noise."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
from sparsedecomp.noise.signal_space import signal_space
from sparsedecomp.noise.weights import refuse_negative

# Data of as few channels are taken as they are, others in their signal space.
_FEW_CHANNELS = 32


class CompositionKMeans(ClusterMixin, BaseEstimator):
    """k-means of spectra or line windows, every difference in units of its noise.

    With ``scaling="poisson"`` pixels are compared by their composition, the shares of
    their counts, and a squared difference is divided by what Keenan and Kotula's
    weights [1]_ expect of the noise: a bright pixel weighs as much more than a dark
    one as its shares are surer, and a channel of few counts does not drown in the
    noise of a strong one. Spectra of many channels are met in their signal space: a few
    passes over the data, then ``n_pixels`` times some ten numbers in memory.

    The number of clusters, if it is not given, is the one with the least

        inertia + 2 n sum_c -f_c log f_c + (k d + k - 1) log n,

    the classification likelihood of [2]_ for noise of variance one in ``d``
    dimensions, where ``f_c`` are the shares of the clusters: two clusters whose
    distance is below about two standard deviations of a pixel count as one.

    What it can decide: phases that single pixels tell apart. Where noise is larger than
    the difference, the centres move apart (each takes its half of the noise) and are
    no estimates of the compositions: see `PottsMixture`.

    Parameters
    ----------
    n_clusters : int, optional
    max_clusters : int, default 8
        Most that are tried where no number is given.
    scaling : {"poisson", "uniform"}
        "uniform" compares amounts, in units of the noise outside of the signal space:
        for data that are no counts, and may be negative.
    n_init : int, default 10
        Starts of k-means++.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    labels_ : (n_pixels,) int array
        Cluster of each pixel, the largest 0; -1 for pixels without counts.
    n_clusters_ : int
    cluster_centers_ : (n_clusters_, n_channels) array
        Mean spectra of the pixels of each cluster, in the units of X.
    sizes_ : (n_clusters_,) int array
        Pixels, falling.
    inertia_ : float
        Sum of squared differences to the centres, in units of the noise.
    scores_ : dict of int to float
        The criterion for each number of clusters tried.
    passes_ : int
        Reads of the whole of X.

    References
    ----------
    .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657
    .. [2] C. Biernacki, G. Celeux and G. Govaert, IEEE Trans. Pattern Anal. Mach.
       Intell. 22 (2000) 719. https://doi.org/10.1109/34.865189

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import CompositionKMeans
    >>> share = np.repeat([0.2, 0.8], [60, 40])
    >>> iron = np.random.default_rng(0).binomial(200, share)
    >>> counts = np.column_stack([iron, 200 - iron])
    >>> CompositionKMeans(random_state=0).fit(counts).sizes_.tolist()
    [60, 40]
    """

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "max_clusters": [Interval(Integral, 1, None, closed="left")],
        "scaling": [StrOptions({"poisson", "uniform"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters=None,
        *,
        max_clusters=8,
        scaling="poisson",
        n_init=10,
        random_state=None,
    ):
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.scaling = scaling
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the clusters.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels).
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN and infinity, and for negative data with "poisson", naming the
            place; where all pixels are empty, or are fewer than the clusters.
        """
        self._validate_params()
        blocks = segmentation_blocks(self, X)
        read_before = blocks.passes
        seed = check_random_state(self.random_state).randint(2**31)
        points, weights = self._points(blocks, seed)
        seen = weights > 0
        n, d = points[seen].shape
        if self.n_clusters is None:
            candidates = range(1, min(self.max_clusters, n) + 1)
        else:
            candidates = (self.n_clusters,)
        self.scores_, best = {}, None
        for k in candidates:
            means = KMeans(k, n_init=self.n_init, random_state=seed)
            with warnings.catch_warnings():
                # Fewer distinct pixels than clusters: those left over stay empty.
                warnings.simplefilter("ignore", ConvergenceWarning)
                means.fit(points[seen], sample_weight=weights[seen])
            share = np.bincount(means.labels_, minlength=k) / n
            entropy = -np.sum(share * np.log(np.where(share > 0, share, 1.0)))
            score = means.inertia_ + 2 * n * entropy + (k * d + k - 1) * np.log(n)
            self.scores_[k] = float(score)
            if score <= min(self.scores_.values()):
                best = means
        labels = np.full(blocks.shape[0], -1)
        labels[seen] = best.labels_
        order, self.labels_, self.sizes_ = by_size(labels, best.n_clusters)
        self.n_clusters_ = len(order)
        self.cluster_centers_ = mean_spectra(blocks, self.labels_, self.sizes_)
        self.inertia_ = float(best.inertia_)
        self.passes_ = blocks.passes - read_before
        return self

    def _points(self, blocks, seed):
        """Pixels with unit noise times the root of their weights, and these weights."""
        summary = blocks.describe()
        require_pixels(
            summary, self.n_clusters, empty_allowed=self.scaling == "uniform"
        )
        n, m = blocks.shape
        total = summary.row_sums
        weights, noise = np.ones(n), None
        if self.scaling == "poisson":
            refuse_negative(summary)
            blocks = blocks.poisson_scaled(summary)
            weights = total / total.mean()
            # The weights leave the mean count as variance everywhere.
            noise = total.mean() / m
        if m <= _FEW_CHANNELS:
            scores = blocks.matmul(np.eye(m)).astype(float)
            if noise is None and self.n_clusters is None:
                raise ValueError(
                    f"Data of {m} channels do not tell their noise, which the number "
                    "of clusters depends on: give n_clusters, or counts with "
                    "scaling='poisson'."
                )
            noise = noise or 1.0
        else:
            rank = (self.n_clusters or self.max_clusters) + OVERSAMPLING
            low = signal_space(blocks, rank, seed)
            scores = low.scores.astype(float)
            noise = noise or low.noise_variance or 1.0
        points = scores / np.sqrt(noise)
        if self.scaling == "poisson":
            mean = np.where(weights > 0, weights, 1.0)
            points /= np.sqrt(mean)[:, None]
        return points, weights

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self.scaling == "poisson"
        tags.input_tags.sparse = True
        return tags


def segmentation_blocks(estimator, X):
    """The data as a matrix of blocks; sets ``n_features_in_`` of the estimator."""
    if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
        X = validate_data(
            estimator, X, accept_sparse="csr", dtype="numeric", ensure_all_finite=False
        )
    blocks = as_blocks(X)
    estimator.n_features_in_ = blocks.shape[1]
    return blocks


def require_pixels(summary, n_clusters, *, empty_allowed=False):
    """Raise ValueError where there are too few pixels that hold anything.

    Parameters
    ----------
    summary : Summary
    n_clusters : int or None
    empty_allowed : bool, default False
        Whether negative and empty pixels are pixels like others.
    """
    seen = len(summary.row_sums)
    if not empty_allowed:
        refuse_negative(summary)
        seen = int(np.count_nonzero(summary.row_sums))
    if not seen:
        raise ValueError("The data are zero everywhere; there is nothing to segment.")
    if n_clusters is not None and n_clusters > seen:
        raise ValueError(
            f"n_clusters = {n_clusters} was given for n_samples = {seen} pixels that "
            f"hold counts, expected at most {seen}."
        )


def by_size(labels, k):
    """Number clusters by falling size and drop empty ones.

    Parameters
    ----------
    labels : (n_pixels,) int array
        From 0 to ``k - 1``, -1 for none.
    k : int

    Returns
    -------
    order : (k2,) int array
        Old numbers of the clusters.
    labels : (n_pixels,) int array
    sizes : (k2,) int array
    """
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    new = np.full(k + 1, -1)
    new[order] = np.arange(len(order))
    if len(order) < k:
        warnings.warn(
            f"{k - len(order)} of {k} clusters have no pixel and were dropped.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return order, new[labels], sizes[order]


def mean_spectra(blocks, labels, sizes):
    """Mean spectra (k, n_channels) of labelled pixels, in one pass."""
    one_hot = labels[:, None] == np.arange(len(sizes))
    return blocks.rmatmul(one_hot.astype(float)).T / sizes[:, None]
