"""Dictionaries: cosines, those learnt by K-SVD, and those kept on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.superresolution import (
    cosine_dictionary,
    image_dictionary,
    learn_dictionary,
    sparse_codes,
    training_images,
)
from sparsedecomp.superresolution.dictionaries import training


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty folder as the cache."""
    monkeypatch.setenv("SPARSEDECOMP_CACHE_DIR", str(tmp_path))
    return tmp_path / "dictionaries"


@pytest.fixture(scope="module")
def planted():
    """Signals of three of thirty atoms each, a little noise, and the atoms."""
    rng = np.random.default_rng(0)
    D = rng.normal(size=(30, 16))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    codes = np.zeros((2000, 30))
    for row in codes:
        row[rng.choice(30, 3, replace=False)] = rng.normal(size=3)
    return codes @ D + 0.01 * rng.normal(size=(2000, 16)), D


def waves(n=60, seed=0):
    i, j = np.indices((n, n))
    a, b, c = np.random.default_rng(seed).uniform(0.3, 2, 3)
    return np.sin(a * i + np.cos(b * j)) + np.cos(c * j)


def test_cosines_span_all_patches_and_have_no_level_but_one():
    D = cosine_dictionary(8, 256, np.float32)
    assert D.dtype == np.float32 and np.linalg.matrix_rank(D) == 64
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(D[0], 1 / 8, rtol=1e-6)
    np.testing.assert_allclose(D[1:].mean(axis=1), 0, atol=1e-7)
    for bad in (49, 250):
        with pytest.raises(ValueError, match="a square number of at least 64"):
            cosine_dictionary(8, bad)


@given(
    st.integers(1, 400),
    st.sampled_from([np.float32, np.float64]),
    st.floats(0, 3),
    st.one_of(st.none(), st.integers(1, 6)),
)
def test_codes_leave_no_more_than_they_may(n, dtype, tolerance, n_nonzero):
    X = np.random.default_rng(n).normal(size=(n, 16)).astype(dtype)
    D = cosine_dictionary(4, 64, dtype)
    codes = sparse_codes(X, D, tolerance=tolerance, n_nonzero=n_nonzero)
    assert codes.shape == (n, 64) and codes.dtype == dtype
    counts = np.diff(codes.indptr)
    most = n_nonzero or 8
    assert counts.max() <= most
    left = np.square(X - codes @ D).sum(axis=1)
    assert np.all(left[counts < most] <= tolerance + 1e-4)


def test_ksvd_finds_the_atoms_that_made_the_signals(planted):
    X, D = planted
    rng = np.random.default_rng(1)
    start = X[rng.choice(len(X), 30, replace=False)]
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    found = learn_dictionary(X, start, n_nonzero=3, n_iter=60)
    assert np.mean(np.abs(found @ D.T).max(axis=0) > 0.98) > 0.8
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-9)
    again = learn_dictionary(X, start, n_nonzero=3, n_iter=60)
    np.testing.assert_array_equal(again, found)


def test_ksvd_leaves_less_than_at_its_start_and_can_be_stopped(planted):
    X, _ = planted
    left = []

    def callback(iteration, residual):
        left.append(residual)
        return iteration == 5

    start = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    learn_dictionary(X, start, n_nonzero=3, n_iter=60, callback=callback)
    assert len(left) == 6 and left[-1] < 0.9 * left[0]


def test_useless_atoms_are_replaced(planted):
    X, D = planted
    start = D.copy()
    start[3], start[7] = start[4], -start[4]
    found = learn_dictionary(X, start, n_nonzero=3, n_iter=8)
    alike = np.abs(found @ found.T) - np.eye(30)
    assert alike.max() < 0.99
    # Signals of zeros replace nothing, and nothing is divided by zero.
    assert np.isfinite(learn_dictionary(0 * X, start, n_nonzero=3, n_iter=1)).all()


def test_atoms_of_images_are_learnt_once(cache, monkeypatch):
    options = {"n_patches": 2000, "n_iter": 3}
    D = image_dictionary(5, 40, [waves()], **options)
    assert D.shape == (40, 25) and D.dtype == np.float32
    np.testing.assert_allclose(D.mean(axis=1), 0, atol=1e-5)
    assert np.median(np.linalg.norm(D, axis=1)) == pytest.approx(1, rel=1e-5)
    assert len(list(cache.iterdir())) == 1

    def not_again(*_, **__):
        raise AssertionError("learnt twice")

    with monkeypatch.context() as patch:
        patch.setattr(training, "learn_dictionary", not_again)
        np.testing.assert_array_equal(image_dictionary(5, 40, [waves()], **options), D)
    other = image_dictionary(5, 40, [waves(seed=1)], **options)
    assert not np.array_equal(other, D) and len(list(cache.iterdir())) == 2
    for file in cache.iterdir():
        file.unlink()
    again = image_dictionary(5, 40, [waves()], **options)
    np.testing.assert_array_equal(again, D)


def test_damaged_dictionary_is_learnt_again_and_named(cache, caplog):
    options = {"n_patches": 500, "n_iter": 1}
    D = image_dictionary(4, 20, [waves(30)], **options)
    (file,) = cache.iterdir()
    for content in (file.read_bytes()[:500], b""):
        file.write_bytes(content)
        np.testing.assert_array_equal(
            image_dictionary(4, 20, [waves(30)], **options), D
        )
        assert str(file) in caplog.text
        caplog.clear()
    np.savez(file, atoms=np.zeros((3, 5)))
    np.testing.assert_array_equal(image_dictionary(4, 20, [waves(30)], **options), D)


def test_a_cache_that_cannot_be_written_is_no_hindrance(cache, caplog):
    cache.write_text("a file where the folder should be")
    D = image_dictionary(4, 20, [waves(30)], n_patches=500, n_iter=1)
    assert D.shape == (20, 16)
    assert "was not kept in the cache" in caplog.text


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([waves(), np.zeros((3, 50))], "Image 1 of shape .3, 50. was given"),
        ([np.full((20, 20), np.nan)], "without NaN"),
        ([np.zeros((20, 20))], "give 0 patches for 16 atoms"),
    ],
)
def test_images_that_nothing_can_be_learnt_from(cache, images, message):
    with pytest.raises(ValueError, match=message):
        image_dictionary(4, 16, images)


def test_photographs_come_with_scikit_image(monkeypatch):
    pytest.importorskip("skimage")
    images = training_images()
    assert len(images) == len(training.PHOTOGRAPHS)
    assert all(i.ndim == 2 and 0 <= i.min() and i.max() <= 255 for i in images)
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"sparsedecomp\[images\]', or learn"):
        training_images()
