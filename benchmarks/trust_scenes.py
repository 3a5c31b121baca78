"""Simulated scenes on which a default unmixing is judged, one function per kind.

Every scene has a known truth and a seed that fixes spectra, maps and noise. `KINDS`
maps the name of a kind to its function, which takes a `numpy.random.Generator` and
returns a `Scene`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from sparsedecomp.datasets.edx import LINES, edx_spectrum
from sparsedecomp.metrics import spectral_angle

_ELEMENTS = sorted({element for element, _ in LINES})


@dataclass(frozen=True)
class Scene:
    """One spectrum image and the spectra that it was simulated from.

    Attributes
    ----------
    cube : (ny, nx, n_channels) array
        The data.
    spectra : (k, n_channels) array
        True spectra; their scale is arbitrary.
    maps : (ny, nx, k) array
        True contribution of each component to the sum over all channels.
    """

    cube: np.ndarray
    spectra: np.ndarray
    maps: np.ndarray

    @classmethod
    def of_counts(cls, rng, maps, spectra, dose=1.0) -> Scene:
        """Counts whose expectation is ``dose * maps @ spectra``."""
        cube = rng.poisson(np.maximum(maps @ (dose * spectra), 0)).astype(np.float32)
        return cls(cube, spectra, dose * maps * spectra.sum(axis=1))


def make_scene(kind: str, seed: int) -> Scene:
    """Simulate the scene of a kind; equal seeds give equal scenes.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
        Seed of spectra, maps and noise.

    Returns
    -------
    Scene
    """
    index = list(KINDS).index(kind)
    return KINDS[kind](np.random.default_rng([index, seed]))


# Spectra and maps ---------------------------------------------------------------------


def core_loss_spectra(rng, n_spectra, n_channels, start=400.0, stop=760.0):
    """Core-loss edges of equal jump on power laws that differ little."""
    energy = np.linspace(start, stop, n_channels)
    inside = np.linspace(0.08, 0.85, n_spectra) + rng.uniform(-0.03, 0.03, n_spectra)
    spectra = []
    for threshold in start + inside * (stop - start):
        background = rng.uniform(2.4, 3.2) * (energy / start) ** -rng.uniform(2.8, 3.2)
        edge = (energy > threshold) * 0.5 * (energy / threshold) ** -3.0
        width = rng.uniform(2.0, 5.0)
        edge += 1 / (1 + ((energy - threshold - 2) / width) ** 2)
        spectra.append(background + rng.uniform(0.8, 1.2) * edge)
    return _unit_sum(np.array(spectra))


def phases_of_elements(rng, n_spectra, n_channels, continuum=0.15):
    """EDX spectra of phases of two or three elements each.

    Phases whose spectra differ by less than ten degrees are drawn again: with a few
    hundred counts nothing could tell them apart, and the true number would be a matter
    of taste.
    """
    energy = (np.arange(n_channels) + 0.5) * 10.0 / n_channels
    spectra = []
    while len(spectra) < n_spectra:
        chosen = rng.choice(_ELEMENTS, rng.integers(2, 4), replace=False)
        parts = {element: rng.uniform(0.4, 1.0) for element in chosen}
        new = edx_spectrum(energy, parts, continuum_share=continuum)
        if all(spectral_angle(new, each) > 10 for each in spectra):
            spectra.append(new)
    return _unit_sum(np.array(spectra))


def absorption_spectra(rng, n_spectra, n_channels):
    """XANES: an arctangent edge, a white line and oscillations for every species."""
    energy = np.linspace(-20.0, 60.0, n_channels)
    spectra = []
    for _ in range(n_spectra):
        edge = rng.uniform(-3, 4)
        value = 0.5 + np.arctan((energy - edge) / rng.uniform(0.8, 2.0)) / np.pi
        centre, width = edge + rng.uniform(2, 5), rng.uniform(1.5, 4)
        value += rng.uniform(0.2, 1.2) / (1 + ((energy - centre) / width) ** 2)
        wave = np.sin(np.maximum(energy - edge, 0) / rng.uniform(3, 7))
        value += 0.12 * wave * np.exp(-np.maximum(energy - edge, 0) / 40)
        spectra.append(np.maximum(value, 0))
    return np.array(spectra)


def library_spectra(rng, n_spectra, n_channels):
    """Smooth reflectance-like spectra with a few absorption bands each."""
    x = np.linspace(0, 1, n_channels)
    spectra = []
    for _ in range(n_spectra):
        value = rng.uniform(0.3, 0.8) + rng.uniform(-0.3, 0.3) * x
        for _ in range(4):
            depth, centre, width = rng.uniform([0.05, 0, 0.03], [0.4, 1, 0.15])
            value = value - depth * np.exp(-0.5 * ((x - centre) / width) ** 2)
        spectra.append(np.maximum(value, 0.02))
    return np.array(spectra)


def smooth_noise(rng, shape, n_fields, width):
    """Independent Gaussian fields of unit variance that vary over ``width`` pixels."""
    fields = rng.standard_normal((n_fields, *shape))
    fields = np.array([gaussian_filter(field, width, mode="wrap") for field in fields])
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return fields / fields.std(axis=(1, 2), keepdims=True)


def softmax_maps(rng, shape, n_maps, contrast=2.2, width=4.0):
    """Shares proportional to ``exp(contrast * smooth noise)``."""
    shares = np.exp(contrast * smooth_noise(rng, shape, n_maps, width))
    return np.moveaxis(shares / shares.sum(axis=0), 0, -1)


def capped_maps(rng, shape, n_maps, largest=0.8):
    """Smooth sparse shares, none of which exceeds ``largest``: no pixel is pure."""
    shares = np.maximum(smooth_noise(rng, shape, n_maps, 3.0), 0) ** 2 + 1e-6
    shares = np.moveaxis(shares / shares.sum(axis=0), 0, -1)
    for _ in range(20):
        excess = np.maximum(shares - largest, 0)
        room = np.where(shares < largest, shares + 0.02, 0)
        room /= room.sum(axis=-1, keepdims=True)
        shares = shares - excess + room * excess.sum(axis=-1, keepdims=True)
    return shares


def region_maps(rng, shape, n_maps, width=4.0, blur=1.0):
    """Regions of one phase each, mixed over ``blur`` pixels at their borders."""
    labels = smooth_noise(rng, shape, n_maps, width).argmax(axis=0)
    shares = [gaussian_filter((labels == k) * 1.0, blur) for k in range(n_maps)]
    return np.moveaxis(np.array(shares), 0, -1)


def disc_maps(rng, shape, n_kinds, n_discs, radius=2.8):
    """Projected thickness of spheres of several kinds, at most one in a pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    thickness = np.zeros((*shape, n_kinds))
    for number in range(n_discs):
        free = thickness.sum(axis=-1) == 0
        for _ in range(50):
            centre = rng.uniform([radius, radius], np.array(shape) - radius)
            away = np.hypot(y - centre[0], x - centre[1]) / radius
            if free[away < 1].all():
                break
        cap = np.sqrt(np.maximum(1 - away**2, 0)) * free
        thickness[..., number % n_kinds] += cap
    return thickness


def _unit_sum(spectra):
    return spectra / spectra.sum(axis=1, keepdims=True)


def _noisy(rng, maps, spectra, decibels):
    clean = maps @ spectra
    sigma = np.sqrt(np.mean(clean**2) / 10 ** (decibels / 10))
    return (clean + sigma * rng.standard_normal(clean.shape)).astype(np.float32)


# Kinds --------------------------------------------------------------------------------


def plain(rng):
    spectra = core_loss_spectra(rng, 3, 256)
    maps = softmax_maps(rng, (40, 40), 3, 3.0)
    return Scene.of_counts(rng, maps, spectra, 6e4)


def few_channels(n_channels):
    def kind(rng):
        spectra = rng.uniform(1, 30, (3, n_channels))
        maps = rng.dirichlet([0.4] * 3, (40, 50))
        return Scene.of_counts(rng, maps, spectra)

    return kind


def line_scan(n_pixels):
    def kind(rng):
        spectra = core_loss_spectra(rng, 3, 400)
        position = np.linspace(0, 1, n_pixels)
        middle = rng.uniform(0.4, 0.6)
        bumps = np.exp(-(((position - middle) / rng.uniform(0.12, 0.18)) ** 2))
        step = 1 / (1 + np.exp(-(position - middle) / rng.uniform(0.03, 0.06)))
        maps = np.stack([(1 - bumps) * (1 - step), bumps, (1 - bumps) * step], -1)
        return Scene.of_counts(rng, maps[None], spectra, 2e6)

    return kind


def many_edges(n_edges):
    def kind(rng):
        spectra = core_loss_spectra(rng, n_edges, 400)
        maps = softmax_maps(rng, (48, 48), n_edges, 2.2, 3.0)
        return Scene.of_counts(rng, maps, spectra, 2e5)

    return kind


def small_phase(rng):
    spectra = core_loss_spectra(rng, 3, 256)[rng.permutation(3)]
    maps = np.zeros((40, 40, 3))
    maps[:, : rng.integers(14, 24), 0] = 1
    row, column = rng.integers(4, 34, 2)
    maps[row : row + 2, column : column + 2] = [0, 0, 1]
    maps[..., 1] = 1 - maps.sum(axis=-1)
    return Scene.of_counts(rng, maps, spectra, 6e4)


def inclusion(rng):
    spectra = core_loss_spectra(rng, 3, 256)[rng.permutation(3)]
    y, x = np.mgrid[:64, :64]
    split = 1 / (1 + np.exp(-(x - rng.uniform(24, 40)) / 1.5))
    row, column = rng.integers(8, 32, 2)
    square = np.zeros((64, 64))
    square[row : row + 24, column : column + 24] = 1
    square = gaussian_filter(square, 1.0)
    maps = np.stack([(1 - square) * split, (1 - square) * (1 - split), square], -1)
    return Scene.of_counts(rng, maps, spectra, 6e4)


def vacuum(rng):
    spectra = phases_of_elements(rng, 3, 256)
    maps = region_maps(rng, (40, 40), 3) * 300
    empty = smooth_noise(rng, (40, 40), 1, 4.0)[0]
    maps[empty < np.quantile(empty, 0.4)] = 0
    stray = np.full((1, 256), 0.2 / 256)
    cube = rng.poisson(maps @ spectra + stray).astype(np.float32)
    return Scene(cube, spectra, maps)


def cosmic_rays(n_rays):
    def kind(rng):
        scene = plain(rng)
        rows, columns = rng.integers(0, 40, (2, n_rays))
        channels = rng.integers(0, 256, n_rays)
        height = rng.uniform(60, 100, n_rays).round() * scene.cube.max()
        scene.cube[rows, columns, channels] += height
        return scene

    return kind


def energy_drift(channels):
    def kind(rng):
        spectra = core_loss_spectra(rng, 3, 256)
        maps = softmax_maps(rng, (40, 40), 3, 3.0).reshape(-1, 3)
        expected = maps @ spectra * 6e4
        at = np.arange(256.0)
        shifts = np.linspace(-channels, channels, len(maps))
        for pixel, shift in zip(expected, shifts, strict=True):
            pixel[:] = np.interp(at - shift, at, pixel)
        cube = rng.poisson(expected).reshape(40, 40, 256).astype(np.float32)
        return Scene(cube, spectra, maps.reshape(40, 40, 3) * 6e4)

    return kind


def plural_scattering(rng):
    spectra = core_loss_spectra(rng, 3, 256)
    maps = region_maps(rng, (40, 40), 3)
    loss = np.arange(256) * 360 / 256
    valence = loss * np.exp(-loss / 12.0)
    response = np.fft.rfft(valence / valence.sum(), 512)
    thickness = np.linspace(0.2, 1.2, 40)[None, :, None]
    single = np.fft.rfft(maps @ spectra * 6e4, 512)
    expected = np.fft.irfft(single * np.exp(thickness * response), 512)[..., :256]
    cube = rng.poisson(np.maximum(expected, 0)).astype(np.float32)
    return Scene(cube, spectra, maps * 6e4)


def no_pure_pixel(decibels):
    def kind(rng):
        k = int(rng.integers(4, 7))
        spectra = library_spectra(rng, k, 200)
        maps = capped_maps(rng, (50, 50), k)
        cube = _noisy(rng, maps, spectra, decibels)
        return Scene(cube, spectra, maps * spectra.sum(axis=1))

    return kind


def particles_on_support(counts):
    def kind(rng):
        spectra = phases_of_elements(rng, 3, 256)
        maps = np.concatenate(
            [np.full((48, 48, 1), 0.4), disc_maps(rng, (48, 48), 2, 12)], axis=-1
        )
        return Scene.of_counts(rng, maps * counts, spectra)

    return kind


def low_counts(rng):
    spectra = core_loss_spectra(rng, 3, 256)
    maps = region_maps(rng, (48, 48), 3)
    return Scene.of_counts(rng, maps * 200, spectra)


def xanes_stack(rng):
    spectra = absorption_spectra(rng, 4, 120)
    maps = capped_maps(rng, (40, 40), 4)
    cube = maps @ spectra + 0.01 * rng.standard_normal((40, 40, 120))
    return Scene(cube.astype(np.float32), spectra, maps * spectra.sum(axis=1))


def softmax(rng):
    spectra = core_loss_spectra(rng, 4, 300)
    maps = softmax_maps(rng, (48, 48), 4, 2.0)
    return Scene.of_counts(rng, maps, spectra, 1e5)


KINDS = {
    "plain EELS": plain,
    "8 channels": few_channels(8),
    "16 channels": few_channels(16),
    "line of 10": line_scan(10),
    "line of 30": line_scan(30),
    "six edges": many_edges(6),
    "eight edges": many_edges(8),
    "small phase": small_phase,
    "inclusion": inclusion,
    "vacuum": vacuum,
    "1 cosmic ray": cosmic_rays(1),
    "5 cosmic rays": cosmic_rays(5),
    "drift .5": energy_drift(0.5),
    "drift 2": energy_drift(2.0),
    "thickness": plural_scattering,
    "not pure, 30 dB": no_pure_pixel(30),
    "not pure, 40 dB": no_pure_pixel(40),
    "particles, 100 counts": particles_on_support(100),
    "particles, 1000 counts": particles_on_support(1000),
    "low counts": low_counts,
    "XANES": xanes_stack,
    "softmax maps": softmax,
}
