"""Mn3O4: two oxides whose spectra differ by 40 degrees, in rectified noise."""

import numpy as np
import pytest

from sparsedecomp.decomposition import NMFSOARD
from sparsedecomp.metrics import match_components

from .conftest import HIGH_BAND, LOW_BAND, NOISE


@pytest.fixture(scope="module")
def fit(mn3o4):
    """Return a cached fit of the data as they are published."""
    model = NMFSOARD(random_state=0)
    return model, model.fit_transform(mn3o4.noisy)


def within(angle, band):
    return band[0] <= angle <= band[1]


def test_two_components_in_the_feasible_bands(mn3o4, fit):
    model, _ = fit
    assert model.n_components_ == 2
    low, high = mn3o4.angles(model.components_)
    assert within(low, LOW_BAND) and within(high, HIGH_BAND)


def test_noise_is_found_and_known_to_be_clipped(fit):
    model, _ = fit
    assert model.clipped_ and model.noise_model_ == "uniform"
    assert np.sqrt(model.noise_variance_) == pytest.approx(NOISE, rel=0.02)


def test_model_is_close_to_the_theory(mn3o4, fit):
    model, maps = fit
    clean = np.linalg.norm(mn3o4.clean)
    error = np.linalg.norm(model.inverse_transform(maps) - mn3o4.clean) / clean
    # Least squares leave 0.147 and more, of which 0.26 are the noise's.
    assert error < 0.1


def test_objectives_never_rise(fit):
    model, _ = fit
    for history in (model.objective_history_, model.selection_history_):
        assert len(history) > 10
        assert np.all(np.diff(history) <= 1e-12 * np.abs(history[:-1]))
    assert model.converged_


def test_unit_of_the_data_does_not_matter(mn3o4, fit):
    model, maps = fit
    other = NMFSOARD(random_state=0)
    other_maps = other.fit_transform(1e6 * mn3o4.noisy)
    assert other.n_components_ == model.n_components_
    np.testing.assert_allclose(other.components_, model.components_, rtol=1e-6)
    np.testing.assert_allclose(
        other_maps, 1e6 * maps, rtol=1e-6, atol=1e-6 * other_maps.max()
    )
    assert other.noise_variance_ == pytest.approx(1e12 * model.noise_variance_)
    np.testing.assert_allclose(other.relevance_, model.relevance_, rtol=1e-6)


def test_compressed_and_exact_agree(mn3o4, fit):
    model, _ = fit
    exact = NMFSOARD(compression=None, random_state=0).fit(mn3o4.noisy)
    assert exact.n_components_ == model.n_components_
    _, _, angles = match_components(exact.components_, model.components_)
    assert np.all(np.cos(np.radians(angles)) >= 0.999)
    assert model.objective_ == pytest.approx(exact.objective_, rel=1e-3)


def test_transform_repeats_what_the_fit_gave(mn3o4, fit):
    model, maps = fit
    np.testing.assert_allclose(
        model.transform(mn3o4.noisy), maps, atol=1e-9 * maps.max()
    )


def draws(mn3o4, number):
    """Number of components and angles for new noise and other starts."""
    for seed in range(number):
        generator = np.random.default_rng(seed)
        noise = generator.normal(0, NOISE, mn3o4.clean.shape)
        model = NMFSOARD(random_state=1000 + seed)
        model.fit(np.maximum(mn3o4.clean + noise, 0))
        yield model.n_components_, mn3o4.angles(model.components_)


def test_two_components_whatever_the_noise(mn3o4):
    found = list(draws(mn3o4, 10))
    assert sum(k == 2 for k, _ in found) >= 9


@pytest.mark.study
def test_two_components_in_95_of_100_draws(mn3o4, record_property):
    found = list(draws(mn3o4, 100))
    angles = np.array([angles for k, angles in found if k == 2])
    for name, value in {
        "two components": len(angles),
        "low angle: 5, 50, 95 %": np.percentile(angles[:, 0], (5, 50, 95)),
        "high angle: 5, 50, 95 %": np.percentile(angles[:, 1], (5, 50, 95)),
        "low in its band": sum(within(a, LOW_BAND) for a in angles[:, 0]),
        "high in its band": sum(within(a, HIGH_BAND) for a in angles[:, 1]),
    }.items():
        # Text, since processes of the tests exchange nothing but plain types.
        record_property(name, str(value))
    assert len(angles) >= 95
    # Soft orthogonality stops at the inner edge of the high band, that of the purest
    # pixels, and the noise of a draw moves it by tenths of a degree to either side.
    assert sum(within(low, LOW_BAND) for low, _ in angles) >= 85
    assert sum(abs(high - HIGH_BAND[0]) < 1 for _, high in angles) >= 95
