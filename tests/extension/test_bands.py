"""`get_component_spectra(band=...)` and `get_component_maps(band=...)`."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.metrics import match_components

QUIET = {"print_info": False, "show_progressbar": False}


def scene():
    """A signal of three phases in counts, its true spectra, and its true maps."""
    rng = np.random.default_rng(5)
    channels = np.arange(64.0)
    centres = np.array([[15], [30], [45]])
    spectra = 0.5 + np.exp(-0.5 * ((channels - centres) / 4) ** 2)
    spectra /= spectra.sum(axis=1, keepdims=True)
    maps = 2e4 * rng.dirichlet([0.3] * 3, (24, 30))
    s = hs.signals.Signal1D(rng.poisson(maps @ spectra).astype(float))
    s.axes_manager[-1].units = "eV"
    return s, spectra, maps


@pytest.fixture(scope="module")
def decomposed():
    s, spectra, maps = scene()
    mask = np.zeros((30, 24), bool)
    mask[:, :2] = True
    channels = np.zeros(64, bool)
    channels[-3:] = True
    s.decomposition(
        algorithm="simplex_ml",
        output_dimension=3,
        navigation_mask=mask,
        signal_mask=channels,
        random_state=0,
        **QUIET,
    )
    found = s.get_component_spectra().data[:, :-3]
    order = match_components(spectra[:, :-3], found)[1]
    return s, spectra, maps, order


def test_bands_of_spectra_cover_the_contribution_to_the_sum_spectrum(decomposed):
    s, spectra, maps, order = decomposed
    found, low, high = s.get_component_spectra(band=0.9)
    np.testing.assert_array_equal(found.data, s.get_component_spectra().data)
    assert low.axes_manager[-1].units == high.axes_manager[-1].units == "eV"
    assert low.metadata.General.title.startswith("Lower end of component spectra")
    for end in (low, high):
        assert np.isnan(end.data[:, -3:]).all()
    # Only the shape has a band: the truth is scaled to the sum that was found.
    truth, kept = spectra[:, :-3], found.data[order, :-3]
    truth = truth / truth.sum(axis=1, keepdims=True) * kept.sum(axis=1, keepdims=True)
    inside = (low.data[order, :-3] <= truth) & (truth <= high.data[order, :-3])
    assert 0.8 < inside.mean() < 0.99


def test_bands_of_maps_cover_the_counts_of_each_component(decomposed):
    s, spectra, maps, order = decomposed
    found, low, high = s.get_component_maps("total", band=0.9)
    np.testing.assert_array_equal(found.data, s.get_component_maps("total").data)
    truth = np.moveaxis(maps * spectra[:, :-3].sum(axis=1), -1, 0)[:, 2:]
    inside = (low.data[order, 2:] <= truth) & (truth <= high.data[order, 2:])
    assert 0.8 < inside.mean() < 0.97
    assert np.isnan(low.data[:, :2]).all() and low.data.shape == found.data.shape


def test_a_band_scales_with_the_results_and_is_the_same_lazily(decomposed):
    s = decomposed[0]
    _, low, high = s.get_component_maps("stored", band=0.9)
    _, low_total, high_total = s.get_component_maps("total", band=0.9)
    factor = np.nansum(s.learning_results.factors, axis=0)[:, None, None]
    np.testing.assert_allclose(
        (high.data - low.data) * factor, high_total.data - low_total.data
    )
    lazy = s.as_lazy()
    lazy.learning_results = s.learning_results
    _, lazy_low, _ = lazy.get_component_maps("stored", band=0.9)
    np.testing.assert_allclose(lazy_low.data, low.data, rtol=1e-3, atol=1e-3)


def test_the_signal_and_its_results_do_not_change(decomposed):
    s = decomposed[0]
    before = s.data.copy(), s.learning_results.factors.copy()
    s.get_component_spectra(band=0.5)
    np.testing.assert_array_equal(s.data, before[0])
    np.testing.assert_array_equal(s.learning_results.factors, before[1])


def test_bands_are_refused_where_there_is_no_likelihood():
    s = scene()[0]
    s.decomposition(algorithm="SVD", **QUIET)
    with pytest.raises(RuntimeError, match="'SVD', expected one by a factorisation"):
        s.get_component_spectra(band=0.9)
    s.decomposition(algorithm="vca", output_dimension=3, random_state=0, **QUIET)
    with pytest.raises(ValueError, match="level is 90"):
        s.get_component_maps(band=90)
    s.blind_source_separation(2, print_info=False)
    with pytest.raises(ValueError, match="source='bss'"):
        s.get_component_maps(source="bss", band=0.9)


def test_the_default_has_bands_of_the_data_as_they_were_fitted():
    rng = np.random.default_rng(9)
    channels = np.arange(96.0)
    centres = np.array([[20], [45], [70]])
    maps = 4e4 * rng.dirichlet([0.3] * 3, (20, 24))
    drift = np.linspace(-1, 1, 480).reshape(20, 24, 1, 1)
    lines = np.exp(-0.5 * ((channels - centres - drift) / 5) ** 2) + 0.2
    cube = rng.poisson(np.einsum("yxk,yxkc->yxc", maps, lines / 20)).astype(float)
    cube[7, 9, 30] += 1e6
    s = hs.signals.Signal1D(cube)
    s.decomposition(algorithm="nmf_so_ard", **QUIET)
    assert np.ptp(s.learning_results.energy_drift) > 1.5
    spectra, low, high = s.get_component_spectra(band=0.9)
    # Drift and spike would make the bands as wide as the spectra.
    width = (high.data - low.data).mean(axis=1) / spectra.data.mean(axis=1)
    assert len(width) == 3 and width.max() < 0.1
