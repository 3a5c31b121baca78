"""What a solver returns, and the record of its iterations.

The loop of `decomposition.iterate` is not used here. Its methods return a new state in
each step, so that a step can be taken back; these solvers never take a step back, and
update maps of up to 40 million values in place. Conjugate gradients know that they have
converged before a step and not after it.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_logger = logging.getLogger(__name__)


class Solution(NamedTuple):
    """A map and how it was found.

    Attributes
    ----------
    x : (H, W, n_factors) array
        The fine map.
    history : (n_iter,) array
        Relative change of the map in every iteration; residual of the normal equations
        where they are solved by conjugate gradients.
    converged : bool
        Whether the last value of the history is below the tolerance.
    seconds : float
        Wall time.
    interrupted : bool
        Whether Ctrl-C ended the iterations.
    """

    x: NDArray
    history: NDArray
    converged: bool
    seconds: float
    interrupted: bool = False


class Iterations:
    """Record of the iterations of a solver; as a context, Ctrl-C ends its loop.

    Parameters
    ----------
    name : str
        Name of the solver, for messages.
    tol : float
        Value of the history below which the solver has converged.
    callback : callable or None
        Called with the number of the iteration and the value of the history; returning
        True ends the solver.

    Attributes
    ----------
    history : list of float
        A value for each iteration.
    converged, interrupted : bool
        As in `Solution`.
    """

    def __init__(
        self, name: str, tol: float, callback: Callable[[int, float], object] | None
    ) -> None:
        self.history: list[float] = []
        self.converged = self.interrupted = False
        self._name, self._tol, self._callback = name, tol, callback
        self._began = time.perf_counter()

    def __enter__(self) -> Iterations:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        # Before the first iteration there is nothing to keep.
        self.interrupted = kind is KeyboardInterrupt and bool(self.history)
        return self.interrupted

    def end_at(self, value: float) -> bool:
        """Record an iteration, and say whether it is the last one.

        Parameters
        ----------
        value : float
            Change or residual.

        Returns
        -------
        bool
        """
        self.history.append(float(value))
        self.converged = bool(value < self._tol)
        if self.converged or self._callback is None:
            return self.converged
        return bool(self._callback(len(self.history) - 1, self.history[-1]))

    def solution(self, x: NDArray) -> Solution:
        """The result; warns where the solver has not converged.

        Parameters
        ----------
        x : (H, W, n_factors) array
            The fine map.

        Returns
        -------
        Solution
        """
        n, seconds = len(self.history), time.perf_counter() - self._began
        if not self.converged:
            reached = self.history[-1] if self.history else np.inf
            warnings.warn(
                f"The {self._name} solver stopped after {n} iterations at a change of "
                f"{reached:.1e}, expected {self._tol:.1e}: give it more (max_iter).",
                stacklevel=3,
            )
        _logger.info("%s: %d iterations, %.1f s", self._name, n, seconds)
        history = np.array(self.history)
        return Solution(x, history, self.converged, seconds, self.interrupted)
