"""Coupled factorisation of several tensors that share modes, such as the maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.base import warn_of_end
from sparsedecomp.decomposition.iterate import Outcome, Phases, iterate
from sparsedecomp.decomposition.progress import Monitor, Progress
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
    compress_tensor,
    refuse_non_counts,
)
from sparsedecomp.decomposition.tensor.coupled_least_squares import (
    CoupledLeastSquares,
    LabelledFactors,
    Labels,
    normalised_sums,
)
from sparsedecomp.decomposition.tensor.cpd_likelihood import (
    TINY,
    CountTensor,
    KruskalState,
    PoissonCPD,
    start_state,
)
from sparsedecomp.decomposition.tensor.modes import Folding, khatri_rao_rows
from sparsedecomp.decomposition.tensor.multistart import multistart
from sparsedecomp.decomposition.tensor.smoothing import smooth_rows
from sparsedecomp.deprecation import warn_deprecated

# The starts are compared after this many steps. More cost time; fewer may drop the
# start that ends lowest.
TRIAL_STEPS = 20
# Weight of every component at the start of the likelihood, relative to all counts: far
# below what can be measured, but not zero, which no iteration could raise.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Coupled:
    """A model of several tensors.

    Attributes
    ----------
    factors : dict of str to (n, k) float64 array
        Factors by the labels of their modes; columns sum to one.
    weights : (n_tensors, k) float64 array
        Sum of every component over all entries of each tensor.
    history : (n_iter,) array
        Weighted residual sum of squares after every step of the least squares.
    nats : (n_steps,) array
        Negative log-likelihood of counts after every step of its maximisation, up to a
        constant. Empty for other data.
    converged : bool
        Whether the last descent met its convergence test.
    passes : int
        Number of reads of each tensor.
    smoothness : dict of str to float
        Strength of the smoothing by the label of each smoothed mode, relative to the
        weight of the data; 0 for none.
    interrupted : bool
        Whether Ctrl-C ended the fit.
    """

    factors: dict[str, NDArray]
    weights: NDArray
    history: NDArray
    nats: NDArray
    converged: bool
    passes: int
    smoothness: dict[str, float]
    interrupted: bool = False

    @property
    def likelihood(self) -> bool:
        """Whether the tensors were counts and their likelihood was maximised."""
        return self.nats.size > 0

    def loadings(
        self, tensor: int, labels: Sequence[str], indices: Sequence[NDArray]
    ) -> NDArray:
        """Abundances in one tensor at some positions.

        Parameters
        ----------
        tensor : int
            Index of the tensor.
        labels : sequence of str
            Labels of its modes but the channels.
        indices : list of int arrays
            Positions in each of these modes.

        Returns
        -------
        (n, k) array
            Rows of the Khatri-Rao product of the factors times the weights.
        """
        rows = khatri_rao_rows([self.factors[name] for name in labels], indices)
        return rows * self.weights[tensor]


def fit_coupled(
    tensors: Sequence[BlockMatrix],
    labels: Labels,
    n_components: int,
    *,
    modes: Sequence | None = None,
    grids: Mapping[str, tuple[int, ...]] | None = None,
    noise: str = "auto",
    n_init: int = 8,
    max_iter: int = 2000,
    tol: float = 1e-7,
    random_state: int | np.random.Generator | None = None,
    callback: Callable[[Progress], object] | None = None,
    watch: Callable[[float], object] | None = None,
) -> Coupled:
    """Factorise several tensors at once; modes with the same label share a factor.

    Counts of all tensors have a common likelihood, so that no weight between the
    tensors has to be chosen; expectation maximisation updates a shared factor from the
    sum of the counts of all of them [1]_. Its start, and the fit of other data, are
    weighted least squares: every tensor is divided by its noise, counts by Keenan and
    Kotula's weights.

    Parameters
    ----------
    tensors : sequence of BlockMatrix
        Data without scaling.
    labels : sequence of sequences of str
        Names of the modes of each tensor, the channels last. Every tensor needs a mode
        of its own, which takes its scale.
    n_components : int
        Number of components.
    modes : sequence, optional
        Navigation axes of the modes of each tensor, as in `CPD`.
    grids : dict of str to tuple of int, optional
        Shapes of the images that the modes of these labels are. Their maps are smoothed
        after the fit, with all other factors fixed; see Notes.
    noise : {"auto", "uniform", "poisson"}
        Noise model. "auto" is "poisson" if all tensors are counts.
    n_init : int, default 8
        Number of random starts. The best after 20 iterations is continued.
    max_iter : int, default 2000
        Upper bound on the iterations of a descent.
    tol : float, default 1e-7
        The least squares end when the residual sum of squares falls by less than this
        part of itself. The likelihood is maximised until an iteration gains less than
        1e-6 nats per count, as in `CPD`.
    random_state : int or Generator, optional
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit. The
        objective is the weighted residual sum of squares, or the negative
        log-likelihood in nats. Maps and spectra are those of the first tensor.
    watch : callable, optional
        Deprecated: use `callback`. Called as ``watch(objective)``.

    Returns
    -------
    Coupled
        Factors, weights and the course of the fit.

    Raises
    ------
    ValueError
        If shared modes have different sizes, or a tensor shares all its modes.

    Notes
    -----
    With many pixels and few counts in each, the maps of maximum likelihood are the
    noisiest part of the model: simulated EDX and EELS of 200 and 2000 counts per pixel
    give maps with a relative error of 0.34, and those for the true spectra are no
    better. Smoothing uses what neighbouring pixels have in common. During the descent
    it would bias the spectra, since flat maps with compensating spectra fit as well; so
    it is applied last, with the spectra fixed. Its strength is the one at which one
    half of the information predicts the other best (`smooth_rows`), which is zero for
    maps that are not smooth.

    References
    ----------
    .. [1] E. Acar, T. G. Kolda and D. M. Dunlavy, arXiv:1105.3422 (2011).
    """
    if watch is not None:
        warn_deprecated("fit_coupled: watch", "callback")
        callback = partial(_objective_alone, watch)
    generator = np.random.default_rng(random_state)
    modes = [None] * len(tensors) if modes is None else modes
    foldings = [
        Folding.of(t.navigation_shape, m) for t, m in zip(tensors, modes, strict=True)
    ]
    shapes = [(*f.shape, t.shape[1]) for f, t in zip(foldings, tensors, strict=True)]
    sizes = _sizes(labels, shapes)
    phases: Phases[Any] = Phases(Monitor(callback, tensors[0], max_iter, n_init))
    data = _compressed(tensors, foldings, n_components, noise, generator)
    counts = all(d.poisson for d in data)
    method = CoupledLeastSquares(data, labels, counts, tol)
    starts = (
        {name: generator.random((n, n_components)) for name, n in sizes.items()}
        for _ in range(n_init)
    )
    multistart(method, starts, phases, max_iter, trial=TRIAL_STEPS)
    squares = phases.outcome
    weights, factors = method.weights_and_shares(squares.state)
    if counts:
        phases.run(
            "likelihood",
            lambda best: _maximise_likelihood(
                data, labels, weights, factors, max_iter, phases.monitor
            ),
        )
    best = phases.outcome
    nats = [] if best is squares else best.history
    if nats:
        quanta = [d.summary.quantum or 1.0 for d in data]
        weights = best.state.weights * np.array(quanta)[:, None]
        factors = dict(zip(factors, best.state.factors, strict=True))
    method.clear_unobserved(factors)
    shares, factors = normalised_sums(factors, labels)
    weights = weights * shares
    smoothness: dict[str, float] = {}

    def smooth(best: Outcome) -> Outcome:
        for name, shape in (grids or {}).items():
            F, G = method.normal_equations(weights, factors, name)
            smoothed, strength = smooth_rows(F, G, factors[name], shape, generator)
            maps = {name: smoothed.copy()}
            method.clear_unobserved(maps)
            total = np.maximum(maps[name].sum(axis=0), TINY)
            factors[name], smoothness[name] = maps[name] / total, strength
        return best

    phases.run("smoothing", smooth)
    ended = best.converged or best.stopped
    count = phases.monitor.count
    warn_of_end(best.interrupted, count, None if ended else max_iter)
    return Coupled(
        factors=factors,
        weights=weights,
        history=np.array(squares.history),
        nats=np.array(nats),
        converged=best.converged,
        passes=phases.monitor.passes,
        smoothness=smoothness,
        interrupted=best.interrupted,
    )


def _objective_alone(watch: Callable[[float], object], progress: Progress) -> object:
    return watch(progress.objective)


def _compressed(
    tensors: Sequence[BlockMatrix],
    foldings: Sequence[Folding],
    n_components: int,
    noise: str,
    generator: np.random.Generator,
) -> list[CompressedTensor]:
    """Compress all tensors; with Poisson weights by default if all are counts."""
    rank = 2 * n_components + OVERSAMPLING

    def compress(tensor: BlockMatrix, folding: Folding, noise: str) -> CompressedTensor:
        return compress_tensor(tensor, folding, rank, noise=noise, generator=generator)

    pairs = list(zip(tensors, foldings, strict=True))
    data = [compress(*pair, noise) for pair in pairs]
    if noise == "auto" and not all(d.poisson for d in data):
        data = [
            compress(*pair, "uniform") if d.poisson else d
            for pair, d in zip(pairs, data, strict=True)
        ]
    return data


def _maximise_likelihood(
    data: Sequence[CompressedTensor],
    labels: Labels,
    weights: NDArray,
    factors: LabelledFactors,
    max_iter: int,
    monitor: Monitor | None,
) -> Outcome[KruskalState]:
    """Maximise the common likelihood of the counts of all tensors."""
    for each in data:
        refuse_non_counts(each.summary)
    tensors = [CountTensor.read(each) for each in data]
    names = list(factors)
    modes = [[names.index(name) for name in own] for own in labels]
    # Every component must have some counts in every tensor to start with.
    weights = weights / np.array([t.counts.quantum for t in tensors])[:, None]
    weights = weights + LEAST_WEIGHT * weights.sum()
    even = start_state(np.ones_like(weights), list(factors.values()))
    start = KruskalState(weights, even.factors)
    return iterate(PoissonCPD(tensors, modes), start, max_iter, monitor)


def _sizes(labels: Labels, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Size of every mode by its label."""
    sizes: dict[str, int] = {}
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
