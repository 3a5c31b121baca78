"""Coordinate descent of abundances and of unit-norm spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.kernels.coordinate import nonnegative_rows, unit_norm_rows

from ..naive import kernels as naive


def gram(generator, k):
    """Gram matrix of ``k`` random spectra, well enough conditioned."""
    S = generator.random((k, 4 * k))
    return S @ S.T


def problem(generator, n, k, dtype=np.float64):
    """Start, correlations, Gram matrix and thresholds of ``n`` rows."""
    C = generator.random((n, k)).astype(dtype)
    F = generator.normal(0.5, 1.0, (n, k)).astype(dtype)
    return C, F, gram(generator, k), generator.random(k)


# The kernel has 128 lanes for rows: fewer, exactly as many, and some that have to wait.
@pytest.mark.parametrize("n", [0, 1, 128, 300])
@pytest.mark.parametrize("sweeps", [0, 1, 5])
def test_rows_agree_with_the_oracle(run, rng, dtype, close, n, sweeps):
    C, F, G, threshold = problem(rng, n, 4, dtype)
    expected = naive.nonnegative_rows(C, F, G, threshold, sweeps)
    run(nonnegative_rows, C, F, G, threshold, sweeps, 0.0)
    close(C, expected)


def test_sweeps_have_the_precision_of_the_gram_matrix(run, rng, dtype, close):
    C, F, G, threshold = problem(rng, 150, 5)
    expected = naive.nonnegative_rows(C, F, G, threshold, 5)
    run(nonnegative_rows, C, F, G.astype(dtype), threshold, 5, 0.0)
    close(C, expected)
    # What was computed in single precision is a single precision number.
    assert np.array_equal(C, C.astype(np.float32)) == (dtype == np.float32)


def test_rows_find_the_best_of_all_active_sets(run, rng, dtype, close):
    C, F, G, threshold = problem(rng, 30, 5, dtype)
    taken = run(nonnegative_rows, C, F, G, threshold, 5000, 1e-12)
    assert taken < 5000
    expected = [naive.best_nonnegative_row(f, G, threshold) for f in F.astype(float)]
    close(C, np.array(expected))


def test_rows_are_left_once_they_stand_still(run, rng):
    C, F, G, threshold = problem(rng, 10, 4)
    assert run(nonnegative_rows, C.copy(), F, G, threshold, 3, 1e-10) == 3
    few = run(nonnegative_rows, C, F, G, threshold, 5000, 1e-10)
    # From the solution one sweep shows that nothing moves.
    assert 3 < few < 5000
    assert run(nonnegative_rows, C, F, G, threshold, 5000, 1e-6) == 1


def test_rows_do_not_depend_on_those_beside_them(run, rng):
    C, F, G, threshold = problem(rng, 200, 4)
    together = C.copy()
    run(nonnegative_rows, together, F, G, threshold, 500, 1e-3)
    for row in range(0, 200, 20):
        alone = C[row : row + 1].copy()
        run(nonnegative_rows, alone, F[row : row + 1], G, threshold, 500, 1e-3)
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_row_that_moves_goes_on_when_its_neighbour_stands_still(run):
    G = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.5], [0.5, 0.5, 1.0]])
    C = np.zeros((2, 3))
    F = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 0.0]])
    assert run(nonnegative_rows, C, F, G, np.zeros(3), 500, 1e-8) > 2
    np.testing.assert_allclose(C, [[0, 0, 0], [1 / 1.9, 1 / 1.9, 0]], rtol=1e-6)


def test_positive_rows_need_no_sweep_however_alike_spectra_are(run, rng, close, dtype):
    # Sweeps would shrink the error by a part in two thousand each.
    G = np.array([[1.0, 0.9995], [0.9995, 1.0]])
    truth = 1 + rng.random((150, 2))
    F = (truth @ G).astype(dtype)
    threshold = np.array([0.0, 1e-4])
    C = np.zeros((150, 2), dtype)
    assert run(nonnegative_rows, C, F, G, threshold, 1, 0.0) == 0
    expected = np.linalg.solve(G, (F.astype(float) - threshold).T).T
    close(C, expected.astype(dtype))


def test_spectra_that_are_the_same_are_left_to_the_sweeps(run, dtype):
    C = np.full((1, 2), 0.25, dtype)
    F = np.ones((1, 2), dtype)
    run(nonnegative_rows, C, F, np.ones((2, 2), dtype), np.zeros(2), 100, 0.0)
    np.testing.assert_allclose(C, [[0.75, 0.25]], rtol=1e-6)


def test_component_without_spectrum_gets_nothing(run, rng):
    C, F, G, threshold = problem(rng, 70, 3)
    G[1, :] = G[:, 1] = 0.0
    run(nonnegative_rows, C, F, G, threshold, 3, 0.0)
    assert np.all(C[:, 1] == 0)
    assert np.all(np.isfinite(C)) and C[:, [0, 2]].any()


def test_nothing_correlates_and_nothing_is_left(run, rng, dtype):
    C, F, G, threshold = problem(rng, 70, 3, dtype)
    taken = run(nonnegative_rows, C, -np.abs(F), G, threshold, 100, 0.0)
    assert not C.any()
    # The first sweep takes everything away and the second finds nothing to do.
    assert taken == 2


def test_high_threshold_empties_one_component_alone(run, rng):
    C, F, G, _ = problem(rng, 20, 3)
    F = np.abs(F) + 1
    run(nonnegative_rows, C, F, G, np.array([0.0, 1e6, 0.0]), 100, 1e-9)
    assert not C[:, 1].any() and C[:, [0, 2]].any(axis=1).all()


rows = st.tuples(st.integers(0, 2**31), st.integers(1, 70), st.integers(1, 5))


@given(rows)
def test_rows_meet_the_conditions_of_a_minimum(case):
    seed, n, k = case
    C, F, G, threshold = problem(np.random.default_rng(seed), n, k)
    nonnegative_rows(C, F, G, threshold, 20000, 1e-12)
    gradient = C @ G - F + threshold
    scale = 1e-8 * (np.abs(F).max() + threshold.max())
    assert np.all(C >= 0)
    assert np.all(gradient >= -scale)
    assert np.all(np.abs(gradient[C > 0]) <= scale)


@given(rows, st.floats(0, 2))
def test_no_sweep_raises_the_objective(case, overlap):
    seed, n, k = case
    C, F, G, threshold = problem(np.random.default_rng(seed), n, k)
    # A strong overlap penalty makes the matrix indefinite; a sweep still descends.
    G += overlap * (1 - np.eye(k))

    def objective():
        rows = zip(C, F, strict=True)
        return np.array([naive.row_objective(c, f, G, threshold) for c, f in rows])

    before = objective()
    for _ in range(4):
        nonnegative_rows(C, F, G, threshold, 1, 0.0)
        after = objective()
        assert np.all(C >= 0)
        assert np.all(after <= before + 1e-12 * (1 + np.abs(before)))
        before = after


def spectra(generator, k, n, n_pixels=20, dtype=np.float64):
    """Unit-norm start and the ``C'X`` and ``C'C`` of random data."""
    S = generator.random((k, n))
    S /= np.linalg.norm(S, axis=1, keepdims=True)
    C = generator.random((n_pixels, k))
    X = generator.normal(0.3, 1.0, (n_pixels, n))
    return S.astype(dtype), (C.T @ X).astype(dtype), C.T @ C, C, X


@pytest.mark.parametrize("sweeps", [0, 1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 40)])
def test_spectra_agree_with_the_oracle(run, rng, dtype, close, shape, sweeps):
    S, F, G, _, _ = spectra(rng, *shape, dtype=dtype)
    expected = naive.unit_norm_rows(S, F, G, sweeps)
    run(unit_norm_rows, S, F, G, sweeps)
    close(S, expected)


def test_spectrum_that_nothing_speaks_for_stays(run, rng, dtype):
    S, F, G, _, _ = spectra(rng, 3, 12, dtype=dtype)
    before = S.copy()
    G[0, 1:] = G[1:, 0] = 0.0
    F[0] = -1.0  # no entry of the first row can become positive
    G[0, 0] = 1e-3
    F[0] -= G[0, 0] * S[0]
    G[2, :] = G[:, 2] = 0.0  # and the third component has no abundance
    run(unit_norm_rows, S, F, G, 2)
    np.testing.assert_array_equal(S[[0, 2]], before[[0, 2]])
    assert not np.array_equal(S[1], before[1])


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 40))
def test_spectra_stay_on_the_sphere_and_never_fit_worse(seed, k, n):
    S, F, G, C, X = spectra(np.random.default_rng(seed), k, n)

    def misfit():
        return np.square(X - C @ S).sum()

    before = misfit()
    for _ in range(3):
        unit_norm_rows(S, F, G, 1)
        after = misfit()
        assert np.all(S >= 0)
        np.testing.assert_allclose(np.linalg.norm(S, axis=1), 1.0, rtol=1e-12)
        assert after <= before * (1 + 1e-12)
        before = after


@given(st.integers(0, 2**31), st.integers(2, 30))
def test_no_other_unit_spectrum_fits_better(seed, n):
    generator = np.random.default_rng(seed)
    S, F, G, C, X = spectra(generator, 1, n)
    if not np.any(F > 0):
        return
    unit_norm_rows(S, F, G, 1)
    others = generator.random((50, n)) * generator.integers(0, 2, (50, n))
    others = others[others.any(axis=1)]
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    best = np.square(X - C @ S).sum()
    assert all(np.square(X - C @ s[None]).sum() >= best - 1e-9 for s in others)
