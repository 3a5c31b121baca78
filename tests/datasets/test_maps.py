"""The simulated specimens' geometry."""

import math

import numpy as np
import pytest

from sparsedecomp.datasets.maps import (
    oxide_layers,
    particles_in_film,
    path_through_sphere,
    pixel_centres,
    rough_profile,
    scattered_spheres,
    soft_step,
)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (49, 48), (100, 3)])
def test_pixel_centres_divide_the_field_of_view(shape):
    v, u = pixel_centres(shape)
    assert v.shape == (shape[0], 1) and u.shape == (1, shape[1])
    np.testing.assert_allclose(v.ravel(), (np.arange(shape[0]) + 0.5) / shape[0])
    np.testing.assert_allclose(u.ravel(), (np.arange(shape[1]) + 0.5) / shape[1])


@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 3, 4)])
def test_shape_must_be_two_positive_numbers(shape):
    with pytest.raises(ValueError, match=r"is \(ny, nx\), both at least 1, got"):
        pixel_centres(shape)


def test_soft_step_is_the_share_of_a_gaussian_beyond_the_boundary():
    assert soft_step(0.0, 0.1) == 0.5
    assert soft_step(0.1, 0.1) == pytest.approx(0.8413, abs=1e-4)
    assert soft_step(-1.0, 0.1) == pytest.approx(0, abs=1e-12)


def test_rough_profile_varies_about_its_level():
    u = np.linspace(0, 1, 1000, endpoint=False)
    profile = rough_profile(u, 0.6, 0.015, np.random.default_rng(0))
    assert profile.mean() == pytest.approx(0.6)
    expected = 0.015 * math.sqrt(0.5 * sum(1 / m**2 for m in range(1, 9)))
    assert profile.std() == pytest.approx(expected)


@pytest.mark.parametrize("draw", [oxide_layers, particles_in_film])
def test_abundances_share_out_the_thickness(draw):
    maps = draw((40, 50), np.random.default_rng(3))
    assert maps.shape == (40, 50, 3)
    assert maps.min() > -1e-12
    total = maps.sum(axis=-1)
    assert 0.84 < total.min() < 0.9 and 1.1 < total.max() < 1.16
    # The thickness is a wedge: constant along one axis, linear along the other.
    gradients = [np.diff(total, axis=axis) for axis in (0, 1)]
    for gradient in gradients:
        np.testing.assert_allclose(gradient, gradient[0, 0], atol=1e-12)


@pytest.mark.parametrize("draw", [oxide_layers, particles_in_film])
def test_more_pixels_show_the_same_specimen(draw):
    coarse = draw((60, 60), np.random.default_rng(5))
    fine = draw((300, 300), np.random.default_rng(5))
    rebinned = fine.reshape(60, 5, 60, 5, 3).mean(axis=(1, 3))
    assert np.abs(rebinned - coarse).mean() < 0.01


@pytest.mark.parametrize("draw", [oxide_layers, particles_in_film])
def test_every_phase_mixes_with_another_somewhere(draw):
    maps = draw((64, 64), np.random.default_rng(0))
    share = maps / maps.sum(axis=-1, keepdims=True)
    mixed = (share > 0.1) & (share < 0.9)
    assert mixed.any(axis=(0, 1)).all()


@pytest.mark.parametrize("seed", range(20))
def test_spheres_neither_touch_nor_leave_the_field(seed):
    spheres = scattered_spheres(np.random.default_rng(seed), 12, (0.065, 0.1), 0.01)
    assert len(spheres) == 12
    for i, (v, u, r) in enumerate(spheres):
        assert r <= v <= 1 - r and r <= u <= 1 - r
        for other_v, other_u, other_r in spheres[:i]:
            assert math.hypot(v - other_v, u - other_u) > r + other_r + 0.01


def test_path_through_a_sphere_that_the_faces_of_the_film_cut():
    distance = np.array([0.0, 0.5, 0.9, 1.0, 2.0])
    chord = [2.0, 2 * math.sqrt(0.75), 2 * math.sqrt(0.19), 0, 0]
    np.testing.assert_allclose(
        path_through_sphere(distance, radius=1.0, thickness=1.2),
        np.minimum(chord, 1.2),
        atol=1e-12,
    )
