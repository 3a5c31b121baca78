"""Runs of channels above their neighbours, and how rough a spectrum is."""

import numpy as np
import pytest

from sparsedecomp.kernels.spikes import spectrum_roughness, spike_candidates

from ..naive import spikes as naive


def candidates(run, X, roughness, unit=1.0, factor=4.0, max_width=3, room=100):
    """What the kernel finds, in the words of the oracle."""
    found, level = np.empty((room, 3), np.int64), np.empty((room, 3))
    count = run(spike_candidates, X, roughness, unit, factor, max_width, found, level)
    return count, [
        (int(i), int(e), int(w), *map(float, values))
        for (i, e, w), values in zip(found[:count], level[:count], strict=True)
    ]


def expected(X, roughness, **options):
    """The oracle on every pixel."""
    settings = {"unit": 1.0, "factor": 4.0, "max_width": 3, **options}
    return [
        (i, *each)
        for i, x in enumerate(X)
        for each in naive.spike_candidates(
            [float(v) for v in x], roughness[i], **settings
        )
    ]


@pytest.mark.parametrize("sample_size", [1, 4, 9])
def test_roughness_agrees_with_the_oracle(run, rng, dtype, close, sample_size):
    X = rng.normal(0, 1, (6, 20)).astype(dtype)
    sample = np.arange(1, 1 + sample_size)
    found = np.empty(6)
    run(spectrum_roughness, X, sample, found)
    close(found, [naive.spectrum_roughness(x.astype(float), sample) for x in X])


def test_roughness_is_the_noise_of_a_smooth_spectrum(run, rng):
    X = np.linspace(0, 50, 400) ** 2 + rng.normal(0, 3, (50, 400))
    X[:, 100] += 1e6
    found = np.empty(50)
    run(spectrum_roughness, X, np.arange(1, 399), found)
    np.testing.assert_allclose(found.mean(), 3, rtol=0.05)


@pytest.mark.parametrize("max_width", [1, 2, 3])
@pytest.mark.parametrize("unit", [0.0, 1.0])
def test_candidates_agree_with_the_oracle(run, rng, dtype, unit, max_width):
    X = rng.poisson(3, (40, 12)).astype(dtype)
    X[np.arange(20), rng.integers(0, 12, 20)] += 100
    X[5, 3:5] += 90
    X[6, 0:2] += 80
    X[7, 10:12] += 85
    X[8, 4:7] += 70
    roughness = rng.uniform(0, 2, 40)
    count, found = candidates(run, X, roughness, unit=unit, max_width=max_width)
    oracle = expected(X, roughness, unit=unit, max_width=max_width)
    assert count == len(oracle) > 10
    np.testing.assert_allclose(found, oracle)


def test_runs_beyond_the_room_are_counted(run):
    X = np.ones((4, 9))
    X[:, 4] = 1000
    count, _ = candidates(run, X, np.zeros(4), room=4)
    assert count == 4
    found, level = np.full((2, 3), -7), np.empty((2, 3))
    assert run(spike_candidates, X, np.zeros(4), 1.0, 4.0, 3, found, level) == 4
    assert found[:, 0].tolist() == [0, 1]
