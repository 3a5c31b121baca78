"""What every test may rely on: one thread, no screen, small data, real data."""

import os
from pathlib import Path

# Read when NumPy, matplotlib and dask are first imported, and inherited by the
# processes that tests start.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The first example of a test may compile a kernel: no deadline.
settings.register_profile("sparsedecomp", deadline=None, max_examples=25)
settings.load_profile("sparsedecomp")


# Files that take long though they hold few tests. Processes take whole files in the
# order of collection: such a file at the end would leave one of them to work alone.
# The notebooks, whose time is limited, come after others that compile kernels.
_LONG = ("test_parity.py", "test_cli.py", "test_notebooks.py")


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    place = {name: number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(_LONG)))


@pytest.fixture(autouse=True)
def closed_figures():
    """Close the figures that a test leaves open."""
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def root():
    """Folder of the checkout, or of the unpacked source distribution."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir():
    """Folder of the real measurements; the test is skipped where there is none."""
    folder = Path(os.environ.get("SPARSEDECOMP_DATA_DIR", ROOT / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}: set SPARSEDECOMP_DATA_DIR")
    return folder


@pytest.fixture
def rng():
    """Return a seeded NumPy random generator."""
    return np.random.default_rng(0)


def _mixture(shape=(9, 7), n_channels=60, k=3, noise=0.01, dtype=np.float32):
    """Maps (pixels, k), spectra (k, channels) and their noisy product as a cube."""
    rng = np.random.default_rng(1)
    channel = np.arange(n_channels)
    centres = np.linspace(0.2, 0.8, k)[:, None] * n_channels
    spectra = np.exp(-0.5 * ((channel - centres) / (0.06 * n_channels)) ** 2) + 0.05
    maps = rng.dirichlet(np.full(k, 0.3), size=int(np.prod(shape)))
    cube = maps @ spectra + noise * rng.random((len(maps), n_channels))
    return maps, spectra, cube.reshape(*shape, n_channels).astype(dtype)


@pytest.fixture(scope="session")
def mixture():
    """Return the function that makes a small non-negative cube of known truth.

    ``mixture(shape, n_channels, k, noise, dtype)`` returns the maps (pixels, k),
    the spectra (k, channels) and the cube (*shape, channels).
    """
    return _mixture


@pytest.fixture
def small_signal(mixture):
    """Signal1D of 9 x 7 pixels and 60 channels, three components, with units."""
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(mixture()[2])
    signal.metadata.General.title = "small"
    energy = signal.axes_manager[-1]
    energy.name, energy.units, energy.scale, energy.offset = "Energy", "eV", 0.5, 100.0
    for axis, name in zip(signal.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.units, axis.scale = name, "nm", 2.0
    return signal
