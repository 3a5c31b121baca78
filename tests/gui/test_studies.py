"""Cost of the tool: memory over many runs, pictures a second, processor time."""

import gc
import time
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")
pytest.importorskip("hyperspy_gui_ipywidgets")

from sparsedecomp.gui import DecompositionTool  # noqa: E402


def memory_after(parts, runs):
    """Bytes that Python and NumPy hold after some more runs of a tool."""
    for _ in range(runs):
        parts["run_button"].click()
        assert parts["tool"].wait(120)
    assert parts["tool"].state == "finished"
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def check_memory(signal, warm_up, runs, allowed):
    parts = signal.decomposition_tool(display=False)["ipywidgets"]["wdict"]
    assert parts["tool"].wait(120)
    parts["algorithm"].value, parts["n_components"].value = "nmf_so", 3
    field = next(f for f in parts["parameters"].children if f.description == "n_init")
    field.value = "1"
    tracemalloc.start()
    try:
        before = memory_after(parts, warm_up)
        after = memory_after(parts, runs)
    finally:
        tracemalloc.stop()
    parts["close_button"].click()
    assert after - before < allowed, f"{(after - before) / runs:.0f} bytes a run"


@pytest.mark.study
def test_memory_does_not_grow_over_fifty_runs(signal):
    check_memory(signal, 10, 50, 60_000)


@pytest.mark.study
def test_pictures_a_second_and_processor_time_of_a_large_fit():
    """Five pictures a second for less than a tenth of the fit's processor time."""
    from sparsedecomp.datasets import eels_oxide_interface

    signal = eels_oxide_interface((128, 128), 1024, seed=0)
    tool = DecompositionTool(signal)
    tool.settings.algorithm, tool.settings.n_components = "nmf_so", 4
    tool.gui(display=False)
    tool.run()
    assert tool.wait(600) and tool.state == "finished"
    moments = []
    tool.observe(lambda event: moments.append(time.perf_counter()), "frame")
    cpu = time.process_time()
    tool.run()
    assert tool.wait(600) and tool.state == "finished"
    cpu = time.process_time() - cpu
    # The last two pictures are those of the result; reads before the first iteration
    # and after the last have no components.
    rate = (len(moments) - 3) / (moments[-3] - moments[0])
    share = tool.live.seconds / (cpu - tool.live.seconds)
    assert rate >= 5, f"{rate:.1f} pictures a second"
    assert share < 0.1, f"{100 * share:.1f} % of the processor time of the fit"
    assert np.isfinite(rate)
