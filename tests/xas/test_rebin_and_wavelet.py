"""Averages onto fewer energies, and Cauchy wavelets against larch's numbers."""

import numpy as np
import pytest

from sparsedecomp.xas import (
    cauchy_wavelet,
    rebin_matrix,
    three_regions,
    wavenumber,
)

ENERGY = np.sort(np.random.default_rng(0).uniform(8800, 9800, 3000))


def test_regions_have_their_steps():
    new = three_regions(ENERGY, 8979.0, pre_step=4, edge_step=0.5, kstep=0.1)
    before, after = new[new <= 8949], new[new >= 8994]
    near = new[(new >= 8949) & (new < 8994)]
    np.testing.assert_allclose(np.diff(before), 4)
    np.testing.assert_allclose(np.diff(near), 0.5)
    np.testing.assert_allclose(np.diff(wavenumber(after, 8979.0)), 0.1)
    assert ENERGY[0] <= new[0] and new[-1] <= ENERGY[-1]
    assert (np.diff(new) > 0).all()


def test_lines_stay_lines_and_curves_what_they_are():
    new = three_regions(ENERGY, 8979.0)
    matrix = rebin_matrix(ENERGY, new)
    np.testing.assert_allclose(matrix @ (3 * ENERGY - 7), 3 * new - 7, rtol=1e-12)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    wave = np.sin(ENERGY / 15)
    np.testing.assert_allclose(matrix @ wave, np.sin(new / 15), atol=0.01)


def test_bins_average_their_noise(rng):
    new = np.arange(8850.0, 9750.0, 10)
    noise = rng.normal(size=(200, len(ENERGY)))
    averaged = noise @ rebin_matrix(ENERGY, new).T
    # Some thirty points each.
    assert averaged.std() == pytest.approx(1 / np.sqrt(30), rel=0.3)


def test_more_points_than_measured_are_interpolated():
    coarse = np.arange(0.0, 10, 2)
    new = np.arange(1.0, 7, 0.25)
    values = coarse**2
    np.testing.assert_allclose(
        rebin_matrix(coarse, new) @ values, np.interp(new, coarse, values), atol=0.13
    )


def test_bad_grids_are_refused():
    with pytest.raises(ValueError, match="lies outside the energies"):
        three_regions(ENERGY, 7112.0)
    with pytest.raises(ValueError, match="pre_step=0: give a positive"):
        three_regions(ENERGY, 8979.0, pre_step=0)
    with pytest.raises(ValueError, match="leave those measured"):
        rebin_matrix(ENERGY, [8000.0, 9000.0])
    with pytest.raises(ValueError, match="the new energy does not increase"):
        rebin_matrix(ENERGY, [9000.0, 8900.0])


def test_wavelets_equal_larch():
    """larch 2026.3.1: cauchy_wavelet(k, chi, kweight=2, rmax_out=6), 196 distances."""
    k = np.arange(0, 15.001, 0.05)
    chi = np.sin(2 * 2.5 * k + 0.3) * np.exp(-(((k - 8) / 3) ** 2))
    r = np.linspace(0, 6, 196)
    found = cauchy_wavelet(k, chi, r, kweight=2, order=196)
    assert found.shape == (196, 301)
    np.testing.assert_allclose(
        found[81, [40, 100, 160, 200]],
        [
            -0.38555628 + 0.25890191j,
            0.3468279 - 1.86617474j,
            1.85778984 + 3.09021109j,
            0.12744927 - 3.62259399j,
        ],
        atol=1e-6,
    )
    assert np.abs(found).max() == pytest.approx(3.781496668818396, rel=1e-6)


def test_wavelets_of_pixels_are_those_of_each(rng):
    k = np.arange(0, 12, 0.05)
    chi = rng.normal(size=(2, 3, len(k)))
    together = cauchy_wavelet(k, chi, [2.0, 3.0])
    assert together.shape == (2, 3, 2, len(k))
    np.testing.assert_allclose(together[1, 2], cauchy_wavelet(k, chi[1, 2], [2.0, 3.0]))


def test_negative_distances_are_refused():
    with pytest.raises(ValueError, match="R=-1 angstrom"):
        cauchy_wavelet(np.arange(0, 3, 0.05), np.ones(60), [-1.0])
