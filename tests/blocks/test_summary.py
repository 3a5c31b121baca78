"""One pass that tells what the data are, and refuses what they may not be."""

import logging
import math
import re

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from scipy.ndimage import gaussian_filter1d

from sparsedecomp.blocks import as_blocks

from ..naive.blocks import dense

SHAPE = (4, 5, 6)


def forms(cube):
    """The same cube in memory, in chunks, and in chunks across the channels."""
    return {
        "array": cube,
        "dask": da.from_array(cube, chunks=(3, 2, 6)),
        "signal chunks": da.from_array(cube, chunks=(2, 5, 4)),
    }


@pytest.fixture(params=["array", "dask", "signal chunks"])
def form(request):
    """Return a function that puts a cube into one of its forms."""
    return lambda cube: forms(cube)[request.param]


def test_squares_of_float32_are_exact(rng):
    # 12 bits squared need 24, sums of them more than float32 has.
    X = rng.integers(0, 4097, (300, 40)).astype(np.float32)
    summary = as_blocks(X).describe()
    assert summary.sum_of_squares == math.fsum(float(x) ** 2 for x in X.ravel())
    np.testing.assert_array_equal(summary.row_squares, np.square(dense(X)).sum(axis=1))
    np.testing.assert_array_equal(
        summary.column_squares, np.square(dense(X)).sum(axis=0)
    )


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_squares_of_float32_neither_vanish_nor_overflow(rng, unit):
    X = (unit * (1 + rng.random((5, 4)))).astype(np.float32)
    expected = np.square(X.astype(float)).sum()
    np.testing.assert_allclose(as_blocks(X).describe().sum_of_squares, expected)


def test_minimum_and_its_place(form):
    cube = np.arange(120.0).reshape(SHAPE) + 1
    cube[2, 3, 4] = -7.5
    summary = as_blocks(form(cube)).describe()
    assert summary.minimum == -7.5
    assert summary.minimum_at == "pixel (2, 3), channel 4"


def test_places_are_those_of_the_data_whatever_is_masked(form):
    cube = np.ones(SHAPE)
    cube[0, 0, 0] = -9.0  # masked
    cube[3, 2, 5] = -1.0
    navigation, signal = np.zeros((4, 5), bool), np.zeros(6, bool)
    navigation[0] = navigation[1, 2:] = True
    signal[[0, 2]] = True
    blocks = as_blocks(form(cube), 1, navigation, signal)
    assert blocks.describe().minimum_at == "pixel (3, 2), channel 5"
    cube[3, 2, 5] = 1.0
    assert as_blocks(form(cube), 1, navigation, signal).describe().minimum == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_are_refused_by_place(form, value, dtype):
    cube = np.ones(SHAPE, dtype)
    cube[1, 4, 3] = cube[3, 0, 0] = value
    message = r"2 pixels with NaN or infinity, the first at pixel \(1, 4\), channel 3"
    with pytest.raises(ValueError, match=message):
        as_blocks(form(cube)).describe()
    mask = np.zeros(SHAPE[:2], bool)
    mask[1, 4] = mask[3, 0] = True
    assert as_blocks(form(cube), 1, mask).describe().sum_of_squares == 18 * 6


def test_nan_in_sparse_data_is_refused_by_place():
    X = np.zeros((4, 3))
    X[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"pixel \(2\), channel 1"):
        as_blocks(scipy.sparse.csr_array(X)).describe()


def test_whole_numbers_and_quantum(rng):
    counts = rng.poisson(1.0, (50, 20))
    for data, whole, quantum in [
        (counts, True, 1.0),
        (counts * 0.25, False, 0.25),
        (rng.random((50, 20)), False, 0.0),
        (counts + 0.0, True, 1.0),
        (np.zeros((50, 20)), True, 0.0),
        ((counts * 0.37).astype(np.float32), False, 0.37),
        # Blurred or interpolated counts share their smallest entry, too.
        (gaussian_filter1d(1.0 * counts, 0.5, axis=1), False, 0.0),
        (0.3 * counts + 0.7 * np.roll(counts, 1, axis=1), False, 0.0),
    ]:
        for form in (data, scipy.sparse.csr_array(data)):
            summary = as_blocks(form).describe()
            assert summary.whole_numbers == whole
            assert summary.quantum == pytest.approx(quantum)


def test_statistics_of_scaled_data_are_scaled(rng):
    X = 1 + rng.random((8, 6))
    row_scale, column_scale = rng.uniform(1, 3, 8), rng.uniform(1, 3, 6)
    summary = as_blocks(X).scaled(row_scale, column_scale).describe()
    expected = X / np.outer(row_scale, column_scale)
    np.testing.assert_allclose(summary.row_sums, expected.sum(axis=1))
    np.testing.assert_allclose(summary.column_squares, (expected**2).sum(axis=0))
    assert summary.minimum == pytest.approx(expected.min())


@pytest.mark.parametrize(
    "data", [np.ones((3, 4), complex), np.ones((3, 4), object), np.ones((3, 4), bool)]
)
def test_what_is_no_real_number_is_refused(data):
    with pytest.raises(TypeError, match=f"dtype {data.dtype}, expected real"):
        as_blocks(data)


def test_axes_must_leave_pixels():
    with pytest.raises(ValueError, match=r"shape \(3, 4\) with 2 signal axes"):
        as_blocks(np.ones((3, 4)), 2)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ((np.ones((4, 5), bool), None), "All the data are masked"),
        ((None, np.ones(6, bool)), "All the data are masked"),
        ((np.zeros((5, 4), bool), None), r"navigation mask has the shape \(5, 4\)"),
        ((None, np.zeros(5, bool)), r"signal mask has the shape \(5,\), expected \(6,"),
    ],
)
def test_masks_that_do_not_fit_are_refused(form, masks, message):
    with pytest.raises(ValueError, match=message):
        as_blocks(form(np.ones(SHAPE)), 1, *masks)


def test_operands_that_do_not_fit_are_refused(form):
    blocks = as_blocks(form(np.ones(SHAPE)))
    with pytest.raises(ValueError, match=r"shape \(20, 2\), expected \(6, k\) .* chan"):
        blocks.matmul(np.ones((20, 2)))
    with pytest.raises(ValueError, match=r"shape \(6, 2\), expected \(20, k\) .* pix"):
        blocks.rmatmul(np.ones((6, 2)))
    with pytest.raises(ValueError, match=r"shape \(6,\), expected \(6, k\)"):
        blocks.matmul(np.ones(6))
    assert blocks.passes == 0


def test_negative_counts_cannot_be_scaled(form):
    cube = np.ones(SHAPE)
    cube[2, 1, 5] = -3
    message = r"Poisson scaling needs counts.*\(-3\) at pixel \(2, 1\), channel 5"
    with pytest.raises(ValueError, match=message):
        as_blocks(form(cube)).poisson_scaled()


def test_signal_chunks_are_named_with_the_cure(caplog):
    with caplog.at_level(logging.WARNING, "sparsedecomp"):
        as_blocks(da.ones(SHAPE, chunks=(2, 5, 6)))
        assert not caplog.records
        data = da.ones(SHAPE, chunks=(2, 5, 4))
        as_blocks(data)
    (record,) = caplog.records
    call = re.search(r"data\.rechunk\((.*)\)\.$", record.getMessage())
    assert "2 chunks" in record.getMessage()
    assert data.rechunk(eval(call[1])).numblocks == (2, 1, 1)


def test_a_block_matrix_is_returned_as_it_is():
    blocks = as_blocks(np.ones((3, 4)))
    assert as_blocks(blocks) is blocks


@pytest.mark.parametrize(
    ("given", "computed"),
    [("f8", "f8"), ("f4", "f4"), ("f2", "f4"), ("u2", "f4"), ("i8", "f4")],
)
def test_compute_dtype(given, computed):
    data = np.ones((3, 4), given)
    assert as_blocks(data).dtype == computed
    assert as_blocks(data).source_dtype == given
    assert as_blocks(data, dtype=np.float64).matmul(np.eye(4)).dtype == np.float64
