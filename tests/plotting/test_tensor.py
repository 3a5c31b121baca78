"""`plot_tensor` shows every mode of every component."""

import hyperspy.api as hs
import numpy as np
import pytest
from matplotlib.figure import Figure

from sparsedecomp.plotting import plot_tensor


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    factors = [rng.random((n, 2)) for n in (4, 30, 20)]
    s = hs.signals.Signal1D(np.einsum("tr,pr,er->tpe", *factors).reshape(4, 5, 6, 20))
    return s.tensor_decomposition(2, show_progressbar=False, random_state=0)


def test_maps_are_images_and_the_rest_lines(results):
    axes = plot_tensor(results)
    assert axes.shape == (2, 3)
    for r in range(2):
        found = axes[r, 0].images[0].get_array()
        np.testing.assert_array_equal(found, results.factors[0].data[r])
        for mode in (1, 2):
            (line,) = axes[r, mode].lines
            np.testing.assert_array_equal(
                line.get_ydata(), results.factors[mode].data[r]
            )
    assert axes[0, 0].get_title(loc="left") == results.names[0]


def test_labels_and_figure_are_the_users(results):
    figure = Figure()
    axes = plot_tensor(results, labels=["a", "b"], figure=figure)
    assert axes[1, -1].get_title(loc="right") == "b" and axes[0, 0].figure is figure


def test_modes_of_different_ranks(results):
    s = results.get_model()
    tucker = s.tensor_decomposition(2, "tucker", ranks=(2, 1), show_progressbar=False)
    axes = plot_tensor(tucker)
    assert axes.shape == (2, 3) and not axes[1, 1].axison and axes[1, 0].axison


def test_spectra_of_all_steps_are_drawn(results):
    s = results.get_model()
    moving = s.tensor_decomposition(
        2, "parafac2", tol=1e-3, show_progressbar=False, random_state=0
    )
    axes = plot_tensor(moving)
    drawn = [[x for x in ax.lines if x.get_gid() != "zero"] for ax in axes[1]]
    assert [len(lines) for lines in drawn] == [0, 1, 4]
    np.testing.assert_array_equal(drawn[2][3].get_ydata(), moving.evolving.data[1, 3])


def test_too_many_axes_are_refused(results):
    s = results.get_model()
    found = s.tensor_decomposition(
        1, modes=[(0, 1, 2)], show_progressbar=False, max_iter=3
    )
    with pytest.raises(ValueError, match="has 3 axes; at most two can be drawn"):
        plot_tensor(found)
