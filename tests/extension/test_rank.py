"""`s.estimate_rank()` on signals, eager and lazy, with masks."""

import hyperspy.api as hs
import numpy as np
import pytest


@pytest.fixture
def counts(rng):
    maps, peaks = np.eye(3)[np.arange(120) % 3], 200 * np.eye(3, 30) + 5
    return hs.signals.Signal1D(rng.poisson(maps @ peaks).reshape(12, 10, 30))


def test_eager_and_lazy_give_the_same(counts):
    before = counts.data.copy()
    eager = counts.estimate_rank()
    lazy = counts.as_lazy()
    lazy.data = lazy.data.rechunk((5, -1, -1))
    assert eager.n_components == 3
    assert lazy.estimate_rank().table == eager.table
    np.testing.assert_array_equal(counts.data, before)
    assert counts.learning_results.factors is None


def test_masks_are_those_of_hyperspy(counts):
    # x before y, as `axes_manager.navigation_shape` has it.
    spoilt = np.zeros((10, 12), bool)
    spoilt[2:6, 7] = True
    counts.data[7, 2:6] = np.random.default_rng(0).integers(0, 900, (4, 30))
    assert counts.estimate_rank().n_components > 3
    assert counts.estimate_rank(navigation_mask=spoilt).n_components == 3
    mask = hs.signals.BaseSignal(spoilt.T).T
    assert counts.estimate_rank(navigation_mask=mask).n_components == 3
    channels = np.arange(30) == 0
    assert counts.estimate_rank("noise_edge", signal_mask=channels).shape[1] <= 29


def test_images_are_signals_too(counts):
    images = hs.signals.Signal2D(counts.data.reshape(120, 6, 5))
    assert images.estimate_rank().n_components == 3


def test_parameters_reach_the_function(counts):
    found = counts.estimate_rank("minka", n_bins=10)
    assert list(found.table) == ["minka"] and found.shape[1] <= 10


def test_bad_input_is_refused(counts):
    with pytest.raises(ValueError, match="navigation mask has the shape"):
        counts.estimate_rank(navigation_mask=np.zeros((3, 3), bool))
    with pytest.raises(ValueError, match="0 navigation and 1 signal axes"):
        counts.inav[0, 0].estimate_rank()
    with pytest.raises(ValueError, match="2 navigation and 0 signal axes"):
        hs.signals.BaseSignal(np.ones((3, 4))).T.estimate_rank()
    with pytest.raises(TypeError, match="complex128, expected real"):
        hs.signals.Signal1D(np.ones((3, 4), complex)).estimate_rank()
