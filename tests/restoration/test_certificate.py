"""The bias certificate: silent where there is no bias, loud where there is one."""

import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.restoration import certify, denoise_cube, inclusion_recovery

SHAPE, CHANNELS = (40, 40), 90


def scene(grain):
    """Two halves, and if asked for, grains of 3 x 3 pixels of the other half."""
    x = np.indices(SHAPE)[1]
    left = x < 20
    if grain:
        left = left.copy()
        left[12:15, 27:30] = True
    energy = np.arange(CHANNELS)
    spectra = [np.exp(-0.5 * ((energy - e) / 4.0) ** 2) + 0.02 for e in (25, 60)]
    return np.where(left[..., None], *spectra) * 4


@pytest.fixture(scope="module")
def windows():
    energy = np.arange(CHANNELS)
    return {"one": abs(energy - 25) < 9.0, "other": abs(energy - 60) < 9.0}


def certificate(clean, windows, method, **parameters):
    blocks = as_blocks(np.random.default_rng(3).poisson(clean))
    found = denoise_cube(blocks, SHAPE, method, n_components=2, **parameters)
    return certify(blocks, found, windows)


def test_deviations_without_bias_are_those_of_noise(windows):
    found = certificate(scene(False), windows, "auto")
    assert found.names[:2] == ["one", "other"] and found.regions.shape == (8, 8, 4)
    assert np.abs(found.mean[:2]).max() < 0.3
    assert found.spread[:2].mean() == pytest.approx(1, abs=0.3)
    assert found.flagged.mean() < 0.25


def test_a_grain_that_was_smoothed_away_is_flagged(windows):
    found = certificate(scene(True), windows, "gaussian", sigma=6.0)
    assert found.flagged[2, 5]
    # A blur of six pixels moves intensity over the border of the halves, too.
    assert found.flagged[:, 3:5].all() and not found.flagged[:, 0].any()


def test_bands_are_made_where_no_windows_are_given():
    found = certificate(scene(False), None, "tv", weight=6.0)
    assert found.names[0].startswith("channels 0 to ")
    assert found.names[-1] == "component 1"


def test_noise_of_one_variance_has_its_own_error(windows, rng):
    noisy = scene(False) + 0.5 * rng.normal(size=(*SHAPE, CHANNELS))
    blocks = as_blocks(noisy)
    found = certify(blocks, denoise_cube(blocks, SHAPE, "tv", weight=6.0), windows)
    assert found.spread[:2] == pytest.approx(1, abs=0.2)


def test_inclusions_survive_principal_components_and_not_a_blur():
    data = np.random.default_rng(0).poisson(scene(False))
    energy = np.arange(CHANNELS)
    spectrum = 3 * np.exp(-0.5 * ((energy - 80) / 2.0) ** 2)
    found = inclusion_recovery(data, spectrum, ["pca", "gaussian"], n_places=6)
    assert found["pca"][0] > 0.8 and found["pca"][0] > found["gaussian"][0]


def test_bad_input_is_refused(windows):
    blocks = as_blocks(np.random.default_rng(0).poisson(scene(False)))
    found = denoise_cube(blocks, SHAPE, "gaussian", sigma=1.0)
    with pytest.raises(ValueError, match="size=50"):
        certify(blocks, found, windows, size=50)
    with pytest.raises(ValueError, match="a weight for each channel"):
        certify(blocks, found, {"line": np.ones(3)})
    with pytest.raises(ValueError, match="expected at least"):
        inclusion_recovery(np.ones((4, 4, 5)), np.ones(5), ["pca"])
