"""Both vocabularies of HyperSpy: factors and loadings, components and scores."""

import itertools

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp import batch, plotting
from sparsedecomp.extension import learning_results


class RenamedResults:
    """Record of a decomposition with the names of HyperSpy's pull request 3669."""

    components = scores = bss_components = bss_scores = None
    decomposition_algorithm = None

    def _refuse(self, *args):
        raise AssertionError("an old name was used where HyperSpy has a new one")

    factors = property(_refuse, _refuse)
    loadings = property(_refuse, _refuse)
    bss_factors = property(_refuse, _refuse)
    bss_loadings = property(_refuse, _refuse)


@pytest.fixture(params=["old names", "new names"])
def decomposed(request, signal, masks, decompose):
    """Decomposed signal whose record has the old or the new names."""
    if request.param == "new names":
        signal.learning_results = RenamedResults()
    decompose(signal, "nmf_so_ard", navigation_mask=masks[0].T)
    return signal


@pytest.fixture
def expected(cube, masks, decompose):
    """Record of the same decomposition by the installed HyperSpy."""
    signal = hs.signals.Signal1D(cube.copy())
    return decompose(signal, "nmf_so_ard", navigation_mask=masks[0].T)


def test_matrices_are_stored_under_the_names_of_hyperspy(decomposed, expected):
    stored = vars(decomposed.learning_results)
    renamed = isinstance(decomposed.learning_results, RenamedResults)
    spectra, maps = ("components", "scores") if renamed else ("factors", "loadings")
    np.testing.assert_array_equal(stored[spectra], expected.factors)
    np.testing.assert_array_equal(stored[maps], expected.loadings)
    assert not renamed or not {"factors", "loadings", "bss_factors"} & set(stored)


def test_results_are_read_under_either_name(decomposed, expected):
    factors, loadings = learning_results.matrices(decomposed)
    np.testing.assert_array_equal(factors, expected.factors)
    np.testing.assert_array_equal(loadings, expected.loadings)
    assert learning_results.read(decomposed, "factors") is factors
    assert learning_results.matrices(decomposed, "bss") is None


def test_components_plots_and_reports_work_with_either_name(decomposed, expected):
    spectra = decomposed.get_component_spectra("stored").data
    np.testing.assert_array_equal(spectra, expected.factors.T)
    maps = decomposed.get_component_maps().data
    np.testing.assert_array_equal(maps.reshape(len(maps), -1), expected.loadings.T)
    assert len(plotting.plot_components(decomposed)) == len(spectra)
    assert len(plotting.plot_relevance(decomposed).patches) == len(spectra)
    report = decomposed.unmixing_report(1, 1, random_state=0, show_progressbar=False)
    assert report.n_components == len(spectra)


def test_clusters_of_loadings_work_with_either_name(decomposed, masks):
    result = decomposed.segment_composition(
        2, "kmeans", "loadings", navigation_mask=masks[0].T, random_state=0
    )
    assert result.sizes.sum() == (~masks[0]).sum()


def test_result_files_hold_the_record_with_either_name(decomposed, tmp_path, expected):
    batch.write_results(tmp_path / "out.hspy", decomposed, {})
    _, spectra = hs.load(tmp_path / "out.hspy")
    np.testing.assert_array_equal(spectra.data, expected.factors.T)


def test_a_decomposition_of_hyperspy_removes_the_extras(decomposed):
    assert "ard_relevance" in learning_results.entries(decomposed)
    learning_results.remove_extras(decomposed)
    assert learning_results.read(decomposed, "ard_relevance") is None


ACCESSORS = {
    "get_component_spectra": lambda s: s.get_component_spectra(),
    "get_component_maps": lambda s: s.get_component_maps(),
    "get_pixel_map": lambda s: s.get_pixel_map("score_distance"),
    "unmixing_report": lambda s: s.unmixing_report(1, 1, show_progressbar=False),
    "plot_components": plotting.plot_components,
    "segment_composition": lambda s: s.segment_composition(2, "kmeans", "loadings"),
}
CHANGES = {
    "crop of the map": lambda s: s.crop(0, 0, 3),
    "crop of the spectrum": lambda s: s.crop(-1, 0, 10),
    "transposed map": lambda s: s.transpose(navigation_axes=[1, 0]),
    "map as signal": lambda s: s.transpose(signal_axes=[0, 1]),
}


@pytest.fixture
def unmixed(decompose):
    """Square map, whose transpose has the same shape, unmixed by SSS+VCA."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet([0.5, 0.5], 64)
    s = hs.signals.Signal1D(rng.poisson(weights @ rng.gamma(1, 50, (2, 20))))
    s = hs.signals.Signal1D(s.data.reshape(8, 8, 20))
    s.axes_manager[0].name, s.axes_manager[1].name = "x", "y"
    for name, axis in zip("yx", s.axes_manager._axes, strict=False):
        axis.name = name
    decompose(s, "sss_vca", output_dimension=2)
    return s


@pytest.mark.parametrize(
    ("change", "accessor"),
    # Images as spectra are refused by the last accessor before.
    [*itertools.product(CHANGES, ACCESSORS)][:-1],
)
def test_results_are_tied_to_the_axes_they_were_made_for(unmixed, change, accessor):
    changed = CHANGES[change](unmixed) or unmixed
    with pytest.raises(RuntimeError, match="axes .* changed since .* Decompose"):
        ACCESSORS[accessor](changed)


@pytest.mark.parametrize("accessor", ACCESSORS)
def test_results_survive_copies_files_and_calibration(unmixed, accessor, tmp_path):
    unmixed.axes_manager[0].scale, unmixed.axes_manager[-1].offset = 0.3, 200.0
    unmixed.save(tmp_path / "s.hspy")
    for s in (unmixed, unmixed.deepcopy(), hs.load(tmp_path / "s.hspy")):
        ACCESSORS[accessor](s)


def test_a_decomposition_of_hyperspy_is_tied_to_its_axes_too(unmixed):
    unmixed.change_dtype("float32")
    unmixed.decomposition(output_dimension=2, print_info=False)
    assert unmixed.get_component_maps().data.shape == (2, 8, 8)
    with pytest.raises(RuntimeError, match="changed since"):
        unmixed.transpose(navigation_axes=[1, 0]).get_component_maps()
