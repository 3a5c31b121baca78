"""Where the phases of a simulated specimen lie.

All lengths are fractions of the field of view, so that one seed draws the same
specimen at every number of pixels.
"""

import numpy as np
from scipy.special import erf


def pixel_centres(shape):
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
    return np.ogrid[0.5 / ny : 1 : 1 / ny, 0.5 / nx : 1 : 1 / nx]


def soft_step(distance, width):
    """Mixing profile of a diffuse boundary: 0 far below, 1/2 at it, 1 far above.

    The integral of a Gaussian of standard deviation `width`.
    """
    return 0.5 * (1 + erf(distance / (np.sqrt(2) * width)))


def rough_profile(u, level, roughness, rng, n_waves=8):
    """Height of a rough interface along u.

    A sum of waves with random phases whose amplitudes fall as 1/m, so that most of
    the roughness is at long wavelengths.
    """
    m = np.arange(1, n_waves + 1).reshape(-1, *[1] * np.ndim(u))
    phase = rng.uniform(0, 2 * np.pi, size=n_waves).reshape(m.shape)
    return level + roughness * (np.cos(2 * np.pi * m * u + phase) / m).sum(axis=0)


def oxide_layers(shape, rng, *, roughness=0.015, diffuseness=0.015, n_precipitates=3):
    """Abundances of a substrate, a film grown upon it, and precipitates in the film.

    Parameters
    ----------
    shape : tuple (ny, nx)
    rng : numpy.random.Generator
        Draws the interface and the precipitates.
    roughness, diffuseness : float, default 0.015, 0.015
        Amplitude of the interface's waves, and standard deviation of the mixing
        across every boundary (interdiffusion and probe tails).
    n_precipitates : int, default 3

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


def scattered_spheres(rng, n_spheres, radii, gap):
    """Spheres at random places that keep a gap between them and from the border.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_spheres : int
    radii : tuple (smallest, largest)
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


def path_through_sphere(distance, radius, thickness):
    """Path of the beam inside a sphere that a film of given thickness holds.

    The faces of the film cut the sphere, so that the path is the whole thickness
    wherever the sphere is thicker than that.
    """
    half_chord = np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    return 2 * np.minimum(thickness / 2, half_chord)


def particles_in_film(shape, rng, *, n_each=6, radii=(0.065, 0.1), thickness=0.11):
    """Abundances of a film and of two kinds of particles embedded in it.

    The particles span the film, as in a microtome section of a composite: the film
    surrounds them but is not above and below their centres.

    Parameters
    ----------
    shape : tuple (ny, nx)
    rng : numpy.random.Generator
        Draws places and sizes.
    n_each : int, default 6
        Particles of each kind.
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
