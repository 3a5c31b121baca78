"""Repeat scans: noise, drifts, glitches, scans of another sample."""

import numpy as np
import pytest

from sparsedecomp.xas import merge_scans

ENERGY = np.arange(7000.0, 7300.0)
MU = np.arctan((ENERGY - 7112) / 2) + 1.5
SIGMA = 0.01


def scans(n, seed=0, drift=False):
    rng = np.random.default_rng(seed)
    rows = np.tile(MU, (n, 1))
    if drift:
        line = rng.normal(0, 1e-4, (n, 1)) * (ENERGY - 7112)
        rows = rng.uniform(0.8, 1.2, (n, 1)) * rows + rng.normal(0, 0.1, (n, 1)) + line
    return rows + rng.normal(0, SIGMA, rows.shape)


def test_mean_has_the_noise_that_it_says():
    merged = merge_scans(ENERGY, scans(8), drift=False)
    assert merged.kept.all() and not merged.rejected_points.any()
    assert np.std(merged.mu - MU) == pytest.approx(SIGMA / np.sqrt(8), rel=0.15)
    np.testing.assert_allclose(merged.standard_deviation, SIGMA / np.sqrt(8), rtol=0.15)
    np.testing.assert_allclose(merged.noise, SIGMA, rtol=0.2)


def test_noisy_scans_count_less():
    rows = scans(6)
    rows[0] += np.random.default_rng(9).normal(0, 20 * SIGMA, len(ENERGY))
    merged = merge_scans(ENERGY, rows, drift=False)
    assert np.std(merged.mu - MU) < 1.2 * SIGMA / np.sqrt(5)


@pytest.mark.parametrize("seed", range(5))
def test_drifts_of_the_beam_reject_nothing(seed):
    merged = merge_scans(ENERGY, scans(4, seed, drift=True))
    assert merged.kept.all() and not merged.rejected_points.any()
    # Height and line are those of the median; the shape is that of the sample.
    basis = np.stack([MU, np.ones(300), ENERGY - 7112], axis=1)
    residual = merged.mu - basis @ np.linalg.lstsq(basis, merged.mu, rcond=None)[0]
    assert np.std(residual) < 1.3 * SIGMA / np.sqrt(4)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_glitches_of_single_scans_are_left_out(width):
    rows = scans(4)
    rows[2, 200 : 200 + width] += 0.5
    merged = merge_scans(ENERGY, rows)
    expected = np.zeros(rows.shape, bool)
    expected[2, 200 : 200 + width] = True
    np.testing.assert_array_equal(merged.rejected_points, expected)
    assert np.abs(merged.mu - MU)[195:210].max() < 4 * SIGMA


def test_scans_of_another_shape_are_left_out():
    rows = scans(4)
    rows[1] += 0.1 * np.exp(-(((ENERGY - 7120) / 15) ** 2)) * np.sin(ENERGY / 4)
    merged = merge_scans(ENERGY, rows)
    assert merged.kept.tolist() == [True, False, True, True]
    assert np.std(merged.mu - MU) < 1.3 * SIGMA / np.sqrt(3)
    assert merge_scans(ENERGY, rows, threshold=100.0).kept.all()


def test_small_shifts_of_the_energy_reject_nothing():
    rows = scans(4)
    for row, shift in zip(rows, (0, 0.1, -0.1, 0.15), strict=True):
        row += np.interp(ENERGY - shift, ENERGY, MU) - MU
    merged = merge_scans(ENERGY, rows)
    assert merged.kept.all() and not merged.rejected_points.any()


def test_two_scans_cannot_tell_which_is_wrong():
    rows = scans(2)
    rows[0, 50] += 1
    merged = merge_scans(ENERGY, rows, drift=False)
    assert merged.kept.all() and not merged.rejected_points.any()
    single = merge_scans(ENERGY, rows[1])
    np.testing.assert_allclose(single.mu, rows[1])


def test_missing_points_and_scans():
    rows = scans(4)
    rows[0, :100] = np.nan
    rows[:, 7] = np.nan
    rows[3] = np.nan
    merged = merge_scans(ENERGY, rows, drift=False)
    assert merged.kept.tolist() == [True, True, True, False]
    assert np.isnan(merged.mu).sum() == 1
    few, all_of_them = merged.standard_deviation[50], merged.standard_deviation[150]
    assert few / all_of_them == pytest.approx(np.sqrt(3 / 2), rel=0.1)


def test_scans_without_noise_are_merged():
    merged = merge_scans(ENERGY, np.tile(MU, (3, 1)))
    np.testing.assert_allclose(merged.mu, MU)


def test_bad_scans_are_refused():
    with pytest.raises(ValueError, match="expected \\(n_scans, n_E\\)"):
        merge_scans(ENERGY, np.ones((2, 2, 300)))
    with pytest.raises(ValueError, match="threshold=0: give a positive number"):
        merge_scans(ENERGY, scans(2), threshold=0)
    with pytest.raises(ValueError, match="one number for each of the 2 scans"):
        merge_scans(ENERGY, scans(2), noise=[0.1])
    with pytest.raises(ValueError, match="All scans are empty"):
        merge_scans(ENERGY, np.full((2, 300), np.nan))
    with pytest.raises(ValueError, match="the last axis must be that of the grid"):
        merge_scans(ENERGY, np.ones((2, 3)))
