"""Small signals for the tools, and the tool's parts without a display."""

import numpy as np
import pytest

hs = pytest.importorskip("hyperspy.api")


@pytest.fixture(scope="session")
def counts(mixture):
    """Counts of three components, 12 x 10 pixels, 60 channels."""
    expected = 400 * mixture((12, 10), 60, k=3, noise=0.0, dtype=np.float64)[2]
    return np.random.default_rng(0).poisson(expected).astype(np.float32)


@pytest.fixture
def signal(counts):
    """Signal of these counts, with an energy axis."""
    signal = hs.signals.Signal1D(counts.copy())
    energy = signal.axes_manager[-1]
    energy.name, energy.units, energy.scale, energy.offset = "Energy", "eV", 0.5, 100.0
    return signal
