"""`plot_components` shows what `learning_results` holds, with the right axes."""

import hyperspy.api as hs
import numpy as np
import pytest
from matplotlib.figure import Figure

from sparsedecomp.datasets import Truth
from sparsedecomp.plotting import plot_components


@pytest.fixture
def decomposed(mixture):
    """Signal with known factors in its `learning_results`, without any fit."""

    def make(signal_class=hs.signals.Signal1D, shape=(9, 7), signal_shape=(60,), k=3):
        maps, spectra, _ = mixture(shape, int(np.prod(signal_shape)), k)
        signal = signal_class(np.zeros((*shape, *signal_shape)))
        signal.learning_results.loadings = maps
        signal.learning_results.factors = spectra.T
        return signal

    return make


def image_of(ax):
    return ax.images[0].get_array()


def test_maps_are_images_and_spectra_lines(decomposed):
    s = decomposed()
    energy = s.axes_manager[-1]
    energy.name, energy.units, energy.scale, energy.offset = "Energy", "eV", 0.5, 100.0
    axes = plot_components(s)
    assert axes.shape == (3, 2)
    for k in range(3):
        np.testing.assert_array_equal(
            image_of(axes[k, 0]), s.learning_results.loadings[:, k].reshape(9, 7)
        )
        (line,) = axes[k, 1].lines
        np.testing.assert_array_equal(line.get_xdata(), energy.axis)
        np.testing.assert_array_equal(
            line.get_ydata(), s.learning_results.factors[:, k]
        )
    assert axes[2, 1].get_xlabel() == "Energy (eV)"
    assert axes[0, 1].get_xlabel() == ""


def test_line_scans_and_image_stacks(decomposed):
    scan = plot_components(decomposed(shape=(12,)))
    assert len(scan[0, 0].lines) == 1
    stack = plot_components(decomposed(hs.signals.Signal2D, signal_shape=(6, 10)))
    assert image_of(stack[0, 1]).shape == (6, 10)


def test_truth_is_paired_and_gives_the_scale(decomposed, mixture):
    s = decomposed()
    maps, spectra, _ = mixture()
    order, scale = [2, 0, 1], np.array([5.0, 0.1, 3.0])
    truth = Truth(
        spectra=spectra[order] * scale[:, None],
        maps=(maps[:, order] / scale).reshape(9, 7, 3),
        names=("a", "b", "c"),
        energy=np.arange(60.0),
    )
    axes = plot_components(s, truth=truth)
    assert [ax.get_title(loc="left") for ax in axes[:, -1]] == [
        "b, 0.0° off",
        "c, 0.0° off",
        "a, 0.0° off",
    ]
    for row in axes:
        np.testing.assert_allclose(image_of(row[0]), image_of(row[1]), atol=1e-12)
        found, true = (line.get_ydata() for line in row[-1].lines)
        np.testing.assert_allclose(found, true)


def test_a_component_without_counterpart_is_drawn_alone(decomposed, mixture):
    maps, spectra, _ = mixture()
    truth = Truth(
        spectra[:2], maps[:, :2].reshape(9, 7, 2), ("a", "b"), np.arange(60.0)
    )
    axes = plot_components(decomposed(), truth=truth)
    assert not axes[2, 1].images and len(axes[2, 2].lines) == 1


def test_masked_pixels_stay_empty(decomposed):
    s = decomposed()
    s.learning_results.loadings[4] = np.nan
    assert np.isnan(image_of(plot_components(s)[0, 0]).filled(np.nan)).sum() == 1


def test_labels_and_figure_are_the_users(decomposed):
    figure = Figure()
    axes = plot_components(decomposed(), labels=["x", "y", "z"], figure=figure)
    assert axes[1, 1].get_title(loc="left") == "y"
    assert axes[0, 0].figure is figure


def test_results_are_not_changed(decomposed, mixture):
    s = decomposed()
    before = s.learning_results.loadings.copy()
    maps, spectra, _ = mixture()
    truth = Truth(7 * spectra, maps.reshape(9, 7, 3), ("a", "b", "c"), np.arange(60.0))
    plot_components(s, truth=truth)
    np.testing.assert_array_equal(s.learning_results.loadings, before)


def test_negative_lobes_are_visible(decomposed):
    s = decomposed()
    s.learning_results.loadings[:, 1] *= -2
    s.learning_results.factors[:, 1] -= s.learning_results.factors[:, 1].mean()
    (_, line), (image, lobes), _ = plot_components(s)
    low, high = image.images[0].get_clim()
    assert low == -high == image_of(image).min()
    bottom, top = lobes.get_ylim()
    values = s.learning_results.factors[:, 1]
    assert bottom < values.min() and top > values.max()
    assert list(lobes.lines[-1].get_ydata()) == [0, 0]
    # Non-negative components keep their scale from zero.
    assert line.get_ylim()[0] == 0 and len(line.lines) == 1


@pytest.mark.parametrize("shape", [(9, 7), (9, 1), (1, 7)])
def test_pixels_lie_at_their_coordinates(decomposed, shape):
    s = decomposed(shape=shape)
    x, y = s.axes_manager.navigation_axes
    x.scale, x.offset, y.scale, y.offset = 0.5, 10.0, 2.0, -4.0
    left, right, bottom, top = plot_components(s)[0, 0].images[0].get_extent()
    assert (left, right) == (9.75, 9.75 + 0.5 * shape[1])
    assert (top, bottom) == (-5.0, -5.0 + 2.0 * shape[0])


def test_refusals(decomposed):
    with pytest.raises(ValueError, match="has no components: run s.decomposition"):
        plot_components(hs.signals.Signal1D(np.zeros((3, 4, 5))))
    with pytest.raises(ValueError, match="has 3 navigation and 1 signal axes"):
        plot_components(decomposed(shape=(2, 3, 4)))
