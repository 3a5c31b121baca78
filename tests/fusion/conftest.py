"""A small scene with known truth: three spectra, discs and stripes."""

import numpy as np
import pytest

from sparsedecomp.fusion import Degradation, Grids, PointSpread

SIZE, STEP = 48, 4


def scene(seed=0, size=SIZE):
    """Maps (size, size, 3) with sharp edges and fine stripes, and their spectra."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / 6.0
    near = size / 12.0
    disc = (np.hypot(y - 0.7 * near, x - 0.8 * near) < 0.5 * near) * 1.0
    disc = np.maximum(disc, (y > 1.3 * near) * (x - 0.4 * y > 0.8 * near))
    maps = np.stack(
        [
            disc * (1.5 + 0.5 * np.sin(4 * x)),
            (1 - disc) * (1 + 0.4 * np.cos(3 * y)),
            0.3 + 0.2 * np.sin(2 * x + y),
        ],
        axis=-1,
    )
    channel = np.arange(40)
    centres = np.array([8.0, 20.0, 32.0])[:, None]
    spectra = np.exp(-0.5 * ((channel - centres) / 4) ** 2) + 0.1
    spectra *= 1 + 0.1 * rng.uniform(size=spectra.shape)
    return maps, spectra


@pytest.fixture(scope="session")
def make_scene():
    """The function that makes scenes of any size."""
    return scene


@pytest.fixture(scope="session")
def grids():
    """Grids of a step of four pixels, edge to edge."""
    return Grids.of_same_field((SIZE, SIZE), (SIZE // STEP, SIZE // STEP))


@pytest.fixture(scope="session")
def blur():
    """A Gaussian as wide as a coarse pixel."""
    return PointSpread("gaussian", (4.0, 4.0))


@pytest.fixture(scope="session")
def simulated(grids, blur):
    """Truth, coarse cube with noise, and a guide of one band."""
    maps, spectra = scene()
    truth = maps @ spectra
    rng = np.random.default_rng(1)
    coarse = Degradation(grids, blur).forward(truth)
    coarse = coarse + 0.01 * rng.normal(size=coarse.shape)
    guide = truth.mean(axis=-1) + 0.002 * rng.normal(size=truth.shape[:2])
    return truth, coarse, guide
