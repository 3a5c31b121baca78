"""One step at a time: what never rises, and what is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.blocks import as_blocks, compress
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.decomposition.nmf.clipping import ClippedNMF
from sparsedecomp.decomposition.nmf.model import (
    CompressedMatrix,
    NMFState,
    PenalisedNMF,
    initial_state,
)
from sparsedecomp.decomposition.nmf.relevance import cheapest_reduction, select
from sparsedecomp.noise import noise_edge


def exact_matrix(X):
    squares = float(np.square(X.astype(float)).sum())
    return CompressedMatrix(as_blocks(X), None, squares)


def compressed_matrix(X, rank):
    low = compress(X, rank, random_state=0)
    return CompressedMatrix(
        as_blocks(low.scores), low.basis, low.summary.sum_of_squares
    )


def random_state(X, k, generator, penalised=False):
    S = generator.random((k, X.shape[1]))
    S /= np.linalg.norm(S, axis=1, keepdims=True)
    C = generator.random((len(X), k)).astype(X.dtype)
    relevance = C.mean(axis=0, dtype=float) + 1
    return NMFState(C, S, 1.0, relevance, np.full(k, penalised))


def nmf(matrix, orthogonality=0.01, least_relevance=None, tol=1e-12):
    return PenalisedNMF(matrix, orthogonality, least_relevance, tol)


def objective_of(X, state, method):
    """The objective of the module's docstring, from dense matrices."""
    C, S = state.C.astype(float), state.S
    n, m = X.shape
    overlap = C.T @ C
    Q = np.square(X - C @ S).sum()
    Q += method.orthogonality * (overlap.sum() - np.trace(overlap))
    J = X.size / 2 * np.log(state.noise_variance) + Q / (2 * state.noise_variance)
    if method.least_relevance is not None:
        c = n + 2
        log_ratio = np.log(1 + C.sum(axis=0) / (c * method.least_relevance))
        J += c * log_ratio[state.penalised].sum()
        J += len(S) * 0.5 * noise_edge(1.0, n, m)
    return J


@pytest.mark.parametrize("orthogonality", [0.0, 0.3])
@pytest.mark.parametrize("floor", [None, 0.1])
def test_step_reports_the_objective(rng, orthogonality, floor):
    X = rng.random((40, 25))
    state = random_state(X, 3, rng, penalised=True)
    method = nmf(exact_matrix(X), orthogonality, floor)
    new, objective = method.step(state)
    assert objective == pytest.approx(objective_of(X, new, method), rel=1e-10)


@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 5),
    orthogonality=st.sampled_from([0.0, 1e-3, 0.5]),
    floor=st.sampled_from([None, 0.05]),
    compressed=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_descent_never_rises(seed, k, orthogonality, floor, compressed, dtype):
    generator = np.random.default_rng(seed)
    X = generator.random((30, 3)) @ generator.random((3, 20))
    X = (X + 0.1 * generator.random(X.shape)).astype(dtype)
    matrix = compressed_matrix(X, 8) if compressed else exact_matrix(X)
    state = random_state(X, k, generator, penalised=floor is not None)
    found = iterate(nmf(matrix, orthogonality, floor), state, 50)
    assert len(found.history) > 1
    assert np.all(np.diff(found.history) <= 0)
    assert np.all(found.state.C >= 0) and np.all(found.state.S >= 0)
    np.testing.assert_allclose(np.linalg.norm(found.state.S, axis=1), 1)


def test_compressed_steps_are_exact_steps_on_the_picture(rng):
    # For data that are of low rank the two are one.
    X = rng.random((40, 4)) @ rng.random((4, 30))
    state = random_state(X, 3, rng)
    exact, _ = nmf(exact_matrix(X)).step(state)
    quick, _ = nmf(compressed_matrix(X, 4)).step(state)
    np.testing.assert_allclose(quick.C, exact.C, atol=1e-10)
    np.testing.assert_allclose(quick.S, exact.S, atol=1e-10)
    assert quick.noise_variance == pytest.approx(exact.noise_variance)


def test_descent_ends_when_it_stands_still(rng):
    X = rng.random((40, 3)) @ rng.random((3, 20)) + 0.1 * rng.random((40, 20))
    matrix, state = exact_matrix(X), random_state(X, 3, rng)
    coarse = iterate(nmf(matrix, tol=1e-3), state, 5000)
    fine = iterate(nmf(matrix, tol=1e-8), state, 5000)
    assert coarse.converged and fine.converged
    assert len(coarse.history) < len(fine.history) < 5000
    few = iterate(nmf(matrix), state, 3)
    assert not few.converged and len(few.history) == 3


def test_prior_takes_the_superfluous_out(rng):
    maps = rng.dirichlet((0.2, 0.2), 300)
    spectra = np.zeros((2, 40))
    spectra[0, 5:15] = spectra[1, 22:35] = 10
    X = maps @ spectra + rng.normal(0, 0.1, (300, 40)) + 0.5
    matrix, k = exact_matrix(X), 6
    state = initial_state(matrix, random_state(X, k, rng).S, 0.01)
    # A few free steps give the abundances that the prior then judges.
    state = iterate(nmf(matrix, 0.0), state, 10).state
    method = nmf(matrix, 0.0, 0.1, 1e-8)
    found = select(method, method.under_prior(state), 500)
    assert found.state.n_components in (2, 3)
    assert np.all(np.diff(found.history) <= 0)


def test_components_without_abundance_are_left_out(rng):
    X = np.outer(rng.random(50), np.r_[np.ones(10), np.zeros(10)])
    state = random_state(X, 2, rng)
    state.S[0] = np.r_[np.ones(10), np.zeros(10)] / np.sqrt(10)
    state.S[1] = np.r_[np.zeros(10), np.ones(10)] / np.sqrt(10)
    found = iterate(nmf(exact_matrix(X)), state, 50)
    assert found.state.n_components == 1
    assert found.state.S.shape == (1, 20) and found.state.C.shape == (50, 1)


def test_duplicates_merge_without_loss(rng):
    X = rng.random((30, 20))
    state = random_state(X, 3, rng, penalised=True)
    model = state.C @ state.S
    # The second spectrum once more, with a part of its abundance.
    part = rng.random((30, 1))
    split = NMFState(
        np.hstack([state.C, state.C[:, [1]] * part]),
        np.vstack([state.S, state.S[1]]),
        1.0,
        np.r_[state.relevance, 1.0],
        np.ones(4, bool),
    )
    split.C[:, 1] *= 1 - part[:, 0]
    reduced = cheapest_reduction(split)
    assert reduced.n_components == 3
    np.testing.assert_allclose(reduced.C @ reduced.S, model, atol=1e-10)


def test_mixture_goes_back_to_its_parts(rng):
    X = rng.random((30, 20))
    state = random_state(X, 3, rng, penalised=True)
    mixture = 0.3 * state.S[0] + 0.7 * state.S[2]
    more = NMFState(
        np.hstack([state.C, np.ones((30, 1))]),
        np.vstack([state.S, mixture / np.linalg.norm(mixture)]),
        1.0,
        np.ones(4),
        np.ones(4, bool),
    )
    expected = more.C @ more.S
    reduced = cheapest_reduction(more)
    np.testing.assert_allclose(reduced.C @ reduced.S, expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(400, 100), (60, 60), (50, 900)])
def test_noise_edge_is_little_above_what_noise_gives(rng, shape):
    largest = [
        np.linalg.svd(rng.normal(0, 0.3, shape), compute_uv=False)[0] ** 2
        for _ in range(20)
    ]
    edge = noise_edge(0.09, *shape)
    assert max(largest) < edge < 1.25 * np.mean(largest)


@given(seed=st.integers(0, 2**31), floor=st.sampled_from([None, 0.1]))
def test_descent_on_clipped_data_never_rises(seed, floor):
    generator = np.random.default_rng(seed)
    mean = generator.random((60, 2)) @ generator.random((2, 30))
    X = np.maximum(mean + generator.normal(0, 0.3, mean.shape), 0)
    state = random_state(X, 2, generator, penalised=floor is not None)
    found = iterate(ClippedNMF(exact_matrix(X), 1e-3, floor, 1e-12), state, 40)
    assert np.all(np.diff(found.history) <= 0)
    assert found.history[-1] < found.history[0]


def test_clipped_objective_is_the_censored_likelihood(rng):
    from scipy.stats import norm

    mean = rng.random((50, 2)) @ rng.random((2, 30))
    X = np.maximum(mean + rng.normal(0, 0.3, mean.shape), 0)
    method = ClippedNMF(exact_matrix(X), 0.02, None, 1e-12)
    found = iterate(method, random_state(X, 2, rng), 30)
    state = found.state
    model, sigma = state.C @ state.S, np.sqrt(state.noise_variance)
    logs = np.where(
        X > 0,
        norm.logpdf(X, model, sigma) + np.log(2 * np.pi) / 2,
        norm.logcdf(0, model, sigma),
    )
    overlap = 2 * np.vdot(state.C[:, 0], state.C[:, 1])
    expected = -logs.sum() + 0.02 * overlap / (2 * sigma**2)
    assert found.objective == pytest.approx(expected, rel=1e-10)
