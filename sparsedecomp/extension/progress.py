"""Progress bar over the iterations of a fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..decomposition.progress import Progress

_logger = logging.getLogger(__name__)


@contextmanager
def _saying_that_code_is_compiled(
    say: Callable[[], object] | None = None,
) -> Iterator[None]:
    """Log once, and call a function, if numba compiles within the context."""
    from numba.core import event

    class Compiling(event.Listener):
        told = False

        def on_start(self, event: event.Event) -> None:
            if not self.told:
                self.told = True
                _logger.info(
                    "Compiling for this machine, which takes up to a minute or two; "
                    "the result is cached on disk for the next fit."
                )
                if say is not None:
                    say()

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Compiling()):
        yield


@contextmanager
def progress_bar(
    show: bool | None,
    description: str,
    callback: Callable[[Progress], object] | None = None,
) -> Iterator[Callable[[Progress], object] | None]:
    """Show a progress bar and yield the callback for an estimator that updates it.

    The bar counts iterations, not dask tasks, and works with every scheduler. While
    the first fit compiles its kernels, before the first iteration, the phase is
    "compiling", and a message of level INFO is logged.

    Parameters
    ----------
    show : bool or None
        Whether to show the bar; None for HyperSpy's preference
        ``General.show_progressbar``.
    description : str
        Text in front of the bar.
    callback : callable, optional
        Callback of the user, called with every progress report. Its return value, True
        to stop the fit, is passed on.

    Yields
    ------
    callable or None
        Callback of the estimator.
    """
    from hyperspy.defaults_parser import preferences

    if show is None:
        show = preferences.General.show_progressbar
    if not show:
        with _saying_that_code_is_compiled():
            yield callback
        return

    from hyperspy.external.progressbar import progressbar

    with progressbar(desc=description, unit="it", leave=True) as bar:

        def report(progress):
            if bar.total != (total := progress.max_iter * progress.n_starts):
                _set_total(bar, total)
            bar.set_postfix(
                phase=progress.phase,
                objective=f"{progress.objective:.6g}",
                components=progress.n_components,
                refresh=False,
            )
            # Redraws at most ten times a second.
            bar.update()
            return callback(progress) if callback is not None else None

        with _saying_that_code_is_compiled(lambda: bar.set_postfix(phase="compiling")):
            yield report
        # A fit that converged early is complete.
        _set_total(bar, bar.n)


def _set_total(bar: Any, total: int) -> None:
    """Set the length of a bar. The widget of a notebook learns it from `reset` only."""
    n, began = bar.n, bar.start_t
    bar.reset(total=total)
    bar.n, bar.last_print_n, bar.start_t = n, n, began
    bar.refresh()
