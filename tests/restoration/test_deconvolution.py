"""Blur of the zero-loss peak taken off: better than the best number of iterations."""

import numpy as np
import pytest

from sparsedecomp.restoration import (
    deconvolve,
    kernel_of,
    richardson_lucy,
    single_scattering,
)

N = 300


def peak(width, half):
    """Zero-loss peak with a tail on the side of losses."""
    e = np.arange(-half, half + 1)
    return np.exp(-4 * np.log(2) * (e / width) ** 2) + 0.03 / (1 + (e / width) ** 2) * (
        1 + 0.3 * (e > 0)
    )


KERNEL = kernel_of(peak(8, 24))


def blurred(clean):
    half = len(KERNEL) // 2
    return np.convolve(np.pad(clean, half, "edge"), KERNEL, "valid")


def lorentzian(centre, width):
    return (width / 2) ** 2 / ((np.arange(N) - centre) ** 2 + (width / 2) ** 2)


def scenes():
    e = np.arange(N)
    plasmons = lorentzian(120, 20) + 0.5 * lorentzian(220, 30) + 0.3 * lorentzian(50, 8)
    onset = (e > 100) * 0.8 * ((np.maximum(e, 61) - 60) / 40.0) ** -1.5
    white_line = 0.5 * np.exp(-0.5 * ((e - 108) / 4.0) ** 2)
    return {
        "plasmons": plasmons + 0.01,
        "edge": (1 + e / 60) ** -2.5 + onset + white_line,
    }


@pytest.mark.parametrize("name", ["plasmons", "edge"])
@pytest.mark.parametrize("dose", [1e3, 1e4, 1e5, 1e6])
def test_the_error_is_that_of_the_best_iteration_that_the_truth_chooses(name, dose):
    clean = scenes()[name]
    clean = clean * dose / clean.sum()
    counts = np.random.default_rng(0).poisson(blurred(clean))
    found = deconvolve(counts, KERNEL)
    best = min(
        np.linalg.norm(richardson_lucy(counts, KERNEL, n).values - clean)
        for n in (1, 2, 4, 8, 16, 32, 64, 128)
    )
    assert np.linalg.norm(found.values - clean) < 1.1 * best
    # The deviation is that of the error, but for what the blur has taken altogether.
    inner = slice(20, -20)
    z = ((found.values - clean) / found.deviation)[inner]
    assert 0.4 < np.sqrt(np.mean(z**2)) < 2.5
    assert found.values.min() > 0 and 3 < found.freedom < N / 2


def test_nothing_rings_where_the_spectrum_is_smooth():
    """Beside an edge the error is no larger than three deviations and without waves."""
    clean = 200.0 + 800.0 * (np.arange(N) >= 150)
    counts = np.random.default_rng(1).poisson(blurred(clean))
    values = deconvolve(counts, KERNEL).values
    for part in (slice(30, 130), slice(170, 270)):
        assert np.std(values[part] - clean[part]) < 0.35 * np.sqrt(clean[part].mean())


def test_normal_noise_and_a_signed_spectrum():
    clean = scenes()["plasmons"] - 0.4
    rng = np.random.default_rng(2)
    noisy = blurred(clean) + 0.01 * rng.normal(size=N)
    found = deconvolve(noisy, KERNEL, 1e-4)
    assert np.std(found.values - clean) < 0.6 * np.std(noisy - clean)
    scaled = deconvolve(1e6 * noisy, KERNEL, 1e-4 * 1e12)
    np.testing.assert_allclose(scaled.values / 1e6, found.values, atol=2e-3)


def test_iterations_are_those_of_scikit_image():
    restoration = pytest.importorskip("skimage.restoration")
    counts = np.random.default_rng(0).poisson(blurred(300 * scenes()["plasmons"]))
    ours = richardson_lucy(counts, KERNEL, 10)
    theirs = restoration.richardson_lucy(
        np.pad(counts, 200, "edge").astype(float), KERNEL, 10, clip=False
    )[200:-200]
    inner = slice(60, -60)
    np.testing.assert_allclose(ours.values[inner], theirs[inner], rtol=0.05)
    chosen = richardson_lucy(counts, KERNEL)
    assert 1 <= chosen.n_iter < 400


def test_single_scattering_of_a_thick_specimen():
    e = np.arange(N)
    single = 1.2 * np.exp(-0.5 * ((e - 60) / 6.0) ** 2) / (6 * np.sqrt(2 * np.pi))
    plural, term = np.eye(1, N)[0], np.eye(1, N)[0]
    for order in range(1, 12):
        term = np.convolve(term, single)[:N] / order
        plural = plural + term
    at, whole = 24, np.zeros(N + 24)
    whole[at:] = 1e5 * plural
    measured = np.convolve(whole, KERNEL, "same")
    found = single_scattering(measured, KERNEL, at)
    expected = np.convolve(np.pad(1e5 * single, (at, 0)), KERNEL, "same")
    np.testing.assert_allclose(found[:250], expected[:250], atol=0.01 * expected.max())


def test_kernels_and_constant_spectra():
    shifted = kernel_of([0.0, 0, 1, 4, 1, 0], centre=2)
    np.testing.assert_allclose(shifted, np.array([0, 0, 1, 4, 1]) / 6)
    found = deconvolve(np.full(60, 7), kernel_of([1, 2, 1]))
    np.testing.assert_array_equal(found.values, 7)
    # Without a blur the spectrum is smoothed.
    counts = np.random.default_rng(0).poisson(50, 80)
    assert np.std(deconvolve(counts, [1.0]).values - 50) < 3


def test_bad_input_is_refused():
    counts = np.full(40, 5.0)
    with pytest.raises(ValueError, match="NaN or no positive"):
        kernel_of([0.0, 0.0])
    with pytest.raises(ValueError, match="without NaN"):
        deconvolve(np.full(40, np.nan), [0.5, 0.5, 0.0])
    with pytest.raises(ValueError, match="Negative values"):
        deconvolve(counts - 9, [1.0])
    with pytest.raises(ValueError, match="wider than the field"):
        deconvolve(counts, np.ones(31) / 31)
    with pytest.raises(ValueError, match="odd"):
        richardson_lucy(counts, [0.5, 0.5])
    with pytest.raises(ValueError, match="no intensity at channel"):
        single_scattering(np.zeros(40), [1.0], 3)
