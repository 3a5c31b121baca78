"""Inpainting on plain arrays: what is chosen, how sure it is, and single entries."""

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.restoration import inpaint_cube, inpaint_map
from sparsedecomp.restoration.completion import complete, find_gaps, with_noise
from sparsedecomp.restoration.held_out_pixels import _held_out

SHAPE, CHANNELS = (30, 28), 80


@pytest.fixture(scope="module")
def scene():
    """Counts of a disc in a gradient; two thirds of the pixels are missing."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = (y - 14) ** 2 + (x - 15) ** 2 < 60
    ramp = x / SHAPE[1]
    maps = np.stack([disc, ~disc * ramp, ~disc * (1 - ramp)], axis=2)
    energy = np.arange(CHANNELS)
    spectra = np.array(
        [np.exp(-0.5 * ((energy - e) / 4.0) ** 2) + 0.05 for e in (20, 40, 60)]
    )
    clean = maps @ spectra
    clean *= 60 / clean.sum(axis=2).mean()
    rng = np.random.default_rng(0)
    return clean, rng.poisson(clean), rng.random(SHAPE) < 0.66


@pytest.fixture(scope="module")
def filled(scene):
    _, counts, missing = scene
    return inpaint_cube(as_blocks(counts, navigation_mask=missing), ~missing)


def test_missing_spectra_are_predicted_and_measured_ones_restored(scene, filled):
    clean, counts, missing = scene
    error = np.std((filled.values() - clean)[missing])
    assert error < 0.4 * np.std(counts - clean)
    assert np.std((filled.values() - clean)[~missing]) < error
    assert filled.noise_known and filled.counts and len(filled.spectra) >= 2
    assert sum(filled.choice.shares.values()) == pytest.approx(1)


def test_the_error_that_is_told_is_that_of_the_gaps(scene, filled):
    clean, _, missing = scene
    squares = np.square(filled.values() - clean).sum(axis=2)[missing].mean()
    assert 0.4 < filled.choice.held_out_error / squares < 2.5
    told = np.square(filled.standard_deviation()).sum(axis=2)[missing].mean()
    assert 0.4 < told / squares < 2.5


def test_blocks_do_not_change_the_result(scene, filled):
    _, counts, missing = scene
    chunked = da.from_array(counts, chunks=(7, 28, -1))
    again = inpaint_cube(as_blocks(chunked, navigation_mask=missing), ~missing)
    difference = np.abs(again.values() - filled.values()).max()
    assert difference < 1e-5 * filled.values().max()


def test_an_image_of_a_lattice_is_filled(rng):
    y, x = np.mgrid[:48, :48]
    image = 100 + 40 * np.sin(y * 0.9) * np.sin(x * 0.9)
    missing = rng.random(image.shape) < 0.7
    given = np.where(missing, np.nan, image)
    found = inpaint_map(given, ~missing)
    assert np.std((found.values()[..., 0] - image)[missing]) < 4
    assert not found.noise_known
    counts = rng.poisson(image)
    restored = inpaint_map(counts, ~missing, "dct", noise="poisson")
    assert restored.noise_known and restored.counts
    assert np.std(restored.values()[..., 0] - image) < np.sqrt(100)
    known = inpaint_map(counts, ~missing, "dct", noise=10.0)
    assert not known.counts and np.std(known.values()[..., 0] - image) < 10


def test_gaps_of_the_same_shape_are_held_out():
    measured = np.ones((30, 30), bool)
    measured[[4, 20]] = False
    held = _held_out(measured, 0)
    assert held.any(axis=1).sum() == 2 and held.sum() == 60
    few = np.random.default_rng(0).random((30, 30)) < 0.2
    held = _held_out(few, 0)
    assert (held <= few).all() and held.sum() == few.sum() // 5
    one_row = np.zeros((30, 30), bool)
    one_row[3:27] = True
    assert _held_out(one_row, 0).any()


@pytest.mark.parametrize("lazy", [False, True])
def test_entries_are_completed_from_the_spectra(scene, lazy):
    clean, counts, _ = scene
    rng = np.random.default_rng(1)
    holes = rng.random(counts.shape) < 0.3
    holes[0, 0] = True
    data = np.where(holes, np.nan, counts)
    blocks = as_blocks(da.from_array(data, chunks=(10, 28, -1)) if lazy else data)
    gaps = find_gaps(blocks)
    assert gaps.empty.sum() == 1
    part = as_blocks(data, navigation_mask=gaps.empty.reshape(SHAPE))
    inner = gaps.without_empty()
    found = complete(part, inner)
    expected = found.at(inner)
    truth = clean.reshape(-1, CHANNELS)[1:][inner.rows, inner.columns]
    assert np.std(expected.values - truth) < 0.5 * np.sqrt(truth.mean())
    drawn = with_noise(part, expected).values
    np.testing.assert_array_equal(drawn, np.rint(drawn))
    assert drawn.mean() == pytest.approx(truth.mean(), rel=0.1)


def test_bad_masks_are_refused(scene):
    _, counts, missing = scene
    blocks = as_blocks(counts, navigation_mask=missing)
    with pytest.raises(ValueError, match="'tvv' is unknown"):
        inpaint_cube(blocks, ~missing, "tvv")
    with pytest.raises(ValueError, match="does not take"):
        inpaint_cube(blocks, ~missing, "tv", length=3)
    image = np.arange(24.0).reshape(4, 6)
    with pytest.raises(ValueError, match="at least 8"):
        inpaint_map(image, np.zeros((4, 6)))
    with pytest.raises(ValueError, match="shape"):
        inpaint_map(image, np.ones((3, 6)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        inpaint_map(np.full((4, 6), np.nan), np.ones((4, 6)))
    with pytest.raises(ValueError, match="Negative values"):
        inpaint_map(image - 3, np.ones((4, 6)), noise="poisson")
    with pytest.raises(ValueError, match="All the data are missing"):
        find_gaps(as_blocks(np.full((4, 5, 6), np.nan)))
    empty = counts.astype(float)
    empty[..., 7] = np.nan
    with pytest.raises(ValueError, match="Channel 7 is missing"):
        find_gaps(as_blocks(empty))


def test_a_constant_image_stays_constant():
    measured = np.random.default_rng(0).random((20, 20)) < 0.5
    found = inpaint_map(np.full((20, 20), 3.0), measured)
    np.testing.assert_allclose(found.values(), 3, atol=0.01)
    with pytest.warns(UserWarning, match="Nothing is missing"):
        inpaint_map(np.full((20, 20), 3.0), np.ones((20, 20)), "smooth")
