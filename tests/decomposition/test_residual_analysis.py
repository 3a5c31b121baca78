"""Residual analysis: white noise, a missing component, correlated channels."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.identifiability.residual_analysis import (
    analyse_residual,
)
from sparsedecomp.metrics import spectral_angle


@pytest.fixture
def model(rng):
    """Maps of three phases and their spectra, peaks on a background."""
    channels = np.arange(120)
    spectra = np.exp(-0.5 * ((channels - np.array([[30], [60], [90]])) / 5) ** 2) + 0.3
    return rng.dirichlet(np.full(3, 0.4), 900), 20 * spectra


def white(rng, model):
    maps, spectra = model
    return maps @ spectra + rng.normal(0, 0.5, (900, 120))


@pytest.mark.parametrize("noise", ["white", "poisson"])
def test_residual_of_the_true_model_is_white(rng, model, noise):
    maps, spectra = model
    X = white(rng, model) if noise == "white" else rng.poisson(maps @ spectra)
    residual = analyse_residual(as_blocks(X), spectra, maps, 0)
    assert residual.white and residual.n_directions == 0 and residual.strength < 1
    assert residual.verdict == "The residual is white noise."
    assert residual.noise_model == ("uniform" if noise == "white" else "poisson")
    assert residual.excess == pytest.approx(1, abs=0.03)
    assert residual.channel_excess == pytest.approx(np.ones(120), abs=0.3)
    assert residual.pixel_excess.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("noise", ["white", "poisson"])
def test_missing_component_is_found_in_the_residual(rng, model, noise):
    maps, spectra = model
    X = white(rng, model) if noise == "white" else rng.poisson(maps @ spectra)
    residual = analyse_residual(as_blocks(X), spectra[:2], maps[:, :2], 0)
    assert not residual.white and residual.n_directions == 1
    assert "residual has 1 direction above the noise" in residual.verdict
    assert spectral_angle(residual.spectrum, spectra[2]) < 6
    assert np.corrcoef(residual.map, maps[:, 2])[0, 1] > 0.98
    # In the units of the data: the map times its spectrum is the component.
    product = np.outer(residual.map, residual.spectrum)
    truth = np.outer(maps[:, 2], spectra[2])
    assert np.linalg.norm(product - truth) < 0.2 * np.linalg.norm(truth)
    assert residual.channel_excess[90] > 3 * np.median(residual.channel_excess)


def test_correlated_noise_of_neighbouring_channels_is_reported(rng, model):
    maps, spectra = model
    noise = rng.normal(0, 0.5, (900, 121))
    X = maps @ spectra + noise[:, 1:] + 0.4 * noise[:, :-1]
    residual = analyse_residual(as_blocks(X), spectra, maps, 0)
    assert residual.correlation == pytest.approx(0.4 / 1.16, abs=0.03)
    assert not residual.white
    if residual.n_directions == 0:
        assert "correlated" in residual.verdict


@pytest.mark.parametrize("kind", ["dask", "sparse"])
def test_dask_and_sparse_data_give_the_same_residual(rng, model, kind):
    maps, spectra = model
    X = rng.poisson(maps @ spectra).astype(np.float64)
    other = scipy.sparse.csr_array(X) if kind == "sparse" else da.from_array(X, 200)
    plain, same = (
        analyse_residual(as_blocks(each), spectra, maps, 0) for each in (X, other)
    )
    np.testing.assert_allclose(same.map, plain.map, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(same.pixel_excess, plain.pixel_excess, rtol=1e-5)
    assert same.correlation == pytest.approx(plain.correlation, rel=1e-4)


def test_residual_scales_with_the_unit_of_the_data(rng, model):
    maps, spectra = model
    X = white(rng, model)
    one, million = (
        analyse_residual(as_blocks(unit * X), unit * spectra[:2], maps[:, :2], 0)
        for unit in (1.0, 1e6)
    )
    assert million.strength == pytest.approx(one.strength)
    np.testing.assert_allclose(million.map, 1e6 * one.map, rtol=1e-6, atol=1e-3)


def test_residual_analysis_reads_the_data_at_most_five_times(rng, model):
    maps, spectra = model
    blocks = as_blocks(rng.poisson(maps @ spectra))
    analyse_residual(blocks, spectra, maps, 0)
    assert blocks.passes <= 5
