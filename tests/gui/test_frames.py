"""Pictures for the browser hold what was given, shrunk where it is larger."""

import numpy as np
import pytest

from sparsedecomp.gui.frames import History, curves, thumbnails


def image_of(frame, k):
    data = np.frombuffer(frame["data"], np.uint8)
    return data.reshape(k, frame["height"], frame["width"])


def test_small_maps_keep_their_pixels_and_masked_ones_are_empty(rng):
    maps = rng.random((2, 30))
    maps[:, 7] = np.nan
    frame = thumbnails(maps, (5, 6))
    images = image_of(frame, 2)
    assert frame["step"] == 1 and images.shape == (2, 5, 6)
    assert (images[:, 1, 1] == 0).all() and (
        np.delete(images.reshape(2, -1), 7, 1)
    ).all()
    found = images[0] / 255 * frame["high"][0]
    valid = images[0] > 0
    np.testing.assert_allclose(
        found[valid], maps[0].reshape(5, 6)[valid], atol=0.01 * np.nanmax(maps)
    )


def test_large_maps_are_means_over_squares(rng):
    maps = rng.random((1, 300 * 200))
    frame = thumbnails(maps, (300, 200))
    assert (frame["step"], frame["height"], frame["width"]) == (3, 100, 67)
    square = maps.reshape(300, 200)[3:6, 6:9].mean()
    level = image_of(frame, 1)[0, 1, 2]
    assert level == pytest.approx(1 + 254 * square / frame["high"][0], abs=1)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_lines_and_series_are_images_too(shape):
    frame = thumbnails(np.ones((2, int(np.prod(shape)))), shape)
    assert (frame["height"], frame["width"]) == ((1, 7) if len(shape) == 1 else (3, 4))


def test_empty_and_constant_maps_are_drawn():
    maps = np.array([[np.nan] * 4, [0.0] * 4, [3.0] * 4])
    images = image_of(thumbnails(maps, (2, 2)), 3)
    assert (
        (images[0] == 0).all() and (images[1] == 1).all() and (images[2] == 255).all()
    )


def test_spectra_are_thinned_and_have_the_largest_value_one(rng):
    spectra = rng.random((3, 1500))
    spectra[:, :30] = np.nan
    frame = curves(spectra)
    data = np.frombuffer(frame["data"], np.float32).reshape(3, frame["points"])
    assert frame["step"] == 3 and frame["points"] == 500
    assert np.isnan(data[:, :10]).all() and np.isfinite(data[:, 10:]).all()
    np.testing.assert_allclose(np.nanmax(data, axis=1), 1)


def test_curve_keeps_every_phase_however_long_the_fit_is():
    history = History()
    for i in range(20000):
        history.add(i + 1, 1e6 - i, "starts" if i < 19990 else "final descent")
    curve = history.curve()
    x, y = (np.frombuffer(curve[name], np.float32) for name in "xy")
    assert len(x) == len(y) < 1000 and (np.diff(x) > 0).all()
    names = [name for _, name, _, _ in curve["phases"]]
    assert names == ["starts", "final descent"]
    index, _, first, _ = curve["phases"][1]
    assert x[index] == 19991 and first == 1e6 - 19990
    assert y.min() == 0 and y.max() == 1 and (np.diff(y[:index]) <= 0).all()


def test_curve_without_iterations_is_empty():
    assert History().curve() == {"x": b"", "y": b"", "phases": []}
