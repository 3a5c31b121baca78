"""What one process of the benchmark ``unmixing`` does: one method on one scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.measure import quickest
from benchmarks.methods import METHODS, about, compared, start, warm_up

SEED = 0


def write_scene(name, path, decibels=None, shape=None):
    """Write a scene with known truth as ``.npy``, the truth beside it.

    Parameters
    ----------
    name : str
        Of `sparsedecomp.datasets`, or "eels" and "edx" for the simulated specimens.
    path : str
    decibels : float, optional
        White noise to add, relative to the mean square of the data.
    shape : (int, int), optional
        Pixels of a simulated specimen.

    Returns
    -------
    dict
        "n_components"
    """
    from sparsedecomp import datasets

    simulated = {
        "eels": datasets.eels_oxide_interface,
        "edx": datasets.edx_particles,
    }
    if name in simulated:
        signal = simulated[name](shape=tuple(shape), seed=SEED)
    else:
        signal = datasets.load(name)
    truth = datasets.truth(signal)
    cube = np.asarray(signal.data, np.float32)
    if decibels is not None:
        power = np.mean(np.square(cube, dtype=float))
        noise = np.random.default_rng(SEED).normal(0, 1, cube.shape)
        cube = np.maximum(cube + noise * np.sqrt(power / 10 ** (decibels / 10)), 0)
    np.save(path, cube.astype(np.float32))
    np.savez(
        Path(path).with_suffix(".truth.npz"), spectra=truth.spectra, maps=truth.maps
    )
    return {"n_components": len(truth.spectra)}


def fit_scene(method, path, *, repeats=1, **options):
    """Fit a scene in memory and compare with its truth.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    path : str
        From `write_scene`.
    repeats : int, default 1
    **options
        ``n_components`` and what else the method takes.

    Returns
    -------
    dict
        A row for the report.
    """
    meter = start(method)
    cube = np.load(path)
    warm_up(method, options)
    fit, times = quickest(lambda: METHODS[method](cube, **options), repeats)
    truth = np.load(Path(path).with_suffix(".truth.npz"))
    row = {**times, "peak_mib": meter.peak_mib()} | about(fit)
    return row | compared(fit, truth["spectra"], truth["maps"])


def find_vertices(path, n_components):
    """Time of VCA, and of SSS+VCA, once the data are compressed."""
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.decomposition.geometric import signal_space
    from sparsedecomp.decomposition.simplex import (
        OVERSAMPLING,
        best_vertices,
        signal_coordinates,
    )

    cube = np.load(path)
    blocks = as_blocks(cube.reshape(-1, cube.shape[-1]))
    low = signal_space(blocks, n_components + OVERSAMPLING, SEED)

    def search():
        view = signal_coordinates(low, n_components)
        generator = np.random.default_rng(SEED)
        return best_vertices(view.points, n_components, 20, generator)

    chosen, times = quickest(search, 3)
    return {**times, "components": len(chosen)}


def time_of_iterations(method, path, n_components, iterations, bound, **options):
    """Seconds per iteration, with what is done once before and after left out.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    path : str
    n_components, iterations : int
    bound : str
        Name of the option that bounds the iterations.
    **options
        What else the method takes.

    Returns
    -------
    dict
        A row; "seconds" and "cpu_seconds" are of one iteration.
    """
    start(method)
    cube = np.load(path)

    def seconds(number):
        chosen = options | {bound: number}
        return quickest(lambda: METHODS[method](cube, n_components, **chosen), 3)[1]

    seconds(1)
    long, short = seconds(iterations), seconds(1)
    return {
        key: (long[key] - short[key]) / (iterations - 1)
        for key in ("seconds", "cpu_seconds")
    }
