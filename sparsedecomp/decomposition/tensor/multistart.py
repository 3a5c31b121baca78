"""Descents from several starts, of which the best are continued to convergence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    best_of,
    iterate,
)
from sparsedecomp.decomposition.progress import Monitor

State = TypeVar("State")


def multistart(
    method: IterativeMethod[State],
    starts: Iterable[State],
    phases: Phases[State],
    max_iter: int,
    *,
    trial: int,
    n_finalists: int = 1,
) -> list[State]:
    """Compare several starts after a few steps and continue the best of them.

    Parameters
    ----------
    method : IterativeMethod
        Supplies the step and the objective.
    starts : iterable of states
        Starts; a generator makes each of them when its turn comes.
    phases : Phases
        Holds the best result afterwards.
    max_iter : int
        Upper bound on the steps of one descent.
    trial : int
        Number of steps after which the starts are compared.
    n_finalists : int, default 1
        Number of starts that are continued.

    Returns
    -------
    list of states
        The last state of the descent from each start.
    """
    monitor = phases.monitor
    ends: list[Outcome[State]] = []

    def trials() -> Iterator[Outcome[State]]:
        for number, start in enumerate(starts):
            _announce(monitor, number)
            steps = min(trial, max_iter)
            ends.append(iterate(method, start, steps, monitor, keep_start=False))
            yield ends[-1]

    def finalists() -> Iterator[Outcome[State]]:
        order = np.argsort([end.objective for end in ends], kind="stable")
        for number in order[:n_finalists]:
            _announce(monitor, int(number))
            ends[number] = continued(method, ends[number], max_iter, monitor)
            yield ends[number]

    phases.run("starts", lambda _: best_of(trials()))
    phases.run("best starts", lambda _: best_of(finalists()))
    return [end.state for end in ends]


def continued(
    method: IterativeMethod[State],
    outcome: Outcome[State],
    max_iter: int,
    monitor: Monitor | None,
) -> Outcome[State]:
    """Continue a descent, perhaps on another form of the objective.

    Parameters
    ----------
    method : IterativeMethod
        Supplies the step and the objective.
    outcome : Outcome
        Where to continue from.
    max_iter : int
        Upper bound on the further steps.
    monitor : Monitor or None
        Receives every step.

    Returns
    -------
    Outcome
        With the history of both parts.
    """
    after = iterate(method, outcome.state, max_iter, monitor)
    after.history = outcome.history + after.history
    return after


def _announce(monitor: Monitor | None, start: int) -> None:
    if monitor is not None:
        monitor.start = start
