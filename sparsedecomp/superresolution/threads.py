"""Work shared among threads: items, bands of a map, and BLAS kept to one of them."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sparsedecomp.blocks.sources import one_blas_thread, thread_count


def bands(n_rows, least=16):
    """Cut rows into one band for each thread, none of them very thin."""
    n = max(1, min(thread_count(), n_rows // least))
    edges = np.linspace(0, n_rows, n + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in zip(edges, edges[1:], strict=False)]


def in_threads(function, items):
    """Call a function of one item for all of them, on threads; results in order."""
    items = list(items)
    n_threads = min(thread_count(), len(items))
    if n_threads <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def on_one_blas_thread(function):
    """Let BLAS keep to one thread in a function: its matrices are small and many.

    Parameters
    ----------
    function : callable
    """

    @functools.wraps(function)
    def limited(*args, **kwargs):
        with one_blas_thread():
            return function(*args, **kwargs)

    return limited
