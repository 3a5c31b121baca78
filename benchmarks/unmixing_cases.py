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
    row |= compared(fit, truth["spectra"], truth["maps"])
    return row | {"share_rmse": share_rmse(fit, truth["spectra"], truth["maps"])}


def share_rmse(fit, spectra, maps):
    """Error of the shares of a pixel, every map scaled to be closest to the true one.

    It does not depend on what a method takes for the scale of a spectrum.
    """
    from sparsedecomp.metrics import abundance_rmse, match_components

    maps = maps.reshape(-1, len(spectra)).astype(float)
    true, found, _ = match_components(spectra, fit.spectra)
    own = np.zeros_like(maps)
    own[:, true] = fit.maps[:, found]
    squares = np.square(own).sum(axis=0)
    own *= (own * maps).sum(axis=0) / np.where(squares > 0, squares, 1.0)
    return abundance_rmse(_shares(maps), _shares(own))


def _shares(maps):
    total = maps.sum(axis=1, keepdims=True)
    return maps / np.where(total > 0, total, 1.0)


def find_vertices(path, n_components):
    """Time of VCA once the data are compressed."""
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


def find_corners(n_components, n_pixels=6400, n_channels=1000):
    """Time of SSS+VCA once the data are compressed, and how exact its spectra are.

    Every source owns a channel and no pixel is pure. Robust principal components,
    which find the number, are part of the time.
    """
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.decomposition import SSSVCA, sss_vca
    from sparsedecomp.decomposition.simplex import OVERSAMPLING
    from sparsedecomp.metrics import match_components

    rng = np.random.default_rng(SEED)
    spectra = rng.random((n_components, n_channels))
    own = rng.permutation(n_channels)[:n_components]
    spectra[:, own] = np.diag(0.5 + rng.random(n_components))
    shares = rng.dirichlet(np.ones(n_components), 4 * n_pixels)
    X = shares[shares.max(axis=1) < 0.8][:n_pixels] @ spectra

    model, blocks = SSSVCA(), as_blocks(X)
    rank = model._MOST + OVERSAMPLING
    space = sss_vca.even_space(blocks, rank, model.noise, SEED)
    sss_vca.even_space = lambda *_: space

    def search():
        generator = np.random.default_rng(SEED)
        return model._find(blocks, None, generator, lambda *step: False)[0]

    search()
    found, times = quickest(search, 5)
    angles = match_components(spectra, found)[2]
    return {
        **times,
        "components": len(found),
        "angle": float(angles.mean()),
        "worst_angle": float(angles.max()),
    }


def time_of_iterations(
    method, path, n_components, iterations, bound, sweeps=None, **options
):
    """Processor time per iteration, without what is done once before and after.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    path : str
    n_components, iterations : int
    bound : str
        Name of the option that bounds the iterations.
    sweeps : int, optional
        Of ours over the abundances and over the spectra in an iteration; scikit-learn
        makes one of each.
    **options
        What else the method takes.

    Returns
    -------
    dict
        A row.
    """
    from sparsedecomp.decomposition import descent

    start(method)
    cube = np.load(path)
    if sweeps is not None:
        descent.ABUNDANCE_SWEEPS = descent.SPECTRUM_SWEEPS = sweeps

    def seconds(number):
        chosen = options | {bound: number}
        fit, times = quickest(lambda: METHODS[method](cube, n_components, **chosen), 3)
        return fit.iterations, times["cpu_seconds"]

    seconds(1)
    (many, long), (few, short) = seconds(iterations), seconds(1)
    return {"iterations": many, "cpu_ms": 1000 * (long - short) / (many - few)}
