"""Both vocabularies of HyperSpy: factors and loadings, components and scores."""

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
    spectra = decomposed.get_component_spectra().data
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
