"""Reports of how far a pass over a matrix has come, for progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watch = Callable[[int, int], object]
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Call a function whenever blocks were read, in every pass within the context.

    Parameters
    ----------
    watch : callable
        ``watch(done, total)`` with the number of blocks that this pass has read, and
        that of all it reads.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def report(done: int, total: int) -> None:
    """Tell whoever watches how many blocks were read.

    Parameters
    ----------
    done, total : int
        Number of blocks that were read, and of all of this pass.
    """
    watch = _watch.get()
    if watch is not None:
        watch(done, total)
