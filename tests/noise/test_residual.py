"""A residual is compared with what the noise model expects of it."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise import find_noise, residual_variance

SHAPES = [(900, 100), (400, 400), (2000, 16), (60, 200)]


def model_of(rng, shape, k=3):
    """Maps and spectra of overlapping lines on a background."""
    n, m = shape
    centres = np.linspace(0.2, 0.8, k)[:, None] * m
    spectra = 5 + 100 * np.exp(-0.5 * ((np.arange(m) - centres) / (0.08 * m)) ** 2)
    return rng.dirichlet(np.full(k, 0.4), n), spectra


def noisy(rng, mean, kind):
    """Data with noise of a kind."""
    if kind == "counts":
        return rng.poisson(mean).astype(float)
    return mean + 3 * rng.standard_normal(mean.shape)


def closest_fit(X, noise, k):
    """The fit of rank ``k`` that follows the noise most closely."""
    scale = noise.row_scale[:, None] * noise.column_scale
    U, squares, V = np.linalg.svd(X / scale, full_matrices=False)
    W, H = U[:, :k] * squares[:k], V[:k]
    return W * noise.row_scale[:, None], H * noise.column_scale


@pytest.mark.parametrize("kind", ["counts", "uniform"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_clean_scenes_do_not_contradict_their_noise(kind, shape, seed):
    rng = np.random.default_rng(seed)
    maps, spectra = model_of(rng, shape)
    X = noisy(rng, maps @ spectra, kind)
    blocks = as_blocks(X)
    noise = find_noise(blocks)
    closest = closest_fit(X, noise, 3)
    for fit in ((maps, spectra), closest, closest_fit(X, noise, 6)):
        found = residual_variance(blocks, *fit, noise)
        assert found.excess is None and found.lack is None
    assert residual_variance(blocks, maps, spectra, noise).ratio == pytest.approx(
        1, abs=0.07
    )


@pytest.mark.parametrize("kind", ["counts", "uniform"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_component_that_is_left_out_is_found(rng, kind, shape):
    maps, spectra = model_of(rng, shape)
    X = noisy(rng, maps @ spectra, kind)
    noise = find_noise(as_blocks(X))
    found = residual_variance(as_blocks(X), *closest_fit(X, noise, 2), noise)
    assert found.excess.overall and found.lack is None


@pytest.mark.parametrize("kind", ["counts", "uniform"])
def test_a_misfit_of_a_few_channels_is_found_and_placed(rng, kind):
    maps, spectra = model_of(rng, (900, 100))
    X = noisy(rng, maps @ spectra, kind)
    wrong = spectra.copy()
    wrong[0, 40:44] += 20
    found = residual_variance(as_blocks(X), maps, wrong, find_noise(as_blocks(X)))
    assert found.excess.channels == (40, 43) and found.lack is None


def test_channels_without_the_noise_of_the_others_are_found_and_placed(rng):
    maps, spectra = model_of(rng, (900, 100))
    X = rng.poisson(maps @ spectra).astype(float)
    X[:, 60:63] = np.round((maps @ spectra)[:, 60:63])
    noise = find_noise(as_blocks(X), "poisson")
    found = residual_variance(as_blocks(X), maps, spectra, noise)
    assert found.lack.channels == (60, 62) and not found.lack.overall
    assert found.excess is None


@pytest.mark.parametrize(("gain", "declared"), [(2, 1), (1, 2)])
def test_a_gain_that_was_declared_wrong_is_found(rng, gain, declared):
    maps, spectra = model_of(rng, (900, 100))
    spectra *= 100
    mean = maps @ spectra
    X = np.round(mean + np.sqrt(gain * mean) * rng.standard_normal(mean.shape))
    noise = replace(find_noise(as_blocks(X), "poisson"), gain=float(declared))
    found = residual_variance(as_blocks(X), maps, spectra, noise)
    deviation = found.excess if gain > declared else found.lack
    assert deviation.overall
    assert deviation.ratio == pytest.approx(gain / declared, rel=0.05)


def test_squares_of_counts_agree_with_the_plain_formula(rng):
    maps, spectra = model_of(rng, (300, 20))
    X = rng.poisson(maps @ spectra).astype(float)
    noise = find_noise(as_blocks(X))
    found = residual_variance(as_blocks(X), maps, spectra, noise)
    weight = 1 / np.square(noise.row_scale)
    squares = weight @ np.square(X - maps @ spectra)
    np.testing.assert_allclose(found.bin_ratio, squares / (weight @ X))
    assert found.ratio == pytest.approx(squares.sum() / (weight @ X).sum())


def test_one_pass_and_the_same_answer_for_lazy_and_sparse_data(rng):
    maps, spectra = model_of(rng, (900, 100))
    X = rng.poisson(maps @ spectra)
    dask = da.from_array(X.reshape(30, 30, 100), chunks=(7, 30, 100))
    ratios = []
    for data in (X, dask, scipy.sparse.csr_array(X)):
        blocks = as_blocks(data)
        noise = find_noise(blocks)
        before = blocks.passes
        ratios.append(residual_variance(blocks, maps, spectra, noise).bin_ratio)
        assert blocks.passes == before + 1
    np.testing.assert_allclose(ratios[1:], [ratios[0]] * 2, rtol=1e-5)


def test_noise_that_is_not_known_contradicts_nothing(rng):
    maps, spectra = model_of(rng, (900, 100))
    mean = maps @ spectra
    clean = as_blocks(mean)
    assert residual_variance(clean, maps, spectra, find_noise(clean)) is None
    clipped = as_blocks(np.maximum(mean - 5 + 3 * rng.standard_normal(mean.shape), 0))
    noise = find_noise(clipped)
    assert noise.clipped
    assert residual_variance(clipped, maps, spectra, noise) is None
