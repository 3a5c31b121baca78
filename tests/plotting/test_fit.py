"""Relevance and convergence, from arrays and from decomposed signals."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sparsedecomp.plotting import plot_objective_history, plot_relevance


@pytest.fixture
def signal():
    s = hs.signals.Signal1D(np.zeros((3, 4, 5)))
    s.learning_results.ard_relevance = np.array([3.0, 0.5])
    s.learning_results.objective_history = np.array([9.0, 3.0, 1.0])
    return s


def test_relevance_of_a_signal_and_of_an_array(signal):
    for source in (signal, [3.0, 0.5]):
        ax = plot_relevance(source)
        assert [bar.get_height() for bar in ax.patches] == [3.0, 0.5]
        assert ax.get_yscale() == "log"


def test_objective_ends_at_its_final_value(signal):
    for source in (signal, [9.0, 3.0, 1.0]):
        (line,) = plot_objective_history(source).lines
        np.testing.assert_array_equal(line.get_xdata(), [1, 2])
        np.testing.assert_array_equal(line.get_ydata(), [8.0, 2.0])


def test_draws_where_it_is_told():
    ax = plt.figure().subplots()
    assert plot_relevance([1.0], ax=ax) is ax
    assert plot_objective_history([2.0, 1.0], ax=ax) is ax


@pytest.mark.parametrize(
    ("plot", "name"),
    [(plot_relevance, "ard_relevance"), (plot_objective_history, "objective_history")],
)
def test_a_signal_without_results(plot, name):
    with pytest.raises(ValueError, match=f"has no {name}: run decomposition"):
        plot(hs.signals.Signal1D(np.zeros((3, 4))))
