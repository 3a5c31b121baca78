"""The decomposition tool without a display: its buttons are clicked through `wdict`."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")
pytest.importorskip("hyperspy_gui_ipywidgets")
hs = pytest.importorskip("hyperspy.api")

from sparsedecomp.gui import DecompositionTool  # noqa: E402


class Clicks:
    """The widgets of a tool on a signal; every click counts."""

    def __init__(self, signal, **options):
        parts = signal.decomposition_tool(display=False, **options)["ipywidgets"]
        self.widget, self.parts = parts["widget"], parts["wdict"]
        self.tool, self.count = self.parts["tool"], 0

    def __getitem__(self, name):
        return self.parts[name]

    def click(self, name, wait=True):
        self.count += 1
        self.parts[f"{name}_button"].click()
        if wait:
            assert self.tool.wait(120)


@pytest.fixture
def opened(signal):
    """Function that opens a tool with a quick method; closed after the test."""
    tools = []

    def open_(on=signal, algorithm="nmf_so", n_components=3, **options):
        clicks = Clicks(on, **options)
        assert clicks.tool.wait(120)
        clicks["algorithm"].value = algorithm
        clicks["n_components"].value = n_components
        tools.append(clicks)
        return clicks

    yield open_
    for clicks in tools:
        clicks.tool.close()


def test_from_opening_to_applied_named_components_in_two_clicks(signal):
    clicks = Clicks(signal)
    clicks.click("run")
    names = [field.value for field in clicks["components"].names]
    assert names == ["component 0", "component 1", "component 2"]
    for field, name in zip(clicks["components"].names, "abc", strict=True):
        field.value = name
    clicks.click("apply")
    assert clicks.tool.state == "finished" and "a, b, c" in clicks["status"].value
    assert clicks.count <= 6
    maps = signal.get_component_maps()
    assert maps.metadata.Signal.component_names == ["a", "b", "c"]
    assert signal.learning_results.decomposition_algorithm == "nmf_so_ard"
    assert "the 3 components" in clicks["verdict"].value
    clicks.click("close")


def test_nothing_changes_before_apply(signal, opened):
    before = signal.data.copy()
    clicks = opened()
    clicks.click("run")
    assert signal.learning_results.factors is None
    clicks.click("apply")
    assert signal.learning_results.factors.shape == (60, 3)
    np.testing.assert_array_equal(signal.data, before)
    applied = signal.learning_results.factors.copy()
    clicks["components"].chosen[0].value = clicks["components"].chosen[1].value = True
    clicks.click("merge")
    np.testing.assert_array_equal(signal.learning_results.factors, applied)


def test_the_code_does_the_same_as_the_tool(signal, opened):
    clicks = opened()
    clicks["ranges"][0].value = (1, 9)
    clicks["channels"].value = (5, 55)
    field = next(f for f in clicks["parameters"].children if f.description == "n_init")
    field.value = "2"
    clicks.click("run")
    clicks["components"].names[1].value = "oxide"
    clicks["components"].chosen[0].value = clicks["components"].chosen[2].value = True
    clicks.click("merge")
    clicks["components"].down[0].click()
    clicks["components"].split[1].click()
    assert clicks.tool.wait(120)
    clicks.click("apply")
    other = signal._deepcopy_with_new_data(signal.data)
    assert clicks["live"].code == clicks["code"].value
    exec(clicks["code"].value, {"s": other})
    for name in ("factors", "loadings"):
        found, expected = (
            getattr(each.learning_results, name) for each in (other, signal)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    names = other.get_component_maps().metadata.Signal.component_names
    assert names == [field.value for field in clicks["components"].names]
    assert np.isnan(signal.learning_results.loadings.reshape(12, 10, 3)[:, 9]).all()


def test_pictures_are_drawn_while_the_fit_runs(signal, opened):
    clicks = opened()
    frames = []
    clicks["live"].observe(lambda change: frames.append(change["new"]), "frame")
    clicks.click("run")
    live = [frame for frame in frames if frame["phase"] != "result"]
    assert live and all("maps" in frame for frame in live)
    assert live[0]["n"] == 3 and len(live[0]["relevance"]) == 3
    last = clicks["live"].frame
    assert last["phase"] == "result" and last["residual"] is not None
    maps = np.frombuffer(last["maps"]["data"], np.uint8).reshape(3, 12, 10)
    truth = clicks.tool.result.signal.get_component_maps().data
    for found, expected in zip(maps, truth, strict=True):
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


def test_maps_of_the_default_algorithm_are_drawn_before_the_end(signal, opened):
    clicks = opened(algorithm="nmf_so_ard", n_components=0)
    frames = []
    clicks.tool.observe(lambda event: frames.append(event.new), "frame")
    clicks.click("run")
    assert any("maps" in f and f["phase"] == "starts" for f in frames)


def slow(tool, seconds=0.02):
    """Make every iteration of a fit take time, so that there is some to stop it in."""
    tool.observe(lambda event: time.sleep(seconds), "frame")
    tool.settings.parameters = {"max_iter": "100000", "tol": "0", "n_init": "1000"}


def test_stop_answers_at_once_and_keeps_the_best_result(signal, opened):
    clicks = opened()
    slow(clicks.tool)
    clicks.click("run", wait=False)
    while not clicks.tool.frame:
        assert clicks.tool.busy, clicks["status"].value
        time.sleep(0.01)
    began = time.perf_counter()
    clicks.click("stop", wait=False)
    assert time.perf_counter() - began < 0.4
    assert clicks.tool.wait(60)
    assert clicks.tool.state == "stopped" and clicks.tool.result is not None
    clicks.click("apply")
    assert signal.learning_results.factors.shape == (60, 3)


def test_stop_before_the_first_step_says_that_there_is_no_result(opened, monkeypatch):
    clicks = opened()
    reached = threading.Event()

    def wait(*_, **__):
        reached.set()
        while True:
            time.sleep(0.001)

    monkeypatch.setattr("sparsedecomp.gui.decomposition_tool.decompose", wait)
    clicks.click("run", wait=False)
    assert reached.wait(60)
    clicks.click("stop")
    assert clicks.tool.state == "stopped" and clicks.tool.result is None
    assert "before there was a result" in clicks["status"].value
    clicks.click("apply")
    assert "nothing to apply" in clicks["status"].value


def test_errors_of_the_fit_are_shown_and_the_tool_goes_on(signal, opened):
    clicks = opened(n_components=61)
    clicks.click("run")
    assert clicks.tool.state == "failed"
    assert "at most 60" in clicks["status"].value
    clicks["n_components"].value = 2
    clicks.click("run")
    assert clicks.tool.state == "finished" and len(clicks["components"].names) == 2


def test_nan_is_named(signal, opened):
    signal.data[3, 4, 5] = np.nan
    clicks = opened()
    assert "(3, 4), channel 5" in clicks["status"].value
    clicks.click("run")
    assert clicks.tool.state == "failed" and "channel 5" in clicks["status"].value


def test_unknown_words_among_the_parameters_are_shown(opened):
    clicks = opened()
    field = next(f for f in clicks["parameters"].children if f.description == "init")
    assert "vca" in field.options and "default: auto" in field.placeholder
    field.value = "nonsense"
    clicks.click("run")
    assert clicks.tool.state == "failed" and "nonsense" in clicks["status"].value


def test_signals_without_pixels_are_refused_before_a_widget_is_made():
    with pytest.raises(ValueError, match="navigation_size < 2"):
        hs.signals.Signal1D(np.ones(50)).decomposition_tool(display=False)


def test_masks_are_respected_and_may_leave_nothing(signal, opened):
    mask = np.zeros((10, 12), bool)
    mask[0] = True
    clicks = opened(navigation_mask=mask)
    clicks.click("run")
    loadings = clicks.tool.result.signal.learning_results.loadings.reshape(12, 10, 3)
    assert np.isnan(loadings[:, 0]).all() and np.isfinite(loadings[:, 1:]).all()
    clicks["ranges"][0].value = (0, 1)
    clicks.click("run")
    assert clicks.tool.state == "failed" and "masked" in clicks["status"].value


def test_a_rectangle_dragged_on_the_map_sets_the_sliders(signal, opened):
    clicks = opened()
    assert clicks["live"].overview["sizes"] == [10, 12]
    clicks["live"].ranges = [[2, 7], [0, 12]]
    assert clicks["ranges"][0].value == (2, 7)
    clicks["live"].channels = [10, 50]
    assert clicks["channels"].value == (10, 50)
    masks = clicks.tool.settings.masks()
    assert masks["navigation_mask"].shape == (10, 12)
    assert (
        masks["navigation_mask"][:, 0].tolist() == [True] * 2 + [False] * 5 + [True] * 3
    )
    assert np.flatnonzero(~masks["signal_mask"]).tolist() == list(range(10, 50))


def test_findings_of_the_check_are_shown(signal, opened):
    signal.data[3, 4, 20] = 1e5
    clicks = opened()
    assert "single entr" in clicks["findings"].value


def test_two_results_are_compared_side_by_side(opened):
    clicks = opened()
    clicks.click("run")
    clicks.click("keep")
    clicks["n_components"].value = 2
    clicks.click("run")
    kept = clicks["live"].kept
    assert kept["n"] == 3 and len(kept["pairs"]) == 2
    assert all("apart" in text for text in kept["pairs"])


def test_a_name_given_twice_is_refused_in_words(opened):
    clicks = opened()
    clicks.click("run")
    clicks["components"].names[0].value = "component 1"
    assert "more than once" in clicks["status"].value
    clicks["components"].names[0].value = "film"
    assert clicks.tool.result.names[0] == "film"
    assert clicks["live"].frame["residual"] is not None


def test_hidden_components_are_drawn_no_more_but_applied(signal, opened):
    clicks = opened()
    clicks.click("run")
    clicks["components"].shown[1].value = False
    assert clicks["live"].shown == [True, False, True]
    clicks.click("apply")
    assert signal.learning_results.factors.shape[1] == 3


def test_the_result_is_saved_and_never_overwritten(opened, tmp_path):
    clicks = opened()
    clicks.click("run")
    clicks["components"].names[0].value = "film"
    clicks["path"].value = str(tmp_path / "found")
    clicks.click("save")
    maps, spectra = hs.load(tmp_path / "found.hspy")
    assert spectra.metadata.Signal.component_names[0] == "film"
    clicks.click("save")
    assert "exists" in clicks["status"].value


def test_axes_that_changed_meanwhile_are_refused(signal, opened):
    clicks = opened()
    clicks.click("run")
    signal.crop(0, 0, 5)
    clicks.click("apply")
    assert "axes" in clicks["status"].value and signal.learning_results.factors is None


def test_lazy_signals_are_not_read_unasked_and_have_a_preview(
    signal, opened, monkeypatch
):
    monkeypatch.setattr("sparsedecomp.gui.decomposition_tool._PREVIEW_PIXELS", 40)
    lazy = signal.as_lazy()
    clicks = opened(lazy)
    assert clicks.tool.check is None
    clicks.click("preview")
    assert clicks.tool.previewed and clicks["live"].frame["maps"]["height"] == 6
    clicks.click("apply")
    assert "preview" in clicks["status"].value and lazy.learning_results.factors is None
    clicks.click("run")
    assert not clicks.tool.previewed and clicks["live"].frame["residual"] is None
    clicks.click("residual")
    assert clicks["live"].frame["residual"] is not None
    clicks.click("apply")
    assert lazy.learning_results.loadings.shape == (120, 3)


def test_two_tools_on_one_signal_do_not_disturb_each_other(signal, opened):
    first, second = opened(), opened(n_components=2)
    first.click("run", wait=False)
    second.click("run")
    assert first.tool.wait(120)
    first.click("apply")
    assert signal.learning_results.factors.shape[1] == 3
    second.click("apply")
    assert "Applied" in second["status"].value
    assert signal.learning_results.factors.shape[1] == 2


def test_run_is_told_to_follow_the_check(signal):
    tool = DecompositionTool(signal)
    tool.settings.algorithm, tool.settings.n_components = "nmf_so", 2
    tool.check_data()
    tool.run()
    assert tool.wait(120) and tool.result is not None and tool.check is not None


def test_closing_leaves_no_thread_no_widget_and_no_observer(signal, opened):
    import ipywidgets

    before = set(ipywidgets.widget._instances)
    clicks = opened()
    slow(clicks.tool)
    clicks.click("run", wait=False)
    began = time.perf_counter()
    clicks.click("close", wait=False)
    assert time.perf_counter() - began < 5
    names = [thread.name for thread in threading.enumerate()]
    assert "sparsedecomp tool" not in names
    left = set(ipywidgets.widget._instances) - before
    kinds = {type(ipywidgets.widget._instances[key]).__name__ for key in left}
    assert not {
        kind for kind in kinds if not kind.endswith(("Layout", "Style", "StyleModel"))
    }
    clicks.tool.settings.n_components = 7
    assert clicks["n_components"].value != 7


def test_without_ipywidgets_the_message_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import hyperspy.api as hs, numpy as np\n"
        "s = hs.signals.Signal1D(np.ones((3, 4, 5)))\n"
        "try:\n"
        "    s.decomposition_tool()\n"
        "except ImportError as error:\n"
        "    assert 'sparsedecomp[gui-jupyter]' in str(error), error\n"
        "else:\n"
        "    raise AssertionError('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
