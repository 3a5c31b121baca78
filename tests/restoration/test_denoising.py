"""Denoising on plain arrays: what is chosen, and what comes of it."""

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise.single_map import find_map_noise
from sparsedecomp.restoration import METHODS, denoise_cube, denoise_map
from sparsedecomp.restoration.selection import Split, choose
from sparsedecomp.restoration.subspace import find_subspace, fission

SHAPE, CHANNELS = (36, 32), 120


def scene(counts):
    """Expected counts of a disc of one phase in a gradient of two others."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = (y - 16) ** 2 + (x - 18) ** 2 < 60
    ramp = x / SHAPE[1]
    maps = np.stack([disc, ~disc * ramp, ~disc * (1 - ramp)], axis=2)
    energy = np.arange(CHANNELS)
    spectra = np.array(
        [np.exp(-0.5 * ((energy - e) / 4.0) ** 2) + 0.05 for e in (30, 60, 90)]
    )
    clean = maps @ spectra
    return clean * counts / clean.sum(axis=2).mean()


@pytest.fixture(scope="module")
def counts():
    clean = scene(40)
    return clean, np.random.default_rng(0).poisson(clean)


@pytest.fixture(scope="module")
def restored(counts):
    return denoise_cube(as_blocks(counts[1]), SHAPE)


def test_the_mixture_is_as_good_as_the_best_of_all_methods(counts, restored):
    clean, noisy = counts
    errors = {}
    for name, parameters in restored.choice.parameters.items():
        maps = METHODS[name].load()(restored.noisy, **parameters)
        values = restored.row_scale[..., None] * (maps @ restored.spectra)
        errors[name] = np.square(values - clean).mean()
    error = np.square(restored.values() - clean).mean()
    assert error < 10**0.03 * min(errors.values())
    assert error < 0.2 * errors["pca"]
    assert errors["pca"] < 0.2 * np.square(noisy - clean).mean()


def test_components_are_those_of_the_scene(restored):
    assert restored.counts and restored.n_above_noise == 3
    assert restored.maps.shape == (*SHAPE, 3)
    # Maps are scaled to noise of variance one.
    assert np.std(restored.noisy - restored.maps) == pytest.approx(1, abs=0.15)
    assert sum(restored.choice.shares.values()) == pytest.approx(1)


def test_errors_held_out_are_those_against_the_truth(counts):
    """The risk estimate ranks methods as the true error does."""
    clean, noisy = counts
    space, least = find_subspace(as_blocks(noisy), SHAPE)
    split = space.truncated(least).split
    weights = (0.1, 5.0, 200.0)
    tv = METHODS["tv"].load()
    held_out = [split.error(tv(split.seen, weight)) for weight in weights]
    assert np.argmin(held_out) == 1


def test_both_parts_have_white_noise_of_variance_one(rng):
    maps = rng.normal(size=(50, 60, 2)).astype(np.float32)
    one, other = fission(maps, 1)
    np.testing.assert_allclose(one + other, maps, atol=1e-5)
    assert one.var() == pytest.approx(0.8, rel=0.1)
    assert other.var() == pytest.approx(0.2, rel=0.1)
    assert abs(np.mean(one * other)) < 0.02


def test_maps_without_any_structure_are_left_alone(rng):
    clean = 200 * rng.normal(size=(30, 30, 1))
    split = Split(
        (clean * 0.8**0.5 + rng.normal(size=clean.shape)).astype(np.float32),
        (clean * 0.2**0.5 + rng.normal(size=clean.shape)).astype(np.float32),
        np.ones((30, 30)),
        np.eye(1),
        np.zeros((30, 30, 1)),
    )
    split.cross[:] = split.held_out
    found = choose(split, "auto", {})
    # Pixels that have nothing in common are left alone.
    np.testing.assert_allclose(found.apply(split.seen), split.seen, atol=0.5)
    assert found.errors["mixture"] <= found.errors["pca"] + 1e-9


def test_chunks_do_not_change_the_result(counts, restored):
    chunked = da.from_array(counts[1].reshape(*SHAPE, -1), chunks=(9, 32, -1))
    again = denoise_cube(as_blocks(chunked), SHAPE)
    difference = np.abs(again.values() - restored.values()).max()
    assert difference < 1e-5 * restored.values().max()
    assert again.choice.shares.keys() == restored.choice.shares.keys()


def test_gaussian_noise_of_uneven_channels_is_restored(rng):
    clean = scene(40)
    sigma = 0.05 * np.linspace(1, 4, CHANNELS)
    noisy = clean + sigma * rng.normal(size=clean.shape)
    found = denoise_cube(as_blocks(noisy), SHAPE)
    assert not found.counts
    assert np.std(found.values() - clean) < 0.1 * np.std(noisy - clean)


def test_a_named_method_keeps_the_given_parameter(counts):
    found = denoise_cube(as_blocks(counts[1]), SHAPE, "tv", weight=2.5, n_components=2)
    assert found.choice.parameters == {"tv": {"weight": 2.5}}
    assert found.choice.shares == {"tv": 1.0} and found.maps.shape[2] == 2


def test_the_deviation_is_that_of_the_error_within_a_factor(counts, restored):
    clean = counts[0]
    error = np.sqrt(np.mean(np.square(restored.values() - clean)))
    told = np.sqrt(np.mean(np.square(restored.standard_deviation())))
    assert 0.4 < told / error < 1.6


def test_images_of_counts_are_told_from_others(rng):
    y, x = np.mgrid[:60, :60]
    clean = 40 + 30 * np.sin(y / 9) * np.cos(x / 7)
    assert find_map_noise(rng.poisson(clean)).counts
    noisy = clean + 5 * rng.normal(size=clean.shape)
    for values in (noisy, np.rint(noisy * 20)):
        found = find_map_noise(values)
        assert not found.counts
    assert find_map_noise(noisy).sigma == pytest.approx(5, rel=0.1)
    assert find_map_noise(noisy, 3.0).sigma == 3.0


def test_an_image_and_a_spectrum_are_restored(rng):
    y, x = np.mgrid[:48, :48]
    clean = 20 + 60.0 * ((y - 24) ** 2 + (x - 24) ** 2 < 200)
    noisy = rng.poisson(clean)
    found = denoise_map(noisy)
    assert np.std(found.values()[..., 0] - clean) < 0.4 * np.std(noisy - clean)
    line = 30 + 300 * np.exp(-0.5 * ((np.arange(300) - 140) / 9.0) ** 2)
    spectrum = rng.poisson(line)[None]
    found = denoise_map(spectrum)
    assert np.std(found.values()[0, :, 0] - line) < 0.7 * np.std(spectrum - line)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_image_is_returned_unchanged(value):
    image = np.full((12, 9), value)
    with pytest.warns(UserWarning, match="No noise was found"):
        found = denoise_map(image)
    np.testing.assert_array_equal(found.values()[..., 0], image)


def test_a_cube_without_noise_is_returned_unchanged():
    clean = scene(1000)
    with pytest.warns(UserWarning, match="No noise was found"):
        found = denoise_cube(as_blocks(clean), SHAPE)
    np.testing.assert_allclose(found.values(), clean, atol=1e-4 * clean.max())


def test_bad_input_is_refused(counts):
    blocks = as_blocks(counts[1])
    with pytest.raises(ValueError, match="method='tvv' is unknown"):
        denoise_cube(blocks, SHAPE, "tvv")
    with pytest.raises(ValueError, match="does not take sigma"):
        denoise_cube(blocks, SHAPE, "tv", sigma=2)
    with pytest.raises(ValueError, match="zero everywhere"):
        denoise_cube(as_blocks(np.zeros((6, 6, 9))), (6, 6))
    negative = counts[1] - 3
    with pytest.raises(ValueError, match="Negative values"):
        denoise_cube(as_blocks(negative), SHAPE, noise="poisson")
    with pytest.raises(ValueError, match="Negative values"):
        denoise_map(np.array([[1, -2], [3, 4]]), noise="poisson")
    with pytest.raises(ValueError, match="NaN or infinite"):
        denoise_map(np.array([[1, np.nan], [3, 4]]))
    with pytest.raises(ValueError, match="standard deviation"):
        denoise_map(np.ones((4, 4)), noise=-1.0)
