"""Posterior of a mixture of Gaussian processes: strength and direction by place."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
from scipy.linalg import lapack
from scipy.special import logsumexp

from sparsedecomp.blocks.sources import thread_count
from sparsedecomp.superresolution.gaussian_process.tiles import Tiles
from sparsedecomp.superresolution.threads import in_threads

# Pixels of the frames between windows, and around: they are four wide, and overlap.
_STEP, _AROUND = 2, 1
# Of the candidates: variances over that of the process, long over short length and the
# number of directions of these.
_STRENGTHS = (1 / 64, 1 / 4, 1.0, 4.0)
_RATIOS = (4.0, 16.0)
_DIRECTIONS = 6
# Candidates with a smaller share in a window are left out of it.
_SHARE = 0.02
# Iterations for the shares, and windows that they are found from.
_ROUNDS, _MOST = 40, 5000
# A window's predictions count less towards its edge: standard deviation, in its width.
_TAPER = 0.25
# Samples that are solved for at once.
_AT_ONCE = 2**20


def oriented_posterior(geometry, Y, processes, mask=None, at=None):
    """Mean and standard deviation of a map whose direction changes from place to place.

    Every small window of samples is a draw of one of some processes: that of the whole
    field, weaker and stronger ones, and such with a long and a short length, along six
    directions. Their shares ``pi`` in all windows maximise the likelihood (expectation
    maximisation), the share in a window is ``r_k ~ pi_k p(y | process k)``, and its map
    is the mean of the posteriors,

    ``mu = sum_k r_k mu_k``, ``s^2 = sum_k r_k (s_k^2 + mu_k^2) - mu^2``,

    a mixture of Gaussians for patches [1]_, here for samples at any places. Windows
    overlap and are averaged, each by its variance. What is smooth along an edge is
    averaged along the edge, what is even everywhere.

    Parameters
    ----------
    geometry : Geometry
        With the shifts of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Masked samples may hold anything.
    processes : sequence of Process
        One for each factor; the candidates of all go by one pair of lengths.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    at : (n_frames, rows, columns) bool array, optional
        True for places of samples that are asked for; default: the fine grid.

    Returns
    -------
    mean, deviation : (H, W, n_factors) arrays
        In the dtype of ``Y``. With ``at`` both have the shape of ``Y``.

    References
    ----------
    .. [1] G. Yu, G. Sapiro and S. Mallat, IEEE Trans. Image Process. 21 (2012) 2481.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import *
    >>> geometry = Geometry.around([[0, 0], [0.5, 0.5]], (12, 12), 2)
    >>> y, x = np.indices(geometry.shape)
    >>> edge = np.tanh((y - x / 2 - 5) / 2)[..., None]
    >>> noise = 0.2 * np.random.default_rng(0).normal(size=(2, 12, 12, 1))
    >>> Y = FrameOperator(geometry).forward(edge) + noise
    >>> process = Process(variance=1.0, noise=0.04, lengths=(3.0, 3.0), twice_nu=5)
    >>> even, _ = posterior(geometry, Y, [process])
    >>> mean, deviation = oriented_posterior(geometry, Y, [process])
    >>> bool(np.std(mean - edge) < 0.9 * np.std(even - edge))
    True
    """
    mask = np.zeros(Y.shape[:3], bool) if mask is None else np.asarray(mask, bool)
    level = np.array([Y[..., c][~mask].mean() for c in range(Y.shape[-1])])
    tiles = Tiles(geometry, mask, _STEP, _AROUND, over=_AROUND, wanted=at)
    banks, turns = _candidates(processes)
    parts = list(_parts(tiles, Y.shape[-1]))
    evidence = in_threads(lambda p: _evidence(tiles, p, Y, level, banks, turns), parts)
    shares = _shares(np.concatenate(evidence, axis=1))
    total, mean, square = (tiles.empty(Y.shape[-1], Y.dtype) for _ in range(3))

    def one(item):
        part, own = item
        own = own + np.log(shares)[:, None]
        own = np.exp(own - logsumexp(own, axis=0))
        own[own < _SHARE] = 0
        own /= own.sum(axis=0)
        return _predicted(tiles, part, Y, level, banks, turns, own)

    items = iter(zip(parts, evidence, strict=True))
    while some := list(islice(items, thread_count())):
        for targets, weight, m, s in in_threads(one, some):
            for k, target in enumerate(targets):
                total[target] += weight[:, k]
                mean[target] += weight[:, k] * m[:, k]
                square[target] += weight[:, k] * s[:, k]
    asked = total > 0
    np.divide(mean, total, out=mean, where=asked)
    np.divide(square, total, out=square, where=asked)
    mean += np.where(asked, level.astype(Y.dtype), 0)
    return tiles.shaped(mean), tiles.shaped(np.sqrt(square))


def _candidates(processes):
    """Processes of each factor, and the turn (2, 2) of the axes of each candidate.

    Variances are powers of four times the noise, so that factors share them.
    """
    variances = np.array([p.variance for p in processes])
    first = processes[int(np.argmax(variances / [p.noise for p in processes]))]
    weights = variances / variances.sum()
    lengths = np.exp(weights @ np.log([p.lengths for p in processes]))
    round_ = (np.sqrt(np.prod(lengths)),) * 2
    level = max(p.level + p.variance for p in processes)
    shapes = [(tuple(lengths), 0.0)]
    for ratio in _RATIOS:
        stretched = (round_[0] * np.sqrt(ratio), round_[0] / np.sqrt(ratio))
        shapes += [(stretched, np.pi * d / _DIRECTIONS) for d in range(_DIRECTIONS)]
    banks = []
    for p in processes:
        steps = np.round(np.log(p.variance / p.noise) / np.log(4))
        own = replace(
            p, variance=p.noise * 4.0**steps, level=level, twice_nu=first.twice_nu
        )
        banks.append(
            [
                replace(own, variance=own.variance * s, lengths=tuple(map(float, pair)))
                for s in _STRENGTHS
                for pair, _ in shapes
            ]
        )
    turns = [
        np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        for _ in _STRENGTHS
        for _, a in shapes
    ]
    return banks, turns


def _parts(tiles, n_factors):
    """Tiles of one arrangement, not too many at once, as lists of (row, column)."""
    alike = {}
    for i in range(len(tiles.starts[0])):
        for j in range(len(tiles.starts[1])):
            alike.setdefault(tiles.arrangement(i, j), []).append((i, j))
    for group in alike.values():
        n = max(1, _AT_ONCE // max(1, tiles.points(*group[0])[1].size * n_factors))
        yield from (group[k : k + n] for k in range(0, len(group), n))


def _samples(tiles, part, Y, level):
    """Samples of the tiles of a part, (n_factors, n_samples, n_tiles)."""
    z = np.stack([Y[tiles.samples(*tile)] for tile in part], axis=-1)
    return z.swapaxes(0, 1) - level[:, None, None]


def _evidence(tiles, part, Y, level, banks, turns):
    """Log evidence of every tile under every candidate, (n_candidates, n_tiles)."""
    _, places = tiles.points(*part[0])
    Z = _samples(tiles, part, Y, level)
    found = np.zeros((len(turns), len(part)))
    if not len(places):
        return found
    kept = {}
    for k, turn in enumerate(turns):
        kept.clear()
        for z, bank in zip(Z, banks, strict=True):
            if bank[k] not in kept:
                C = bank[k].samples(places @ turn)
                kept[bank[k]] = lapack.dpotrf(C, lower=True)[0]
            factor = kept[bank[k]]
            a = lapack.dtrtrs(factor, z, lower=True)[0]
            found[k] -= np.log(np.diag(factor)).sum() + 0.5 * (a * a).sum(axis=0)
    return found


def _shares(evidence):
    """Shares of the candidates that maximise the likelihood of all tiles."""
    every = max(1, evidence.shape[1] // _MOST)
    evidence = evidence[:, ::every]
    shares = np.full(len(evidence), 1 / len(evidence))
    for _ in range(_ROUNDS):
        own = evidence + np.log(shares)[:, None]
        own = np.exp(own - logsumexp(own, axis=0))
        shares = np.maximum(own.mean(axis=1), 1e-12)
    return shares


def _predicted(tiles, part, Y, level, banks, turns, own):
    """Targets of each tile; weights, means and variances of the predictions there."""
    to, places = tiles.points(*part[0])
    Z = _samples(tiles, part, Y, level)
    shape = (len(to), len(part), len(banks))
    mean, square = np.zeros(shape), np.zeros(shape)
    for k, turn in enumerate(turns):
        active = np.flatnonzero(own[k])
        if not len(active):
            continue
        kept = {}
        for c, bank in enumerate(banks):
            if bank[k] not in kept:
                kept[bank[k]] = _weights(bank[k], to @ turn, places @ turn)
            weight, variance = kept[bank[k]]
            found = weight @ Z[c][:, active]
            mean[:, active, c] += own[k, active] * found
            square[:, active, c] += own[k, active] * (found**2 + variance[:, None])
    variance = np.maximum(square - mean**2, np.finfo(float).tiny)
    away = (to - _STEP / 2) / (_TAPER * (_STEP + 2 * _AROUND))
    taper = np.exp(-0.5 * np.square(away).sum(axis=1))
    targets = [tiles.targets(*tile) for tile in part]
    return targets, taper[:, None, None] / variance, mean, variance


def _weights(process, to, places):
    """Weights of the samples for what is predicted, and its variance."""
    prior = process.variance + process.level
    if not len(places):
        return np.zeros((len(to), 0)), np.full(len(to), prior)
    cross = process.signal(to, places)
    factor, _ = lapack.dpotrf(process.samples(places), lower=True)
    weights = lapack.dpotrs(factor, cross.T, lower=True)[0].T
    return weights, prior - np.einsum("ij,ij->i", weights, cross)
