"""Clusters of pixels of similar composition by k-means, in units of the noise."""

from __future__ import annotations

from numbers import Integral
from typing import Literal

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, MatrixLike
from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
from sparsedecomp.decomposition.segmentation.clusters import (
    PixelClusters,
    k_means,
    require_pixels,
)
from sparsedecomp.noise import refuse_negative, signal_space

# Data of up to this many channels are clustered as they are, others in their signal
# space of about ten directions: the cost of k-means grows with the dimension.
_FEW_CHANNELS = 32


class CompositionKMeans(PixelClusters):
    """k-means of spectra or line windows, with differences in units of the noise.

    With ``scaling="poisson"`` pixels are compared by composition (shares of their
    counts), and squared differences are divided by the noise variance that Keenan and
    Kotula's weights [1]_ predict: bright pixels weigh more than dark ones, since their
    shares are more precise, and channels with few counts are not hidden by the noise
    of intense ones. Spectra with many channels are clustered in their signal space,
    after a few passes over the data and with about ten numbers per pixel in memory.

    If the number of clusters is not given, it is the one that minimises

        inertia + 2 n sum_c -f_c log f_c + (k d + k - 1) log n,

    the classification likelihood of [2]_ for noise of variance one in ``d``
    dimensions, where ``f_c`` are the shares of the clusters. Two clusters closer than
    about two standard deviations of a pixel count as one.

    The method separates phases that single pixels can tell apart. Where the noise is
    larger than the difference of the phases, it splits the noise: the centres move
    apart and do not estimate the compositions. Use `PottsMixture` then.

    Parameters
    ----------
    n_clusters : int, optional
        Number of clusters. Default: chosen by the criterion above. It is not the number
        of `estimate_rank`: mixtures of two spectra can form any number of clusters.
    max_clusters : int, default 8
        Largest number of clusters tried if `n_clusters` is not given.
    scaling : {"poisson", "uniform"}
        With "poisson" compositions of counts are compared. With "uniform" amounts are
        compared, in units of the noise outside of the signal space; for data that are
        not counts and may be negative.
    n_init : int, default 10
        Number of k-means++ starts; the best of them is kept.
    random_state : int, RandomState instance or None
        Seed of the starts and of the compression.

    Attributes
    ----------
    labels_ : (n_pixels,) int array
        Cluster of each pixel, numbered by falling size; -1 for pixels without counts.
    n_clusters_ : int
        Number of clusters that have pixels.
    cluster_centers_ : (n_clusters_, n_channels) array
        Mean spectra of the pixels of each cluster, in the units of X.
    sizes_ : (n_clusters_,) int array
        Number of pixels of each cluster, falling.
    inertia_ : float
        Sum of squared differences to the centres, in units of the noise.
    scores_ : dict of int to float
        Value of the criterion for each number of clusters tried.
    passes_ : int
        Number of times the whole of X was read.

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
        n_clusters: int | None = None,
        *,
        max_clusters: int = 8,
        scaling: Literal["poisson", "uniform"] = "poisson",
        n_init: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.scaling = scaling
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: MatrixLike, y: None = None) -> CompositionKMeans:
        """Find the clusters.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels).
        y : None
            Ignored.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            For NaN and infinity, and for negative data with "poisson" (the message
            names the place); if all pixels are empty, or fewer than the clusters.
        """
        self._validate_params()
        blocks = self._blocks(X)
        read_before = blocks.passes
        seed = check_random_state(self.random_state).randint(2**31)
        points, weights = self._whitened_points(blocks, seed)
        seen = weights > 0
        n, d = points[seen].shape
        if self.n_clusters is None:
            candidates = list(range(1, min(self.max_clusters, n) + 1))
        else:
            candidates = [self.n_clusters]
        self.scores_, best = {}, None
        for k in candidates:
            means = k_means(k, self.n_init, seed, points[seen], weights[seen])
            share = np.bincount(means.labels_, minlength=k) / n
            entropy = -np.sum(share * np.log(np.where(share > 0, share, 1.0)))
            score = means.inertia_ + 2 * n * entropy + (k * d + k - 1) * np.log(n)
            self.scores_[k] = float(score)
            if score <= min(self.scores_.values()):
                best = means
        labels = np.full(blocks.shape[0], -1)
        labels[seen] = best.labels_
        self.inertia_ = float(best.inertia_)
        self._keep(labels, best.n_clusters, blocks)
        self.passes_ = blocks.passes - read_before
        return self

    def _whitened_points(
        self, blocks: BlockMatrix, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of the pixels in units of the noise, and their weights."""
        summary = blocks.describe()
        require_pixels(
            summary, self.n_clusters, empty_allowed=self.scaling == "uniform"
        )
        n, m = blocks.shape
        total = summary.row_sums
        weights, noise = np.ones(n), None
        if self.scaling == "poisson":
            refuse_negative(summary)
            blocks = blocks.poisson_scaled()
            weights = total / total.mean()
            # After Keenan and Kotula's scaling every entry has the variance of the mean
            # count.
            noise = total.mean() / m
        if m <= _FEW_CHANNELS:
            scores = blocks.matmul(np.eye(m)).astype(float)
            if noise is None and self.n_clusters is None:
                raise ValueError(
                    f"The noise of data with {m} channels cannot be estimated, and the "
                    "number of clusters depends on it: give n_clusters, or counts "
                    "with scaling='poisson'."
                )
            noise = noise or 1.0
        else:
            rank = (self.n_clusters or self.max_clusters) + OVERSAMPLING
            compressed = signal_space(blocks, rank, seed)
            scores = compressed.scores.astype(float)
            noise = noise or compressed.noise_variance or 1.0
        points = scores / np.sqrt(noise)
        if self.scaling == "poisson":
            points /= np.sqrt(np.where(weights > 0, weights, 1.0))[:, None]
        return points, weights
