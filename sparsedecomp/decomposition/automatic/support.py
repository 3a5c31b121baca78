"""A support in every pixel: the zeros of the spectra against the cloud of pixels.

Where a support lies under everything, no pixel is pure, and the most likely simplex of
the pixels has mixtures of a phase and the support for vertices. What tells them from
phases are channels: a line that belongs to some of the phases is a point on a facet of
the simplex of *channels*, whose coordinates are the shares of the components in the
counts of a channel. It is the dual of the simplex of pixels: its vertices are a
function of the spectra. So two answers for the spectra have a likelihood of the
channels each.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.iterate import uninterrupted
from sparsedecomp.decomposition.poisson.nmf_kl import PoissonNMF
from sparsedecomp.decomposition.simplex_likelihood.face_mixture import FaceMixture
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import (
    PixelCloud,
    pixel_cloud,
    whitened_signal_space,
)
from sparsedecomp.decomposition.simplex_likelihood.shares import fit_shares
from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import SimplexML
from sparsedecomp.metrics import match_components

# Poisson NMF is far from converged at its defaults where a support lies under all
# (eight degrees instead of one in the study behind this rule).
_ITERATIONS, _TOL = 5000, 1e-7
# Answers that differ by less than this angle (degrees) need no decision.
_APART = 4.0
# Neighbouring channels are put together while their shares agree at this level.
_SAME_SHARES = 0.01
# Nats by which channels must prefer the spectra of Poisson NMF, and nats of pure pixels
# that outweigh them: the second plus this many times what the channels prefer. On
# twenty development scenes of particles on a support the evidence of pure pixels is up
# to 51 times the preference, since the particles' tops are flat; answers that are right
# have as little in some scenes of few channels or vacuum. A smaller factor misses
# supports, a larger one doubts more right answers.
_LEAST_NATS, _PURE_NATS, _PURE_FACTOR = 1.0, 10.0, 60.0
# Mean counts in a channel of a pixel from which on the rule is not asked: it is made
# for the peaks of EDX, and Poisson NMF of smooth spectra of many counts takes long and
# ends ten degrees off.
_MOST_COUNTS = 20.0
_EM_STEPS = 50


@dataclass(frozen=True)
class SupportRival:
    """Spectra by Poisson NMF that the channels prefer to the cloud's.

    Attributes
    ----------
    spectra : (k, n_channels) array
        Each matched with the component of the same number.
    angle : float
        Largest angle in degrees to the answer of the cloud.
    preference : float
        By how many nats the channels prefer them.
    pure : float
        Least evidence in nats for pure pixels of the components that differ.
    """

    spectra: NDArray[np.floating]
    angle: float
    preference: float
    pure: float


def support_rival(
    model: SimplexML, blocks: BlockMatrix, unit: float, seed: int
) -> SupportRival | None:
    """Compare the answer of the cloud with converged Poisson NMF.

    Parameters
    ----------
    model : SimplexML
        Fitted to counts.
    blocks : BlockMatrix
        What it was fitted to.
    unit : float
        Size of one count.
    seed : int
        Seed of the start of Poisson NMF.

    Returns
    -------
    SupportRival or None
        None where the counts are many, where the answers agree, where the channels do
        not prefer the rival, or where pure pixels outweigh the channels.
    """
    mixture = model.mixture_
    cloud, k = mixture.cloud, model.n_components_
    S = cloud.spectra(model.vertices_)
    (Y,), _ = blocks.select(cloud.rows).run(_rows)
    Y = Y.astype(np.float64)
    if Y.mean() > _MOST_COUNTS * unit:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = PoissonNMF(k, random_state=seed, max_iter=_ITERATIONS, tol=_TOL)
        uninterrupted(fit.fit(Y))
    if fit.n_components_ < k:
        return None
    _, order, angles = match_components(S, fit.components_)
    apart = angles > _APART
    if not apart.any():
        return None
    other = np.maximum(fit.components_[order], 1e-12)
    preference = _channel_preference(cloud, Y, S, other)
    pure = mixture.evidence_of_pure_pixels(model.vertices_)[apart].min()
    outweighed = pure > _PURE_NATS + _PURE_FACTOR * preference
    if not preference > _LEAST_NATS or outweighed:
        return None
    return SupportRival(other, float(angles.max()), float(preference), float(pure))


def _rows(X):
    """A block as it is read; a function for `BlockMatrix.run`."""
    return (X.toarray() if hasattr(X, "toarray") else X,), ()


def _channel_preference(cloud, Y, S, other):
    """By how many nats the channels prefer the other spectra; NaN if neither fits."""
    k = len(S)
    generator = np.random.default_rng(0)
    present = Y.sum(axis=0) > 0
    data = whitened_signal_space(
        as_blocks(np.ascontiguousarray(Y[:, present].T)),
        k,
        2 * k + 8,
        "poisson",
        generator,
    )
    channels = pixel_cloud(data, k, len(Y[0]), generator, darkest=0.0)
    merged = _merged(channels)
    mixture, null = FaceMixture(merged), _gaussian(merged)
    y = (Y / cloud.column_scale) @ cloud.basis
    likelihoods = []
    for spectra in (S, other):
        F = (spectra / cloud.column_scale) @ cloud.basis
        shares = np.linalg.solve(F.T, y.T)
        if not (shares.sum(axis=1) > 0).all():
            return np.nan
        L, _ = mixture.densities_of_faces(channels.vertices(shares))
        # The whole simplex would reward small ones: contact with facets alone counts.
        L[:, -1] = null
        likelihoods.append(fit_shares(L, merged.weight)[1].sum())
    return likelihoods[1] - likelihoods[0]


def _merged(channels: PixelCloud) -> PixelCloud:
    """Neighbouring channels put together while their shares agree within the noise."""
    points = list(channels.points)
    precision = list(1 / channels.variance)
    limit = chi2.ppf(1 - _SAME_SHARES, channels.points.shape[1])

    def distance(i: int) -> float:
        apart = np.square(points[i] - points[i + 1]).sum()
        return apart / (1 / precision[i] + 1 / precision[i + 1])

    distances = [distance(i) for i in range(len(points) - 1)]
    while distances and min(distances) <= limit:
        i = int(np.argmin(distances))
        total = precision[i] + precision[i + 1]
        points[i] = (
            points[i] * precision[i] + points[i + 1] * precision[i + 1]
        ) / total
        precision[i] = total
        del points[i + 1], precision[i + 1], distances[i]
        if i < len(distances):
            distances[i] = distance(i)
        if i > 0:
            distances[i - 1] = distance(i - 1)
    return replace(
        channels,
        points=np.array(points),
        variance=1 / np.array(precision),
        weight=np.ones(len(points)),
    )


def _gaussian(channels: PixelCloud) -> NDArray[np.float64]:
    """Log density of each point under one Gaussian behind its noise, by EM."""
    u, variance = channels.points, channels.variance
    D = u.shape[1]
    noise = variance[:, None, None] * np.eye(D)
    mean = np.average(u, axis=0, weights=1 / variance)
    C = np.cov(u.T).reshape(D, D)
    for _ in range(_EM_STEPS):
        gain = C @ np.linalg.inv(C + noise)
        expected = mean + (gain @ (u - mean)[:, :, None])[:, :, 0]
        left = (C - gain @ C).sum(axis=0)
        mean = expected.mean(axis=0)
        C = ((expected - mean).T @ (expected - mean) + left) / len(u)
    M, x = C + noise, u - mean
    squares = np.einsum("ia,iab,ib->i", x, np.linalg.inv(M), x)
    return -0.5 * squares - 0.5 * np.linalg.slogdet(2 * np.pi * M)[1]
