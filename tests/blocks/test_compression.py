"""The streamed range finder against NumPy's singular values."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks, compress
from sparsedecomp.blocks.compression import gram_of


@pytest.fixture
def factors(rng):
    """Maps and spectra of rank 4."""
    return rng.random((400, 4)), rng.random((4, 90))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["array", "dask", "csr"])
def test_low_rank_data_are_found_exactly(factors, dtype, kind):
    X = (factors[0] @ factors[1]).astype(dtype)
    data = {
        "array": lambda: X,
        "dask": lambda: da.from_array(X, chunks=(90, 40)),
        "csr": lambda: scipy.sparse.csr_array(X),
    }[kind]()
    low = compress(data, 4, random_state=0)
    tol = 1e-5 if dtype == np.float32 else 1e-12
    expected = np.linalg.svd(X.astype(float), compute_uv=False)[:4]
    np.testing.assert_allclose(low.singular_values, expected, rtol=tol)
    np.testing.assert_allclose(low.scores @ low.basis.T, X, rtol=100 * tol)
    np.testing.assert_allclose(low.basis.T @ low.basis, np.eye(4), atol=1e-10)
    assert low.scores.dtype == dtype


def test_scores_are_the_projection_on_singular_vectors(factors, rng):
    X = factors[0] @ factors[1] + rng.normal(0, 0.05, (400, 90))
    low = compress(X, 14, n_power=3, random_state=0)
    np.testing.assert_allclose(low.scores, X @ low.basis, atol=1e-12)
    np.testing.assert_allclose(
        low.scores.T @ low.scores,
        np.diag(low.singular_values**2),
        atol=1e-9 * low.singular_values[0] ** 2,
    )
    _, values, directions = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(low.singular_values[:4], values[:4], rtol=1e-8)
    overlap = np.abs(np.sum(low.basis[:, :4].T * directions[:4], axis=1))
    np.testing.assert_allclose(overlap, 1, rtol=1e-8)
    assert np.all(np.diff(low.singular_values) <= 0)


def test_more_power_finds_more(rng):
    # Slowly falling singular values: the hard case of a range finder.
    U, _ = np.linalg.qr(rng.standard_normal((300, 80)))
    V, _ = np.linalg.qr(rng.standard_normal((80, 80)))
    X = (U * np.linspace(1, 0.5, 80)) @ V
    found = [
        np.square(compress(X, 10, n_power=p, random_state=0).singular_values).sum()
        for p in (1, 2, 8)
    ]
    best = np.square(np.linspace(1, 0.5, 80)[:10]).sum()
    assert found[0] < found[1] < found[2] <= best


def test_start_that_is_right_stays(factors):
    X = factors[0] @ factors[1]
    first = compress(X, 4, random_state=0)
    again = compress(X, 4, n_power=1, basis=first.basis)
    overlap = np.abs(np.sum(first.basis * again.basis, axis=0))
    np.testing.assert_allclose(overlap, 1, rtol=1e-9)


@pytest.mark.parametrize("sigma", [1e-3, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_variance_is_what_the_basis_leaves_out(rng, sigma, dtype):
    X = 20 * rng.random((1500, 4)) @ rng.random((4, 300))
    noisy = (X + rng.normal(0, sigma, X.shape)).astype(dtype)
    low = compress(noisy, 14, random_state=0)
    # The spare directions take the strongest of the noise: a few per cent too low.
    assert 0.9 * sigma**2 < low.noise_variance < 1.0 * sigma**2
    assert low.summary.sum_of_squares == pytest.approx(
        np.square(noisy.astype(float)).sum(), rel=1e-12
    )


def test_noise_variance_is_the_residual_per_degree_of_freedom(rng):
    X = rng.random((40, 30))
    low = compress(X, 7, random_state=0)
    residual = np.square(X - low.scores @ low.basis.T).sum()
    assert low.noise_variance == pytest.approx(residual / ((40 - 7) * (30 - 7)))


def test_rank_is_cut_to_the_shape(rng):
    X = rng.random((6, 4))
    low = compress(X, 50, random_state=0)
    assert low.scores.shape == (6, 4)
    np.testing.assert_allclose(low.scores @ low.basis.T, X)
    assert low.noise_variance == pytest.approx(0, abs=1e-12)


def test_seed_decides_the_result(rng):
    X = rng.random((50, 30))
    same = [compress(X, 3, random_state=7).scores for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(compress(X, 3, random_state=8).scores, same[0])


def test_bad_numbers_are_named_in_the_first_pass(rng):
    X = rng.random((30, 20))
    X[17, 3] = np.nan
    blocks = as_blocks(X)
    with pytest.raises(ValueError, match=r"pixel \(17\), channel 3"):
        compress(blocks, 3)
    assert blocks.passes == 1


def test_cube_with_image_signal(rng):
    cube = rng.random((10, 4, 5))
    low = compress(cube, 20, signal_dimension=2, random_state=0)
    np.testing.assert_allclose(low.scores @ low.basis.T, cube.reshape(10, 20))


def test_gram_matrix_is_summed_in_float64(rng):
    A = (1 + rng.random((20000, 3))).astype(np.float32)
    wide = A.astype(float)
    np.testing.assert_allclose(gram_of(A), wide.T @ wide, rtol=1e-13)
