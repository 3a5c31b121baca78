"""Blur of a point spread taken off: the operator, the choice, and bad input."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sparsedecomp.blocks import as_blocks
from sparsedecomp.kernels.total_variation import variation
from sparsedecomp.restoration import sharpen_cube, sharpen_map
from sparsedecomp.restoration.point_spread import (
    PointSpread,
    richardson_lucy,
    total_variation,
)


def point_spread(sigma, size=13):
    point = np.zeros((size, size))
    point[size // 2, size // 2] = 1
    return gaussian_filter(point, sigma)


PSF = point_spread(1.8)


def flat(n=40):
    y, x = np.mgrid[:n, :n]
    return 20 + 100.0 * ((y - n // 2) ** 2 + (x - n // 2) ** 2 < 100)


def test_the_adjoint_passes_the_dot_test(rng):
    psf = rng.random((5, 3))
    blur = PointSpread(psf / psf.sum(), rng.uniform(1, 2, (12, 14)))
    X, Z = rng.normal(size=(16, 16, 2)), rng.normal(size=(12, 14, 2))
    assert np.vdot(blur.forward(X), Z) == pytest.approx(
        np.vdot(X, blur.adjoint(Z)), rel=1e-4
    )
    np.testing.assert_array_equal(blur.cut(blur.widened(Z)), Z)


def test_total_variation_has_the_smallest_objective(rng):
    clean = flat(30)[..., None] / 10
    blur = PointSpread(point_spread(1.2, 7), np.ones((30, 30)))
    Z = blur.forward(blur.widened(clean)) + 0.3 * rng.normal(size=clean.shape)
    found = total_variation(Z, blur, 0.3, max_iter=1500, tol=1e-5)

    def objective(X):
        return 0.5 * np.square(blur.forward(X) - Z).sum() + 0.3 * variation(X)

    least = objective(found)
    for scale in (0.02, 0.2):
        noise = rng.normal(size=found.shape).astype(np.float32)
        assert objective(found + scale * noise) > least
    assert objective(blur.widened(clean.astype(np.float32))) > least


@pytest.mark.parametrize("counts", [True, False])
def test_an_image_is_as_sharp_as_the_best_iteration_makes_it(counts, rng):
    clean = flat()
    blurred = gaussian_filter(clean, 1.8)
    noisy = rng.poisson(blurred) if counts else blurred + 6 * rng.normal(size=(40, 40))
    found = sharpen_map(noisy, PSF)
    blur = PointSpread(PSF, np.ones(clean.shape))
    best = min(
        np.linalg.norm(
            blur.cut(richardson_lucy(noisy[..., None], blur, n))[..., 0] - clean
        )
        for n in (1, 3, 10, 30, 100)
    )
    assert np.linalg.norm(found.values()[..., 0] - clean) < 1.1 * best
    assert found.counts == counts
    told = np.sqrt(np.mean(np.square(found.standard_deviation())))
    assert 0.3 < told / np.std(found.values()[..., 0] - clean) < 2


def test_small_bright_things_are_left_to_iterations(rng):
    clean = np.full((40, 40), 5.0)
    clean[8::12, 8::12] = 3000
    counts = rng.poisson(gaussian_filter(clean, 1.8))
    found = sharpen_map(counts, PSF)
    assert "richardson_lucy" in str(found.choice)
    assert found.values()[20, 20, 0] > 2 * counts[20, 20]


def test_a_spectrum_image_is_sharpened_on_its_maps(rng):
    share = flat()[..., None] / 120
    spectra = rng.uniform(0, 2, (2, 50))
    clean = share * spectra[0] + (1 - share) * spectra[1]
    blurred = gaussian_filter(clean, (1.8, 1.8, 0))
    counts = rng.poisson(blurred)
    found = sharpen_cube(as_blocks(counts), (40, 40), PSF)
    assert np.std(found.values() - clean) < np.std(blurred - clean)
    assert found.choice.shares == {"tv": 1.0}
    with pytest.raises(ValueError, match="'richardson_lucy' is unknown"):
        sharpen_cube(as_blocks(counts), (40, 40), PSF, "richardson_lucy")


def test_bad_input_is_refused():
    image = flat()
    for psf, message in (
        (np.ones((4, 3)), "odd numbers"),
        (-np.ones((3, 3)), "negative"),
        (np.ones((31, 31)), "wider than the field"),
    ):
        with pytest.raises(ValueError, match=message):
            sharpen_map(image, psf)
    with pytest.raises(ValueError, match="NaN or infinite"):
        sharpen_map(np.where(image > 100, np.nan, image), PSF)
    with pytest.raises(ValueError, match="Negative values"):
        sharpen_map(image - 50, PSF, noise="poisson")
    constant = sharpen_map(np.full((30, 30), 4.0), PSF, "tv")
    np.testing.assert_allclose(constant.values(), 4, rtol=1e-3)
