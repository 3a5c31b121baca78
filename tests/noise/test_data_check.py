"""What would mislead a fit is found and named, and nothing else is."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from scipy.ndimage import gaussian_filter1d

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise import check_data


@pytest.fixture
def cube(rng):
    """Counts of two phases on 20 x 24 pixels and 100 channels."""
    e = np.arange(100)
    spectra = 5 + 60 * np.exp(-0.5 * ((e - np.array([[30], [60]])) / 6) ** 2)
    maps = rng.dirichlet([0.4, 0.4], 480)
    return rng.poisson(maps @ spectra).reshape(20, 24, 100).astype(float)


def kinds(cube, unit=1.0, **masks):
    """Kinds of what is found."""
    return [f.kind for f in check_data(as_blocks(cube, **masks), unit).findings]


def test_clean_counts_and_clean_noise_have_no_finding(rng, cube):
    assert kinds(cube) == []
    assert "Nothing" in str(check_data(as_blocks(cube), 1.0))
    assert kinds(np.abs(cube + rng.normal(0, 1, cube.shape)), 0.0) == []


def spike(cube):
    cube[3, 4, 50] = 60 * cube.max()


def dead_pixel(cube):
    cube[5, 6] = 0


def vacuum(cube):
    cube[:, :6] = np.random.default_rng(5).poisson(0.02, (20, 6, 100))


def hot_pixel(cube):
    cube[7, 8] *= 40


def dead_channel(cube):
    cube[..., 40] = 0


def hot_channel(cube):
    cube[..., 10] = 500 + np.random.default_rng(5).poisson(100, (20, 24))


def saturation(cube):
    np.minimum(cube, 45, out=cube)


def negative_values(cube):
    cube -= 3.0


@pytest.mark.parametrize(
    ("spoil", "kind", "places"),
    [
        (spike, "spikes", [3 * 24 + 4]),
        (dead_pixel, "dead_pixels", [5 * 24 + 6]),
        (vacuum, "vacuum", None),
        (hot_pixel, "hot_pixels", [7 * 24 + 8]),
        (dead_channel, "dead_channels", [40]),
        (hot_channel, "hot_channels", [10]),
        (saturation, "saturation", None),
        (negative_values, "negative_values", []),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_every_kind_is_named_alone(cube, spoil, kind, places, lazy):
    spoil(cube)
    data = da.from_array(cube, (9, 11, -1)) if lazy else cube
    found = check_data(as_blocks(data), 1.0)
    assert {f.kind for f in found.findings} - {"dead_pixels"} <= {kind}
    assert found[kind] is not None
    assert found[kind].message and found[kind].advice
    if places is not None:
        assert found[kind].places.tolist() == places
    assert found[kind].advice in str(found)


def test_masked_pixels_and_channels_are_not_reported(cube):
    cube[3, 4, 50] = 1e6
    cube[..., 40] = 0
    pixels, channels = np.zeros((20, 24), bool), np.zeros(100, bool)
    pixels[3, 4] = channels[40] = True
    assert kinds(cube, navigation_mask=pixels, signal_mask=channels) == []


def test_places_count_all_pixels_and_channels(cube):
    cube[5, 6] = 0
    cube[..., 40] = 0
    pixels, channels = np.zeros((20, 24), bool), np.zeros(100, bool)
    pixels[:2], channels[:7] = True, True
    blocks = as_blocks(cube, navigation_mask=pixels, signal_mask=channels)
    found = check_data(blocks, 1.0)
    assert found["dead_pixels"].places.tolist() == [5 * 24 + 6]
    assert "(5, 6)" in found["dead_pixels"].message
    assert found["dead_channels"].places.tolist() == [40]


def test_few_counts_are_not_saturated(rng):
    assert kinds(rng.poisson(0.3, (30, 30, 64)).astype(float)) == []


def test_sparse_counts_are_checked(rng):
    X = scipy.sparse.csr_array(rng.poisson(0.5, (300, 64)).astype(float))
    assert kinds(X) == []


def test_passes_are_counted(cube):
    blocks = as_blocks(cube)
    assert check_data(blocks, 1.0).passes == 2 == blocks.passes
    assert check_data(blocks, 1.0).passes == 1
    spike(cube)
    assert check_data(as_blocks(cube), 1.0).passes == 3


def test_counts_on_an_offset_are_a_finding(cube):
    offset = check_data(as_blocks(3 * cube + 400.0))["count_offset"]
    assert "counts of gain 3" in offset.message and "an offset of 4" in offset.message
    assert "Subtract the offset" in offset.advice


def test_blurred_counts_are_a_finding(rng):
    counts = rng.poisson(0.5, (20, 20, 64)).astype(float)
    assert check_data(as_blocks(0.1 * counts))["resampled_counts"] is None
    blurred = gaussian_filter1d(counts, 0.6, axis=-1)
    found = check_data(as_blocks(blurred))
    assert "as they were recorded" in found["resampled_counts"].advice
