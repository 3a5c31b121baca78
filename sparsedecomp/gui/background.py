"""A fit in a thread of its own, which can be interrupted like by Ctrl-C."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sparsedecomp.decomposition.progress import watching_phases

_logger = logging.getLogger(__name__)

# Phases that turn a state into a result: interrupted, they would begin anew or be lost.
_COMPLETING = ("last passes", "results")


class BackgroundTask:
    """Runs a function in a thread and passes on what became of it.

    `interrupt` raises KeyboardInterrupt in the thread, at the next Python instruction
    between two compiled loops. The methods of this package keep their best result then.
    Their last passes over the data, without which there is none, are not interrupted;
    what follows them is.

    Parameters
    ----------
    function : callable
        ``function()`` does the work.
    on_end : callable
        ``on_end(error)`` is called in the thread when the work has ended, with None or
        the exception that ended it.
    on_phase : callable, optional
        ``on_phase(name)`` is called in the thread when a phase of a fit begins.

    Examples
    --------
    >>> from sparsedecomp.gui.background import BackgroundTask
    >>> ends = []
    >>> task = BackgroundTask(lambda: None, ends.append)
    >>> task.start()
    >>> task.join()
    True
    >>> ends
    [None]
    """

    def __init__(
        self,
        function: Callable[[], object],
        on_end: Callable[[BaseException | None], object],
        on_phase: Callable[[str], object] | None = None,
    ) -> None:
        self._function, self._on_end, self._on_phase = function, on_end, on_phase
        self._lock = threading.Lock()
        self._active = self._shielded = self._wanted = False
        self._thread = threading.Thread(
            target=self._run, name="sparsedecomp tool", daemon=True
        )

    def start(self) -> None:
        """Begin the work."""
        self._active = True
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    @property
    def interrupted(self) -> bool:
        """Whether `interrupt` was called."""
        return self._wanted

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the thread as soon as nothing is lost by it."""
        with self._lock:
            self._wanted = True
            if not self._shielded:
                self._raise()

    def abandon(self) -> None:
        """Raise KeyboardInterrupt in the thread now, whatever is lost by it."""
        with self._lock:
            self._wanted = True
            self._raise()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Do something in the thread that must not be interrupted, such as drawing."""
        before = self._shield(True)
        try:
            yield
        finally:
            self._shield(before)
        self._raise_if_late()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the thread.

        Parameters
        ----------
        timeout : float, optional
            Longest time to wait in seconds. Default: no limit.

        Returns
        -------
        bool
            Whether it has ended.
        """
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self.running

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            try:
                with watching_phases(self._begin_phase):
                    self._function()
            finally:
                self._end_interrupts()
        except BaseException as caught:
            error = caught
        try:
            self._on_end(error)
        except Exception:
            _logger.exception("A tool could not show the end of its fit")

    def _begin_phase(self, phase: str) -> None:
        self._shield(True)
        if self._on_phase is not None:
            self._on_phase(phase)
        self._shield(phase in _COMPLETING)
        self._raise_if_late()

    def _shield(self, value: bool) -> bool:
        with self._lock:
            before, self._shielded = self._shielded, value
        return before

    def _raise_if_late(self) -> None:
        """Raise what came while the thread was shielded, or ended an inner fit only."""
        with self._lock:
            late = self._wanted and not self._shielded
        if late:
            raise KeyboardInterrupt

    def _raise(self) -> None:
        if self._active:
            _set_exception(self._thread, ctypes.py_object(KeyboardInterrupt))

    def _end_interrupts(self) -> None:
        with self._lock:
            self._active = False
            # An exception that was not raised yet would strike `on_end`.
            _set_exception(self._thread, None)


def _set_exception(thread: threading.Thread, kind: ctypes.py_object | None) -> None:
    identity = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, kind)
