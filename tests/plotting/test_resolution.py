"""Pictures of a resolution: the curve, and where it was read."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.plotting import plot_resolution
from sparsedecomp.superresolution import (
    decorrelation_resolution,
    edge_resolution,
    ring_resolution,
    thin,
)


@pytest.fixture
def image(rng):
    return gaussian_filter((rng.random((90, 80)) < 0.02).astype(float), 2.0)


def test_edge(image):
    found = edge_resolution(np.cumsum(np.ones((40, 40)), axis=1) > 20, 0.1)
    assert found.is_bound
    ax = found.in_units("nm").plot()
    assert ax.get_xlabel() == "distance (nm)" and "at most" in ax.get_title(loc="left")
    samples, fit = ax.lines
    assert len(samples.get_xdata()) == len(fit.get_xdata())


def test_correlations(image, rng):
    counts = rng.poisson(3000 * image)
    for found, n_curves in (
        (ring_resolution(*thin(counts)), 2),
        (decorrelation_resolution(counts), 2),
    ):
        ax = plot_resolution(found, ax=plt.figure().subplots())
        *curves, mark = ax.lines
        assert len(curves) == n_curves
        assert mark.get_xdata()[0] == pytest.approx(1 / found.value)
        np.testing.assert_array_equal(curves[0].get_ydata(), found.curve["correlation"])


def test_what_is_not_determined_is_drawn_all_the_same(rng):
    found = ring_resolution(rng.normal(size=(32, 32)), rng.normal(size=(32, 32)))
    assert "not determined" in found.plot().get_title(loc="left")
    assert not edge_resolution(np.ones((20, 20))).plot().lines
