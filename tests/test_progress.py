"""Progress bars: over iterations, over reads of the data, while kernels compile."""

import inspect
import logging
from importlib import import_module

import hyperspy.api as hs
import numba
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp._registration import METHODS
from sparsedecomp.progress import progress_bar


@pytest.mark.parametrize("show", [False, True])
def test_compilation_is_logged_once_and_is_a_phase_of_the_bar(show, caplog, capsys):
    @numba.njit
    def double(x):
        return 2 * x

    with caplog.at_level(logging.INFO), progress_bar(show, "fit"):
        double(1)
        double(1.0)
    messages = [r.message for r in caplog.records if "Compiling" in r.message]
    assert len(messages) == 1 and "cached on disk" in messages[0]
    assert ("phase=compiling" in capsys.readouterr().err) == show
    caplog.clear()
    with caplog.at_level(logging.INFO), progress_bar(show, "fit"):
        double(1)
    assert not caplog.records
    assert "phase=compiling" not in capsys.readouterr().err


# Methods that read no more than a map or the components, those that open a tool, and
# one that only prepares a lazy signal or draws random numbers once.
QUICK = {
    "deblurring",
    "decomposition_tool",
    "fusion",
    "get_pixel_map",
    "inpainting",
    "merge_components",
    "name_components",
    "reorder_components",
    "restoration",
    "spectrum_at",
    "estimate_resolution",
    "super_resolution",
    "thin",
}
TARGETS = {
    **METHODS["hyperspy.signal.BaseSignal"],
    "exafs_sparse_fit": "sparsedecomp.signals.exafs:exafs_sparse_fit",
    "coupled_decomposition": "sparsedecomp.extension.coupled:coupled_decomposition",
}


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - QUICK))
def test_what_reads_data_has_a_progress_bar(name):
    module, _, attribute = TARGETS[name].partition(":")
    function = getattr(import_module(module), attribute)
    parameter = inspect.signature(function).parameters["show_progressbar"]
    assert parameter.default is None and parameter.kind is not parameter.VAR_KEYWORD
    assert "\nshow_progressbar : bool, optional\n" in inspect.cleandoc(function.__doc__)


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    mean = rng.dirichlet([0.3, 0.3], 96) @ rng.gamma(0.5, 40, (2, 40))
    return hs.signals.Signal1D(rng.poisson(mean).reshape(8, 12, 40))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("estimate_rank", {"method": "noise_edge"}),
        ("segment_composition", {"n_clusters": 2, "random_state": 0}),
        ("check_data", {"energy_drift": False}),
    ],
)
def test_reads_are_shown_as_hyperspy_would(
    counts, name, arguments, lazy, capsys, monkeypatch
):
    s = counts.as_lazy() if lazy else counts
    if lazy:
        s.data = s.data.rechunk((4, 6, 40))

    def shown(**more):
        capsys.readouterr()
        getattr(s, name)(**arguments, **more)
        return f"{name}: " in (text := capsys.readouterr().err), text

    preferences = hs.preferences.General
    for preference in (False, True):
        monkeypatch.setattr(preferences, "show_progressbar", preference)
        assert shown()[0] == preference
        assert not shown(show_progressbar=False)[0]
        there, text = shown(show_progressbar=True)
        # Every read begins anew and ends with its last block.
        assert there and "read=2" in text
        blocks = 4 if lazy else 1
        assert f"{blocks}/{blocks}" in text.split("\r")[-1]


def test_what_reads_nothing_shows_nothing(counts, capsys):
    s = counts.deepcopy()
    s.decomposition(
        algorithm="nmf_so", output_dimension=2, print_info=False, show_progressbar=False
    )
    capsys.readouterr()
    s.get_component_spectra(show_progressbar=True)
    assert not capsys.readouterr().err


def test_bars_leave_a_nested_fit_alone(counts, capsys):
    s = counts
    found = s.estimate_rank(method="noise_edge", show_progressbar=True)
    capsys.readouterr()
    assert str(sparsedecomp.estimate_rank(s.data, "noise_edge")) == str(found)
    assert not capsys.readouterr().err
