"""Coordinates of a window: the signal's level in them, whatever its noise."""

import numpy as np
import pytest

from sparsedecomp.xas import FeffBasis
from sparsedecomp.xas.shells.coordinates import window_coordinates

K = np.arange(0, 16.01, 0.05)


@pytest.fixture(scope="module")
def spectrum():
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)
    oxygen, nickel = (
        channel.columns(K[1:], r, sigma2=0.006)[0, 0]
        for channel, r in zip(basis.channels, (2.09, 2.95), strict=True)
    )
    return np.insert(6 * oxygen + 12 * nickel, 0, 0)


def test_the_level_of_a_signal_does_not_grow_with_its_noise(spectrum, rng):
    coordinates = window_coordinates(K, (3, 15.5), (1.0, 5.2))
    level = np.sqrt(np.mean(coordinates.project(spectrum) ** 2))
    assert coordinates.signal_level(spectrum, 0.0) == pytest.approx(level, rel=1e-3)
    noise = np.std(spectrum[60:])
    chi = spectrum + noise * rng.normal(size=len(K))
    assert np.sqrt(np.mean(coordinates.project(chi) ** 2)) > 2 * level
    assert coordinates.signal_level(chi, noise) == pytest.approx(level, rel=0.3)
