"""Shifted frames: the same specimen seen from elsewhere, at known places."""

import numpy as np
import pytest

from sparsedecomp.datasets import fine_truth, shifted_frames
from sparsedecomp.datasets.stage_scans import draw_frames, gold_on_carbon


def test_frames_are_poisson_counts_of_the_truth_where_they_lie():
    frames = shifted_frames(shape=(12, 10), n_frames=4, n_channels=25, jitter=0.1)
    specimen = gold_on_carbon(n_channels=25)
    for frame in frames:
        x0, y0 = frame.metadata.Ground_truth.start
        x, y = x0 + 0.5 * np.arange(10), y0 + 0.5 * np.arange(12)
        expected = specimen.maps(x, y[:, None]) @ specimen.spectra
        z = (frame.data - expected) / np.sqrt(expected)
        assert z.std() == pytest.approx(1, abs=0.05)
        assert abs(z.mean()) < 0.06


def test_truth_of_a_frame_without_jitter_is_on_its_axes():
    (frame,) = shifted_frames(shape=(12, 10), n_frames=1, n_channels=25)
    z = (frame.data - fine_truth(frame)) / np.sqrt(fine_truth(frame))
    assert z.std() == pytest.approx(1, abs=0.05)


def test_parts_add_up_to_one_and_none_is_negative():
    maps = gold_on_carbon().maps(
        *np.meshgrid(*2 * [np.linspace(54, 72, 60)])
        - np.array([0, 10.0])[:, None, None]
    )
    np.testing.assert_allclose(maps.sum(axis=-1), 1)
    assert maps.min() >= 0 and (maps.max(axis=(0, 1)) > 0.9).all()


def test_jitter_has_no_mean():
    starts = np.zeros((5, 2))
    _, true = draw_frames(gold_on_carbon(n_channels=4), starts, (2, 2), jitter=0.2)
    np.testing.assert_allclose(true.mean(axis=0), 0, atol=1e-12)
    assert true.std() > 0.05


def test_more_than_nine_frames_need_starts():
    with pytest.raises(ValueError, match="n_frames=10 was given, expected at most 9"):
        shifted_frames(n_frames=10)
    starts = np.stack([np.linspace(55, 56, 11), np.full(11, 45.0)], axis=1)
    assert len(shifted_frames((2, 2), starts=starts, n_channels=3)) == 11
