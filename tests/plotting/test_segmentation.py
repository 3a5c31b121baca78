"""Pictures of a segmentation show what the result says."""

import numpy as np
import pytest

from sparsedecomp.plotting import plot_segmentation

hs = pytest.importorskip("hyperspy.api")


@pytest.fixture
def signal():
    """Two phases in halves, one pixel empty."""
    mean = np.where(np.arange(12)[:, None] < 8, [30.0, 5, 10], [10.0, 5, 30])
    counts = np.random.default_rng(0).poisson(np.tile(mean, (10, 1, 1)))
    counts[0, 0] = 0
    s = hs.signals.Signal1D(counts)
    s.axes_manager[-1].name, s.axes_manager[-1].units = "Energy", "keV"
    return s


def test_map_spectra_and_composition(signal):
    result = signal.segment_composition(
        2, windows={"a": (0, 0.5), "b": (1.5, 2)}, random_state=0
    )
    image, spectra, shares = plot_segmentation(result)
    np.testing.assert_array_equal(image.images[0].get_array(), result.labels.data)
    assert image.images[0].get_clim() == (-1.5, 1.5)
    for c, line in enumerate(spectra.lines):
        np.testing.assert_array_equal(line.get_ydata(), result.mean_spectra.data[c])
    assert spectra.get_xlabel() == "Energy (keV)"
    assert [t.get_text() for t in spectra.get_legend().get_texts()] == [
        f"{c}: {size} px" for c, size in enumerate(result.sizes)
    ]
    assert [t.get_text() for t in shares.get_xticklabels()] == ["a", "b"]
    drawn = [bars.lines[0].get_ydata() for bars in shares.containers]
    np.testing.assert_allclose(drawn, result.composition)


def test_given_figure_labels_and_a_line(signal):
    from matplotlib.figure import Figure

    figure = Figure()
    result = signal.inav[:, 1].segment_composition(2, random_state=0)
    axes = plot_segmentation(result, labels=["oxide", "metal"], figure=figure)
    assert list(figure.axes) == list(axes) and len(axes) == 2
    np.testing.assert_array_equal(
        axes[0].collections[0].get_offsets()[:, 1], result.labels.data
    )
    texts = axes[1].get_legend().get_texts()
    assert [t.get_text() for t in texts] == ["oxide", "metal"]


def test_volumes_cannot_be_drawn(signal):
    volume = hs.signals.Signal1D(signal.data.reshape(2, 5, 12, 3))
    with pytest.raises(ValueError, match="3 axes; at most two can be drawn"):
        plot_segmentation(volume.segment_composition(1))
