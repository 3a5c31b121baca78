"""Grids, point spread and the operator, and how they are found from data."""

import numpy as np
import pytest

from sparsedecomp.fusion import (
    Degradation,
    Grids,
    PointSpread,
    estimate_point_spread,
    judge_guide,
    subspace_of,
)
from sparsedecomp.fusion.degradation.grids import check_grids
from sparsedecomp.fusion.degradation.point_spread import full_widths

KINDS = ("gaussian", "box", "disc", "airy")


def naive(degradation, X):
    """Sum over the kernel around each coarse pixel, mirrored at the edges."""
    grids, r = degradation.grids, degradation.radius
    H, W = grids.fine
    out = np.zeros(grids.coarse)
    for i, y in enumerate(grids.positions(0)):
        for j, x in enumerate(grids.positions(1)):
            a, b = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
            kernel = degradation.psf.kernel(r, (y - a, x - b))
            for k in range(-r, r + 1):
                for m in range(-r, r + 1):
                    row = abs(a + k)
                    row = row if row < H else 2 * (H - 1) - row
                    column = abs(b + m)
                    column = column if column < W else 2 * (W - 1) - column
                    out[i, j] += kernel[k + r, m + r] * X[row, column]
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [(3, 4), (2.5, 2.5)])
def test_operator_agrees_with_a_sum_over_the_kernel(rng, kind, step):
    grids = Grids((20, 24), (6, 5), step, (1.0, 1.5))
    d = Degradation(grids, PointSpread(kind, (3.0, 2.5), (0.25, 0.0)))
    X = rng.normal(size=(20, 24))
    np.testing.assert_allclose(d.forward(X[..., None])[..., 0], naive(d, X), atol=1e-12)


@pytest.mark.parametrize("border", ["reflect", "wrap"])
@pytest.mark.parametrize("step", [(4, 4), (2.5, 3.25)])
def test_adjoint_passes_the_dot_test(rng, border, step):
    grids = Grids((26, 30), (6, 7), step, (1.5, 1.5))
    d = Degradation(grids, PointSpread("gaussian", (4.0, 3.0)), border)
    X, Y = rng.normal(size=(26, 30, 2)), rng.normal(size=(6, 7, 2))
    left, right = (d.forward(X) * Y).sum(), (X * d.adjoint(Y)).sum()
    assert left == pytest.approx(right, rel=1e-12)


def test_box_of_a_pixel_is_the_mean_of_the_fine_pixels(rng):
    grids = Grids.of_same_field((12, 20), (3, 5))
    X = rng.normal(size=(12, 20, 1))
    means = X[..., 0].reshape(3, 4, 5, 4).mean(axis=(1, 3))
    found = Degradation(grids, PointSpread("box", (4.0, 4.0))).forward(X)
    np.testing.assert_allclose(found[..., 0], means, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_point_spread_has_unit_sum_and_its_centre(kind):
    psf = PointSpread(kind, (4.0, 4.0), (0.5, -0.25))
    kernel = psf.kernel(14)
    line = np.arange(-14, 15)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel.sum(axis=1) * line).sum() == pytest.approx(0.5, abs=0.05)
    assert (kernel.sum(axis=0) * line).sum() == pytest.approx(-0.25, abs=0.05)


def test_full_widths_of_a_gaussian_are_its_widths():
    kernel = PointSpread("gaussian", (5.0, 3.0)).kernel(12)
    assert full_widths(kernel) == pytest.approx((5.0, 3.0), rel=0.02)


def test_neighbourhoods_times_kernel_is_the_degraded_guide(rng, grids, blur):
    d = Degradation(grids, blur)
    guide = rng.normal(size=(*grids.fine, 2))
    pixels = d.neighbourhoods(guide, d.radius)
    found = pixels @ blur.kernel(d.radius, (0.5 - 1, 0.5 - 1)).ravel()
    np.testing.assert_allclose(found.T, d.forward(guide).reshape(-1, 2), atol=1e-12)


def test_open_border_does_not_fold(rng, grids, blur):
    d = Degradation(grids, blur)
    margin = 2 * d.radius
    inner = rng.normal(size=(*grids.fine, 1))
    padded = np.pad(inner, ((margin, margin), (margin, margin), (0, 0)), "reflect")
    np.testing.assert_allclose(
        d.open_border(margin).forward(padded), d.forward(inner), atol=1e-12
    )


def test_guide_that_is_no_finer_is_refused():
    with pytest.raises(ValueError, match="not finer than the cube"):
        check_grids(Grids((10, 10), (10, 10), (1, 1), (0, 0)))


def test_cube_beyond_the_guide_is_refused():
    with pytest.raises(ValueError, match="reaches beyond the guide"):
        check_grids(Grids((40, 40), (12, 12), (4, 4), (20, 0)))


def noisy_maps(grids, psf, image):
    """Degraded image with a noise of .3 % of its spread."""
    maps = Degradation(grids, psf).forward(image)
    noise = np.random.default_rng(2).normal(size=maps.shape)
    return maps + 0.003 * maps.std() * noise


@pytest.mark.parametrize(
    ("psf", "most"),
    [
        (PointSpread("gaussian", (4.0, 4.0)), 0.1),
        (PointSpread("gaussian", (2.0, 5.0)), 0.3),
        (PointSpread("box", (4.0, 4.0)), 0.1),
        (PointSpread("gaussian", (4.0, 4.0), (0.5, -0.5)), 0.1),
    ],
)
def test_blind_estimate_finds_width_and_centre(grids, psf, most):
    image = np.random.default_rng(0).normal(size=(*grids.fine, 1)).cumsum(0).cumsum(1)
    found = estimate_point_spread(
        noisy_maps(grids, psf, image), image, Degradation(grids, PointSpread())
    ).psf
    assert found.family == psf.family
    np.testing.assert_allclose(found.width, psf.width, atol=most)
    np.testing.assert_allclose(found.centre, psf.centre, atol=most)


def test_free_form_finds_a_skew_point_spread(grids):
    weights = np.zeros((11, 11))
    for k in range(-3, 4):
        weights[5 + k, 5 + k] = 1 / 7
    psf = PointSpread("free", (0, 0), (0, 0), weights)
    image = np.random.default_rng(0).normal(size=(*grids.fine, 4))
    found = estimate_point_spread(
        noisy_maps(grids, psf, image), image, Degradation(grids, PointSpread())
    )
    assert found.psf.family == "free"
    phase = (-0.5, -0.5)
    wrong = found.psf.kernel(5, phase) - psf.kernel(5, phase)
    assert np.abs(wrong).max() < 0.25 * psf.kernel(5, phase).max()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda g: g[::-1],
        lambda g: g[:, ::-1],
        lambda g: g.ravel()[np.random.default_rng(0).permutation(g.size)].reshape(
            g.shape
        ),
    ],
)
def test_guide_of_another_field_fails_the_test_against_placebos(
    simulated, grids, wrong
):
    _, coarse, guide = simulated
    maps = subspace_of(coarse).maps
    d = Degradation(grids, PointSpread())
    assert judge_guide(maps, guide[..., None], d).accepted
    assert not judge_guide(maps, wrong(guide)[..., None], d).accepted


def test_shift_of_the_guide_is_found(simulated, grids):
    _, coarse, guide = simulated
    moved = np.roll(guide, (3, -5), (0, 1))[..., None]
    d = Degradation(grids, PointSpread())
    assert judge_guide(subspace_of(coarse).maps, moved, d).shift == (-3, 5)
