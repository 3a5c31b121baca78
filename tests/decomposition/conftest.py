"""Data with known answers for the factorisations."""

from typing import NamedTuple

import numpy as np
import pytest

from sparsedecomp.decomposition import NMFSO, NMFSOARD


class Mn3O4(NamedTuple):
    """The authors' example: noisy data, and the theory that it was made from.

    ``clean`` is of rank 2. A spectrum is placed by its angle in the plane of the clean
    spectra, which fill -29.0 to 8.6 degrees; non-negative ones reach from -34.2 to
    14.7. The true two lie between these: in -34.2 to -29.0 and in 8.6 to 14.7.
    """

    noisy: np.ndarray
    clean: np.ndarray
    plane: np.ndarray
    reference: dict

    def angles(self, spectra):
        """Degrees of spectra in the plane, rising."""
        first, second = self.plane
        return np.sort(np.degrees(np.arctan2(spectra @ second, spectra @ first)))


LOW_BAND = (-34.2, -29.0)
HIGH_BAND = (8.6, 14.7)
NOISE = 4.97e-6
"""Standard deviation of the noise that the authors added, then cut off at zero."""


@pytest.fixture(scope="session")
def mn3o4(data_dir):
    """Mn3O4 as matrices of 528 pixels and 138 channels."""
    from scipy.io import loadmat

    folder = data_dir / "unmixing"
    noisy = np.load(folder / "mn3o4_noisy.npz")["X"].reshape(-1, 138)
    clean = loadmat(folder / "mn3o4_clean.mat")["datar"].reshape(-1, 138).astype(float)
    plane = np.linalg.svd(clean, full_matrices=False)[2][:2]
    plane[0] *= np.sign(plane[0].sum())
    return Mn3O4(
        noisy, clean, plane, dict(np.load(folder / "mn3o4_reference_factors.npz"))
    )


@pytest.fixture(scope="session")
def mantle(data_dir):
    """Real STEM-EDX counts, 6400 pixels and 1917 channels, three in a hundred not 0."""
    import h5py

    with h5py.File(data_dir / "unmixing" / "edx_mantle_lamella.hspy") as file:
        (experiment,) = file["Experiments"].values()
        counts = experiment["data"][:]
    return counts.reshape(-1, counts.shape[-1])


class Mixture(NamedTuple):
    """Data of known maps (n, k) and spectra (k, m)."""

    maps: np.ndarray
    spectra: np.ndarray

    @property
    def mean(self):
        """The data without noise."""
        return self.maps @ self.spectra


@pytest.fixture(scope="session")
def make():
    """Return a function that makes mixed pixels of peaks on a common background."""

    def make(n=400, m=80, k=3, seed=0, scale=1.0):
        generator = np.random.default_rng(seed)
        centres = (np.arange(k)[:, None] + 0.7) * m / (k + 0.4)
        peaks = np.exp(-0.5 * ((np.arange(m) - centres) / (0.05 * m)) ** 2)
        maps = generator.dirichlet(np.full(k, 0.3), n)
        return Mixture(scale * maps, peaks + 0.05)

    return make


@pytest.fixture(scope="session")
def noisy(make):
    """Return float64 data of three components with even noise, nowhere negative."""
    generator = np.random.default_rng(7)
    data = make().mean + generator.normal(0, 0.01, (400, 80))
    return np.maximum(data, 1e-4 * generator.random((400, 80)))


@pytest.fixture(params=[NMFSO, NMFSOARD], ids=lambda cls: cls.__name__)
def estimator(request):
    """Return a function that makes either estimator of three components, repeatably."""

    def make(**parameters):
        return request.param(
            **({"n_components": 3, "n_init": 2, "random_state": 0} | parameters)
        )

    return make
