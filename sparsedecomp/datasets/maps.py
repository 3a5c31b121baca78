"""Abundance maps of the phases of simulated specimens.

All lengths are fractions of the field of view, so that one seed draws the same
specimen at every number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import erf


def pixel_centres(shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (v, u) of the pixels, both from 0 to 1: v down, u to the right.

    Raises
    ------
    ValueError
        If `shape` is not two positive numbers.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"The shape of a simulated map is (ny, nx), both at least 1, got {shape}."
        )
    ny, nx = shape
    v, u = np.ogrid[0.5 / ny : 1 : 1 / ny, 0.5 / nx : 1 : 1 / nx]
    return v, u


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """Mixing profile of a diffuse boundary: 0 far below, 1/2 at it, 1 far above.

    The profile is the integral of a Gaussian of standard deviation `width`.
    """
    return 0.5 * (1 + erf(distance / (np.sqrt(2) * width)))


def rough_profile(
    u: np.ndarray,
    level: float,
    roughness: float,
    rng: np.random.Generator,
    n_waves: int = 8,
) -> np.ndarray:
    """Height of a rough interface along u.

    The profile is a sum of waves with random phases whose amplitudes fall as 1/m, so
    that most of the roughness is at long wavelengths.
    """
    m = np.arange(1, n_waves + 1).reshape(-1, *[1] * np.ndim(u))
    phase = rng.uniform(0, 2 * np.pi, size=n_waves).reshape(m.shape)
    return level + roughness * (np.cos(2 * np.pi * m * u + phase) / m).sum(axis=0)


def oxide_layers(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    roughness: float = 0.015,
    diffuseness: float = 0.015,
    n_precipitates: int = 3,
) -> np.ndarray:
    """Abundances of a substrate, a film grown on it, and precipitates in the film.

    Parameters
    ----------
    shape : tuple (ny, nx)
        Pixels.
    rng : numpy.random.Generator
        Generator that draws the interface and the precipitates.
    roughness, diffuseness : float, default 0.015, 0.015
        Amplitude of the waves of the interface, and standard deviation of the mixing
        across every boundary (interdiffusion and probe tails).
    n_precipitates : int, default 3
        Number of precipitates.

    Returns
    -------
    ndarray of shape (ny, nx, 3)
        Substrate, film, precipitates; each pixel sums to the relative thickness,
        which falls from 1.15 to 0.85 across the field of view.
    """
    v, u = pixel_centres(shape)
    film = soft_step(rough_profile(u, 0.6, roughness, rng) - v, diffuseness)

    embedded = np.zeros(shape)
    slot = 1 / n_precipitates
    for i in range(n_precipitates):
        centre_u = slot * (i + 0.5 + rng.uniform(-0.1, 0.1))
        centre_v = rng.uniform(0.24, 0.28)
        half_u = slot * rng.uniform(0.36, 0.42)
        half_v = rng.uniform(0.13, 0.17)
        radius = np.hypot((u - centre_u) / half_u, (v - centre_v) / half_v)
        inside = soft_step((1 - radius) * half_v, diffuseness)
        embedded = np.maximum(embedded, inside)

    thickness = 1.15 - 0.3 * u
    phases = [1 - film, film * (1 - embedded), film * embedded]
    return np.stack(phases, axis=-1) * thickness[..., None]


def scattered_spheres(
    rng: np.random.Generator, n_spheres: int, radii: tuple[float, float], gap: float
) -> np.ndarray:
    """Spheres at random places inside the field, with a gap between them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator that draws radii and places.
    n_spheres : int
        Number of spheres.
    radii : tuple (smallest, largest)
        Range of the radii.
    gap : float
        Least distance between two surfaces.

    Returns
    -------
    ndarray of shape (n_spheres, 3)
        Centre v, centre u and radius of each.
    """
    placed = np.empty((0, 3))
    while len(placed) < n_spheres:
        radius = rng.uniform(*radii)
        v, u = rng.uniform(radius, 1 - radius, size=2)
        distance = np.hypot(placed[:, 0] - v, placed[:, 1] - u)
        if np.all(distance > placed[:, 2] + radius + gap):
            placed = np.vstack([placed, (v, u, radius)])
    return placed


def path_through_sphere(
    distance: np.ndarray, radius: float, thickness: np.ndarray
) -> np.ndarray:
    """Path of the beam inside a sphere that a film of given thickness holds.

    The faces of the film cut the sphere, so that the path is the whole thickness
    wherever the sphere is thicker than that.
    """
    half_chord = np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    return 2 * np.minimum(thickness / 2, half_chord)


def particles_in_film(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    n_each: int = 6,
    radii: tuple[float, float] = (0.065, 0.1),
    thickness: float = 0.11,
) -> np.ndarray:
    """Abundances of a film and of two kinds of particles embedded in it.

    The particles span the film, as in a microtome section of a composite: the film
    surrounds them but is not above and below their centres.

    Parameters
    ----------
    shape : tuple (ny, nx)
        Pixels.
    rng : numpy.random.Generator
        Generator that draws places and sizes.
    n_each : int, default 6
        Number of particles of each kind.
    radii : tuple, default (0.065, 0.1)
        Smallest and largest radius.
    thickness : float, default 0.11
        Mean film thickness; it varies by +-15 % across the field of view.

    Returns
    -------
    ndarray of shape (ny, nx, 3)
        Film, first kind, second kind; each pixel sums to the relative thickness.
    """
    v, u = pixel_centres(shape)
    local = thickness * (0.85 + 0.3 * v + 0 * u)
    kinds = [np.zeros(shape), np.zeros(shape)]
    spheres = scattered_spheres(rng, 2 * n_each, radii, gap=0.01)
    for i, (centre_v, centre_u, radius) in enumerate(spheres):
        distance = np.hypot(v - centre_v, u - centre_u)
        kinds[i % 2] += path_through_sphere(distance, radius, local)
    film = local - kinds[0] - kinds[1]
    return np.stack([film, *kinds], axis=-1) / thickness


def smooth_maps(
    shape: tuple[int, int],
    k: int,
    rng: np.random.Generator,
    contrast: float = 2.5,
    n_waves: int = 5,
) -> np.ndarray:
    """Shares of phases that vary smoothly and overlap everywhere.

    Parameters
    ----------
    shape : tuple (ny, nx)
        Pixels.
    k : int
        Number of phases.
    rng : numpy.random.Generator
        Generator that draws the waves of which the maps are composed.
    contrast : float, default 2.5
        Standard deviation of the logarithms of the shares before normalisation; with
        a larger one the purest pixels are purer.
    n_waves : int, default 5
        Largest number of periods over the field.

    Returns
    -------
    (ny, nx, k) array
        Shares, which sum to one in every pixel.
    """
    v, u = pixel_centres(shape)
    fields = np.empty((*shape, k))
    for r in range(k):
        waves = rng.uniform(-n_waves, n_waves, (24, 2))
        phase = rng.uniform(0, 2 * np.pi, 24)
        total = sum(
            np.cos(2 * np.pi * (a * u + b * v) + p)
            for (a, b), p in zip(waves, phase, strict=True)
        )
        fields[..., r] = total / np.sqrt(12)
    shares = np.exp(contrast * fields)
    return shares / shares.sum(axis=-1, keepdims=True)
