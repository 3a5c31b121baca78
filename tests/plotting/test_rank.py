"""The scree, and the cone of non-negative spectra."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sparsedecomp.decomposition import SSSVCA, estimate_rank
from sparsedecomp.plotting import plot_cone, plot_rank


@pytest.fixture
def estimate(rng):
    maps, peaks = np.eye(3)[np.arange(120) % 3], 200 * np.eye(3, 30) + 5
    return estimate_rank(rng.poisson(maps @ peaks))


@pytest.fixture
def mixed(rng):
    shares = rng.dirichlet([1, 1, 1], 400)
    spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    return shares[shares.max(axis=1) < 0.8] @ spectra


def test_scree_shows_what_is_above_the_edge(estimate):
    ax = plot_rank(estimate)
    assert ax.get_yscale() == "log"
    edge, above, below = ax.lines
    np.testing.assert_array_equal(edge.get_ydata(), estimate.noise_edge)
    np.testing.assert_array_equal(above.get_ydata(), estimate.singular_values[:3])
    assert len(below.get_xdata()) == len(estimate.singular_values) - 3
    assert "3 components" in [text.get_text() for text in ax.get_legend().texts]


def test_draw_where_they_are_told(estimate, mixed):
    first, second = plt.figure().subplots(1, 2)
    assert plot_rank(estimate, ax=first) is first
    model = SSSVCA(3, random_state=0).fit(mixed)
    assert plot_cone(model, 50, ax=second) is second


def test_samples_lie_between_the_outer_corners(mixed):
    ax = plot_cone(SSSVCA(3, random_state=0).fit(mixed), 300)
    cloud, outer, inner = (part.get_offsets() for part in ax.collections)
    assert len(cloud) == 300 and len(outer) == len(inner) == 3
    # In coordinates of the triangle, nothing is negative.
    corners = np.vstack([outer.T, np.ones(3)])
    for points in (cloud, inner):
        shares = np.linalg.solve(corners, np.vstack([points.T, np.ones(len(points))]))
        assert shares.min() > -1e-6


def test_a_line_is_no_picture(mixed):
    with pytest.raises(ValueError, match="2 components, expected at least 3"):
        plot_cone(SSSVCA(2, random_state=0).fit(mixed[:, :2]))
