"""Descents of a canonical polyadic model from several starts."""

from __future__ import annotations

from sparsedecomp.decomposition.tensor.compression import compress_modes
from sparsedecomp.decomposition.tensor.descent import Problem, descend
from sparsedecomp.decomposition.tensor.initialisation import initial_factors

# Sweeps after which the starts are compared, and how many of them go on.
_TRIAL = 20
_FINALISTS = 2
_NATS_PER_COUNT = 1e-6


def problems(data, rank, nonnegative):
    """The compressed problem with and without compression of the other modes."""
    whole = [None] * (data.scores.ndim - 1)
    full = Problem(
        data.scores,
        [*whole, data.basis],
        data.sum_of_squares,
        data.observed,
        nonnegative,
        data.holes,
        data.fill,
    )
    if data.observed is not None or data.holes is not None:
        return full, full
    core, bases = compress_modes(data.scores, [rank] * len(whole))
    if all(basis is None for basis in bases):
        return full, full
    core = Problem(
        core, [*bases, data.basis], data.sum_of_squares, nonnegative=nonnegative
    )
    return core, full


class Search:
    """Descents from several starts; Ctrl-C keeps the best result so far.

    Attributes
    ----------
    ends : list of lists of factors
        Where each start was left.
    stopped, interrupted : bool
        By the callback, by Ctrl-C.
    """

    def __init__(self, settings, problem, k, generator, watch):
        self.settings = settings
        self.problem = problem
        self.k = k
        self.generator = generator
        self.watch = watch
        self.ends = []
        self.stopped = self.interrupted = False

    def run(self):
        """Try all starts, follow the best, return the best descent."""
        found = []
        try:
            for start in range(self.settings.n_init):
                factors = initial_factors(
                    self.problem, self.k, self.generator, direct=start % 2 == 0
                )
                found.append(self._descend(start, self.problem, factors, _TRIAL))
                if self.stopped:
                    break
        except KeyboardInterrupt:
            if not found:
                raise
            self.stopped = self.interrupted = True
        order = sorted(range(len(found)), key=lambda i: found[i].residual)
        if not self.stopped:
            for i in order[:_FINALISTS]:
                found[i] = self.go_on(found[i], self.problem, i)
        best = min(found, key=lambda descent: descent.residual)
        self.ends = [descent.factors for descent in found]
        return best

    def go_on(self, descent, problem, start=0):
        """Continue a descent to its end, perhaps on another form of the problem."""
        if self.stopped:
            return descent
        try:
            end = self._descend(start, problem, descent.factors, self.settings.max_iter)
        except KeyboardInterrupt:
            self.stopped = self.interrupted = True
            return descent
        return end._replace(history=descent.history + end.history)

    def maximise(self, model, start, number):
        """Climb the likelihood from a start; Ctrl-C ends at the best point so far."""
        settings = self.settings
        top = model.maximise(
            *start,
            settings.max_iter,
            _NATS_PER_COUNT,
            lambda objective: self.watch(number, float(objective), self.k),
        )
        self.stopped = self.stopped or top.stopped
        self.interrupted = self.interrupted or top.interrupted
        return top

    def _descend(self, start, problem, factors, max_iter):
        descent = descend(
            problem,
            [f.copy() for f in factors],
            min(max_iter, self.settings.max_iter),
            self.settings.tol,
            lambda residual: self.watch(start, float(residual), self.k),
        )
        self.stopped = self.stopped or descent.stopped
        self.interrupted = self.interrupted or descent.interrupted
        return descent
