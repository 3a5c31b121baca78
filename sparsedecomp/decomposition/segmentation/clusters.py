"""Base class of the estimators that sort pixels into clusters."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import validate_data

from sparsedecomp.blocks import BlockMatrix, MatrixLike, as_blocks
from sparsedecomp.blocks.summary import Summary
from sparsedecomp.noise import refuse_negative


class PixelClusters(ClusterMixin, BaseEstimator):
    """Clusters of pixels, from data that are read block by block."""

    def _blocks(self, X: MatrixLike) -> BlockMatrix:
        """The data as a `BlockMatrix`."""
        if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
            X = validate_data(
                self, X, accept_sparse="csr", dtype="numeric", ensure_all_finite=False
            )
        blocks = as_blocks(X)
        self.n_features_in_ = blocks.shape[1]
        return blocks

    def _keep(self, labels: np.ndarray, k: int, blocks: BlockMatrix) -> np.ndarray:
        """Keep the clusters by falling size; their former numbers are returned."""
        order, self.labels_, self.sizes_ = by_size(labels, k)
        self.n_clusters_ = len(order)
        self.cluster_centers_ = mean_spectra(blocks, self.labels_, self.sizes_)
        return order

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = getattr(self, "scaling", "poisson") == "poisson"
        tags.input_tags.sparse = True
        return tags


def k_means(
    k: int, n_init: int, seed: int, points: np.ndarray, weights: np.ndarray
) -> KMeans:
    """Clusters of weighted points.

    Parameters
    ----------
    k : int
        Number of clusters.
    n_init : int
        Number of starts.
    seed : int
        Seed of the starts.
    points : (n, d) array
        The points.
    weights : (n,) array
        Weight of each point.

    Returns
    -------
    sklearn.cluster.KMeans
        The fitted estimator.
    """
    with warnings.catch_warnings():
        # With fewer distinct points than clusters, some clusters stay empty; `by_size`
        # warns of them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(k, n_init=n_init, random_state=seed)
        return means.fit(points, sample_weight=weights)


def require_pixels(
    summary: Summary, n_clusters: int | None, *, empty_allowed: bool = False
) -> None:
    """Raise ValueError if too few pixels hold anything.

    Parameters
    ----------
    summary : Summary
        Summary of the data.
    n_clusters : int or None
        Number of clusters that was asked for.
    empty_allowed : bool, default False
        Whether negative and empty pixels are accepted and counted.
    """
    n_pixels = len(summary.row_sums)
    if not empty_allowed:
        refuse_negative(summary)
        n_pixels = int(np.count_nonzero(summary.row_sums))
    if not n_pixels:
        raise ValueError("The data are zero everywhere; there is nothing to segment.")
    if n_clusters is not None and n_clusters > n_pixels:
        raise ValueError(
            f"n_clusters = {n_clusters} was given for n_samples = {n_pixels} pixels "
            f"that hold counts, expected at most {n_pixels}."
        )


def by_size(labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number clusters by falling size and drop empty ones.

    Parameters
    ----------
    labels : (n_pixels,) int array
        Cluster of each pixel, from 0 to ``k - 1``, or -1 for none.
    k : int
        Number of clusters before empty ones are dropped.

    Returns
    -------
    order : (k2,) int array
        Former number of each cluster.
    labels : (n_pixels,) int array
        New number of the cluster of each pixel, -1 for none.
    sizes : (k2,) int array
        Number of pixels of each cluster, falling.
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
            stacklevel=4,
        )
    return order, new[labels], sizes[order]


def mean_spectra(
    blocks: BlockMatrix, labels: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Mean spectrum (k, n_channels) of each cluster, in one pass over the data."""
    one_hot = labels[:, None] == np.arange(len(sizes))
    return blocks.rmatmul(one_hot.astype(float)).T / sizes[:, None]
