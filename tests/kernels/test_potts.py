"""Mean field of the Potts model against plain Python."""

import itertools

import numpy as np
import pytest

from sparsedecomp.kernels.potts import mean_field_sweep, neighbour_field
from tests.naive import potts as naive

SHAPES = {"line": (1, 1, 7), "image": (1, 5, 6), "volume": (3, 4, 2)}


@pytest.fixture(params=SHAPES)
def problem(request, rng, dtype):
    """Random probabilities and likelihoods of an image with holes."""
    shape = SHAPES[request.param]
    holes = rng.random(shape) < 0.2
    index = np.full(shape, -1)
    n, k = int((~holes).sum()), 3
    index[~holes] = np.arange(n)
    steps = itertools.product(*[(-1, 0, 1) if size > 1 else (0,) for size in shape])
    offsets = np.array([step for step in steps if any(step)])
    weights = 1 / np.linalg.norm(offsets, axis=1)
    Q = rng.dirichlet(np.ones(k), n)
    L = (3 * rng.normal(size=(n, k))).astype(dtype)
    return Q, L, index, offsets, weights / weights.sum()


@pytest.mark.parametrize("coupling", [0.0, 2.5])
def test_sweep_is_that_of_plain_python(run, problem, coupling):
    Q, L, *image = problem
    expected, expected_change = naive.mean_field_sweep(Q, L, *image, coupling)
    change = run(mean_field_sweep, Q, L, *image, coupling)
    np.testing.assert_allclose(Q, expected, atol=1e-12)
    assert change == pytest.approx(expected_change)
    np.testing.assert_allclose(Q.sum(axis=1), 1)


def test_sweeps_never_lower_the_free_energy(run, problem):
    Q, L, *image = problem
    energy = [naive.free_energy(Q, L, *image, 3.0)]
    for _ in range(5):
        run(mean_field_sweep, Q, L, *image, 3.0)
        energy.append(naive.free_energy(Q, L, *image, 3.0))
    assert np.all(np.diff(energy) >= -1e-9) and energy[-1] > energy[0]


def test_field_is_that_of_plain_python(run, problem):
    Q, _, *image = problem
    field = np.full_like(Q, np.nan)
    run(neighbour_field, Q, *image, field)
    np.testing.assert_allclose(field, naive.neighbour_field(Q, *image), atol=1e-12)


def test_huge_likelihoods_do_not_overflow(run):
    Q = np.full((2, 2), 0.5)
    L = np.array([[1e5, 0.0], [-1e6, -1e6 - 800]])
    offsets = np.array([[0, 0, -1], [0, 0, 1]])
    index = np.arange(2).reshape(1, 1, 2)
    run(mean_field_sweep, Q, L, index, offsets, np.full(2, 0.5), 1.0)
    np.testing.assert_allclose(Q, [[1, 0], [1, 0]])
