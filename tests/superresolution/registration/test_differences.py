"""Frames that differ by more than a shift: what is wrong is found and mended."""

import numpy as np
import pytest

from sparsedecomp.superresolution import fit_process, register
from sparsedecomp.superresolution.fine_map import prepare
from sparsedecomp.superresolution.gaussian_process.windows import cut_windows
from sparsedecomp.superresolution.registration.intensities import Intensities
from sparsedecomp.superresolution.registration.linear_maps import KINDS, first_maps
from sparsedecomp.superresolution.registration.shifts import DIFFERENCES
from sparsedecomp.superresolution.saturation import saturated_samples

from ...naive.frames import SHIFTS, error_of, frames, scene

OFF = SHIFTS + 0.1 * np.random.default_rng(2).normal(size=SHIFTS.shape)


# Rotations in radians, or magnifications less one.
TURNS = np.array([0.02, -0.015, 0.01, -0.025, 0.01])


def other_scene(seed):
    """A frame of waves that has nothing to do with the scene."""
    y, x = np.mgrid[:30, :30] + 50.0 * seed
    return scene(x, -y)[..., None] + 0.05 * np.random.default_rng(seed).normal(
        size=(30, 30, 1)
    )


@pytest.fixture(scope="module")
def clean():
    return register(frames(), OFF, max_iter=20)


def test_frames_alike_are_left_alone(clean):
    assert clean.kept.all() and not clean.uneven and not clean.maps.any()
    assert clean.accepted and error_of(clean.shifts) < 0.015


@pytest.mark.parametrize("wrong", [(0, 3), pytest.param((3,), marks=pytest.mark.study)])
def test_frames_of_another_scene_are_left_out(wrong):
    Y = frames()
    for k in wrong:
        Y[k] = other_scene(k + 1)
    found = register(Y, OFF, max_iter=10)
    assert np.flatnonzero(~found.kept).tolist() == list(wrong)
    assert np.isnan(found.deviation[~found.kept]).all()
    np.testing.assert_array_equal(found.shifts[~found.kept], OFF[~found.kept])
    assert error_of(found.shifts[found.kept], SHIFTS[found.kept]) < 0.02
    assert found.misfit[~found.kept].min() > 2


def test_a_frame_whose_nominal_shift_is_wrong_comes_back():
    nominal = OFF.copy()
    nominal[2] += (0.8, -0.7)
    found = register(frames(), nominal, prior=0.3, max_iter=30)
    assert found.kept.all() and error_of(found.shifts) < 0.015


def test_gain_and_offset_of_frames_are_found():
    gain = np.array([1.05, 0.93, 1.0, 1.08, 0.96])
    gain /= np.exp(np.log(gain).mean())
    offset = np.array([0.3, -0.2, 0.0, 0.1, -0.1])
    even = 5 + frames()
    Y = gain[:, None, None, None] * even + offset[:, None, None, None]
    found = register(Y, OFF, max_iter=20)
    assert found.uneven and found.accepted and error_of(found.shifts) < 0.015
    np.testing.assert_allclose(found.intensities.gain, gain, atol=0.02)
    alike = found.intensities.apply(Y)
    level = alike.mean(axis=(1, 2, 3)) - even.mean(axis=(1, 2, 3))
    assert np.ptp(level) < 0.02


def test_intensities_are_composed():
    one = Intensities(np.array([1.1, 1 / 1.1]), np.array([[0.2], [-0.2]]))
    windows = cut_windows(frames()[:2], SHIFTS[:2], size=6)
    two = Intensities(np.array([0.9, 1 / 0.9]), np.array([[0.1], [-0.1]]))
    np.testing.assert_allclose(
        one.then(two).apply_to(windows).samples,
        two.apply_to(one.apply_to(windows)).samples,
    )


def turned_frames(maps, n=30):
    """Frames that are rotated and magnified about their middle."""
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    Y = np.stack(
        [
            scene(
                (1 + m) * np.cos(t) * y - np.sin(t) * x + a,
                (1 + m) * np.cos(t) * x + np.sin(t) * y + b,
            )
            for (t, m), (a, b) in zip(maps, SHIFTS, strict=True)
        ]
    )
    return (Y + 0.05 * np.random.default_rng(0).normal(size=Y.shape))[..., None]


def test_one_step_finds_the_sense_of_rotations():
    maps = np.zeros((5, 2))
    maps[:, 0] = TURNS
    windows = cut_windows(turned_frames(maps), SHIFTS, n_samples=400)
    process, _ = fit_process(windows.points, windows.samples)
    found = first_maps(windows, SHIFTS, process, ["rotation"])
    assert np.corrcoef(found[:, 0], TURNS)[0, 1] > 0.8 and not found[:, 1].any()
    windows = cut_windows(frames(), SHIFTS, n_samples=400)
    assert not first_maps(windows, SHIFTS, process, KINDS).any()


@pytest.mark.study
@pytest.mark.parametrize("kind", [0, 1])
def test_rotation_and_magnification_are_found(kind):
    maps = np.zeros((5, 2))
    maps[:, kind] = TURNS
    found = register(turned_frames(maps, n=40), OFF, differences=DIFFERENCES)
    off = found.maps - maps
    off -= off.mean(axis=0)
    assert np.abs(off).max() < 0.008 and error_of(found.shifts) < 0.03


def test_the_map_of_rotated_frames_is_made_in_blocks():
    maps = np.zeros((5, 2))
    maps[:, 0] = TURNS
    Y, n = turned_frames(maps), 30
    # Linear maps are those of the truth, so that the blocks alone are tested.
    at = np.arange(10, 49) / 2 - (n - 1) / 2
    errors = []
    for linear in (None, maps):
        prepared = prepare(
            Y, SHIFTS, 2.0, registration=False, origin=(0.0, 0.0), shape=(59, 59)
        )
        fine = prepared._replace(maps=linear).resolve(
            "gaussian_process", {}, scored=False
        )
        away = fine.maps[..., 0][10:49, 10:49] - scene(at[:, None], at)
        errors.append(np.std(away))
    assert errors[1] < 0.7 * errors[0]


def test_windows_with_masked_samples_are_used_where_none_is_clean():
    Y, rng = frames(), np.random.default_rng(1)
    dead = np.repeat((rng.random((30, 30)) < 0.1)[None], 5, axis=0)
    mask = dead | (rng.random(Y.shape[:3]) < 0.02)
    Y[mask] = np.nan
    found = register(Y, OFF, mask=mask, max_iter=20)
    assert found.accepted and found.kept.all() and error_of(found.shifts) < 0.02


def test_drawn_samples_scatter_as_measured_ones(rng):
    Y = frames(n=40)
    mask = rng.random(Y.shape[:3]) < 0.2
    windows = cut_windows(np.where(mask[..., None], 0, Y), SHIFTS, mask, size=5)
    truth = cut_windows(Y, SHIFTS, size=5).samples
    drawn = windows.fitted()[0]
    gone = drawn.missing
    np.testing.assert_array_equal(drawn.samples[~gone], windows.samples[~gone])
    truth = truth + (drawn.samples - truth)[~gone].mean()
    assert np.std(drawn.samples[gone]) == pytest.approx(np.std(truth[gone]), rel=0.1)
    assert np.std((drawn.samples - truth)[gone]) < 0.6 * np.std(truth[gone])


def test_saturated_samples_are_found():
    images = frames(n=40)[..., 0]
    assert saturated_samples(images) is None
    top = np.quantile(images, 0.95)
    np.testing.assert_array_equal(
        saturated_samples(np.minimum(images, top)), images >= top
    )
    counts = np.random.default_rng(0).poisson(3.0, (3, 40, 40)).astype(float)
    assert saturated_samples(counts) is None
    plateaus = np.minimum(frames(n=40, noise=0)[..., 0], top)
    plateaus[:, :30] = top
    assert saturated_samples(plateaus) is None


def test_saturated_images_are_masked_and_said_to_be():
    Y = frames()
    top = np.quantile(Y, 0.95)
    with pytest.warns(UserWarning, match="they are saturated and masked"):
        prepared = prepare(np.minimum(Y, top), SHIFTS, 2.0, registration=False)
    assert prepared.A.mask.sum() >= np.count_nonzero(Y >= top)


def test_bad_input():
    with pytest.raises(ValueError, match="differences='colour', expected one of"):
        register(frames(), SHIFTS, differences=("colour",))
