"""Negative noise: only maps and spectra are non-negative, not the data."""

import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.decomposition import (
    MCRALS,
    NMFSO,
    NMFSOARD,
    VCA,
    MinimumVolume,
    PoissonNMF,
    PoissonNMFARD,
)
from sparsedecomp.metrics import match_components

LEAST_SQUARES = {
    "nmf_so": NMFSO(3, random_state=0),
    "nmf_so published": NMFSO(3, updates="published", max_iter=200, random_state=0),
    "nmf_so_ard": NMFSOARD(random_state=0),
    "mcr_als": MCRALS(3, random_state=0),
    "vca": VCA(3, random_state=0),
    "min_volume": MinimumVolume(3, random_state=0),
}


@pytest.fixture(scope="module")
def read_noise():
    """Three peaks, a third of the pixels pure, in noise that is often negative."""
    rng = np.random.default_rng(3)
    channel = np.arange(100)
    spectra = np.exp(-0.5 * ((channel - np.array([[20], [45], [75]])) / 7.0) ** 2)
    maps = rng.dirichlet([0.5, 0.5, 0.5], 900)
    maps[:300] = np.eye(3)[np.arange(300) % 3]
    X = maps @ spectra
    return X + rng.normal(0, 0.02, X.shape), spectra


@pytest.mark.parametrize("name", LEAST_SQUARES)
def test_least_squares_accept_negative_noise(read_noise, name):
    X, spectra = read_noise
    assert np.mean(X < 0) > 0.15
    given = X.copy()
    model = LEAST_SQUARES[name]
    W = model.fit_transform(X)
    np.testing.assert_array_equal(X, given)
    assert model.n_components_ == 3
    assert match_components(spectra, model.components_)[2].max() < 4
    assert W.min() >= 0
    if name.startswith(("nmf", "mcr")):
        assert model.components_.min() >= 0
    np.testing.assert_allclose(model.transform(X), W, atol=0.05 * W.max())
    # The residual is the noise.
    assert model.residual_norm_ / np.sqrt(X.size) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("name", ["nmf_so", "nmf_so_ard"])
def test_whole_numbers_with_negative_noise_are_not_taken_for_counts(read_noise, name):
    X, spectra = read_noise
    model = LEAST_SQUARES[name].fit(np.round(1000 * X).astype(np.int32))
    assert model.n_components_ == 3
    assert match_components(spectra, model.components_)[2].max() < 4


@pytest.mark.parametrize("model", [NMFSO(3), NMFSOARD()], ids=["nmf_so", "nmf_so_ard"])
def test_clipping_negative_noise_at_zero_is_no_better(read_noise, model):
    X, spectra = read_noise
    model.set_params(random_state=0, clipping=False)
    as_measured = model.fit(X).components_
    at_zero = model.fit(np.maximum(X, 0)).components_
    error, biased = (
        match_components(spectra, S)[2].max() for S in (as_measured, at_zero)
    )
    assert error < biased


@pytest.mark.parametrize("method", [PoissonNMF, PoissonNMFARD])
@pytest.mark.parametrize("memory", [0, 1e8])
@pytest.mark.parametrize("sparse", [False, True])
def test_poisson_methods_refuse_negative_data_and_say_what_to_use(
    read_noise, method, memory, sparse
):
    X = np.round(50 * np.abs(read_noise[0]))
    X[17, 5] = -2
    if sparse:
        X = scipy.sparse.csr_array(X)
    with pytest.raises(ValueError) as refused:
        method(3, memory=memory).fit(X)
    message = str(refused.value)
    assert message.startswith("Negative values in data")
    assert "pixel (17), channel 5" in message
    assert "Poisson" in message and "nmf_so" in message and "NMFSO" in message
