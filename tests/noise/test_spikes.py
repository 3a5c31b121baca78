"""Cosmic rays are found, lines and small phases are not taken for them."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise import spikes


def find_spikes(blocks, unit=0.0):
    return spikes.find_spikes(blocks, unit)[0]


def edges(rng, shape=(20, 24), n_channels=128, dose=30000):
    """Counts of two smooth phases with core-loss edges, beside each other."""
    e = np.linspace(400, 760, n_channels)
    spectra = [
        (e / 400) ** -3 + (e > p) / (1 + ((e - p - 2) / 6) ** 2) for p in (456, 640)
    ]
    spectra = np.array([s / s.sum() for s in spectra])
    left = np.arange(shape[1]) < shape[1] // 2
    maps = np.stack([left, ~left], axis=-1) * np.ones((*shape, 1))
    return rng.poisson(maps @ spectra * dose).astype(float)


def with_rays(rng, cube, number):
    """The cube with entries of sixty times its maximum at random places."""
    hit = cube.copy()
    places = rng.choice(cube.size, number, replace=False)
    hit.flat[places] = 60 * cube.max()
    return hit, np.divmod(np.sort(places), cube.shape[-1])


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("number", [1, 5, 40])
@pytest.mark.parametrize("counts", [True, False])
def test_rays_are_found_and_nothing_else(seed, number, counts):
    rng = np.random.default_rng(seed)
    hit, (rows, columns) = with_rays(rng, edges(rng), number)
    found = find_spikes(as_blocks(hit), 1.0 if counts else 0.0)
    pairs = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert set(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) <= pairs
    # Two rays that fall side by side may hide each other.
    assert len(found) >= 0.95 * number


@pytest.mark.parametrize("width", [2, 3])
def test_a_ray_may_fill_three_channels(rng, width):
    cube = edges(rng)
    cube[7, 5, 60 : 60 + width] += 40 * cube.max()
    found = find_spikes(as_blocks(cube), 1.0)
    assert found.rows.tolist() == [7 * 24 + 5] * width
    assert found.columns.tolist() == list(range(60, 60 + width))


@pytest.mark.parametrize("counts", [True, False])
def test_lines_one_channel_wide_are_no_rays(rng, counts):
    cube = edges(rng)
    cube[:, 12:, 50] += rng.poisson(5000, (20, 12))
    cube[..., 90] += rng.poisson(9000, (20, 24))
    assert len(find_spikes(as_blocks(cube), 1.0 if counts else 0.0)) == 0


def test_a_single_pixel_of_another_phase_is_no_ray(rng):
    cube = edges(rng)
    e = np.arange(128)
    peak = np.exp(-0.5 * ((e - 30) / 3) ** 2)
    cube[10, 10] += rng.poisson(3000 * peak)
    assert len(find_spikes(as_blocks(cube), 1.0)) == 0


@pytest.mark.parametrize("scale", [0.2, 3.0, 300.0])
def test_noise_alone_has_no_rays(scale):
    alarms = 0
    for seed in range(10):
        counts = np.random.default_rng(seed).poisson(scale, (30, 30, 100))
        alarms += len(find_spikes(as_blocks(counts.astype(float)), 1.0))
        noise = np.random.default_rng(seed).normal(scale, 1.0, (30, 30, 100))
        alarms += len(find_spikes(as_blocks(noise)))
    assert alarms == 0


def test_lazy_data_and_other_chunks_agree(rng):
    hit, _ = with_rays(rng, edges(rng), 20)
    whole = find_spikes(as_blocks(hit), 1.0)
    for chunks in ((7, 5, -1), (3, 24, 50)):
        lazy = find_spikes(as_blocks(da.from_array(hit, chunks)), 1.0)
        for name in ("rows", "columns", "values"):
            np.testing.assert_array_equal(getattr(lazy, name), getattr(whole, name))


def test_masked_pixels_are_not_looked_at(rng):
    cube = edges(rng)
    cube[4, 4, 50] = cube[9, 9, 70] = 1e7
    mask = np.zeros(cube.shape[:2], bool)
    mask[4, 4] = True
    blocks = as_blocks(cube, navigation_mask=mask)
    found = find_spikes(blocks, 1.0)
    assert blocks.rows[found.rows].tolist() == [9 * 24 + 9]


@pytest.mark.parametrize("lazy", [False, True])
def test_replaced_entries_are_read_everywhere(rng, lazy):
    cube = edges(rng)
    hit, _ = with_rays(rng, cube, 10)
    kept = hit.copy()
    blocks = as_blocks(da.from_array(hit, (8, 7, -1)) if lazy else hit)
    found = find_spikes(blocks, 1.0)
    clean = found.removed_from(blocks)
    np.testing.assert_array_equal(hit, kept)
    flat = hit.reshape(-1, 128).copy()
    flat[found.rows, found.columns] = found.replacements
    eye = np.eye(128)
    np.testing.assert_allclose(clean.matmul(eye), flat)
    scaled = clean.scaled(np.full(len(flat), 2.0), np.full(128, 5.0))
    np.testing.assert_allclose(scaled.matmul(eye), flat / 10)
    some = np.flatnonzero(rng.random(len(flat)) < 0.5)
    np.testing.assert_allclose(clean.select(some).matmul(eye), flat[some])
    assert (
        np.abs(
            found.replacements - cube.reshape(-1, 128)[found.rows, found.columns]
        ).max()
        < cube.max()
    )


def test_no_rays_are_looked_for_where_a_line_cannot_be_told(rng):
    few = rng.poisson(5, (10, 10, 20)).astype(float)
    few[3, 3, 3] = 1e6
    assert len(find_spikes(as_blocks(few), 1.0)) == 0
    sparse = scipy.sparse.csr_array(rng.poisson(0.1, (50, 64)).astype(float))
    blocks = as_blocks(sparse)
    assert len(find_spikes(blocks, 1.0)) == 0
    with pytest.raises(ValueError, match="sparse"):
        blocks.corrected(shift=np.zeros(50))
