"""One loop for every iterative method: steps, extrapolation, stopping, Ctrl-C.

A method describes a single step in a subclass of `IterativeMethod`; `iterate` repeats
it. The loop alone extrapolates, takes back extrapolated steps that raise the objective,
tests for convergence, records the history, calls the callback and handles Ctrl-C.
`Phases` runs one loop after another, each from the best result so far, and `best_of`
compares several starts. An interrupted fit keeps its best result: Ctrl-C ends the
phase it strikes and the later ones are skipped, except for the last passes over the
data (`complete`), which turn a state into a result and are therefore run once more.

Adding a method takes a ``step`` and a state. The method below halves the square of a
number in every step:

>>> from typing import NamedTuple
>>> from sparsedecomp.decomposition.iterate import IterativeMethod, iterate
>>> class Number(NamedTuple):
...     value: float
...     n_components: int = 1
>>> class Halving(IterativeMethod):
...     tol = 1e-3
...     def step(self, state):
...         new = Number(0.5 * state.value)
...         return new, 1 + new.value**2
>>> outcome = iterate(Halving(), Number(8.0), max_iter=100)
>>> outcome.converged, outcome.state.value < 0.1
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.progress import Monitor

State = TypeVar("State")
Result = TypeVar("Result")
Model = TypeVar("Model")


@dataclass(frozen=True)
class Momentum:
    """How far states are extrapolated along their last move, after Ang and Gillis [1]_.

    An accepted step multiplies the momentum by `growth` up to a ceiling, which grows by
    `ceiling_growth`; a step that is taken back divides the momentum by `reduction` and
    makes the momentum that was too large the ceiling. The default values are those
    with which the methods of this package are tested; they were not tuned.

    Parameters
    ----------
    initial : float, default 0.5
        Momentum of the first extrapolation. A larger one saves iterations if the
        first steps all go the same way, and costs a step taken back if they do not.
    growth : float, default 1.05
        Larger values accelerate sooner, and more steps are taken back.
    ceiling_growth : float, default 1.01
        Larger values let the momentum return sooner to where a step failed.
    reduction : float, default 1.5
        Larger values make the steps after a failed one more cautious.
    limit : float, default 1
        Largest ceiling. Momentum above 1 extrapolates farther than the last move.

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Comput. 31 (2019) 417, algorithm 2.
       https://doi.org/10.1162/neco_a_01157
    """

    initial: float = 0.5
    growth: float = 1.05
    ceiling_growth: float = 1.01
    reduction: float = 1.5
    limit: float = 1.0

    def after_success(self, value: float, ceiling: float) -> tuple[float, float]:
        """Momentum and ceiling after an extrapolated step that was accepted."""
        ceiling = min(self.limit, ceiling * self.ceiling_growth)
        return min(ceiling, value * self.growth), ceiling

    def after_failure(self, value: float, ceiling: float) -> tuple[float, float]:
        """Momentum and ceiling after an extrapolated step that was taken back."""
        return value / self.reduction, value


class IterativeMethod(Generic[State]):
    """Base class of everything that `iterate` repeats.

    A subclass defines `step` and, if it is accelerated, `momentum` and `extrapolate`.
    States must not be changed in place: the loop goes back to earlier ones.

    Attributes
    ----------
    tol : float
        The iteration ends when the objective falls by less than this part of itself.
    momentum : Momentum or None
        None switches extrapolation off.
    patience : int
        Number of small decreases in a row that count as convergence. Accelerated
        methods take 2, since one small decrease may follow a step that was taken back.
    monotone : bool
        Whether a plain step never raises the objective. A rise then is rounding and
        ends the iteration. False keeps the latest state whatever its objective.
    scores_start : bool
        Whether the objective that `step` returns belongs to the state it was given
        and not to the state it returns.
    """

    tol: float = 0.0
    momentum: Momentum | None = None
    patience: int = 1
    monotone: bool = True
    scores_start: bool = False

    def step(self, state: State) -> tuple[State, float]:
        """Return the next state and an objective (see `scores_start`)."""
        raise NotImplementedError

    def extrapolate(self, old: State, new: State, momentum: float) -> State | None:
        """Return ``new + momentum (new - old)`` or what stands for it; None for not."""
        return None

    def is_small(
        self, old: State, new: State, decrease: float, objective: float
    ) -> bool:
        """Whether the step between the best states ``old`` and ``new`` is too small.

        The decrease of the objective is infinite after the first step.
        """
        return decrease <= self.tol * abs(objective)

    def n_components(self, state: State) -> int:
        """Number of components of a state."""
        return state.n_components  # type: ignore[attr-defined]

    def maps(self, state: State) -> NDArray | None:
        """Abundances of a state for `Progress`, in the units of the data."""
        return None

    def spectra(self, state: State) -> NDArray | None:
        """Spectra of a state for `Progress`, in the units of the data."""
        return None


class SpectraState:
    """Base class of states whose attribute ``S`` holds a spectrum in every row."""

    S: NDArray

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.S)


@dataclass
class Outcome(Generic[State]):
    """How an iteration ended.

    Attributes
    ----------
    state : State
        The best state, or the latest one of a method that is not monotone.
    history : list of float
        Objective after every accepted step.
    converged : bool
        Whether the convergence test was met.
    stopped : bool
        Whether the callback or Ctrl-C ended the fit.
    interrupted : bool
        Whether it was Ctrl-C.
    rose : bool
        Whether the iteration ended since a plain step raised the objective, which only
        rounding does; counts as convergence.
    """

    state: State
    history: list[float] = field(default_factory=list)
    converged: bool = False
    stopped: bool = False
    interrupted: bool = False
    rose: bool = False

    @property
    def objective(self) -> float:
        """The last objective, infinite before the first step."""
        return self.history[-1] if self.history else np.inf

    def interrupt(self) -> None:
        """Mark the fit as ended by Ctrl-C."""
        self.stopped = self.interrupted = True

    def stop_like(self, other: Outcome) -> None:
        """Mark the fit as stopped or interrupted if another outcome is."""
        self.stopped |= other.stopped
        self.interrupted |= other.interrupted

    def pass_on_interrupt(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C ended the fit.

        For parts of a computation that are of no use by themselves.
        """
        if self.interrupted:
            raise KeyboardInterrupt


def uninterrupted(model: Model) -> Model:
    """Return a fitted estimator that is part of a larger computation.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C ended its fit, which kept a result that is of no use here: the larger
        computation is what the user wants to end.
    """
    if model.interrupted_:  # type: ignore[attr-defined]
        raise KeyboardInterrupt
    return model


@contextmanager
def keep_on_interrupt(outcome: Outcome) -> Iterator[None]:
    """Let Ctrl-C end the block and mark the outcome, whose state is kept.

    The argument is the result so far.
    """
    try:
        yield
    except KeyboardInterrupt:
        outcome.interrupt()


def complete(outcome: Outcome, work: Callable[[], Result]) -> Result:
    """Do work without which the outcome is lost, such as the last pass over the data.

    Ctrl-C during the work marks the outcome and runs the work once more from its
    beginning; a second Ctrl-C is passed on. Returns what ``work()`` returns.
    """
    try:
        return work()
    except KeyboardInterrupt:
        outcome.interrupt()
        return work()


def iterate(
    method: IterativeMethod[State],
    start: State,
    max_iter: int,
    monitor: Monitor | None = None,
    *,
    keep_start: bool = True,
) -> Outcome[State]:
    """Repeat the steps of a method until it converges or is stopped.

    Parameters
    ----------
    method : IterativeMethod
        Supplies the step, the extrapolation and the convergence test.
    start : State
        Where to start.
    max_iter : int
        Upper bound on the accepted steps. Steps that are taken back do not count.
    monitor : Monitor, optional
        Receives every accepted step and may stop the iteration.
    keep_start : bool, default True
        Whether the start is a usable result if Ctrl-C strikes before the first step is
        complete. False passes the interrupt on in this case.

    Returns
    -------
    Outcome
        Its history never rises for a method that is monotone.
    """
    outcome = Outcome(start)
    try:
        _repeat(method, outcome, max_iter, monitor)
    except KeyboardInterrupt:
        if not (keep_start or outcome.history):
            raise
        outcome.interrupt()
    return outcome


def _repeat(
    method: IterativeMethod[State],
    outcome: Outcome[State],
    max_iter: int,
    monitor: Monitor | None,
) -> None:
    acceleration = method.momentum
    if acceleration is not None:
        momentum, ceiling = acceleration.initial, acceleration.limit
    # The plain continuation of the best state, and the extrapolated one.
    plain, ahead, n_small = outcome.state, None, 0
    for _ in range(max_iter):
        point = plain if ahead is None else ahead
        new, objective = method.step(point)
        rises = method.monotone and not objective <= outcome.objective
        if ahead is not None and rises:
            momentum, ceiling = acceleration.after_failure(momentum, ceiling)
            point = plain
            new, objective = method.step(point)
            rises = not objective <= outcome.objective
        elif ahead is not None:
            momentum, ceiling = acceleration.after_success(momentum, ceiling)
        if rises:
            outcome.converged = outcome.rose = True
            return
        decrease = outcome.objective - objective
        best = point if method.scores_start else new
        small = method.is_small(outcome.state, best, decrease, objective)
        if acceleration is not None:
            behind = point if method.scores_start else outcome.state
            ahead = method.extrapolate(behind, new, momentum)
            del behind  # a state may be as large as a tenth of the data
        plain = new
        outcome.state = best
        outcome.history.append(float(objective))
        del point, new
        if monitor is not None and monitor.report(
            float(objective),
            method.n_components(best),
            partial(method.maps, best),
            partial(method.spectra, best),
        ):
            outcome.stopped = True
            return
        n_small = n_small + 1 if small else 0
        if n_small >= method.patience:
            outcome.converged = True
            return


def best_of(outcomes: Iterable[Outcome[State]]) -> Outcome[State]:
    """The outcome of lowest objective; one that was stopped is the last.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Usually a generator that runs one start after another. Ctrl-C between two
        starts keeps the best one so far.

    Returns
    -------
    Outcome
    """
    best: Outcome[State] = None
    try:
        for outcome in outcomes:
            if best is None or outcome.objective < best.objective:
                best = outcome
            if outcome.stopped:
                best.stop_like(outcome)
                break
    except KeyboardInterrupt:
        if best is None:
            raise
        best.interrupt()
    if best is None:
        raise ValueError("There are no starts to compare, expected at least one.")
    return best


class Phases(Generic[State]):
    """The phases of a fit, each of which starts from the best result so far.

    Parameters
    ----------
    monitor : Monitor or None
        Is told the name of the current phase.

    Attributes
    ----------
    outcome : Outcome
        Result of the last phase; not there before the first phase has ended.
    """

    def __init__(self, monitor: Monitor | None = None) -> None:
        self.monitor = monitor
        self.outcome: Outcome[State] = None

    def run(
        self, name: str, work: Callable[[Outcome[State]], Outcome[State]]
    ) -> Outcome[State]:
        """Run a phase, unless the fit was stopped; return the best result so far.

        ``work(outcome)`` goes on from the outcome of the phase before (None in the
        first phase) and returns its own, which is ignored if no step was completed.
        Ctrl-C in the first phase is passed on if the phase had nothing to keep.
        """
        before = self.outcome
        if before is None or not before.stopped:
            self._name(name)
        if before is None:
            self.outcome = work(before)
        elif not before.stopped:
            with keep_on_interrupt(before):
                after = work(before)
                if after.history:
                    self.outcome = after
                else:
                    before.stop_like(after)
        return self.outcome

    def complete(self, work: Callable[[], Result]) -> Result:
        """Do work without which the result is lost; see the function `complete`."""
        self._name("last passes")
        return complete(self.outcome, work)

    def _name(self, name: str) -> None:
        if self.monitor is not None:
            self.monitor.phase = name
