"""Abundances of known spectra: exact, constrained, lazy, sparse, masked."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import nnls

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import abundances

CONSTRAINTS = ["nonnegative", "sum_to_one", "fully_constrained", "scaled"]


@pytest.fixture
def scene(rng):
    """True abundances, spectra and their exact mixture as a cube of 6 x 5 pixels."""
    spectra = rng.random((3, 20)) + np.eye(3, 20)
    maps = rng.dirichlet([0.5] * 3, 30)
    return maps, spectra, (maps @ spectra).reshape(6, 5, 20)


@pytest.mark.parametrize("k", [1, 3, 8, 9, 15])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_exact_mixtures_give_their_abundances(rng, constraint, k):
    spectra = rng.random((k, 40)) + np.eye(k, 40)
    maps = rng.dirichlet(np.full(k, 0.5), 50)
    found = abundances(maps @ spectra, spectra, constraint)
    np.testing.assert_allclose(found, maps, atol=1e-9)


@pytest.mark.parametrize("k", [3, 12])
def test_noisy_mixtures_agree_with_scipy(rng, k):
    spectra = rng.random((k, 40))
    X = rng.dirichlet(np.full(k, 0.3), 60) @ spectra + rng.normal(0, 0.3, (60, 40))
    expected = np.array([nnls(spectra.T, x)[0] for x in X])
    np.testing.assert_allclose(abundances(X, spectra), expected, atol=1e-10)
    shares, scale = abundances(X, spectra, "scaled", return_scale=True)
    np.testing.assert_allclose(scale, expected.sum(axis=1))
    np.testing.assert_allclose(shares * scale[:, None], expected, atol=1e-10)


@pytest.mark.parametrize("k", [3, 12])
def test_fully_constrained_is_the_limit_of_a_heavy_channel(rng, k):
    spectra = rng.random((k, 40))
    X = rng.dirichlet(np.full(k, 0.3), 60) @ spectra + rng.normal(0, 0.3, (60, 40))
    heavy = np.vstack([spectra.T, np.full(k, 1e4)])
    expected = np.array([nnls(heavy, np.append(x, 1e4))[0] for x in X])
    found = abundances(X, spectra, "fully_constrained")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found.min() == 0.0


def test_sum_to_one_may_be_negative_and_no_other_sum_fits_better(rng, scene):
    _, spectra, cube = scene
    X = cube.reshape(-1, 20) + rng.normal(0, 0.5, (30, 20))
    W = abundances(X, spectra, "sum_to_one")
    np.testing.assert_allclose(W.sum(axis=1), 1.0)
    assert W.min() < 0
    # The residual is orthogonal to every direction that keeps the sum.
    slope = (X - W @ spectra) @ (spectra - spectra[0]).T
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)


def test_scaled_takes_the_thickness_out(rng, scene):
    maps, spectra, cube = scene
    thickness = rng.uniform(0.2, 3.0, 30)
    X = cube.reshape(-1, 20) * thickness[:, None]
    shares, scale = abundances(X, spectra, "scaled", return_scale=True)
    np.testing.assert_allclose(shares, maps, atol=1e-9)
    np.testing.assert_allclose(scale, thickness)
    wrong = abundances(X, spectra, "fully_constrained")
    assert np.abs(wrong - maps).max() > 0.1


def test_pixel_of_nothing_has_no_shares(scene):
    _, spectra, _ = scene
    W = abundances(np.zeros((2, 20)), spectra, "scaled")
    assert not W.any()


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_lazy_sparse_and_float32_agree(rng, scene, constraint):
    _, spectra, cube = scene
    cube = rng.poisson(20 * cube).astype(np.float64)
    expected = abundances(cube, spectra, constraint)
    lazy = da.from_array(cube, chunks=(4, 2, 7))
    found = abundances(lazy, spectra, constraint)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    flat = cube.reshape(-1, 20)
    csr = scipy.sparse.csr_array(flat)
    found = abundances(csr, spectra, constraint)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    single = abundances(flat.astype(np.float32), spectra, constraint)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-4)
    counts = abundances(flat.astype(np.uint8), spectra, constraint)
    np.testing.assert_array_equal(counts, single)


def test_masks_leave_pixels_and_channels_out(scene):
    maps, spectra, cube = scene
    cube = cube.copy()
    cube[2, 3], cube[..., 4] = np.nan, np.inf
    pixels, channels = np.zeros((6, 5), bool), np.zeros(20, bool)
    pixels[2, 3] = channels[4] = True
    masks = {"navigation_mask": pixels, "signal_mask": channels}
    expected = np.delete(maps, 13, axis=0)
    found = abundances(cube, spectra, **masks)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    # The spectra may also be given in the channels that are left.
    found = abundances(cube, spectra[:, ~channels], **masks)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_data_are_read_once(scene):
    _, spectra, cube = scene
    blocks = as_blocks(da.from_array(cube, chunks=(3, 5, 20)))
    abundances(blocks, spectra)
    assert blocks.passes == 1


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_units_do_not_matter(rng, scene, constraint):
    _, spectra, cube = scene
    cube = cube + rng.normal(0, 0.2, cube.shape)
    expected = abundances(cube, spectra, constraint)
    for unit in (1e-9, 1e6):
        found = abundances(unit * cube, unit * spectra, constraint)
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("sparse", [False, True])
def test_bad_values_are_named(scene, bad, sparse):
    _, spectra, cube = scene
    cube = cube.copy()
    cube[2, 3, 7] = bad
    place = r"1 pixels with NaN or infinity, the first at pixel \(2, 3\), channel 7"
    if sparse:
        cube = scipy.sparse.csr_array(cube.reshape(-1, 20))
        place = r"pixel \(13\), channel 7"
    with pytest.raises(ValueError, match=place):
        abundances(cube, spectra)


@pytest.mark.parametrize(
    ("spectra", "message"),
    [
        (np.ones(20), r"shape \(20,\), expected \(k, n_channels\)"),
        (np.ones((0, 20)), "at least one spectrum"),
        (np.ones((2, 19)), "have 19 channels, expected 20"),
        (np.where(np.arange(40).reshape(2, 20) == 25, np.nan, 1), "Spectrum 1 is NaN"),
    ],
)
def test_bad_spectra_are_refused(scene, spectra, message):
    with pytest.raises(ValueError, match=message):
        abundances(scene[2], spectra)


def test_unknown_constraint_is_refused(scene):
    with pytest.raises(ValueError, match="constraint='fcls' was given, expected one"):
        abundances(scene[2], scene[1], "fcls")


@pytest.mark.parametrize("signal_dimension", [1, 2])
def test_abundances_that_are_not_computed_are_the_same(rng, signal_dimension):
    shape = (30,) if signal_dimension == 1 else (5, 6)
    spectra = rng.random((3, 30))
    cube = (rng.random((8, 7, 3)) @ spectra).reshape(8, 7, *shape)
    mask = rng.random(shape) < 0.2
    lazy = da.from_array(cube, chunks=(3, 7, 3, 4)[: cube.ndim])
    options = {"signal_dimension": signal_dimension, "signal_mask": mask}
    W = abundances(lazy, spectra, "scaled", compute=False, **options)
    assert W.shape == (8, 7, 3) and W.chunks[:2] == lazy.chunks[:2]
    assert W.dtype == np.float64
    np.testing.assert_allclose(
        W.compute().reshape(-1, 3),
        abundances(lazy, spectra, "scaled", **options),
        rtol=1e-10,
    )


def test_bad_pixels_are_named_when_abundances_are_computed_later(rng):
    cube = rng.random((6, 5, 9))
    cube[4, 3, 2] = np.nan
    W = abundances(da.from_array(cube, chunks=(3, 5, 9)), cube[0, :2], compute=False)
    with pytest.raises(ValueError, match=r"at pixel \[3, 0\]: .*pixel \(1, 3\), chan"):
        W.compute()


def test_what_cannot_be_left_uncomputed_is_refused(rng):
    cube = rng.random((4, 5, 9))
    lazy = da.from_array(cube)
    for data, options in [
        (cube, {}),
        (lazy, {"return_scale": True}),
        (lazy, {"navigation_mask": np.zeros((4, 5), bool)}),
    ]:
        with pytest.raises(ValueError, match="compute=False was given"):
            abundances(data, cube[0, :2], compute=False, **options)
