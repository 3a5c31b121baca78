"""Counts drawn from a truth: statistics, types, and eager against lazy."""

import numpy as np
import pytest

from sparsedecomp.datasets import Truth, noisy_cube, particles_truth


@pytest.fixture(scope="module")
def truth():
    return particles_truth(shape=(11, 13), n_channels=64, counts=100)


@pytest.fixture
def flat():
    """Uniform pixels with channels from few to many counts."""
    return Truth(
        spectra=np.array([[0.05, 1.0, 9.0, 60.0, 2000.0]]),
        maps=np.ones((60, 60, 1)),
        names=("flat",),
        energy=np.arange(5.0),
    )


@pytest.mark.parametrize(
    "chunks",
    [
        None,
        (11, 13),
        (1, 1),
        (4, 5),
        (11, 2),
        (3, 13),
        (-1, 4),
        ((2, 9), (6, 6, 1)),
    ],
)
def test_lazy_cube_has_the_same_bits_whatever_its_chunks(truth, chunks):
    eager = noisy_cube(truth, seed=7)
    lazy = noisy_cube(truth, seed=7, lazy=True, chunks=chunks)
    assert lazy.dtype == eager.dtype and lazy.shape == eager.shape
    assert lazy.numblocks[-1] == 1
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), eager)


def test_lazy_chunks_are_those_asked_for(truth):
    lazy = noisy_cube(truth, lazy=True, chunks=(4, 5))
    assert lazy.chunks == ((4, 4, 3), (5, 5, 3), (64,))


def test_part_of_a_lazy_cube_is_drawn_alone(truth):
    eager = noisy_cube(truth, seed=1)
    lazy = noisy_cube(truth, seed=1, lazy=True, chunks=(2, 2))
    np.testing.assert_array_equal(lazy[7, 4:6].compute(), eager[7, 4:6])


def test_each_pixel_draws_from_its_own_counter(truth):
    cube = noisy_cube(truth, seed=42)
    expected = truth.expected()
    for y, x in [(0, 0), (3, 12), (10, 5)]:
        generator = np.random.Generator(np.random.Philox(key=42, counter=[0, 0, x, y]))
        np.testing.assert_array_equal(cube[y, x], generator.poisson(expected[y, x]))


def test_seed_decides_the_noise(truth):
    first, again = noisy_cube(truth, seed=1), noisy_cube(truth, seed=1)
    np.testing.assert_array_equal(first, again)
    assert (noisy_cube(truth, seed=2) != first).any()


def test_counts_have_poisson_moments(flat):
    cube = noisy_cube(flat, seed=0).reshape(-1, 5).astype(float)
    expected, n = flat.spectra[0], len(cube)
    assert np.all(np.abs(cube.mean(axis=0) - expected) < 4 * np.sqrt(expected / n))
    # The variance of the sample variance of a Poisson variable.
    spread = np.sqrt((expected + 2 * expected**2) / n)
    assert np.all(np.abs(cube.var(axis=0) - expected) < 4 * spread)


def test_neighbouring_pixels_and_channels_are_independent(flat):
    residual = noisy_cube(flat, seed=0) - flat.spectra[0]
    residual /= np.sqrt(flat.spectra[0])
    n = residual.size
    shifts = [(1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)]
    for shift in shifts:
        correlation = (residual * np.roll(residual, shift, axis=(0, 1, 2))).mean()
        assert abs(correlation) < 4 / np.sqrt(n)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "uint16", "int32"])
@pytest.mark.parametrize("lazy", [False, True])
def test_every_number_type_holds_the_same_counts(truth, dtype, lazy):
    cube = np.asarray(noisy_cube(truth, dtype=dtype, lazy=lazy))
    assert cube.dtype == dtype
    np.testing.assert_array_equal(cube, noisy_cube(truth, dtype="int64"))


def test_too_small_integer_type_is_refused(flat):
    with pytest.raises(ValueError, match="uint8 holds at most 255 .* take a wider"):
        noisy_cube(flat, dtype="uint8")


@pytest.mark.parametrize("dtype", ["complex64", "bool", "O"])
def test_types_that_hold_no_counts_are_refused(truth, dtype):
    with pytest.raises(ValueError, match="cannot hold counts"):
        noisy_cube(truth, dtype=dtype)


def test_chunks_need_a_lazy_cube(truth):
    with pytest.raises(ValueError, match="set lazy=True or leave chunks out"):
        noisy_cube(truth, chunks=(2, 2))


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [(-1, ValueError, "must not be negative"), (0.5, TypeError, "float")],
)
def test_seed_must_be_a_whole_number(truth, seed, error, message):
    with pytest.raises(error, match=message):
        noisy_cube(truth, seed=seed)
