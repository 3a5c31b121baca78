"""Several tensors that share modes, for instance the maps: structured data fusion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sparsedecomp.decomposition.tensor.compression import (
    OVERSAMPLING,
    compress_tensor,
    refuse_non_counts,
)
from sparsedecomp.decomposition.tensor.descent import Problem
from sparsedecomp.decomposition.tensor.modes import Folding, khatri_rao_rows
from sparsedecomp.decomposition.tensor.poisson import (
    Likelihood,
    climb,
    gather_counts,
    proportions,
)
from sparsedecomp.decomposition.tensor.smoothing import smooth_rows
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.kernels.tensor import nonnegative_rows_each

_SWEEPS = 4
_STILL = 1e-3
_TRIAL = 20
_NATS_PER_COUNT = 1e-6


@dataclass(frozen=True)
class Coupled:
    """A model of several tensors.

    Attributes
    ----------
    factors : dict of str to (n, k) float64 array
        By the label of their mode; columns sum to one.
    weights : (n_tensors, k) float64 array
        Sum over all entries that a component has in each tensor.
    history : (n_iter,) array
        Weighted residual sum of squares after every step.
    nats : (n_steps,) array
        Of counts, whose likelihood is maximised then: its negative logarithm after
        every step. Empty for other data.
    converged : bool
    passes : int
        Reads of each tensor.
    smoothness : dict of str to float
        By the label of each mode that was smoothed: how much, 0 for not at all.
    """

    factors: dict
    weights: np.ndarray
    history: np.ndarray
    nats: np.ndarray
    converged: bool
    passes: int
    smoothness: dict

    @property
    def likelihood(self):
        """Whether the tensors were counts and their likelihood was maximised."""
        return self.nats.size > 0

    def loadings(self, tensor, labels, indices):
        """Khatri-Rao rows of one tensor at some positions, with its weights.

        Parameters
        ----------
        tensor : int
        labels : sequence of str
            Of its modes but the channels.
        indices : list of int arrays

        Returns
        -------
        (n, k) array
        """
        rows = khatri_rao_rows([self.factors[name] for name in labels], indices)
        return rows * self.weights[tensor]


def fit_coupled(
    tensors,
    labels,
    n_components,
    *,
    modes=None,
    grids=None,
    noise="auto",
    n_init=8,
    max_iter=2000,
    tol=1e-7,
    random_state=None,
    watch=lambda objective: False,
):
    """Factorise several tensors at once; modes with the same label share a factor.

    Counts have one likelihood: what is expected in an entry of any tensor is a product
    of the same shared factors, so that no weight between them has to be chosen, and
    expectation maximisation updates a shared factor from the sum of what all tensors
    say [1]_. Its start, and the fit of other data, are weighted least squares: every
    tensor is divided by its noise, counts by Keenan and Kotula's weights.

    Parameters
    ----------
    tensors : sequence of BlockMatrix
        Not scaled.
    labels : sequence of sequences of str
        Names of the modes of each tensor, the channels last. Every tensor needs a mode
        of its own, which takes up its scale.
    n_components : int
    modes : sequence, optional
        Navigation axes of the modes of each tensor, as in `CPD`.
    grids : dict of str to tuple of int, optional
        Shapes of the images that modes of these labels are. With the likelihood at its
        maximum and all other factors fixed, their maps are found once more, as smooth
        as predicts best; see Notes.
    noise : {"auto", "uniform", "poisson"}
        "auto" takes counts for what they are when all tensors are counts.
    n_init : int, default 8
        Random starts, compared after some sweeps.
    max_iter : int, default 2000
    tol : float, default 1e-7
        Of the least squares, relative to the residual. The likelihood is climbed until
        an iteration gains less than 1e-6 nats per count, as in `CPD`.
    random_state : int or Generator, optional
    watch : callable
        ``watch(objective)`` after every iteration, true to stop.

    Returns
    -------
    Coupled

    Raises
    ------
    ValueError
        For shared modes of different sizes, and for a tensor that shares all its modes.

    Notes
    -----
    With many pixels and few counts in each, the maps of maximum likelihood are the
    noisiest part of the model: simulated EDX and EELS of 200 and 2000 counts per pixel
    give maps that are 0.34 off, and with the true spectra they are as far off. What
    neighbours have in common is the way out. To smooth during the descent does harm,
    as flat maps and spectra that make up for it fit as well; so it comes last, with
    the spectra fixed. Its strength is the one that predicts best one half of the
    information from the other (`smooth_rows`), which is zero for maps that are not
    smooth.

    References
    ----------
    .. [1] E. Acar, T. G. Kolda and D. M. Dunlavy, arXiv:1105.3422 (2011).
    """
    generator = np.random.default_rng(random_state)
    modes = [None] * len(tensors) if modes is None else modes
    foldings = [
        Folding.of(t.navigation_shape, m) for t, m in zip(tensors, modes, strict=True)
    ]
    shapes = [(*f.shape, t.shape[1]) for f, t in zip(foldings, tensors, strict=True)]
    sizes = _sizes(labels, shapes)
    room = 2 * n_components + OVERSAMPLING
    data = [
        compress_tensor(t, f, room, noise=noise, generator=generator)
        for t, f in zip(tensors, foldings, strict=True)
    ]
    counts = all(d.poisson for d in data)
    if noise == "auto" and not counts:
        data = [
            compress_tensor(t, f, room, noise="uniform", generator=generator)
            if d.poisson
            else d
            for t, f, d in zip(tensors, foldings, data, strict=True)
        ]
    scales, levels = _common_scales(data, labels, counts)
    problems = [
        _rescaled_problem(d, names, scales, level)
        for d, names, level in zip(data, labels, levels, strict=True)
    ]
    starts = []
    for _ in range(n_init):
        start = {name: generator.random((n, n_components)) for name, n in sizes.items()}
        starts.append(_descend(problems, labels, start, _TRIAL, 0.0, watch))
    best = min(starts, key=lambda found: found[1][-1])
    factors, history, converged = _descend(
        problems, labels, best[0], max_iter, tol, watch
    )
    factors = {name: f * scales[name][:, None] for name, f in factors.items()}
    weights, factors = _shares(factors, labels)
    weights *= np.sqrt(levels)[:, None]
    nats = []
    if counts:
        weights, factors, nats, converged = _maximise(
            tensors, data, labels, weights, factors, max_iter, watch
        )
    for name, factor in factors.items():
        factor[_unseen(data, labels, name)] = 0.0
    shares, factors = _shares(factors, labels)
    weights = weights * shares
    smoothness = {}
    for name, shape in (grids or {}).items():
        F, G = _normal_equations(
            problems, labels, scales, levels, weights, factors, name
        )
        maps, smoothness[name] = smooth_rows(F, G, factors[name], shape, generator)
        maps[_unseen(data, labels, name)] = 0.0
        factors[name] = maps / np.maximum(maps.sum(axis=0), 1e-300)
    return Coupled(
        factors=factors,
        weights=weights,
        history=np.array(history),
        nats=np.array(nats),
        converged=converged,
        passes=3 if counts else 2,
        smoothness=smoothness,
    )


def _sizes(labels, shapes):
    """Size of every mode by its label."""
    sizes = {}
    everywhere = [name for names in labels for name in names]
    for number, (names, shape) in enumerate(zip(labels, shapes, strict=True)):
        if all(everywhere.count(name) > 1 for name in names):
            raise ValueError(
                f"Tensor {number} shares all its modes {tuple(names)}: it needs one of "
                "its own. Put the data together to one tensor instead."
            )
        for name, n in zip(names, shape, strict=True):
            if sizes.setdefault(name, n) != n:
                raise ValueError(
                    f"The mode '{name}' is to be shared, but has {sizes[name]} entries "
                    f"in one tensor and {n} in tensor {number}. Rebin or crop the data "
                    "to the same positions."
                )
    return sizes


def _unseen(data, labels, name):
    """Entries of a mode of which no tensor says anything."""
    found = [
        each.unseen(own.index(name))
        for each, own in zip(data, labels, strict=True)
        if name in own
    ]
    return np.logical_and.reduce(found)


def _common_scales(data, labels, counts):
    """One scale for each label, and the variance of the noise of each tensor."""
    squares, seen = {}, {}
    for tensor, names in zip(data, labels, strict=True):
        for name, scale in zip(names, tensor.scales, strict=True):
            # Sums of counts: a tensor with more of them says more of the scale.
            total = tensor.summary.row_sums.sum() if counts else 1.0
            squares[name] = squares.get(name, 0.0) + total * scale**2
            seen[name] = seen.get(name, 0.0) + total
    scales = {name: np.sqrt(squares[name] / seen[name]) for name in squares}
    levels = []
    for tensor in data:
        n, m = tensor.blocks.shape
        if counts:
            quantum = tensor.summary.quantum or 1.0
            levels.append(quantum * tensor.summary.row_sums.sum() / (n * m))
            continue
        rank = tensor.basis.shape[1]
        inside = np.square(tensor.scores, dtype=float).sum()
        freedom = max((n - rank) * (m - rank), 1)
        left = max(tensor.sum_of_squares - inside, 1e-12 * tensor.sum_of_squares)
        levels.append(left / freedom)
    return scales, np.array(levels)


def _rescaled_problem(data, names, scales, level):
    """The problem of one tensor, its scales exchanged for the common ones."""
    scores = data.scores / np.sqrt(level)
    for mode, name in enumerate(names[:-1]):
        shape = [1] * scores.ndim
        shape[mode] = -1
        scores = scores * (data.scales[mode] / scales[name]).reshape(shape)
    scores = scores.astype(data.scores.dtype)
    return Problem(
        scores,
        [None] * (scores.ndim - 1) + [data.basis],
        data.sum_of_squares / level,
        data.observed,
    )


def _descend(problems, labels, start, max_iter, tol, watch):
    """Coordinate descent over all labels; factors, history, whether it converged."""
    factors = {name: f.copy() for name, f in start.items()}
    history = []
    for _ in range(max_iter):
        for name in factors:
            F, gram = 0.0, 0.0
            for problem, names in zip(problems, labels, strict=True):
                if name in names:
                    mode = names.index(name)
                    own = [factors[each] for each in names]
                    F = F + problem.right_hand_side(own, mode)
                    gram = gram + problem.gram(own, mode)
            if gram.ndim == 3:
                nonnegative_rows_each(factors[name], F, gram, _SWEEPS)
            else:
                none = np.zeros(len(gram))
                nonnegative_rows(factors[name], F, gram, none, _SWEEPS, _STILL)
        residual = sum(
            _residual(problem, [factors[each] for each in names])
            for problem, names in zip(problems, labels, strict=True)
        )
        history.append(residual)
        _share_norms(factors, labels)
        if watch(residual):
            return factors, history, False
        if len(history) > 1 and history[-2] - residual <= tol * residual:
            return factors, history, True
    return factors, history, False


def _normal_equations(problems, labels, scales, levels, weights, factors, name):
    """Of one factor, with columns that sum to one, for data of unit variance."""
    n, k = factors[name].shape
    F, G = np.zeros((n, k)), np.zeros((n, k, k))
    for problem, own, level, weight in zip(
        problems, labels, levels, weights, strict=True
    ):
        if name in own:
            mode = own.index(name)
            parts = [factors[each] / scales[each][:, None] for each in own]
            weight = weight / np.sqrt(level)
            F += problem.right_hand_side(parts, mode) * weight
            G += problem.gram(parts, mode) * np.outer(weight, weight)
    scale = scales[name]
    return F / scale[:, None], G / (scale**2)[:, None, None]


def _residual(problem, factors):
    last = len(factors) - 1
    F = problem.right_hand_side(factors, last)
    C = factors[last]
    gram = problem.gram(factors, last)
    return float(problem.sum_of_squares - 2 * np.vdot(F, C) + np.vdot(gram, C.T @ C))


def _share_norms(factors, labels):
    """Give shared factors unit norm; each tensor's own mode takes the rest."""
    everywhere = [name for names in labels for name in names]
    for name in factors:
        if everywhere.count(name) > 1:
            norm = np.linalg.norm(factors[name], axis=0)
            norm = np.where(norm > 0, norm, 1.0)
            factors[name] /= norm
            for names in labels:
                if name in names:
                    own = next(n for n in names if everywhere.count(n) == 1)
                    factors[own] *= norm


def _shares(factors, labels):
    """Columns that sum to one, and what they sum to in each tensor."""
    totals = {name: f.sum(axis=0) for name, f in factors.items()}
    weights = np.array(
        [np.prod([totals[n] for n in names], axis=0) for names in labels]
    )
    factors = {
        name: f / np.where(totals[name] > 0, totals[name], 1.0)
        for name, f in factors.items()
    }
    return weights, factors


def _maximise(tensors, data, labels, weights, factors, max_iter, watch):
    """Expectation maximisation of the common likelihood, prolonged as in one tensor."""
    models, quanta = [], []
    for tensor, each in zip(tensors, data, strict=True):
        refuse_non_counts(each.summary)
        quanta.append(each.summary.quantum or 1.0)
        counts = gather_counts(tensor, quanta[-1])
        indices = each.folding.indices(tensor.rows)
        models.append(Likelihood(counts, indices, each.folding.shape, each.observed))
    names = list(factors)
    _, even = proportions(np.ones(weights.shape[1]), [factors[n] for n in names])
    weights = weights / np.array(quanta)[:, None]
    top = climb(
        partial(_step, models, labels, names),
        (weights + weights.sum() * 1e-6, even),
        max_iter,
        _NATS_PER_COUNT * sum(model.counts.total for model in models),
        watch,
    )
    weights = top.weights * np.array(quanta)[:, None]
    found = dict(zip(names, top.factors, strict=True))
    return weights, found, top.history, top.converged


def _step(models, labels, names, weights, factors):
    """One iteration for all tensors: what they say of a shared factor is added up."""
    sums = {name: 0.0 for name in names}
    objective, totals = 0.0, []
    for model, own, weight in zip(models, labels, weights, strict=True):
        parts = [factors[names.index(name)] for name in own]
        nats, total, shares = model.step(weight, parts)
        objective += nats
        totals.append(total)
        for name, share in zip(own, shares, strict=True):
            sums[name] = sums[name] + total * share
    new = [sums[n] / np.maximum(sums[n].sum(axis=0), 1e-300) for n in names]
    return objective, np.array(totals), new
