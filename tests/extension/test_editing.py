"""Components that are named, ordered, merged and split after a fit."""

import numpy as np
import pytest

from sparsedecomp.metrics import match_components

hs = pytest.importorskip("hyperspy.api")


@pytest.fixture
def fitted(signal, decompose):
    decompose(signal)
    return signal


def model_of(signal):
    results = signal.learning_results
    return np.nan_to_num(results.loadings) @ np.nan_to_num(results.factors).T


def names_of(signal):
    return signal.get_component_maps().metadata.Signal.component_names


def test_names_are_in_maps_spectra_figures_and_files(fitted, tmp_path):
    from sparsedecomp.plotting import plot_components

    names = ["matrix", "oxide", "hole"]
    fitted.name_components(names)
    assert names_of(fitted) == names
    assert fitted.get_component_spectra().metadata.Signal.component_names == names
    titles = [row[-1].get_title(loc="left") for row in plot_components(fitted)]
    assert titles == names
    fitted.save(tmp_path / "named.hspy")
    assert names_of(hs.load(tmp_path / "named.hspy")) == names
    fitted.learning_results.save(tmp_path / "named.npz")
    other = fitted._deepcopy_with_new_data(fitted.data)
    other.learning_results.load(tmp_path / "named.npz")
    assert names_of(other) == names


def test_the_next_decomposition_forgets_the_names(fitted, decompose):
    fitted.name_components(["a", "b", "c"])
    decompose(fitted)
    assert not fitted.get_component_maps().metadata.Signal.has_item("component_names")
    fitted.name_components(["a", "b", "c"])
    fitted.decomposition(algorithm="SVD", output_dimension=3, print_info=False)
    assert not hasattr(fitted.learning_results, "component_names")


def test_order_moves_maps_spectra_names_and_relevance(signal, decompose):
    results = decompose(signal, "nmf_kl_ard", 3)
    before = results.loadings.copy(), results.factors.copy()
    relevance, ratio = results.ard_relevance, results.explained_variance_ratio
    k = len(relevance)
    order = list(range(k))[::-1]
    signal.reorder_components(order)
    results = signal.learning_results
    np.testing.assert_array_equal(results.loadings, before[0][:, order])
    np.testing.assert_array_equal(results.factors, before[1][:, order])
    np.testing.assert_array_equal(results.ard_relevance, relevance[order])
    np.testing.assert_allclose(results.explained_variance_ratio, ratio[order])
    assert names_of(signal) == [f"component {i}" for i in order]


def test_components_are_left_out_by_name(fitted):
    fitted.name_components(["a", "b", "c"])
    fitted.reorder_components(["c", 0])
    assert names_of(fitted) == ["c", "a"]
    assert fitted.learning_results.output_dimension == 2


def test_merging_keeps_the_intensity_of_pixels_and_the_sum_spectrum(
    signal, masks, decompose
):
    decompose(signal, navigation_mask=masks[0].T, signal_mask=masks[1])
    before = model_of(signal)
    signal.merge_components([0, 2], name="film")
    after = model_of(signal)
    assert names_of(signal) == ["film", "component 1"]
    np.testing.assert_allclose(after.sum(axis=0), before.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(after.sum(axis=1), before.sum(axis=1), rtol=1e-5)
    results = signal.learning_results
    assert np.isnan(results.loadings[masks[0].ravel()]).all()
    assert np.isnan(results.factors[masks[1]]).all()
    np.testing.assert_allclose(np.nansum(results.factors[:, 0] ** 2), 1, rtol=1e-5)


def test_merging_equal_spectra_changes_nothing(fitted):
    results = fitted.learning_results
    results.factors[:, 1] = results.factors[:, 0]
    before = model_of(fitted)
    fitted.merge_components([1, 0])
    np.testing.assert_allclose(model_of(fitted), before, rtol=1e-4, atol=1e-4)


def test_splitting_a_merged_component_finds_its_parts(mixture, decompose):
    _, truth, cube = mixture((12, 10), 60, k=3, noise=0.001, dtype=np.float64)
    signal = hs.signals.Signal1D(cube)
    decompose(signal)
    signal.merge_components([0, 1], name="both")
    signal.split_component("both", show_progressbar=False)
    assert names_of(signal) == ["botha", "bothb", "component 2"]
    assert signal.learning_results.factors.shape[1] == 3
    assert match_components(truth, signal.learning_results.factors.T)[2].max() < 6


def test_splitting_keeps_the_masks(signal, masks, decompose):
    decompose(
        signal, output_dimension=2, navigation_mask=masks[0].T, signal_mask=masks[1]
    )
    signal.split_component(1, show_progressbar=False)
    results = signal.learning_results
    assert results.loadings.shape[1] == 3
    assert np.isnan(results.loadings[masks[0].ravel()]).all()
    assert np.isnan(results.factors[masks[1]]).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda s: s.name_components(["a"]), "1 names were given .* list of 3"),
        (lambda s: s.name_components("abc"), "list of 3"),
        (lambda s: s.name_components(["a", "b", "a"]), "'a' was given more than once"),
        (lambda s: s.name_components(["a", " ", "b"]), "empty"),
        (lambda s: s.merge_components([1]), "at least two"),
        (lambda s: s.merge_components([0, 0]), "given twice"),
        (lambda s: s.merge_components([0, 3]), "no component 3"),
        (lambda s: s.reorder_components([]), "list of components"),
        (lambda s: s.reorder_components(["component O"]), "Did you mean"),
        (lambda s: s.split_component(-1), "no component -1"),
    ],
)
def test_bad_arguments_change_nothing(fitted, call, message):
    before = model_of(fitted)
    with pytest.raises(ValueError, match=message):
        call(fitted)
    np.testing.assert_array_equal(model_of(fitted), before)


def test_other_results_are_refused(signal):
    with pytest.raises(RuntimeError, match="decomposition` first"):
        signal.name_components(["a"])
    signal.decomposition(algorithm="SVD", output_dimension=3, print_info=False)
    with pytest.raises(RuntimeError, match="'SVD', expected one by"):
        signal.merge_components([0, 1])
    signal.name_components(["a", "b", "c"])
