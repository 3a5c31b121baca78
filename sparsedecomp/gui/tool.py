"""What all tools have in common: a state, a thread, and errors that are shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import traits.api as t

from sparsedecomp.gui.background import BackgroundTask

_logger = logging.getLogger(__name__)

STATES = ("ready", "checking", "running", "stopping", "finished", "stopped", "failed")
_EXTRA = (
    "The tools need ipywidgets, anywidget and hyperspy_gui_ipywidgets: install them "
    "with `pip install sparsedecomp[gui-jupyter]` and restart the kernel. Everything "
    "that a tool does has a method of the signal, such as `s.decomposition`."
)


class Tool(t.HasTraits):
    """A tool whose work runs in a thread, one piece at a time.

    Attributes
    ----------
    state : str
        "ready", "checking", "running", "stopping", "finished", "stopped" or "failed".
    phase : str
        Name of the phase of the fit.
    activity : str
        What it is doing where it has no iterations.
    message : str
        What happened last, for the user; an error if `state` is "failed".
    result : object
        The last result, None before there is one.
    """

    state: Any = t.Enum(*STATES)
    phase: Any = t.Str()
    activity: Any = t.Str()
    message: Any = t.Str()
    result: Any = t.Any()

    def __init__(self) -> None:
        super().__init__()
        self._task: BackgroundTask | None = None
        self._next: tuple[Callable[[], object], str] | None = None
        self._taken = False

    def gui(
        self, display: bool = True, toolkit: str | None = None
    ) -> dict[str, Any] | None:
        """Show the widgets of the tool.

        Parameters
        ----------
        display : bool, default True
            Whether to show them; otherwise they are returned.
        toolkit : str, optional
            Toolkit of the widgets; there is "ipywidgets". Default: HyperSpy's
            preference.

        Returns
        -------
        dict or None
            With ``display=False``: for each toolkit ``widget`` and ``wdict``, in which
            the parts of the widget and, as "tool", the model have names.

        Raises
        ------
        ImportError
            If ipywidgets or what else the tools need is not installed.
        """
        from hyperspy.ui_registry import get_gui

        key = f"sparsedecomp.{type(self).__name__}"
        try:
            return get_gui(self, toolkey=key, display=display, toolkit=toolkit)
        except (ImportError, NotImplementedError) as error:
            raise ImportError(f"{_EXTRA} ({error})") from error

    @property
    def busy(self) -> bool:
        """Whether something runs in the thread."""
        return self.state in ("checking", "running", "stopping")

    def stop(self) -> None:
        """End the fit and keep its best result; returns at once."""
        self._next = None
        if self.busy and self._task is not None:
            self.state = "stopping"
            self._task.interrupt()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs any more.

        Parameters
        ----------
        timeout : float, optional
            Longest time to wait in seconds. Default: no limit.

        Returns
        -------
        bool
            Whether nothing runs.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (task := self._task) is not None:
            left = None if end is None else max(end - time.monotonic(), 0)
            if not task.join(left):
                return False
            if task is self._task:
                break
        return True

    def close(self) -> None:
        """End the thread and forget the result."""
        self._next = None
        task = self._task
        if task is not None and task.running:
            task.interrupt()
            # The second exception ends the last passes too.
            for _ in range(50):
                if task.join(0.2):
                    break
                task.abandon()
        self._task = self.result = None

    def _say(self, message: str) -> None:
        self.message = message

    def _try(self, action: Callable[[], object]) -> None:
        """Do something at once and show its error instead of raising it."""
        try:
            action()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        _logger.debug("a tool shows an error", exc_info=error)
        kind = type(error).__name__
        self.trait_set(message=f"{kind}: {error}", state="failed")

    def _begin(self, job: Callable[[], object], state: str) -> None:
        if self.busy:
            # A fit that is asked for during the check follows it.
            if self.state == "checking" and state == "running":
                self._next = (job, state)
                self.message = "The fit follows the check of the data."
            return
        self._taken = False
        self.trait_set(state=state, phase="", message="")
        self._task = BackgroundTask(
            job, self._end, lambda phase: self.trait_set(phase=phase, activity="")
        )
        self._task.start()

    def _end(self, error: BaseException | None) -> None:
        interrupted = self._task is not None and self._task.interrupted
        following, self._next = self._next, None
        self.trait_set(phase="", activity="")
        if isinstance(error, KeyboardInterrupt):
            if not self._taken:
                self.message = "Stopped before there was a result."
            self.state = "stopped"
        elif error is not None:
            self._fail(error)
        elif interrupted:
            self.state = "stopped"
        else:
            self.state = "ready" if self.result is None else "finished"
        if following is not None:
            self._begin(*following)
