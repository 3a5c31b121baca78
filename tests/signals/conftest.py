"""Images of simulated absorption: eager, and lazy in uneven chunks."""

import numpy as np
import pytest

from sparsedecomp.xas import photon_energy, wavenumber

E0 = 8980.0


@pytest.fixture(scope="session")
def absorption_cube():
    """Energies (n_E,) in eV, and mu of 3 x 4 pixels of different thickness."""
    pre, exafs = np.arange(8780.0, 8979.0, 5), np.arange(0, 14.5, 0.05)
    energy = np.unique(np.concatenate([pre, photon_energy(exafs, E0)]))
    k = wavenumber(energy, E0)
    chi = 0.5 * np.sin(2 * 2.4 * k + 1) * np.exp(-0.01 * k**2) / (1 + k)
    edge = np.where(energy < E0, 0, 1 - 2e-4 * (energy - E0) + chi)
    rng = np.random.default_rng(0)
    thickness = rng.uniform(0.5, 2, (3, 4, 1))
    mu = thickness * edge + rng.uniform(0, 1, (3, 4, 1)) - 1e-4 * (energy - E0)
    return energy, mu + rng.normal(0, 1e-4, mu.shape), thickness[..., 0]


def as_signal(energy, mu, lazy):
    import hyperspy.api as hs

    axes = [
        {"name": name, "size": size, "scale": 2.0, "units": "nm", "navigate": True}
        for name, size in zip("zyx"[4 - mu.ndim :], mu.shape[:-1], strict=True)
    ]
    axes.append({"name": "Energy", "units": "eV", "axis": energy, "navigate": False})
    signal = hs.signals.Signal1D(mu.copy(), axes=axes)
    signal.set_signal_type("XAS")
    signal.metadata.General.title = "simulated"
    if lazy:
        signal = signal.as_lazy()
        signal.data = signal.data.rechunk((2, 3, 200)[3 - mu.ndim :])
    return signal


@pytest.fixture(params=[False, True], ids=["eager", "lazy"])
def image(request, absorption_cube):
    """XASSpectrum of 4 x 3 pixels with uneven energies."""
    energy, mu, _ = absorption_cube
    return as_signal(energy, mu, request.param)


@pytest.fixture
def make_image(absorption_cube):
    """``make_image(mu, lazy)``: the same energies with other data."""
    return lambda mu, lazy=False: as_signal(absorption_cube[0], mu, lazy)
