"""Threads over items and over bands of a map."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from sparsedecomp.blocks.sources import thread_count

Item = TypeVar("Item")
Result = TypeVar("Result")


def bands(n_rows: int, least: int = 16) -> list[slice]:
    """Cut rows into one band for each thread, each of at least ``least`` rows."""
    n = max(1, min(thread_count(), n_rows // least))
    edges = np.linspace(0, n_rows, n + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in zip(edges, edges[1:], strict=False)]


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> list[Result]:
    """Call a function for every item on threads; results in the order of the items."""
    items = list(items)
    n_threads = min(thread_count(), len(items))
    if n_threads <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))
