"""The mixture of processes: its limit, its symmetry, its gain, what it predicts."""

import numpy as np
import pytest

from sparsedecomp.superresolution import (
    Geometry,
    Process,
    oriented_posterior,
    posterior,
)
from sparsedecomp.superresolution.gaussian_process import oriented

from ...naive.frames import SHIFTS

N = 18


def edges(y, x):
    """Slanted edges as wide as a pixel of the frames, and an even field."""
    up = np.tanh(2 * (y - 0.4 * x - 4)) + np.tanh(2 * (x + 0.6 * y - 24))
    return 10 * up


def scan(shifts=SHIFTS, scale=2.0, noise=1.0, seed=0):
    """Geometry, frames and the map on its grid."""
    i = np.arange(N, dtype=float)
    Y = np.stack([edges((i + a)[:, None], i + b) for a, b in shifts])[..., None]
    Y = Y + noise * np.random.default_rng(seed).normal(size=Y.shape)
    geometry = Geometry.around(shifts, (N, N), scale)
    y, x = (np.arange(n) / scale for n in geometry.shape)
    a, b = geometry.origin
    return geometry, Y, edges((y + a)[:, None], x + b)[..., None]


PROCESS = Process(256.0, 1.0, (2.5, 3.5), 5)


def rmse(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


def test_one_candidate_is_the_posterior_of_its_process(monkeypatch):
    monkeypatch.setattr(oriented, "_STRENGTHS", (1.0,))
    monkeypatch.setattr(oriented, "_RATIOS", ())
    geometry, Y, _ = scan(noise=0.1)
    process = Process(256 * 0.01, 0.01, (2.5, 3.5), 5)
    for one, other in zip(
        oriented_posterior(geometry, Y, [process]),
        posterior(geometry, Y, [process]),
        strict=True,
    ):
        # Windows see less far than tiles, and the mean of one is unknown.
        assert rmse(one, other) < 0.05 * np.std(other - other.mean()) + 0.02


def test_turned_frames_give_the_turned_map():
    geometry, Y, _ = scan()
    found = oriented_posterior(geometry, Y, [PROCESS])
    turned = Geometry.around(SHIFTS[:, ::-1], (N, N), 2.0)
    process = Process(256.0, 1.0, (3.5, 2.5), 5)
    again = oriented_posterior(turned, Y.swapaxes(1, 2), [process])
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one, other.swapaxes(0, 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [2.0, 2.37])
def test_edges_are_found_better_and_errors_known(scale):
    geometry, Y, truth = scan(scale=scale)
    even, _ = posterior(geometry, Y, [PROCESS])
    mean, deviation = oriented_posterior(geometry, Y, [PROCESS])
    inner = (slice(4, -4),) * 2
    assert rmse(mean[inner], truth[inner]) < 0.75 * rmse(even[inner], truth[inner])
    assert 0.6 < np.std(((mean - truth) / deviation)[inner]) < 1.6


def test_a_strong_factor_tells_a_weak_one_where_its_edges_are():
    geometry, Y, truth = scan()
    weak = scan(noise=20.0, seed=1)[1] / 20
    process = Process(0.7, 1.0, (2.5, 3.5), 5)
    alone, _ = oriented_posterior(geometry, weak, [process])
    both, _ = oriented_posterior(
        geometry, np.concatenate([Y, weak], axis=-1), [PROCESS, process]
    )
    assert rmse(both[..., 1:], truth / 20) < 0.95 * rmse(alone, truth / 20)


@pytest.mark.parametrize("method", [posterior, oriented_posterior])
def test_samples_are_predicted_as_the_map_at_their_places(method):
    _, Y, _ = scan()
    geometry = Geometry(SHIFTS, (N, N), 2.0, (0.0, 0.0), (2 * N, 2 * N))
    at = np.zeros(Y.shape[:3], bool)
    at[0, 1::3, 2::5] = True
    Y[at] = np.nan
    alone = method(geometry, Y, [PROCESS], at)
    *maps, samples = method(geometry, Y, [PROCESS], at, at)
    for one, other in zip(alone, maps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose(samples[at], maps[0][::2, ::2][at[0]], rtol=1e-6)
    assert not samples[~at].any()


def test_threads_change_nothing(monkeypatch):
    geometry, Y, _ = scan()
    runs = []
    for n in (1, 3):
        for module in ("threads", "gaussian_process.oriented"):
            monkeypatch.setattr(
                f"sparsedecomp.superresolution.{module}.thread_count", lambda n=n: n
            )
        runs.append(oriented_posterior(geometry, Y, [PROCESS])[0])
    np.testing.assert_array_equal(*runs)


def test_where_no_sample_is_the_map_is_the_mean_and_unsure():
    geometry, Y, _ = scan()
    mask = np.zeros(Y.shape[:3], bool)
    mask[:, :, 8:] = True
    mean, deviation = oriented_posterior(geometry, Y, [PROCESS], mask)
    assert np.isfinite(mean).all()
    assert deviation[:, -8:].min() > 5 * deviation[4:-4, 4:8].max()
