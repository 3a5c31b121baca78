"""Progress bars over the iterations of a fit, over fits and over reads of the data."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from .decomposition.progress import Progress

_logger = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def saying_that_code_is_compiled(
    say: Callable[[], object] | None = None,
) -> Iterator[None]:
    """Log once, and call a function, if numba compiles within the context.

    Parameters
    ----------
    say : callable, optional
        ``say()`` is called when the first function is compiled.
    """
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
    if not _is_shown(show):
        with saying_that_code_is_compiled():
            yield callback
        return

    from hyperspy.external.progressbar import progressbar

    with progressbar(desc=description, unit="it", leave=True) as bar:

        def report(progress: Any) -> Any:
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

        with saying_that_code_is_compiled(lambda: bar.set_postfix(phase="compiling")):
            yield report
        # A fit that converged early is complete.
        _set_total(bar, bar.n)


def _set_total(bar: Any, total: int) -> None:
    """Set the length of a bar. The widget of a notebook learns it from `reset` only."""
    n, began = bar.n, bar.start_t
    bar.reset(total=total)
    bar.n, bar.last_print_n, bar.start_t = n, n, began
    bar.refresh()


@contextmanager
def counting_bar(
    show: bool | None, description: str, unit: str, total: int
) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar over a known number of things.

    Parameters
    ----------
    show : bool or None
        Whether to show the bar; None for HyperSpy's preference.
    description, unit : str
        Text in front of the bar, and what is counted.
    total : int
        Number of these things.

    Yields
    ------
    callable
        Function ``watch(done, total)`` to be called after each of them.
    """
    from hyperspy.external.progressbar import progressbar

    hidden = not _is_shown(show)
    with progressbar(total=total, desc=description, unit=unit, disable=hidden) as bar:
        yield lambda done, total: bar.update(done - bar.n) and None


def with_progress_bar(function: F) -> F:
    """Decorate a function that reads data so that it takes ``show_progressbar``.

    The bar counts the blocks of each read of the data. It appears with the first block
    that was read, and not at all where nothing is read.

    Parameters
    ----------
    function : callable
        Function of a signal with a numpydoc docstring.

    Returns
    -------
    callable
        Function with one more parameter, which its signature and docstring show.
    """
    from .blocks.watching import watching

    @functools.wraps(function)
    def shown(*args: Any, show_progressbar: bool | None = None, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            stack.enter_context(saying_that_code_is_compiled())
            if _is_shown(show_progressbar):
                watch = _PassBar(function.__name__, stack)
                stack.enter_context(watching(watch))
            return function(*args, **kwargs)

    signature = inspect.signature(function)
    kept = list(signature.parameters.values())
    last = [p for p in kept if p.kind is p.VAR_KEYWORD]
    added = inspect.Parameter(
        "show_progressbar", inspect.Parameter.KEYWORD_ONLY, default=None
    )
    kept = [p for p in kept if p not in last] + [added, *last]
    shown.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    text = inspect.cleandoc(function.__doc__ or "")
    before = re.search(r"\n\*\*\w+ :|\n\nReturns\n", text)
    if before is not None:
        heading = "" if "\nParameters\n" in text else "\n\nParameters\n----------"
        added_text = heading + _PARAMETER
        shown.__doc__ = text[: before.start()] + added_text + text[before.start() :]
    return cast(F, shown)


_PARAMETER = """
show_progressbar : bool, optional
    Show a progress bar over the blocks of each read of the data. Default: HyperSpy's
    preference."""


class _PassBar:
    """A bar over the blocks of a pass that begins anew with every pass."""

    def __init__(self, description: str, stack: ExitStack) -> None:
        self.description, self.stack = description, stack
        self.bar: Any = None
        self.number, self.done = 0, 0

    def __call__(self, done: int, total: int) -> None:
        if self.bar is None:
            from hyperspy.external.progressbar import progressbar

            self.bar = self.stack.enter_context(
                progressbar(desc=self.description, unit="block", total=total)
            )
        if self.number == 0 or done <= self.done:
            self.number += 1
            self.bar.n = 0
            _set_total(self.bar, total)
            self.bar.set_postfix({"read": self.number})
        self.bar.update(done - self.bar.n)
        self.done = done


def _is_shown(show: bool | None) -> bool:
    from hyperspy.defaults_parser import preferences

    return bool(preferences.General.show_progressbar if show is None else show)
