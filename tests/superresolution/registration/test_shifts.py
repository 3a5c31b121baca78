"""Evidence, its slopes, shifts that are found, and when they are refused."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sparsedecomp.superresolution import Process, correlate, fit_process, register
from sparsedecomp.superresolution.gaussian_process.evidence import evidence
from sparsedecomp.superresolution.gaussian_process.windows import cut_windows
from sparsedecomp.superresolution.registration.consistency import held_out_frames

from ...naive.frames import SHIFTS, error_of, frames


@pytest.mark.parametrize("twice_nu", [3, 5])
def test_evidence_is_the_density_and_its_slope_the_derivative(rng, twice_nu):
    points, Z = rng.random((12, 2)) * 4, rng.normal(size=(12, 3))
    process = Process(1.3, 0.2, (1.1, 0.8), twice_nu, 0.4)
    value, by_points, by_logarithms = evidence(process, points, Z)
    density = multivariate_normal(cov=process.samples(points)).logpdf(Z.T).sum()
    assert value == pytest.approx(-density - 18 * np.log(2 * np.pi))
    p, step = process.logarithms(), 1e-5
    for k, slope in enumerate(by_logarithms):
        high, low = (
            evidence(process.with_logarithms(p + s * np.eye(4)[k]), points, Z)[0]
            for s in (step, -step)
        )
        assert slope == pytest.approx((high - low) / (2 * step), rel=1e-4, abs=1e-6)
    move = np.zeros((12, 2))
    move[4, 1] = step
    high, low = (evidence(process, points + s * move, Z)[0] for s in (1, -1))
    assert by_points[4, 1] == pytest.approx((high - low) / (2 * step), rel=1e-4)


def test_process_is_found_again(rng):
    points = np.stack(np.indices((12, 12)), -1).reshape(-1, 2).astype(float)
    true = Process(4.0, 0.25, (2.0, 3.0), 3)
    Z = np.linalg.cholesky(true.samples(points)) @ rng.normal(size=(144, 80))
    found, _ = fit_process(points, Z)
    assert found.noise == pytest.approx(0.25, rel=0.1)
    np.testing.assert_allclose(found.lengths, true.lengths, rtol=0.15)


def test_frames_held_out_are_predicted_as_if_they_were_left_out(rng):
    points, Z = rng.random((20, 2)) * 5, rng.normal(size=(20, 4))
    process = Process(1.0, 0.1, (1.0, 1.0))
    errors = []
    for own in (slice(0, 10), slice(10, 20)):
        other = slice(10 - own.start, 20 - own.start)
        C = process.samples(points[other])
        cross = process.signal(points[own], points[other])
        away = Z[own] - cross @ np.linalg.solve(C, Z[other])
        errors.append(np.sqrt(np.mean(away**2)))
    np.testing.assert_allclose(held_out_frames(process, points, Z, 2)[0], errors)


def test_shifts_are_found_around_the_nominal_ones():
    nominal = SHIFTS + 0.1 * np.random.default_rng(2).normal(size=SHIFTS.shape)
    found = register(frames(), nominal, max_iter=20)
    assert found.accepted
    assert error_of(found.shifts) < 0.015 < 0.05 < error_of(nominal)
    # The deviation says how good it is, to within a factor of two.
    assert 0.4 < error_of(found.shifts) / found.deviation.mean() < 2.5


def test_shifts_are_found_without_nominal_ones():
    whole = np.array([(0, 0), (3, -2), (-4, 1), (2, 2), (0, 5)])
    true = SHIFTS + whole
    Y = frames(true)
    assert error_of(correlate(Y), true) < 0.35
    assert error_of(register(Y, max_iter=20).shifts, true) < 0.015


def test_nothing_is_accepted_where_there_is_nothing_to_see():
    noise = np.random.default_rng(0).normal(size=(5, 16, 16, 1))
    found = register(noise, SHIFTS, max_iter=20)
    assert found.accepted is False
    np.testing.assert_array_equal(found.shifts, SHIFTS)
    assert "improve" in found.reason or "better" in found.reason


def test_a_frame_that_does_not_belong_is_told():
    Y = frames()
    Y[3] = Y[3, ::-1, ::-1]
    misfit = register(Y, SHIFTS).misfit
    assert np.argmax(misfit) == 3
    assert misfit[3] > 2 > np.delete(misfit, 3).max()


def test_windows_see_the_same_field_in_all_frames():
    shifts = np.array([(0.0, 0.0), (3.2, -2.0), (-1.0, 4.6)])
    Y = frames(shifts, n=40, noise=0)
    windows = cut_windows(Y, shifts, size=6)
    i = windows.points.reshape(3, 36, 2)
    # The places of a window's samples in each frame lie on top of each other.
    np.testing.assert_allclose(
        i.mean(axis=1) - i.mean(axis=1)[0],
        (shifts - windows.whole) - shifts[0],
        atol=1e-9,
    )
    assert np.abs(shifts - np.median(shifts, axis=0) - windows.whole).max() <= 0.5


def test_windows_leave_masked_samples_out():
    Y = frames()
    mask = np.zeros(Y.shape[:3], bool)
    mask[2, 10, 10] = True
    everything = cut_windows(Y, SHIFTS, size=6).samples.shape[1]
    assert 0 < cut_windows(Y, SHIFTS, mask, size=6).samples.shape[1] < everything
    with pytest.raises(ValueError, match="More than half of the samples"):
        cut_windows(Y, SHIFTS, np.ones_like(mask))


def test_bad_input():
    with pytest.raises(ValueError, match="1 frame was given"):
        register(frames()[:1])
    with pytest.raises(ValueError, match="prior=0 was given"):
        register(frames(), SHIFTS, prior=0)
