"""The cubes of the benchmark ``nmf``: realistic ones, and a product of any size."""

from pathlib import Path

import numba
import numpy as np
from scipy.ndimage import gaussian_filter

from sparsedecomp.datasets import (
    Truth,
    noisy_cube,
    oxide_interface_truth,
    particles_truth,
)

# Of a stored block as HyperSpy cuts a cube that was in memory when it was saved.
HYPERSPY_CHUNK = 1e6
NOISE = 2.0


def truth_of(kind, shape, n_channels, n_components):
    """What a cube is made of.

    "product" has even noise, "edges" Poisson noise, and both have as many components
    as asked for; the specimens "eels" and "edx" have three phases.
    """
    if kind == "edges":
        return edges_truth(shape, n_channels, n_components)
    if kind == "eels":
        return oxide_interface_truth(shape, n_channels, 5e5)
    if kind == "edx":
        return particles_truth(shape, n_channels, 200.0)
    return product_truth(shape, n_channels, n_components)


def product_truth(shape, n_channels, n_components, seed=0):
    """Peaks on a background, and maps in which most pixels are nearly pure."""
    rng = np.random.default_rng(seed)
    channel = np.arange(n_channels)
    width = n_channels / 1024
    spectra = np.full((n_components, n_channels), 20.0)
    for spectrum in spectra:
        spectrum += 50 / (channel / width + 50)
        for centre in rng.uniform(0.05, 0.95, 3) * n_channels:
            peak = -0.5 * ((channel - centre) / (rng.uniform(8, 25) * width)) ** 2
            spectrum += rng.uniform(50, 150) * np.exp(peak)
    maps = np.empty((*shape, n_components), np.float32)
    for row in maps:
        row[:] = rng.standard_gamma(0.3, row.shape)
    maps /= maps.sum(axis=-1, keepdims=True)
    names = tuple(f"component {k}" for k in range(n_components))
    return Truth(spectra, maps, names, channel.astype(float))


def edges_truth(shape, n_channels, n_components, seed=0):
    """Core-loss edges on power-law backgrounds, in grains with smooth boundaries."""
    rng = np.random.default_rng(seed)
    energy = np.linspace(400.0, 900.0, n_channels)
    spectra = (energy / 400.0) ** -rng.uniform(2.8, 3.2, (n_components, 1))
    for spectrum in spectra:
        for onset in rng.uniform(430.0, 850.0, 2):
            above = energy >= onset
            edge = np.where(above, (energy / onset) ** -3.5, 0.0)
            edge += 1.5 * np.exp(-0.5 * ((energy - onset - 4.0) / 2.5) ** 2)
            spectrum += rng.uniform(0.2, 0.6) * (onset / 400.0) ** -3 * edge
    spectra *= 500.0 / spectra.mean()
    smooth = 0.04 * np.mean(shape)
    fields = [
        gaussian_filter(rng.standard_normal(shape), smooth, mode="wrap")
        for _ in range(n_components)
    ]
    fields = np.stack(fields, axis=-1) / np.std(fields)
    maps = np.exp(5 * fields)
    maps /= maps.sum(axis=-1, keepdims=True)
    names = tuple(f"grain {k}" for k in range(n_components))
    return Truth(spectra, maps, names, energy)


def cube_of(kind, truth):
    """The cube in memory, float32."""
    if kind != "product":
        return noisy_cube(truth)
    maps = truth.maps.reshape(-1, truth.maps.shape[-1])
    cube = maps @ truth.spectra.astype(np.float32)
    add_noise(cube, np.arange(len(cube)), NOISE)
    return cube.reshape(*truth.maps.shape[:2], -1)


def lazy_cube_of(kind, truth, chunks):
    """The cube as a dask array whose blocks are made when they are computed."""
    if kind != "product":
        return noisy_cube(truth, lazy=True, chunks=chunks)
    import dask.array as da

    ny, nx, k = truth.maps.shape
    pixels = np.arange(ny * nx).reshape(ny, nx, 1)
    shape = (ny, nx, truth.spectra.shape[1])
    return da.map_blocks(
        _product_block,
        da.from_array(truth.maps, chunks=(*chunks, k)),
        da.from_array(pixels, chunks=(*chunks, 1)),
        spectra=truth.spectra.astype(np.float32),
        chunks=da.core.normalize_chunks((*chunks, shape[-1]), shape),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )


def _product_block(maps, pixels, spectra):
    block = maps.reshape(-1, maps.shape[-1]) @ spectra
    add_noise(block, pixels.ravel(), NOISE)
    return block.reshape(*maps.shape[:2], -1)


@numba.njit(cache=True, nogil=True)
def add_noise(X, pixels, sigma):
    """Add nearly Gaussian noise that depends on the place of an entry alone.

    The sum of the four quarters of a hashed counter: it costs less than drawing, is
    the same however the pixels are grouped, and stays within 3.5 standard deviations.
    """
    n, m = X.shape
    scale = sigma * np.sqrt(3.0) / 65536.0
    quarter = np.uint64(0xFFFF)
    for i in range(n):
        for e in range(m):
            z = np.uint64(pixels[i] * m + e + 1) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            z = (z ^ (z >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            z ^= z >> np.uint64(32)
            total = (z & quarter) + ((z >> np.uint64(16)) & quarter)
            total += ((z >> np.uint64(32)) & quarter) + (z >> np.uint64(48))
            X[i, e] += scale * (float(total) - 2.0 * 65535.0)


def write_cube(kind, shape, n_channels, n_components, path):
    """Save a cube as ``.npy``, or block by block as ``.hspy``, and its truth beside it.

    Returns
    -------
    dict
        "n_components" of the truth, "bytes" of the cube and of a "block" as stored.
    """
    path = Path(path)
    truth = truth_of(kind, shape, n_channels, n_components)
    truth_path = path.with_suffix(".truth.npz")
    np.savez(truth_path, maps=truth.maps, spectra=truth.spectra)
    if path.suffix == ".npy":
        np.save(path, cube_of(kind, truth))
        chunks = shape
    else:
        chunks = _write_hspy(kind, truth, path)
    pixel = 4 * n_channels
    return {
        "n_components": len(truth.spectra),
        "bytes": int(np.prod(shape)) * pixel,
        "block": int(np.prod(chunks)) * pixel,
    }


def _write_hspy(kind, truth, path):
    import hyperspy.api as hs

    side = max(1, int(np.sqrt(HYPERSPY_CHUNK / (4 * truth.spectra.shape[1]))))
    chunks = tuple(min(side, length) for length in truth.maps.shape[:2])
    data = lazy_cube_of(kind, truth, chunks)
    signal = hs.signals.Signal1D(data).as_lazy()
    # Noise does not compress: gzip would only be timed along.
    signal.save(path, compression=None, show_progressbar=False)
    return chunks
