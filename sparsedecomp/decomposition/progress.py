"""What the callback of a fit receives, and who counts its iterations."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix

_logger = logging.getLogger(__name__)
_watch: ContextVar[Callable[[str], object] | None] = ContextVar("watch", default=None)


@contextmanager
def watching_phases(watch: Callable[[str], object]) -> Iterator[None]:
    """Call a function with the name of every phase of a fit that begins.

    Phases without iterations, such as the last passes over the data, have no callback.

    Parameters
    ----------
    watch : callable
        ``watch(phase)`` with the name of the phase.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def announce_phase(phase: str) -> None:
    """Tell whoever watches that a phase begins.

    Parameters
    ----------
    phase : str
        Name of the phase.
    """
    watch = _watch.get()
    if watch is not None:
        watch(phase)


def _none() -> None:
    return None


class Progress(NamedTuple):
    """The state of a fit after an iteration, as its callback receives it.

    Parameters
    ----------
    iteration : int
        Number of iterations so far, all starts and phases together.
    max_iter : int
        Upper bound on the iterations of one descent.
    objective : float
        Objective of the method (its unit is in the documentation of the estimator).
    n_components : int
        Number of components of the current state.
    start, n_starts : int
        Index of the current start, from 0, and the number of starts.
    passes : int
        Number of reads of the whole data since the fit began.
    seconds : float
        Wall time since the fit began.
    phase : str
        What the fit is doing, e.g. "starts" or "final descent".
    maps : callable
        ``maps()`` returns the current abundances, an (n, n_components) array, or None
        where the method has none yet. The n pixels are those that the current phase
        works on: all that are not masked, or an evenly spread sample of them.
        Nothing is computed before the call.
    spectra : callable
        ``spectra()`` returns the current spectra, an (n_components, n_channels) array,
        or None, in the same way.
    """

    iteration: int
    max_iter: int
    objective: float
    n_components: int
    start: int
    n_starts: int
    passes: int
    seconds: float
    phase: str = ""
    maps: Callable[[], NDArray | None] = _none
    spectra: Callable[[], NDArray | None] = _none


class Monitor:
    """Counts the iterations of a fit and passes them to its callback.

    Parameters
    ----------
    callback : callable or None
        Called with a `Progress`; returning True ends the fit.
    blocks : BlockMatrix
        The data, whose passes are counted.
    max_iter : int
        Upper bound on the iterations of one descent.
    n_starts : int, default 1
        Number of starts.

    Attributes
    ----------
    count : int
        Number of iterations so far.
    start : int
        Index of the current start; set by the fit.
    phase : str
        Name of the current phase; set by the fit, and announced.
    """

    def __init__(
        self,
        callback: Callable[[Progress], object] | None,
        blocks: BlockMatrix,
        max_iter: int,
        n_starts: int = 1,
    ) -> None:
        self.count = 0
        self.start = 0
        self._phase = ""
        self._callback = callback
        self._max_iter = max_iter
        self._n_starts = n_starts
        self._blocks = blocks
        self._passes_before = blocks.passes
        self._began = time.perf_counter()

    @property
    def phase(self) -> str:
        """Name of the current phase, empty before the first one."""
        return self._phase

    @phase.setter
    def phase(self, phase: str) -> None:
        """Begin a phase and announce it."""
        self._phase = phase
        announce_phase(phase)

    @property
    def passes(self) -> int:
        """Number of reads of the whole data since the fit began."""
        return self._blocks.passes - self._passes_before

    @property
    def seconds(self) -> float:
        """Wall time since the fit began."""
        return time.perf_counter() - self._began

    def report(
        self,
        objective: float,
        n_components: int,
        maps: Callable[[], NDArray | None] = _none,
        spectra: Callable[[], NDArray | None] = _none,
    ) -> bool:
        """Count one iteration and pass it to the callback.

        Parameters
        ----------
        objective : float
            Objective after the iteration.
        n_components : int
            Number of components after the iteration.
        maps, spectra : callable
            As in `Progress`.

        Returns
        -------
        bool
            Whether the callback wants the fit to end.
        """
        self.count += 1
        _logger.debug(
            "%s %d: objective %.8g, %d components",
            self.phase or "iteration",
            self.count,
            objective,
            n_components,
        )
        if self._callback is None:
            return False
        progress = Progress(
            iteration=self.count,
            max_iter=self._max_iter,
            objective=objective,
            n_components=n_components,
            start=self.start,
            n_starts=self._n_starts,
            passes=self.passes,
            seconds=self.seconds,
            phase=self.phase,
            maps=maps,
            spectra=spectra,
        )
        return bool(self._callback(progress))
