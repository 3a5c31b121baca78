"""One look at a block: sums in float64, and where it is not right."""

import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparsedecomp.kernels.statistics import row_statistics, sparse_row_statistics

from ..naive import kernels as naive


def look(X, run=None):
    """What the kernel finds, by name."""
    n, m = X.shape
    found = {
        "sums": np.full(n, np.nan),
        "squares": np.full(n, np.nan),
        "bad": np.full(n, -9),
        "smallest": np.full(n, np.nan),
        "fractions": np.zeros(n, bool),
        "columns": np.zeros((3, m)),
    }
    arguments = (X, *found.values())
    if run is None:
        row_statistics(*arguments)
    else:
        run(row_statistics, *arguments)
    return found


def same(found, X):
    expected = naive.row_statistics(X)
    for name in ("sums", "squares", "columns"):
        scale = np.abs(expected[name]).max(initial=0.0)
        np.testing.assert_allclose(
            found[name], expected[name], rtol=1e-12, atol=1e-12 * scale, err_msg=name
        )
    for name in ("bad", "smallest", "fractions"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_statistics_agree_with_the_oracle(run, rng, dtype):
    X = np.maximum(rng.normal(0, 1, (12, 7)), 0).astype(dtype)
    X[3] = 0
    X[5] = [0, 1, 2, 3, 4, 5, 1e6]
    X[6] = -X[6]
    same(look(X, run), X)


def test_columns_are_added_to(run, rng, dtype):
    X = rng.integers(0, 3, (5, 4)).astype(dtype)
    rest = [np.empty(5), np.empty(5), np.empty(5, int), np.empty(5), np.empty(5, bool)]
    columns = np.full((3, 4), 100.0)
    run(row_statistics, X, *rest, columns)
    np.testing.assert_allclose(columns, 100 + naive.row_statistics(X)["columns"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_first_bad_entry_of_every_row_is_named(run, dtype, value):
    X = np.ones((4, 6), dtype)
    X[1, 2] = X[1, 5] = value
    X[3, 0] = value
    assert look(X, run)["bad"].tolist() == [-1, 2, -1, 0]


@pytest.mark.filterwarnings("ignore:overflow")
def test_squares_beyond_the_range_are_not_bad(run):
    found = look(np.full((2, 2), 1e200), run)
    assert found["bad"].tolist() == [-1, -1]
    assert np.all(np.isinf(found["squares"]))


def test_float32_is_summed_in_float64(run):
    # In float32 the small numbers would be lost beside the large one.
    X = np.array([[2.0**24] + [1.0] * 50], np.float32)
    found = look(X, run)
    assert found["sums"][0] == 2.0**24 + 50
    assert found["squares"][0] == 2.0**48 + 50


def test_no_rows(run):
    found = look(np.zeros((0, 3)), run)
    assert not found["columns"].any()


entries = st.one_of(
    st.just(0.0),
    st.floats(-1e6, 1e6, width=32),
    st.integers(-1000, 1000).map(float),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)


@given(
    arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=entries,
    )
)
def test_any_block_agrees_with_the_oracle(X):
    found, expected = look(X), naive_or_bad(X)
    finite = np.asarray(expected["bad"]) < 0
    np.testing.assert_array_equal(found["bad"], expected["bad"])
    for name in ("sums", "squares"):
        np.testing.assert_allclose(
            found[name][finite],
            np.asarray(expected[name])[finite],
            rtol=1e-12,
            atol=1e-9,
        )
    for name in ("smallest", "fractions"):
        np.testing.assert_array_equal(
            found[name][finite], np.asarray(expected[name])[finite]
        )


def naive_or_bad(X):
    """The oracle with bad rows set to nothing but their place."""
    clean = np.where(np.isfinite(X).all(axis=1, keepdims=True), X, 0)
    expected = naive.row_statistics(clean)
    broken = ~np.isfinite(X)
    expected["bad"] = np.where(broken.any(axis=1), broken.argmax(axis=1), -1)
    return expected


def test_sparse_rows_have_the_statistics_of_dense_ones(run, rng):
    X = np.where(rng.random((9, 6)) < 0.4, rng.integers(-2, 5, (9, 6)), 0.0)
    X[0], X[1], X[2, [3, 5]], X[3, 1], X[3, 4] = 0, 2.5, np.nan, np.inf, np.nan
    dense, sparse = look(X), scipy.sparse.csr_array(X)
    n, m = X.shape
    found = {
        "sums": np.zeros(n),
        "squares": np.zeros(n),
        "bad": np.full(n, -1),
        "smallest": np.full(n, np.inf),
        "fractions": np.zeros(n, bool),
    }
    lowest, lowest_at = np.empty(n), np.empty(n, np.int64)
    columns = np.zeros((3, m))
    run(
        sparse_row_statistics,
        sparse.indptr,
        sparse.indices,
        sparse.data,
        *found.values(),
        lowest,
        lowest_at,
        columns,
    )
    for name in found:
        np.testing.assert_array_equal(found[name], dense[name], err_msg=name)
    np.testing.assert_allclose(columns[:2], dense["columns"][:2])
    finite = np.isfinite(X).all(axis=1)
    np.testing.assert_array_equal(lowest[finite], X[finite].min(axis=1))
    np.testing.assert_array_equal(lowest_at[finite], X[finite].argmin(axis=1))
    assert np.isnan(lowest[2]) and lowest_at[2] == 3
