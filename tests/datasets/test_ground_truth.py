"""The truth of a cube: its product, its figures, its way through files."""

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.datasets.ground_truth import expected_counts


def random_truth(shape=(5, 4), k=3, n_channels=6):
    rng = np.random.default_rng(0)
    return datasets.Truth(
        spectra=rng.random((k, n_channels)),
        maps=rng.random((*shape, k)),
        names=tuple("abcdef"[:k]),
        energy=np.arange(float(n_channels)),
    )


@pytest.mark.parametrize("shape", [(5, 4), (7,)])
def test_expected_cube_is_maps_times_spectra(shape):
    truth = random_truth(shape)
    np.testing.assert_allclose(truth.expected(), truth.maps @ truth.spectra, rtol=1e-14)


def test_expected_counts_do_not_depend_on_the_grouping_of_pixels():
    truth = random_truth((9, 8), k=3, n_channels=501)
    whole = expected_counts(truth.maps, truth.spectra)
    for rows in (slice(0, 1), slice(2, 9, 3)):
        part = expected_counts(truth.maps[rows, 3:5], truth.spectra)
        np.testing.assert_array_equal(part, whole[rows, 3:5])


def test_angles_are_those_between_the_spectra():
    truth = datasets.Truth(
        spectra=np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 5.0]]),
        maps=np.ones((1, 1, 3)),
        names=("x", "xy", "y"),
        energy=np.arange(2.0),
    )
    expected = [[0, 45, 90], [45, 0, 45], [90, 45, 0]]
    np.testing.assert_allclose(truth.angles(), expected, atol=1e-6)


def test_pure_pixels_are_counted_whatever_their_thickness():
    truth = datasets.Truth(
        spectra=np.eye(2),
        maps=np.array([[[0.5, 0.001], [2.0, 0.5], [0.0, 3.0], [1.0, 1.0]]]),
        names=("a", "b"),
        energy=np.arange(2.0),
    )
    np.testing.assert_array_equal(truth.pure_fraction(), [0.25, 0.25])
    np.testing.assert_array_equal(truth.pure_fraction(0.75), [0.5, 0.25])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.ones((2, 2, 4))}, "3 maps and 3 names, got 4 maps and 3"),
        ({"names": ("a", "b")}, "got 3 maps and 2 names"),
        ({"energy": np.arange(5.0)}, r"need 6 energies, got an array of shape \(5,\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    parts = {name: getattr(random_truth(), name) for name in ("spectra", "maps")}
    parts |= {"names": tuple("abc"), "energy": np.arange(6.0)}
    with pytest.raises(ValueError, match=message):
        datasets.Truth(**(parts | change))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("lazy_load", [False, True])
@pytest.mark.parametrize(
    "simulator", [datasets.eels_oxide_interface, datasets.edx_particles]
)
def test_truth_survives_a_file(tmp_path, simulator, lazy, lazy_load):
    import hyperspy.api as hs

    signal = simulator(shape=(6, 7), n_channels=32, lazy=lazy)
    before = datasets.truth(signal)
    path = tmp_path / "cube.hspy"
    signal.save(path)
    after = datasets.truth(hs.load(path, lazy=lazy_load))
    assert after.names == before.names
    for part in ("spectra", "maps", "energy"):
        kept = getattr(after, part)
        assert isinstance(kept, np.ndarray)
        np.testing.assert_array_equal(kept, getattr(before, part))


def test_signal_without_truth_is_refused():
    import hyperspy.api as hs

    with pytest.raises(ValueError, match="carries no ground truth"):
        datasets.truth(hs.signals.Signal1D(np.ones((2, 3, 4))))


@pytest.mark.parametrize(
    "change",
    [lambda s: s.inav[:3], lambda s: s.isig[:16], lambda s: s.rebin(scale=(1, 2, 1))],
    ids=["navigation", "signal", "rebinned"],
)
def test_truth_of_a_cropped_signal_is_refused(change):
    signal = datasets.edx_particles(shape=(6, 8), n_channels=32)
    with pytest.raises(ValueError, match="cropped, rebinned or transposed"):
        datasets.truth(change(signal))
