"""Glitches are found where they are, not elsewhere, and replaced by the neighbours."""

import numpy as np
import pytest

from sparsedecomp.xas import find_glitches, replace_points

ENERGY = np.concatenate([np.arange(7000.0, 7090, 3), np.arange(7090.0, 7500, 1.5)])


@pytest.fixture
def oscillating(rng):
    smooth = np.sin(ENERGY / 9) + 1e-3 * ENERGY
    return smooth + rng.normal(0, 1e-3, len(ENERGY))


@pytest.mark.parametrize("size", [0.04, -0.1, 3.0])
@pytest.mark.parametrize("place", [2, 29, 150, 300])
def test_one_glitch_is_found(oscillating, place, size):
    oscillating[place] += size
    np.testing.assert_array_equal(
        np.flatnonzero(find_glitches(ENERGY, oscillating)), [place]
    )


def test_glitches_beside_each_other_are_found(oscillating):
    oscillating[[100, 101, 180]] += [0.4, 0.3, -0.2]
    found = np.flatnonzero(find_glitches(ENERGY, oscillating))
    np.testing.assert_array_equal(found, [100, 101, 180])


@pytest.mark.parametrize("width", [3, 5, 7, 9])
@pytest.mark.parametrize("size", [0.1, -0.3])
def test_wide_glitches_are_found_whole(oscillating, width, size):
    for place in (100, 160, 250):
        mu = oscillating.copy()
        mu[place : place + width] += size
        found = np.flatnonzero(find_glitches(ENERGY, mu))
        np.testing.assert_array_equal(found, np.arange(place, place + width))


def test_glitches_of_any_shape_are_replaced(oscillating, rng):
    oscillating[180:185] += [0.1, 0.3, 0.25, 0.4, 0.2]
    found = find_glitches(ENERGY, oscillating)
    assert set(range(180, 185)) >= set(np.flatnonzero(found)) >= {181, 183}


def test_jumps_are_left_alone(oscillating):
    oscillating[170:] += 0.2
    assert not find_glitches(ENERGY, oscillating).any()


def test_clean_spectra_have_hardly_any(rng):
    mu = np.sin(ENERGY / 9) + rng.normal(0, 1e-3, (300, len(ENERGY)))
    assert find_glitches(ENERGY, mu).mean() < 1e-4


def test_measured_foil_has_none_past_its_pre_edge(data_dir):
    energy, mu = np.loadtxt(data_dir / "xas/cu_10k.xmu", comments="#").T
    found = energy[find_glitches(energy, mu, protect=(8950, 9040))]
    assert (found < 8950).all()


def test_protected_energies_hold_none(oscillating):
    oscillating[150] += 1
    spared = find_glitches(ENERGY, oscillating, protect=(ENERGY[151], ENERGY[149]))
    assert not spared.any()


def test_pixels_are_judged_by_themselves_and_nan_is_left_alone(oscillating):
    cube = np.tile(oscillating, (2, 2, 1))
    cube[0, 1, 80] += 0.5
    cube[1, 0, 90] = np.nan
    found = find_glitches(ENERGY, cube)
    np.testing.assert_array_equal(np.argwhere(found), [[0, 1, 80]])


def test_points_are_replaced_by_the_line_between_the_good_ones():
    energy, mu = np.array([0.0, 1, 2, 4, 5]), np.array([0.0, 9, 9, 4, 5])
    bad = np.array([False, True, True, False, False])
    mended = replace_points(energy, mu, bad)
    np.testing.assert_allclose(mended, energy)
    assert mu[1] == 9
    cube = np.tile(mu, (3, 2, 1)).astype(np.float32)
    for mask in (bad, np.tile(bad, (3, 2, 1))):
        mended = replace_points(energy, cube, mask)
        np.testing.assert_allclose(mended, np.tile(energy, (3, 2, 1)))
        assert mended.dtype == np.float32


def test_ends_repeat_the_nearest_good_point():
    mended = replace_points([0.0, 1, 2, 3], [9.0, 1, 2, 9], [True, False, False, True])
    np.testing.assert_array_equal(mended, [1, 1, 2, 2])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="3 of 4 points.*two of the 4 points"):
        replace_points(np.arange(4.0), np.ones(4), [True, True, True, False])
    with pytest.raises(ValueError, match="two of the 4 points"):
        replace_points(np.arange(4.0), np.ones(4), [True, False])
    with pytest.raises(ValueError, match="threshold=0"):
        find_glitches(ENERGY, np.ones_like(ENERGY), threshold=0)
    with pytest.raises(ValueError, match="9 points or more"):
        find_glitches(ENERGY[:8], np.ones(8))
