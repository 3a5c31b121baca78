"""Confidence bands cover the truth as often as they say, from arrays and lazily."""

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import SimplexML, confidence_bands
from sparsedecomp.metrics import match_components


def unit_sum(spectra):
    return spectra / spectra.sum(axis=1, keepdims=True)


def edges(k, m=128):
    """Core-loss edges on one power law, of unit sum."""
    e = np.linspace(400, 760, m)
    at = np.linspace(450, 680, k)[:, None]
    jump = 0.5 / (1 + np.exp((at - e) / 2)) * (e / at) ** -3
    return unit_sum(2.6 * (e / 400) ** -3 + jump + 1 / (1 + ((e - at - 3) / 4) ** 2))


def mixture(seed, k=3, n=1200, dose=4e4):
    """Counts, their true spectra, and their true maps."""
    rng = np.random.default_rng(seed)
    spectra = edges(k)
    maps = dose * rng.dirichlet([0.3] * k, n)
    return rng.poisson(maps @ spectra).astype(float), spectra, maps


def answer(X, spectra, **parameters):
    """Components of a fit in the order of the true spectra."""
    model = SimplexML(len(spectra), random_state=0, **parameters).fit(X)
    return model.components_[match_components(spectra, model.components_)[1]]


def covered(band, truth):
    low, high = band
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("seed", [11, 12])
def test_bands_cover_the_truth_as_often_as_they_say(seed):
    X, spectra, maps = mixture(seed)
    S = answer(X, spectra)
    bands = confidence_bands(X, S, random_state=seed)
    assert 0.83 < covered(bands.of_spectra(), spectra) < 0.99
    assert 0.83 < covered(bands.of_maps(), maps) < 0.97
    narrow = confidence_bands(X, S, level=0.5, random_state=seed)
    assert 0.35 < covered(narrow.of_maps(), maps) < 0.7
    assert np.allclose(
        narrow.maps_deviation.total, bands.maps_deviation.total, rtol=1e-9
    )


def test_noise_that_is_not_of_counts_and_negative_values():
    rng = np.random.default_rng(21)
    spectra = edges(3)
    maps = 100 * rng.dirichlet([0.3] * 3, 1200)
    X = maps @ spectra + 0.2 * rng.standard_normal((1200, 128))
    assert X.min() < 0
    bands = confidence_bands(X, answer(X, spectra), random_state=0)
    assert 0.83 < covered(bands.of_spectra(), spectra) < 0.99
    assert 0.83 < covered(bands.of_maps(), maps) < 0.97


def test_half_the_dose_makes_errors_larger():
    X, spectra, _ = mixture(31)
    half = np.random.default_rng(0).binomial(X.astype(int), 0.5).astype(float)
    errors = [
        confidence_bands(
            data, answer(data, spectra), random_state=0
        ).spectra_deviation.noise.mean()
        for data in (X, half)
    ]
    assert 1.2 < errors[1] / errors[0] < 1.7


def test_spectra_that_the_data_contradict_are_said_to_be_far_off():
    X, spectra, _ = mixture(41)
    S = answer(X, spectra)
    wrong = unit_sum(S.copy())
    wrong[0] = 0.8 * wrong[0] + 0.2 * wrong[1]
    bands = confidence_bands(X, wrong, random_state=0)
    error = np.abs(wrong[0] - spectra[0])
    assert bands.spectra_deviation.method[0].sum() > 0.7 * error.sum()
    assert covered(bands.of_spectra(), spectra) > 0.83


def test_one_component():
    rng = np.random.default_rng(51)
    spectrum = edges(1)
    brightness = rng.uniform(1e3, 2e3, (500, 1))
    X = rng.poisson(brightness @ spectrum).astype(float)
    bands = confidence_bands(X, X.sum(axis=0, keepdims=True), random_state=0)
    assert 0.8 < covered(bands.of_spectra(), spectrum) < 0.99
    assert 0.8 < covered(bands.of_maps(), brightness) < 0.99


def test_lazy_data_masks_and_scales_of_the_spectra():
    X, spectra, _ = mixture(61, n=600)
    S = answer(X, spectra)
    eager = confidence_bands(X, S, random_state=0)
    lazy = da.from_array(X.reshape(20, 30, -1), chunks=(7, 11, -1))
    mask = np.zeros((20, 30), bool)
    assert np.allclose(
        confidence_bands(as_blocks(lazy), 7 * S, random_state=0).spectra,
        eager.spectra,
        rtol=1e-6,
    )
    mask[:, :4] = True
    part = confidence_bands(
        as_blocks(lazy, navigation_mask=mask), S, n_halvings=1, random_state=0
    )
    assert part.maps.shape == (520, 3)
    assert np.allclose(
        part.maps, eager.maps.reshape(20, 30, 3)[~mask], rtol=0.05, atol=900
    )


def test_equal_seeds_give_equal_bands():
    X, spectra, _ = mixture(71, n=400)
    S = answer(X, spectra)
    one, other = (confidence_bands(X, S, random_state=3) for _ in range(2))
    assert np.array_equal(one.spectra_deviation.total, other.spectra_deviation.total)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spectra": np.ones((2, 5))}, r"\(2, 5\), expected \(k, 128\)"),
        ({"spectra": -np.ones((2, 128))}, "not positive"),
        ({"spectra": np.full((2, 128), np.nan)}, "not finite"),
        ({"level": 1.5}, "level is 1.5"),
        ({"n_halvings": 0}, "n_halvings is 0"),
    ],
)
def test_what_is_refused(change, message):
    X, spectra, _ = mixture(81, n=50)
    arguments = {"spectra": spectra, **change}
    with pytest.raises(ValueError, match=message):
        confidence_bands(X, **arguments)
