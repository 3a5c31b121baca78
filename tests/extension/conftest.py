"""Signals and masks that the tests of the driver share."""

import numpy as np
import pytest

hs = pytest.importorskip("hyperspy.api")

# Unequal sizes in every axis: a swapped axis cannot go unnoticed.
NAVIGATION = (6, 8)
CHANNELS = 30
LAYOUTS = {
    "one": (6, 8, CHANNELS),
    "rows": (3, 8, CHANNELS),
    "tiles": (3, 4, CHANNELS),
    "columns": (6, 4, CHANNELS),
}


@pytest.fixture
def cube(mixture):
    """Float64 cube of three components with a little noise, every entry positive."""
    return mixture(NAVIGATION, CHANNELS, k=3, noise=0.02, dtype=np.float64)[2] + 0.05


@pytest.fixture
def signal(cube):
    """Eager Signal1D of the cube."""
    return hs.signals.Signal1D(cube)


@pytest.fixture
def masks():
    """Masks in array order, True where excluded: some pixels, some channels."""
    navigation = np.zeros(NAVIGATION, bool)
    navigation[1, 2:5] = navigation[4, 7] = navigation[0, 0] = True
    channels = np.zeros(CHANNELS, bool)
    channels[[0, 7, 8, 29]] = True
    return navigation, channels


@pytest.fixture
def decompose():
    """``signal.decomposition`` of few, quiet, repeatable iterations."""

    def decompose(signal, algorithm="nmf_so", output_dimension=3, **kwargs):
        defaults = {
            "print_info": False,
            "show_progressbar": False,
            "random_state": 0,
        }
        signal.decomposition(
            algorithm=algorithm,
            output_dimension=output_dimension,
            **(defaults | kwargs),
        )
        return signal.learning_results

    return decompose
