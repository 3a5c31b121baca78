"""The demonstration specimens are as well posed as their documentation says."""

import numpy as np
import pytest

from sparsedecomp.datasets import noisy_cube, oxide_interface_truth, particles_truth
from sparsedecomp.datasets.specimens import channel_centres

BOTH = pytest.mark.parametrize("specimen", [oxide_interface_truth, particles_truth])


def extreme_spectra(data, k):
    """Spectra of the purest pixels: successive projections in the signal subspace."""
    _, _, axes = np.linalg.svd(data, full_matrices=False)
    scores = data @ axes[:k].T
    rest = scores / (scores @ scores.mean(axis=0))[:, None]
    chosen = []
    for _ in range(k):
        chosen.append(np.argmax((rest**2).sum(axis=1)))
        direction = rest[chosen[-1]] / np.linalg.norm(rest[chosen[-1]])
        rest = rest - np.outer(rest @ direction, direction)
    return scores[chosen] @ axes[:k]


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_spectra_differ_and_every_phase_has_pure_pixels(specimen, seed):
    truth = specimen(n_channels=512, seed=seed)
    angles = truth.angles()[np.triu_indices(3, 1)]
    assert angles.min() > 10
    assert truth.pure_fraction().min() > 0.04
    assert truth.pure_fraction().sum() < 0.95


@BOTH
def test_documented_figures(specimen):
    truth = specimen()
    angles = truth.angles()[[0, 0, 1], [1, 2, 2]]
    pure = truth.pure_fraction()
    if specimen is oxide_interface_truth:
        np.testing.assert_allclose(angles, [13.6, 17.3, 11.6], atol=0.1)
        np.testing.assert_allclose(pure, [0.37, 0.31, 0.10], atol=0.01)
    else:
        np.testing.assert_allclose(angles, [77, 71, 79], atol=0.5)
        np.testing.assert_allclose(pure, [0.74, 0.09, 0.06], atol=0.01)


@BOTH
def test_mean_counts_are_those_asked_for(specimen):
    truth = specimen((20, 30), 64, 1234.0)
    assert truth.expected().sum(axis=-1).mean() == pytest.approx(1234)


@BOTH
@pytest.mark.parametrize("counts", [0, -5.0, float("nan")])
def test_counts_must_be_positive(specimen, counts):
    with pytest.raises(ValueError, match="must be positive, got"):
        specimen((4, 4), 16, counts)


@BOTH
def test_seed_decides_the_specimen(specimen):
    first, again, other = (specimen((16, 16), 32, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.maps, again.maps)
    np.testing.assert_array_equal(first.spectra.shape, other.spectra.shape)
    assert (first.maps != other.maps).any()


@BOTH
def test_exactly_three_components_stand_out_of_the_noise(specimen):
    truth = specimen((48, 48), 256, seed=0)
    cube = noisy_cube(truth, seed=0).reshape(-1, 256)
    # With each channel scaled to equal noise the noise has one known level.
    scaled = cube / np.sqrt(cube.mean(axis=0))
    values = np.linalg.svd(scaled, compute_uv=False)
    assert values[2] > 2 * values[3]
    assert values[3] < 1.2 * values[4]


def test_extreme_pixels_of_the_interface_are_its_phases():
    truth = oxide_interface_truth((48, 48), 256, seed=0)
    found = extreme_spectra(noisy_cube(truth, seed=0).reshape(-1, 256), 3)
    cosine = found @ truth.spectra.T
    cosine /= np.linalg.norm(found, axis=1)[:, None]
    cosine /= np.linalg.norm(truth.spectra, axis=1)
    best = np.degrees(np.arccos(np.clip(cosine.max(axis=0), -1, 1)))
    assert best.max() < 1


def test_channels_divide_the_window():
    np.testing.assert_allclose(channel_centres((2.0, 4.0), 4), [2.25, 2.75, 3.25, 3.75])
    with pytest.raises(ValueError, match="at least 2 channels, got 1"):
        channel_centres((2.0, 4.0), 1)
