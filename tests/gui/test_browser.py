"""The decomposition tool in JupyterLab in a real browser: `pytest -m browser`.

Screenshots are left in the folder named by SPARSEDECOMP_SCREENSHOTS, if it is set.
"""

import importlib.util
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.browser

SPEC = importlib.util.spec_from_file_location(
    "browser", Path(__file__).with_name("browser.py")
)
browser = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(browser)

OPEN = """
import numpy as np, hyperspy.api as hs
from sparsedecomp.gui import DecompositionTool
rng = np.random.default_rng(0)
channel = np.arange(200)
spectra = np.exp(-0.5 * ((channel - np.array([[50], [100], [150]])) / 12) ** 2) + 0.05
maps = rng.dirichlet([0.3] * 3, 32 * 24)
s = hs.signals.Signal1D(rng.poisson(500 * maps @ spectra).reshape(24, 32, 200) * 1.0)
s.decomposition_tool()
"""
COMPARE = """
other = s._deepcopy_with_new_data(s.data)
exec(open("copied.py").read(), {"s": other})
same = np.allclose(other.learning_results.factors, s.learning_results.factors)
names = s.get_component_maps().metadata.Signal.component_names
np.save("maps.npy", s.get_component_maps().data)
print("same", same, "names", names)
"""
LONG = """
tool = DecompositionTool(s)
tool.settings.algorithm, tool.settings.n_components = "nmf_so", 3
tool.settings.parameters = {"max_iter": "1000000", "tol": "0", "n_init": "1000"}
tool.gui()
"""
PIXELS = """canvas => Array.from(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
).filter((_, i) => i % 4 === 0)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Page of a notebook with the cells above; messages of the console are kept."""
    sync_api = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    pytest.importorskip("hyperspy_gui_ipywidgets")
    if browser.chromium() is None:
        pytest.skip(f"no browser found: install one of {', '.join(browser.NAMES)}")
    folder = tmp_path_factory.mktemp("lab")
    browser.notebook(folder / "tool.ipynb", OPEN.strip(), COMPARE.strip(), LONG.strip())
    with browser.jupyterlab(folder) as address, sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=browser.chromium(), args=list(browser.OPTIONS)
        )
        context = chromium.new_context(viewport={"width": 1150, "height": 1900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(40_000)
        page.folder, page.errors = folder, []
        page.on(
            "console",
            lambda m: page.errors.append(m.text) if m.type == "error" else None,
        )
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address("tool.ipynb"))
        page.wait_for_selector(".jp-CodeCell")
        yield page
        chromium.close()


def run_cell(page, number):
    """Run a cell as soon as the kernel hears it; returns the cell."""
    cell = page.locator(".jp-CodeCell").nth(number)
    end = time.monotonic() + 60
    while cell.locator(".jp-InputPrompt").first.inner_text() == "[ ]:":
        assert time.monotonic() < end, "the kernel does not answer"
        cell.locator(".jp-InputArea-editor").first.click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(500)
    return cell


def press(cell, text):
    # The name of a button in the sense of accessibility begins with its icon.
    cell.locator("button", has_text=re.compile(rf"^\s*{text}\s*$")).click()


def wait_for_state(cell, *states):
    """Wait until the status line begins with one of some words; seconds it took."""
    began = time.perf_counter()
    line = cell.locator("[role=status][aria-live]")
    while line.inner_text().split(" ")[0] not in states:
        assert time.perf_counter() - began < 120, line.inner_text()
        cell.page.wait_for_timeout(20)
    return time.perf_counter() - began


def picture(page, name):
    folder = os.environ.get("SPARSEDECOMP_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_run_name_apply_and_the_copied_code_gives_the_same(page):
    cell = run_cell(page, 0)
    live = cell.locator(".sd-live")
    live.wait_for()
    wait_for_state(cell, "ready")
    press(cell, "Run")
    wait_for_state(cell, "finished")
    names = cell.locator(".widget-text input[type=text]")
    for i, name in enumerate(("iron", "oxide", "hole")):
        names.nth(i).fill(name)
        names.nth(i).press("Tab")
    live.locator(".sd-map", has_text="hole").wait_for()
    press(cell, "Apply")
    cell.get_by_text("Applied to the signal: iron, oxide, hole.").wait_for()
    press(cell, "Copy code")
    cell.get_by_text("copied", exact=True).wait_for()
    code = page.evaluate("navigator.clipboard.readText()")
    assert code.splitlines()[0] == "s.decomposition(algorithm='nmf_so_ard')"
    (page.folder / "copied.py").write_text(code, encoding="utf-8")
    picture(page, "decomposition_tool")
    output = run_cell(page, 1).locator(".jp-OutputArea-output", has_text="same ")
    assert "same True names ['iron', 'oxide', 'hole']" in output.inner_text()
    maps = np.load(page.folder / "maps.npy")
    for canvas, expected in zip(
        live.locator(".sd-map canvas").all(), maps, strict=True
    ):
        shown = np.array(canvas.evaluate(PIXELS)).reshape(24, 32)
        assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.99


def test_updates_are_seen_and_stop_answers_at_once(page):
    cell = run_cell(page, 2)
    live = cell.locator(".sd-live")
    live.wait_for(state="attached")
    press(cell, "Run")
    while int(live.get_attribute("data-drawn") or 0) < 10:
        page.wait_for_timeout(50)
    assert live.get_attribute("data-phase") == "starts"
    picture(page, "running")
    press(cell, "Stop")
    # On a machine that does nothing else it takes a tenth of this.
    assert wait_for_state(cell, "stopping", "stopped") < 2
    wait_for_state(cell, "stopped")
    press(cell, "Apply")
    cell.get_by_text("Applied to the signal: component 0").wait_for()


def test_keyboard_reaches_the_maps(page):
    live = page.locator(".jp-CodeCell").nth(2).locator(".sd-live")
    button = live.locator("button.sd-map").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"


def test_no_error_is_in_the_console_the_notebook_or_the_kernel(page):
    assert page.errors == []
    assert page.locator(".jp-RenderedText[data-mime-type*=error]").count() == 0
    log = (page.folder / "server.log").read_text(encoding="utf-8")
    assert "Traceback" not in log and "Exception" not in log
