"""Conventions of all figures: colours, maps, scale bars, where they are drawn."""

import inspect

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sparsedecomp import plan_shifts, plotting
from sparsedecomp.plotting.style import draw_map, line_of, pixel_axes
from sparsedecomp.results import AxisScale


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def axis(units="nm", size=8, scale=0.5, name="x"):
    return AxisScale(name, units, 3 + scale * np.arange(size), scale)


def gids(ax):
    return [artist.get_gid() for artist in (*ax.lines, *ax.texts)]


def test_every_figure_can_be_drawn_where_the_user_wants_it():
    for name in plotting.__all__:
        names = set(inspect.signature(getattr(plotting, name)).parameters)
        assert names & {"ax", "axes", "figure"}, name


def test_lines_differ_in_colour_and_dashes():
    keys = [line_of(number) for number in range(28)]
    assert len({(key["color"], key["linestyle"]) for key in keys}) == 28
    assert all(
        one["color"] != other["color"] and one["linestyle"] != other["linestyle"]
        for one, other in zip(keys, keys[1:], strict=False)
    )


def test_calibrated_maps_have_a_scale_bar_instead_of_ticks():
    ax = plt.figure().subplots()
    draw_map(ax, np.ones((6, 8)), [axis(), axis(size=6, name="y")])
    assert gids(ax) == ["scale bar", "scale bar"] and not ax.get_xlabel()
    (left, right), (bar,) = ax.get_xlim(), ax.lines
    begin, end = bar.get_xdata()
    assert left < begin < end < right
    assert ax.texts[0].get_text() == f"${end - begin:g}\\,$nm"
    assert not len(ax.get_xticks())


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (axis(""), axis("")),
        (axis(), axis("um")),
        (axis(size=1), axis()),
        (axis(size=40), axis(size=2)),
        (AxisScale("x", "nm", np.array([0.0, 1, 4, 9]), 1), axis()),
    ],
)
def test_other_maps_have_labelled_ticks(x, y):
    ax = plt.figure().subplots()
    image = draw_map(ax, np.ones((y.size, x.size)), [x, y])
    assert not gids(ax) and ax.get_xlabel() == (f"x ({x.units})" if x.units else "x")
    left, right, *_ = image.get_extent()
    assert right - left == pytest.approx(x.axis[-1] - x.axis[0] + x.scale, rel=0.5)


def test_colour_maps_are_those_of_hyperspy_and_diverge_around_zero(monkeypatch):
    monkeypatch.setattr(hs.preferences.Plot, "cmap_signal", "cividis")
    ax = plt.figure().subplots()
    values = np.arange(12.0).reshape(3, 4)
    image = draw_map(ax, values, pixel_axes((3, 4)))
    assert image.get_cmap().name == "cividis" and image.get_clim() == (0, 11)
    image = draw_map(ax, values - 4, pixel_axes((3, 4)))
    assert image.get_cmap().name == "RdBu_r" and image.get_clim() == (-7, 7)
    values[1, 2] = np.nan
    assert draw_map(ax, values, pixel_axes((3, 4))).get_clim() == (0, 11)
    assert draw_map(ax, values * np.nan, pixel_axes((3, 4))).get_clim() == (0, 1)


def test_intensities_have_a_scale(mixture):
    maps, spectra, _ = mixture((9, 7), 60, 2)
    s = hs.signals.Signal1D(np.zeros((9, 7, 60)))
    s.learning_results.loadings, s.learning_results.factors = maps, spectra.T
    axes = plotting.plot_components(s)
    assert axes[1, 1].get_ylabel() == "Intensity (arb. units)"
    assert all(len(ax.get_yticks()) for ax in axes[:, 1])
    assert all(ax.images[0].colorbar is not None for ax in axes[:, 0])


def test_relevance_is_compared_with_that_of_noise():
    ax = plotting.plot_relevance([300.0, 1.5])
    assert list(ax.lines[0].get_ydata()) == [1, 1]
    low, high = ax.get_ylim()
    assert low <= 0.5 and high > 300 and ax.texts[0].get_text() == "noise"


def test_findings_are_marked_in_the_units_of_the_axes():
    counts = np.random.default_rng(0).poisson(20.0, (8, 10, 50))
    counts[3, 4, 20], counts[..., 30] = 5000, 0
    s = hs.signals.Signal1D(counts)
    x, y, energy = s.axes_manager._axes[1], s.axes_manager._axes[0], s.axes_manager[-1]
    for each, scale, units in ((x, 2.0, "nm"), (y, 2.0, "nm"), (energy, 0.1, "keV")):
        each.scale, each.units = scale, units
    energy.name, energy.offset = "Energy", 1.0
    image, spectrum = s.check_data(energy_drift=False).plot()
    (spike,) = (line for line in image.lines if line.get_label() == "spikes")
    assert (spike.get_xdata(), spike.get_ydata()) == (8.0, 6.0)
    assert "scale bar" in gids(image) and spectrum.get_xlabel() == "Energy (keV)"
    (dead,) = (line for line in spectrum.lines if line.get_label() == "dead channels")
    assert dead.get_xdata() == pytest.approx([4.0])


def test_the_map_of_a_report_is_calibrated():
    rng = np.random.default_rng(0)
    X = rng.poisson(rng.dirichlet([0.3, 0.3], 96) @ rng.gamma(0.5, 40, (2, 30)))
    s = hs.signals.Signal1D(X.reshape(8, 12, 30))
    for each in s.axes_manager.navigation_axes:
        each.units, each.scale = "um", 0.25
    quiet = {"show_progressbar": False, "random_state": 0}
    s.decomposition(False, "nmf_so", 2, print_info=False, **quiet)
    axes = s.unmixing_report(1, 1, **quiet).plot()
    assert axes["map"].images[0].get_extent() == pytest.approx(
        (-0.125, 2.875, 1.875, -0.125)
    )
    assert "scale bar" in gids(axes["map"])
    found = [text.get_text() for text in axes["component 0"].get_legend().texts]
    refits = ["range of the refits", "purest pixel", "most contrasted"]
    assert found == ["90 % band", *refits, "found"]


def test_a_plan_that_determines_no_frequency_shows_what_the_prior_adds():
    plan = plan_shifts(500, [(0, 0), (0, 200), (200, 0)], propose=False)
    assert np.isinf(plan.by_frequency).all()
    image = plan.plot()[1].images[0]
    np.testing.assert_array_equal(image.get_array(), plan.from_prior)
    assert image.colorbar.ax.get_ylabel() == "part from the prior alone"
