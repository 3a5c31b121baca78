"""What one process of the benchmark ``unmixing`` does: one method on one scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.measure import quickest
from benchmarks.methods import METHODS, about, compared, start, warm_up

SEED = 0


def write_scene(name, path, decibels=None, shape=None, unit_norm=False):
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
    unit_norm : bool, default False
        Whether the true maps are those of spectra of one norm, which they are where
        the truth holds for pixels that are scaled to one norm.

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
    spectra = truth.spectra
    if unit_norm:
        spectra = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    np.savez(Path(path).with_suffix(".truth.npz"), spectra=spectra, maps=truth.maps)
    return {"n_components": len(spectra)}


def write_simulated(kind, seed, path):
    """Write a scene of the benchmark ``trust`` as ``.npy``, the truth beside it."""
    from benchmarks.trust_scenes import make_scene

    scene = make_scene(kind, seed)
    np.save(path, scene.cube)
    truth = Path(path).with_suffix(".truth.npz")
    np.savez(truth, spectra=scene.spectra, maps=scene.maps)
    return {"n_components": len(scene.spectra)}


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


def find_oxides(draws):
    """Spectra and number of components on Mn3O4, whose theory is of rank two.

    In the plane of the theory a spectrum is an angle. That of a true spectrum is not
    inside the range of the pixels, and inside that of non-negative spectra: two bands.

    Parameters
    ----------
    draws : int
        Of new noise as strong as the published one, each from another start.

    Returns
    -------
    dict
        A row: the published data, how many degrees their spectra are "outside" of the
        bands, the "difference" of the spectra from a million times the data, and in
        how many "draws" there are "two_components".
    """
    from sparsedecomp import NMFSOARD, datasets

    start("ours")
    noisy, clean = (
        datasets.load(name).data.reshape(528, -1).astype(float)
        for name in ("mn3o4", "mn3o4_clean")
    )
    model = NMFSOARD(random_state=SEED).fit(noisy)
    other = NMFSOARD(random_state=SEED).fit(1e6 * noisy)
    sigma = float(np.sqrt(model.noise_variance_))
    two = 0
    for seed in range(draws):
        noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
        drawn = NMFSOARD(random_state=draws + seed).fit(np.maximum(clean + noise, 0))
        two += drawn.n_components_ == 2
    same = other.n_components_ == model.n_components_
    change = np.abs(other.components_ - model.components_).max() if same else np.inf
    return {
        "components": model.n_components_,
        "outside": _outside_of_bands(clean, model.components_),
        "difference": float(change / model.components_.max()),
        "draws": draws,
        "two_components": two,
        "found": f"two in {two} of {draws}",
    }


def _outside_of_bands(clean, spectra):
    plane = np.linalg.svd(clean, full_matrices=False)[2][:2]
    plane[0] *= np.sign(plane[0].sum())
    pixels, found = (_angles(rows @ plane.T) for rows in (clean, np.array(spectra)))
    if len(found) != 2:
        return None
    # Where a channel of a spectrum in the plane would become negative.
    strength = np.linalg.norm(plane, axis=0)
    edges = _angles(plane.T[strength > 1e-8 * strength.max()])
    lowest, highest = edges.max() - 90, edges.min() + 90
    low, high = found.min(), found.max()
    least = max(lowest - low, low - pixels.min())
    most = max(pixels.max() - high, high - highest)
    return float(max(least, most, 0.0))


def _angles(points):
    return np.degrees(np.arctan2(points[:, 1], points[:, 0]))


def find_vertices(path, n_components):
    """Time of VCA once the data are compressed."""
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.decomposition.geometric.simplex import (
        OVERSAMPLING,
        best_vertices,
        signal_coordinates,
    )
    from sparsedecomp.noise import signal_space

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
    from sparsedecomp.decomposition.geometric import sss_vca
    from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
    from sparsedecomp.decomposition.iterate import Phases
    from sparsedecomp.metrics import match_components

    rng = np.random.default_rng(SEED)
    spectra = rng.random((n_components, n_channels))
    own = rng.permutation(n_channels)[:n_components]
    spectra[:, own] = np.diag(0.5 + rng.random(n_components))
    shares = rng.dirichlet(np.ones(n_components), 4 * n_pixels)
    X = shares[shares.max(axis=1) < 0.8][:n_pixels] @ spectra

    model, blocks = sss_vca.SSSVCA(), as_blocks(X)
    rank = model._MOST + OVERSAMPLING
    space = sss_vca.whiten(blocks, rank, noise=model.noise, random_state=SEED)
    sss_vca.whiten = lambda *_, **__: space

    def search():
        generator = np.random.default_rng(SEED)
        return model._find(blocks, None, generator, Phases())[0]

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

    And the residual that all of them reach, to see that none is cheap for doing little.

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
    from sparsedecomp.decomposition.nmf import model

    start(method)
    cube = np.load(path)
    if sweeps is not None:
        model.ABUNDANCE_SWEEPS = model.SPECTRUM_SWEEPS = sweeps

    def seconds(number):
        chosen = options | {bound: number}
        fit, times = quickest(lambda: METHODS[method](cube, n_components, **chosen), 25)
        return fit, times["cpu_seconds"]

    seconds(1)
    (last, long), (first, short) = seconds(iterations), seconds(1)
    more = last.iterations - first.iterations
    X = cube.reshape(-1, cube.shape[-1])
    residual = np.linalg.norm(X - last.maps @ last.spectra) / np.linalg.norm(X)
    return {
        "iterations": last.iterations,
        "cpu_ms": 1000 * (long - short) / more,
        "residual": float(residual),
    }
