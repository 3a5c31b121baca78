"""K-SVD denoising: what it removes, the noise it finds, the images it refuses."""

import numpy as np
import pytest

from sparsedecomp.superresolution import estimate_noise, ksvd_denoise
from sparsedecomp.superresolution.dictionaries import denoising


@pytest.fixture(scope="module")
def texture():
    """Stripes on two sides of an edge, 0 to 255, and the same with noise of 20."""
    i, j = np.indices((80, 90))
    clean = np.where(i + j > 85, np.sin(0.9 * i + 0.4 * j), np.sin(1.3 * j))
    clean = 127.5 * (1 + clean)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return clean, clean + 20 * noise


def rmse(found, clean):
    return float(np.sqrt(np.mean((found - clean) ** 2)))


def test_texture_comes_out_of_the_noise(texture):
    clean, noisy = texture
    seen = []
    found = ksvd_denoise(noisy, 20.0, callback=lambda i, left: seen.append(left))
    assert rmse(found.image, clean) < 7.5
    assert found.noise == 20 and 1 < found.n_nonzero < 4
    assert len(seen) == 10 and found.dictionary.shape == (256, 64)
    blind = ksvd_denoise(noisy)
    assert rmse(blind.image, clean) < 8


def test_any_scale_and_level_of_intensity(texture):
    clean, noisy = texture
    first = ksvd_denoise(noisy, 20.0, n_iter=2).image
    for scale, level in ((1e-6, 0.0), (1e5, 3e6)):
        found = ksvd_denoise(scale * noisy + level, 20.0 * scale, n_iter=2).image
        np.testing.assert_allclose((found - level) / scale, first, atol=1e-3)
    for scale in (1e-25, 1e25):
        tiny = (scale * noisy).astype(np.float32)
        found = ksvd_denoise(tiny, n_iter=2)
        assert found.noise == pytest.approx(20 * scale, rel=0.1)
        assert rmse(found.image.astype(float) / scale, clean) < 9


def test_fewer_patches_than_atoms(texture):
    clean, noisy = texture
    found = ksvd_denoise(noisy[:20, :18], 20.0)
    assert rmse(found.image, clean[:20, :18]) < 15


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
def test_types(texture, dtype):
    clean, noisy = texture
    image = np.clip(noisy, 0, 255).astype(dtype)
    before = image.copy()
    found = ksvd_denoise(image, 20.0, n_iter=2).image
    assert found.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert rmse(found, clean) < 9
    np.testing.assert_array_equal(image, before)


def test_same_seed_same_result_also_from_some_of_the_patches(texture, monkeypatch):
    clean, noisy = texture
    monkeypatch.setattr(denoising, "_MOST", 2000)
    monkeypatch.setattr(denoising, "_AT_ONCE", 1000)
    one, two = (ksvd_denoise(noisy, 20.0, n_iter=3).image for _ in range(2))
    np.testing.assert_array_equal(one, two)
    other = ksvd_denoise(noisy, 20.0, n_iter=3, random_state=1).image
    assert not np.array_equal(one, other)
    assert rmse(one, clean) < 9


@pytest.mark.parametrize("sigma", [1.0, 10.0, 40.0])
def test_noise_is_estimated(texture, sigma):
    clean, noisy = texture
    image = clean + sigma * (noisy - clean) / 20
    assert estimate_noise(image) == pytest.approx(sigma, rel=0.1)


def test_without_noise_nothing_is_changed():
    flat = np.full((20, 30), 3.0)
    found = ksvd_denoise(flat)
    assert found.noise == 0
    np.testing.assert_array_equal(found.image, flat)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((3, 20, 20)), {}, "expected one image of real numbers"),
        (np.zeros((20, 20), complex), {}, "dtype complex128"),
        (np.zeros((20, 7)), {}, "expected at least 8 x 8, the size of a patch"),
        (np.where(np.eye(20), np.nan, 1.0), {}, "NaN or infinite at row 0, column 0"),
        (np.ma.masked_less(np.eye(20), 1), {}, "380 pixels are masked"),
        (np.eye(20), {"noise": -1.0}, "noise=-1.0 was given"),
        (np.eye(20), {"noise": np.nan}, "noise=nan was given"),
        (np.eye(20), {"noise": 1.0, "n_atoms": 200}, "a square number of at least 64"),
    ],
)
def test_bad_input(image, options, message):
    with pytest.raises(ValueError, match=message):
        ksvd_denoise(image, **options)


def test_house_is_as_published(data_dir):
    from PIL import Image

    file = data_dir / "superresolution" / "images" / "02.png"
    if not file.is_file():
        pytest.skip("no test images")
    house = np.asarray(Image.open(file)).astype(float)
    noise = np.random.default_rng(0).normal(size=house.shape)
    found = ksvd_denoise((house + 20 * noise).astype(np.float32), 20.0)
    # Elad and Aharon (2006), table I: 33.20 dB.
    assert 20 * np.log10(255 / rmse(found.image, house)) > 33.0
