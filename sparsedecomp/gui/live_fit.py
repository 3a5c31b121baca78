"""What a running fit shows: pictures of its components, reads of the data, phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks.watching import watching
from sparsedecomp.gui.fit_result import intensity_shares
from sparsedecomp.gui.frames import History, curves, thumbnails
from sparsedecomp.progress import saying_that_code_is_compiled

if TYPE_CHECKING:
    from sparsedecomp.blocks import BlockMatrix
    from sparsedecomp.decomposition.progress import Progress
    from sparsedecomp.extension.types import BaseSignal

# Seconds between two pictures: seven a second look fluent. A picture that takes long
# to make waits for so many times its processor time, which bounds its cost to 5 %.
INTERVAL, _RARER = 0.14, 20
# Seconds without an iteration after which reads of the data are shown.
_QUIET = 1.0


class LiveFit:
    """Draws a fit while it runs, at most seven times a second.

    Parameters
    ----------
    draw : callable
        ``draw(frame)`` is called with a picture, see `FitResult.frame`.
    tell : callable
        ``tell(text)`` is called with what the fit is doing between its iterations.
    shielded : callable
        ``shielded()`` is a context in which the thread is not interrupted.

    Attributes
    ----------
    history : History
        Objective so far.
    seconds : float
        Processor time that the pictures took.
    """

    def __init__(
        self,
        draw: Callable[[dict[str, Any]], object],
        tell: Callable[[str], object],
        shielded: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.history, self.seconds = History(), 0.0
        self._draw, self._tell, self._shielded = draw, tell, shielded
        self._due = self._reading_due = 0.0
        self._signal: BaseSignal | None = None
        self._rows = self._columns = np.zeros(0, int)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Show the reads of the data, and that code is compiled, within the context."""
        compiling = saying_that_code_is_compiled(lambda: self._tell("compiling"))
        with watching(self._read), compiling:
            yield

    def of(self, signal: BaseSignal, blocks: BlockMatrix) -> None:
        """Tell what is fitted.

        Parameters
        ----------
        signal : hyperspy.api.signals.BaseSignal
            Signal whose axes the pictures have.
        blocks : BlockMatrix
            Its pixels and channels without mask.
        """
        self._signal, self._rows, self._columns = signal, blocks.rows, blocks.columns

    def report(self, progress: Progress) -> None:
        """Record an iteration, and draw it if the last picture is old enough.

        Parameters
        ----------
        progress : Progress
            What the callback of a fit receives.
        """
        self.history.add(progress.iteration, progress.objective, progress.phase)
        now = time.perf_counter()
        # Iterations tell more than reads of the data, or of what they became.
        self._reading_due = now + _QUIET
        if now < self._due:
            return
        began = time.thread_time()
        with self._shielded():
            self._tell("")
            self._draw(self._frame_of(progress))
        cost = time.thread_time() - began
        self.seconds += cost
        self._due = time.perf_counter() + max(INTERVAL, _RARER * cost)

    def _read(self, done: int, total: int) -> None:
        """Show how far a read of the data has come."""
        now = time.perf_counter()
        if now >= self._reading_due:
            with self._shielded():
                self._tell(f"reading the data, block {done} of {total}")
            self._reading_due = now + INTERVAL

    def _frame_of(self, progress: Progress) -> dict[str, Any]:
        frame = {
            "phase": progress.phase,
            "iteration": progress.iteration,
            "seconds": progress.seconds,
            "start": [progress.start + 1, progress.n_starts],
            "n": progress.n_components,
            "curve": self.history.curve(),
        }
        maps, spectra = progress.maps(), progress.spectra()
        if maps is None or spectra is None:
            return frame
        axes = self._signal.axes_manager
        whole = _spread(maps, self._rows, axes.navigation_size)
        return frame | {
            "maps": thumbnails(whole, axes._navigation_shape_in_array),
            "spectra": curves(_filled(spectra, self._columns, axes.signal_size)),
            "relevance": intensity_shares(maps, spectra).tolist(),
            "relevance_name": "share of the intensity",
        }


def _spread(maps: NDArray, rows: NDArray, n_pixels: int) -> NDArray:
    """Maps (k, pixels) of all or of evenly spread pixels, NaN where there is none."""
    if len(maps) != len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, len(maps)).round().astype(int)]
    whole = np.full((maps.shape[1], n_pixels), np.nan, np.float32)
    whole[:, rows] = maps.T
    return whole


def _filled(spectra: NDArray, columns: NDArray, n_channels: int) -> NDArray:
    """Spectra in all channels, NaN where masked."""
    whole = np.full((len(spectra), n_channels), np.nan, np.float32)
    whole[:, columns] = spectra
    return whole
