"""One image made finer: what is learnt, where pixels lie, what is refused."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.superresolution import super_resolve_single
from sparsedecomp.superresolution.dictionaries.single_frame import (
    enlarge,
    learn_detail,
    shrink,
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEDECOMP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def cells(n, seed):
    """Cells of even intensity with narrow, soft borders."""
    rng = np.random.default_rng(seed)
    places, levels = rng.uniform(0, n, (n // 2, 2)), rng.uniform(0, 255, n // 2)
    grid = np.stack(np.indices((n, n)), axis=-1)[:, :, None]
    nearest = np.linalg.norm(grid - places, axis=-1).argmin(axis=2)
    return gaussian_filter(levels[nearest], 0.6)


def rmse(found, truth):
    return float(np.sqrt(np.mean((found - truth)[4:-4, 4:-4] ** 2)))


TEACHERS = [cells(90, seed) for seed in (1, 2, 3)]
OPTIONS = {"images": TEACHERS, "n_atoms": 128}


@pytest.mark.parametrize("method", ["zeyde", "yang"])
@pytest.mark.parametrize("scale", [2, 3])
def test_images_of_the_kind_are_made_sharper(method, scale):
    truth = cells(72, 9)
    coarse = shrink(truth, scale)
    fine = super_resolve_single(coarse, scale, method=method, **OPTIONS)
    assert fine.shape == truth.shape and fine.dtype == np.float64
    assert rmse(fine, truth) < 0.85 * rmse(enlarge(coarse, scale), truth)
    # What was made finer is, made coarse again, the image that was given.
    np.testing.assert_allclose(shrink(fine, scale), coarse, atol=3)


def test_any_scale_and_level_of_intensity():
    coarse = shrink(cells(60, 8), 2)
    first = super_resolve_single(coarse, 2, **OPTIONS)
    again = super_resolve_single(1e-4 * coarse + 7, 2, **OPTIONS)
    np.testing.assert_allclose((again - 7) / 1e-4, first, atol=1e-3)
    single = super_resolve_single(coarse.astype(np.float32), 2, **OPTIONS)
    assert single.dtype == np.float32
    assert rmse(single, first) < 0.5


def test_every_atom_is_a_pair():
    detail = learn_detail(2, TEACHERS, n_atoms=128)
    n_features, n_kept = detail.projection.shape
    assert n_features == 4 * 36 and n_kept < 60
    assert detail.coarse.shape == (128, n_kept) and detail.fine.shape == (128, 36)
    np.testing.assert_allclose(np.linalg.norm(detail.coarse, axis=1), 1, rtol=1e-5)
    assert np.isfinite(detail.fine).all() and np.abs(detail.fine).max() > 0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pixels_cover_what_they_covered(scale):
    i, j = np.indices((15 * scale, 14 * scale))
    ramp = 2.0 * i - j
    coarse = shrink(ramp, scale)
    expected = ramp.reshape(15, scale, 14, scale).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-9)
    inner = (slice(5 * scale, -5 * scale),) * 2
    np.testing.assert_allclose(enlarge(coarse, scale)[inner], ramp[inner], atol=1e-9)
    flat = np.full((7, 5), 3.0)
    np.testing.assert_allclose(enlarge(flat, scale), 3.0)


@pytest.mark.parametrize(
    ("image", "scale", "method", "message"),
    [
        (np.eye(9), 2.5, "zeyde", "scale=2.5, expected one of 2, 3, 4"),
        (np.eye(9), 2, "bicubic", "method='bicubic', expected one of"),
        (np.eye(4), 2, "zeyde", "at least 5 x 5"),
        (np.full((9, 9), np.inf), 2, "zeyde", "infinite at row 0, column 0"),
        (np.zeros((2, 9, 9)), 2, "zeyde", "expected one image"),
    ],
)
def test_bad_input(image, scale, method, message):
    with pytest.raises(ValueError, match=message):
        super_resolve_single(image, scale, method=method, images=TEACHERS)
