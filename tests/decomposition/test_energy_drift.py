"""A drift of the energy axis is found where there is one, and nowhere else."""

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import estimate_energy_drift
from sparsedecomp.decomposition.energy_drift.alignment import move_counts
from sparsedecomp.decomposition.energy_drift.smooth_map import smooth_map


def edge(e, position):
    """A line of 5 eV beside an edge."""
    return 1 / (1 + ((e - position - 4) / 5) ** 2)


def scene(seed, drift, shape=(32, 32), m=160, dose=60000, read_noise=None):
    """Three edges on a background, smooth maps, shifts in scan order."""
    rng = np.random.default_rng(seed)
    e = np.linspace(400, 700, m)
    spectra = [
        a * (e / 400) ** -3 + 0.5 / (1 + np.exp((p - e) / 3)) + edge(e, p)
        for a, p in zip((3, 2.6, 2.4), (456, 600, 532), strict=True)
    ]
    spectra = np.array([s / s.sum() for s in spectra]) * dose
    maps = [gaussian_filter(rng.normal(size=shape), 4, mode="wrap") for _ in range(3)]
    maps = np.exp([2.2 * each / each.std() for each in maps]).reshape(3, -1)
    maps = (maps / maps.sum(axis=0)).T
    shift = np.linspace(-drift, drift, len(maps))
    expected = maps @ spectra
    channel = np.arange(m)
    expected = np.stack(
        [
            np.interp(channel - d, channel, x)
            for d, x in zip(shift, expected, strict=True)
        ]
    )
    if read_noise is None:
        data = rng.poisson(expected).astype(float)
    else:
        data = expected + rng.normal(0, read_noise, expected.shape)
    return data.reshape(*shape, m), shift


@pytest.mark.parametrize("read_noise", [None, 20.0])
@pytest.mark.parametrize("drift", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", [21, 22])
def test_map_of_shifts_and_number_of_components(seed, drift, read_noise):
    data, shift = scene(seed, drift, read_noise=read_noise)
    found = estimate_energy_drift(as_blocks(data), 1.0 if read_noise is None else 0.0)
    assert found.found
    assert found.rigid
    assert found.n_components == 3 < found.n_components_unaligned
    assert np.std(found.shift - shift) < 0.1
    assert abs(found.shift.mean()) < 1e-9


@pytest.mark.parametrize("read_noise", [None, 20.0])
@pytest.mark.parametrize("seed", [31, 32, 33, 34])
def test_no_drift_is_found_where_there_is_none(seed, read_noise):
    data, _ = scene(seed, 0.0, read_noise=read_noise)
    found = estimate_energy_drift(as_blocks(data), 1.0 if read_noise is None else 0.0)
    assert not found.found
    assert found.n_components == 3


def test_pixels_without_order_do_not_drift():
    data, _ = scene(41, 1.0)
    flat = data.reshape(-1, data.shape[-1])
    mixed = flat[np.random.default_rng(0).permutation(len(flat))].reshape(data.shape)
    assert not estimate_energy_drift(as_blocks(mixed), 1.0).found


def test_lazy_masked_and_eager_agree():
    data, shift = scene(42, 1.0)
    mask = np.zeros(data.shape[:2], bool)
    mask[5:9, 5:20] = True
    blocks = as_blocks(data, navigation_mask=mask)
    found = estimate_energy_drift(blocks, 1.0)
    inside = shift.reshape(mask.shape)[~mask]
    assert np.std(found.shift - inside) < 0.1
    lazy = as_blocks(da.from_array(data, (9, 13, 50)), navigation_mask=mask)
    other = estimate_energy_drift(lazy, 1.0)
    np.testing.assert_allclose(other.shift, found.shift, atol=1e-5)
    assert lazy.passes == 1


def test_large_scans_are_put_together():
    data, shift = scene(43, 1.0, shape=(48, 96), dose=20000)
    found = estimate_energy_drift(as_blocks(data), 1.0)
    assert found.n_components == 3
    assert np.std(found.shift - shift) < 0.1


def test_aligned_reading_takes_the_drift_out():
    data, shift = scene(44, 2.0, dose=1e7)
    still, _ = scene(44, 0.0, dose=1e7)
    blocks = as_blocks(data).corrected(shift=shift)
    inner = np.s_[:, 5:-5]
    moved = blocks.matmul(np.eye(160))[inner]
    still = as_blocks(still).corrected(shift=0 * shift).matmul(np.eye(160))[inner]
    before = np.linalg.norm(data.reshape(-1, 160)[inner] - still)
    assert np.linalg.norm(moved - still) < 0.15 * before


def test_moved_counts_stay_poisson(rng):
    expected = np.tile(20 + 10 * np.sin(np.arange(30) / 3), (4000, 1))
    counts = rng.poisson(expected)
    moved = move_counts(counts, np.full(4000, 0.3), rng)
    np.testing.assert_array_equal(moved.sum(axis=1), counts.sum(axis=1))
    inner = moved[:, 3:-3]
    np.testing.assert_allclose(inner.var(axis=0) / inner.mean(axis=0), 1, atol=0.12)
    near = np.corrcoef(inner[:, 10], inner[:, 11])[0, 1]
    assert abs(near) < 0.06
    centre = expected[0] @ np.arange(30) / expected[0].sum()
    assert centre - moved.mean(axis=0) @ np.arange(30) / expected[0].sum() == (
        pytest.approx(0.3, abs=0.05)
    )


def test_smooth_map_keeps_what_is_smooth(rng):
    y, x = np.mgrid[:20, :30]
    truth = (np.sin(y / 8) + 0.03 * x).ravel()
    truth -= truth.mean()
    weights = rng.uniform(0.5, 2, 600)
    noisy = truth + rng.normal(0, 0.3, 600) / np.sqrt(weights)
    smooth, gain = smooth_map(noisy, weights / 0.09, (20, 30))
    assert gain > 50
    assert np.std(smooth - truth) < 0.08
    assert smooth_map(rng.normal(0, 1, 600), np.ones(600), (20, 30))[1] < 5
