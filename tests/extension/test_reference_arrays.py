"""Known spectra and maps through `decomposition`, and sources separated after it."""

import numpy as np
import pytest

hs = pytest.importorskip("hyperspy.api")


@pytest.fixture
def truth(mixture):
    """Maps (48, 3), spectra (3, 30), and their product as a signal with an energy."""
    maps, spectra, _ = mixture((6, 8), 30, k=3)
    noise = 0.005 * np.random.default_rng(2).random((48, 30))
    s = hs.signals.Signal1D((maps @ spectra + noise).reshape(6, 8, 30))
    s.axes_manager[-1].scale, s.axes_manager[-1].offset = 0.5, 100.0
    return maps, spectra, s


def like(signal, spectra):
    """Spectra on the energy axis of a signal."""
    return hs.signals.Signal1D(
        spectra,
        axes=[{"size": len(spectra)}, signal.axes_manager[-1].get_axis_dictionary()],
    )


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("constraint", ["nonnegative", "fully_constrained"])
def test_what_is_known_stays_through_masks_and_scaling(
    truth, decompose, masks, lazy, poisson, constraint
):
    maps, spectra, s = truth
    navigation, channels = masks
    results = decompose(
        s.as_lazy() if lazy else s,
        "mcr_als",
        3,
        known_spectra=like(s, spectra[[2]]),
        known_maps=hs.signals.Signal2D(maps[:, 0].reshape(6, 8)),
        constraint=constraint,
        normalize_poissonian_noise=poisson,
        navigation_mask=navigation.T,
        signal_mask=channels,
    )
    (spectrum,), (at,) = (
        np.flatnonzero(known)
        for known in (results.has_known_spectrum, results.has_known_map)
    )
    np.testing.assert_allclose(
        results.factors[~channels, spectrum], spectra[2, ~channels], rtol=1e-6
    )
    seen = ~navigation.ravel()
    np.testing.assert_allclose(results.loadings[seen, at], maps[seen, 0], atol=1e-6)
    assert np.isnan(results.loadings[~seen]).all()
    assert np.isnan(results.factors[channels]).all()
    if constraint == "fully_constrained":
        np.testing.assert_allclose(results.loadings[seen].sum(axis=1), 1, atol=1e-6)
    assert 0 < results.lack_of_fit < 10


def test_spectra_of_an_earlier_decomposition_are_a_start(truth, decompose):
    _, _, s = truth
    decompose(s, "vca", 3)
    vca = s.get_component_spectra()
    results = decompose(s, "mcr_als", 3, init=vca, known_spectra=vca.inav[1])
    known = results.factors[:, results.has_known_spectrum][:, 0]
    np.testing.assert_allclose(known, vca.data[1], rtol=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_known_spectra_keep_their_places(truth, decompose, order):
    maps, spectra, s = truth
    results = decompose(s, "mcr_als", 3, known_spectra=spectra[list(order)])
    np.testing.assert_allclose(results.factors.T, spectra[list(order)], rtol=1e-6)
    np.testing.assert_array_equal(results.known_component, [0, 1, 2])
    error = np.abs(results.loadings - maps[:, order]).max()
    assert error < 0.1 * maps.max()

    results = decompose(s, "mcr_als", 3, known_spectra=spectra[[order[2]]])
    np.testing.assert_array_equal(results.known_component, [0, -1, -1])
    np.testing.assert_allclose(results.factors[:, 0], spectra[order[2]], rtol=1e-6)


def test_arrays_are_taken_in_array_order(truth, decompose):
    maps, spectra, s = truth
    results = decompose(
        s, "mcr_als", 3, known_spectra=spectra[:1], known_maps=maps[:, [1, 2]]
    )
    found = results.loadings[:, results.has_known_map]
    assert {tuple(m) for m in found.T} == {tuple(maps[:, 1]), tuple(maps[:, 2])}


def test_axes_that_do_not_fit_are_refused(truth, decompose):
    _, spectra, s = truth
    short, shifted = like(s, spectra).isig[:20], like(s, spectra)
    shifted.axes_manager[-1].offset = 103.0
    with pytest.raises(
        ValueError, match=r"`known_spectra` .* \(20,\), expected \(30,\)"
    ):
        decompose(s, "mcr_als", 3, known_spectra=short)
    with pytest.raises(ValueError, match="runs from 103 to .* from 100 to .*interp"):
        decompose(s, "mcr_als", 3, known_spectra=shifted)
    with pytest.raises(ValueError, match=r"`known_maps` has .* \(6, 8\), expected"):
        decompose(s, "mcr_als", 3, known_maps=hs.signals.Signal2D(np.ones((8, 6))))
    assert s.learning_results.factors is None


@pytest.mark.parametrize("algorithm", ["nmf_so", "mcr_als"])
@pytest.mark.parametrize("lazy", [False, True])
def test_sources_are_separated_after_it(truth, decompose, algorithm, lazy):
    _, spectra, s = truth
    if lazy:
        s = s.as_lazy()
    results = decompose(s, algorithm, 3)
    s.blind_source_separation(3, algorithm="orthomax", print_info=False)
    assert results.bss_factors.shape == (30, 3)
    assert s.get_bss_loadings().axes_manager.navigation_size == 3
    # Sources are mixtures of the components: they span the same.
    mixing = np.linalg.lstsq(results.factors, results.bss_factors, rcond=None)
    np.testing.assert_allclose(
        results.factors @ mixing[0], results.bss_factors, atol=1e-8
    )
    np.testing.assert_allclose(
        results.bss_loadings @ results.bss_factors.T,
        results.loadings @ results.factors.T,
        atol=1e-6,
    )
    assert s.get_component_spectra(source="bss").data.shape == (3, 30)
