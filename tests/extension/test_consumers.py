"""What HyperSpy does with `learning_results` afterwards: plots, models, files."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

ARRAYS = ("loadings", "factors", "explained_variance", "explained_variance_ratio")
EXTRAS = ("ard_relevance", "objective_history")
NUMBERS = (
    "noise_variance",
    "relative_residual",
    "output_dimension",
    "number_significant_components",
    "poissonian_noise_normalized",
    "decomposition_algorithm",
)


@pytest.fixture(params=["eager", "lazy"])
def decomposed(request, signal, masks, decompose):
    """Decomposed with both masks, so that there are NaN in loadings and factors."""
    if request.param == "lazy":
        signal = signal.as_lazy()
    decompose(
        signal,
        "nmf_so_ard",
        normalize_poissonian_noise=True,
        navigation_mask=masks[0].T,
        signal_mask=masks[1],
    )
    return signal


@pytest.fixture(params=["eager", "lazy"])
def complete(request, signal, decompose):
    """Decomposed without masks: what source separation and clustering need."""
    if request.param == "lazy":
        signal = signal.as_lazy()
    decompose(signal, "nmf_so")
    return signal


def assert_same_results(found, expected):
    for name in (*ARRAYS, *EXTRAS, "navigation_mask", "signal_mask"):
        np.testing.assert_array_equal(
            np.asarray(getattr(found, name)), getattr(expected, name), err_msg=name
        )
    for name in NUMBERS:
        assert getattr(found, name) == getattr(expected, name), name


def test_results_survive_npz(decomposed, tmp_path):
    decomposed.learning_results.save(tmp_path / "results.npz", overwrite=True)
    other = hs.signals.Signal1D(np.zeros((6, 8, 30)))
    other.learning_results.load(tmp_path / "results.npz")
    assert_same_results(other.learning_results, decomposed.learning_results)


@pytest.mark.parametrize("lazy", [False, True])
def test_results_survive_hspy(decomposed, tmp_path, lazy):
    decomposed.save(tmp_path / "signal.hspy")
    other = hs.load(tmp_path / "signal.hspy", lazy=lazy)
    assert_same_results(other.learning_results, decomposed.learning_results)
    spectra, expected = (
        s.get_component_spectra("stored").data for s in (other, decomposed)
    )
    np.testing.assert_array_equal(spectra, expected)
    if lazy:
        other.close_file()


@pytest.mark.parametrize("components", [None, 2, [0, 2]])
def test_model(complete, components):
    model = complete.get_decomposition_model(components)
    results = complete.learning_results
    chosen = {None: [0, 1, 2], 2: [0, 1]}.get(
        components if not isinstance(components, list) else 0, components
    )
    expected = results.loadings[:, chosen] @ results.factors[:, chosen].T
    assert type(model) is type(complete)
    np.testing.assert_allclose(
        np.asarray(model.data).reshape(48, 30), expected, rtol=1e-6
    )


# HyperSpy 2.5 has new names for the scree plot; 2.4 has these only.
@pytest.mark.filterwarnings("ignore:.*explained_variance_ratio.*deprecated")
def test_plots(decomposed):
    decomposed.plot_decomposition_results()
    decomposed.plot_decomposition_factors()
    decomposed.plot_decomposition_loadings()
    k = decomposed.learning_results.output_dimension
    assert len(decomposed.plot_explained_variance_ratio().lines) >= 1
    assert decomposed.get_explained_variance_ratio().data.shape == (k,)
    factors = decomposed.get_decomposition_factors()
    assert factors.axes_manager.navigation_shape == (k,)


def test_blind_source_separation_and_its_model(complete):
    complete.blind_source_separation(print_info=False)
    assert complete.learning_results.bss_factors.shape == (30, 3)
    model = complete.get_bss_model()
    expected = complete.get_decomposition_model()
    np.testing.assert_allclose(
        np.asarray(model.data), np.asarray(expected.data), rtol=1e-5, atol=1e-8
    )
    spectra = complete.get_component_spectra(source="bss")
    assert spectra.axes_manager.navigation_shape == (3,)


def test_cluster_analysis(complete):
    complete.cluster_analysis("decomposition", n_clusters=3, random_state=0)
    labels = complete.get_cluster_labels()
    assert (np.asarray(labels.data).sum(0) == 1).all()


def test_normalisation_and_cropping(complete):
    before = np.asarray(complete.get_decomposition_model().data)
    complete.normalize_decomposition_components("loadings", np.max)
    np.testing.assert_allclose(complete.learning_results.loadings.max(0), 1)
    after = np.asarray(complete.get_decomposition_model().data)
    np.testing.assert_allclose(after, before, rtol=1e-6)
    complete.learning_results.crop_decomposition_dimension(2)
    assert complete.learning_results.factors.shape == (30, 2)


def test_results_of_a_lazily_loaded_file_are_drawn(complete, tmp_path):
    s = complete
    s.blind_source_separation(2, print_info=False)
    s.save(tmp_path / "decomposed.hspy")
    lazy = hs.load(tmp_path / "decomposed.hspy", lazy=True)
    expected = np.asarray(lazy.learning_results.loadings)
    for source in ("decomposition", "bss"):
        for part in ("factors", "loadings", "results"):
            getattr(lazy, f"plot_{source}_{part}")()
            plt.close("all")
    assert isinstance(lazy.learning_results.loadings, np.ndarray)
    np.testing.assert_array_equal(lazy.learning_results.loadings, expected)


@pytest.mark.parametrize("algorithm", ["SVD", "nmf_so"])
def test_masks_are_given_again_to_what_follows(signal, algorithm):
    """The advice of the README, which holds for HyperSpy's own algorithms as well."""
    s = signal
    s.change_dtype("float64")
    pixels, channels = (
        np.zeros(shape[::-1], bool)
        for shape in (s.axes_manager.navigation_shape, s.axes_manager.signal_shape)
    )
    pixels[2, 3] = channels[5] = True
    pixels, channels = hs.signals.BaseSignal(pixels).T, hs.signals.Signal1D(channels)
    s.decomposition(
        algorithm=algorithm,
        output_dimension=2,
        navigation_mask=pixels,
        signal_mask=channels,
        print_info=False,
    )
    with pytest.raises(np.linalg.LinAlgError):
        s.blind_source_separation(2, print_info=False)
    s.blind_source_separation(2, mask=channels, print_info=False)
    on_loadings = {"on_loadings": True, "mask": pixels.T, "print_info": False}
    s.blind_source_separation(2, **on_loadings)
    s.cluster_analysis("decomposition", n_clusters=2, navigation_mask=pixels.data)
    assert np.isfinite(s.learning_results.cluster_labels).all()
