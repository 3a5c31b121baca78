"""Products with the matrix of blocks are those with the dense matrix."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.blocks import as_blocks

from ..naive.blocks import dense, poisson_scales

SHAPE = (6, 8, 10)
CHUNKS = {
    "one": (6, 8, 10),
    "rows": (2, 8, 10),
    "tiles": (4, 3, 10),
    "pixels": (1, 1, 10),
    "channels": (3, 4, 4),
    "uneven": ((1, 5), (2, 2, 4), (7, 3)),
}


def tolerance(blocks):
    return 1e-5 if blocks.dtype == np.float32 else 1e-12


def agree(found, expected, blocks):
    tol = tolerance(blocks)
    largest = np.max(np.abs(expected), initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * largest)


def products_agree(blocks, X, k=3):
    """Both products of ``blocks`` with random factors, and the dot-product test."""
    generator = np.random.default_rng(5)
    M, A = generator.random((X.shape[1], k)), generator.random((X.shape[0], k))
    assert blocks.shape == X.shape
    forward, adjoint = blocks.matmul(M), blocks.rmatmul(A)
    agree(forward, X @ M, blocks)
    agree(adjoint, X.T @ A, blocks)
    assert forward.dtype == blocks.dtype and adjoint.dtype == np.float64
    # <A, X M> = <X' A, M>: the adjoint belongs to the forward product.
    left = np.vdot(A, forward.astype(float))
    right = np.vdot(adjoint, M)
    scale = np.linalg.norm(A) * np.linalg.norm(X) * np.linalg.norm(M)
    assert abs(left - right) <= tolerance(blocks) * scale


@pytest.fixture(params=["uint8", "int32", "float32", "float64", ">f4", "float16"])
def cube(request, rng):
    """Cube of counts in one of the types that detectors write."""
    return rng.poisson(3.0, SHAPE).astype(request.param)


@pytest.fixture
def masks(rng):
    """Masks of a fifth of the pixels and of the channels."""
    return rng.random(SHAPE[:2]) < 0.2, rng.random(SHAPE[2:]) < 0.2


@pytest.mark.parametrize("masked", [False, True])
def test_array(cube, masks, masked):
    masks = masks if masked else (None, None)
    before = cube.copy()
    cube.flags.writeable = False
    products_agree(as_blocks(cube, 1, *masks), dense(cube, 1, *masks))
    np.testing.assert_array_equal(cube, before)


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("masked", [False, True])
def test_dask(rng, masks, chunks, masked):
    cube = rng.poisson(3.0, SHAPE).astype(np.uint16)
    masks = masks if masked else (None, None)
    blocks = as_blocks(da.from_array(cube, chunks=chunks), 1, *masks)
    products_agree(blocks, dense(cube, 1, *masks))
    products_agree(
        blocks.scaled(*_scales(blocks)),
        dense(cube, 1, *masks) / np.outer(*_scales(blocks)),
    )


def _scales(blocks):
    return tuple(np.linspace(0.5, 2.0, n) for n in blocks.shape)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_sparse(rng, masks, form, kind, dtype, masked):
    cube = rng.poisson(0.2, SHAPE).astype(dtype)
    masks = masks if masked else (None, None)
    flat = cube.reshape(48, 10)
    data = getattr(scipy.sparse, f"{form}_{kind}")(flat)
    mask = None if not masked else masks[0].ravel()
    blocks = as_blocks(data, 1, mask, masks[1])
    assert blocks.sparse
    products_agree(blocks, dense(cube, 1, *masks))
    scaled = blocks.scaled(*_scales(blocks))
    assert scaled.sparse
    products_agree(scaled, dense(cube, 1, *masks) / np.outer(*_scales(blocks)))
    np.testing.assert_array_equal(data.toarray(), flat)


@pytest.mark.parametrize("order", ["C", "F", "strided", "negative"])
def test_memory_layouts(rng, order):
    cube = rng.random((7, 9, 12))
    if order == "F":
        cube = np.asfortranarray(cube)
    elif order == "strided":
        cube = cube[::2, :, ::3]
    elif order == "negative":
        cube = cube[::-1, :, ::-1]
    products_agree(as_blocks(cube), dense(cube))


def test_image_stack_has_two_signal_axes(rng):
    cube = rng.random((5, 4, 6)).astype(np.float32)
    mask = np.zeros((4, 6), bool)
    mask[1, 2:] = True
    for data in (cube, da.from_array(cube, chunks=(2, 3, 2))):
        blocks = as_blocks(data, 2, signal_mask=mask)
        assert blocks.shape == (5, 20)
        products_agree(blocks, dense(cube, 2, signal_mask=mask))


def test_many_tiles_are_put_together_in_order(rng):
    X = rng.random((20000, 3))
    blocks = as_blocks(X)
    assert blocks.n_blocks > 2
    np.testing.assert_allclose(blocks.matmul(np.eye(3)), X, rtol=1e-14)
    np.testing.assert_allclose(blocks.rmatmul(X), X.T @ X, rtol=1e-12)


def test_lazy_block_larger_than_a_tile(rng):
    X = rng.random((20000, 3))
    blocks = as_blocks(da.from_array(X, chunks=(15000, 3)))
    assert blocks.n_blocks == 2
    np.testing.assert_allclose(blocks.matmul(np.eye(3)), X, rtol=1e-14)


def test_empty_chunks_are_passed_over(rng):
    X = da.from_array(rng.random((20, 4)), chunks=(10, 4))
    data = da.concatenate([X, X[:0], X])
    products_agree(as_blocks(data), dense(data.compute()))


def test_masks_tell_which_pixels_and_channels_are_left(masks):
    cube = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    blocks = as_blocks(cube, 1, *masks)
    np.testing.assert_array_equal(blocks.rows, np.flatnonzero(~masks[0]))
    np.testing.assert_array_equal(blocks.columns, np.flatnonzero(~masks[1]))


def test_block_that_is_masked_as_a_whole_is_never_read(rng):
    read = []

    def block(position):
        read.append(position)
        return np.ones((3, 8, 10))

    data = da.concatenate(
        [
            da.from_delayed(_delayed(block)(position), (3, 8, 10), dtype=float)
            for position in range(2)
        ]
    )
    mask = np.zeros(SHAPE[:2], bool)
    mask[:3] = True
    blocks = as_blocks(data, 1, mask)
    assert blocks.n_blocks == 1
    blocks.rmatmul(np.ones((24, 1)))
    assert read == [1]


def _delayed(function):
    import dask

    return dask.delayed(function, pure=False)


@pytest.mark.parametrize("lazy", [False, True])
def test_selected_rows_are_rows_of_the_matrix(rng, masks, lazy):
    cube = rng.random(SHAPE)
    data = da.from_array(cube, chunks=(2, 5, 10)) if lazy else cube
    blocks = as_blocks(data, 1, *masks).scaled(
        1 + rng.random(np.count_nonzero(~masks[0])),
        1 + rng.random(np.count_nonzero(~masks[1])),
    )
    X = dense(cube, 1, *masks) / np.outer(blocks.row_scale, blocks.column_scale)
    chosen = np.array([0, 3, 4, 17, len(X) - 1])
    products_agree(blocks.select(chosen), X[chosen])
    products_agree(blocks, X)


def test_select_reads_only_blocks_that_hold_a_selected_row(rng):
    data = da.from_array(rng.random((100, 5)), chunks=(10, 5))
    assert as_blocks(data).select(np.array([3, 5, 99])).n_blocks == 2


@pytest.mark.parametrize("kind", ["array", "dask", "csr"])
def test_poisson_scaling(rng, kind):
    X = rng.poisson(2.0, (40, 12))
    X[3] = 0  # weighted as half the mean; an empty channel is left as it is
    X[:, 5] = 0
    data = {
        "array": lambda: X,
        "dask": lambda: da.from_array(X, chunks=(7, 5)),
        "csr": lambda: scipy.sparse.csr_array(X),
    }[kind]()
    blocks = as_blocks(data, dtype=np.float64)
    scaled = blocks.poisson_scaled()
    row_scale, column_scale = poisson_scales(X.astype(float))
    np.testing.assert_allclose(scaled.row_scale, row_scale, rtol=1e-12)
    np.testing.assert_allclose(scaled.column_scale, column_scale, rtol=1e-12)
    assert row_scale[3] == pytest.approx(0.5**0.5) and column_scale[5] == 1
    products_agree(scaled, X / np.outer(row_scale, column_scale))
    assert blocks.row_scale is None
    products_agree(blocks, X.astype(float))


def test_poisson_scaling_evens_out_the_noise(rng):
    mean = np.outer(rng.uniform(1, 20, 400), rng.uniform(1, 20, 300))
    scaled = as_blocks(rng.poisson(mean), dtype=np.float64).poisson_scaled()
    noise = scaled.matmul(np.eye(300)) - mean / np.outer(
        scaled.row_scale, scaled.column_scale
    )
    # Pixels below half the mean are weighted as if they had that much.
    bright = mean.sum(axis=1) > 0.6 * mean.sum(axis=1).mean()
    for axis in (0, 1):
        variances = noise[bright].var(axis=axis)
        assert variances.std() / variances.mean() < 0.15


def test_scaling_a_scaled_matrix_multiplies_the_scales(rng):
    X = 1 + rng.random((6, 4))
    first, second = (rng.uniform(1, 2, 6), rng.uniform(1, 2, 4)), (np.full(6, 3.0), 2.0)
    scaled = as_blocks(X).scaled(*first).scaled(second[0], np.full(4, second[1]))
    products_agree(scaled, X / np.outer(*first) / 6)


@st.composite
def matrices(draw):
    """Any data that `as_blocks` takes, its masks, and the dense float64 matrix."""
    seed = draw(st.integers(0, 2**31))
    generator = np.random.default_rng(seed)
    navigation = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    signal = draw(st.lists(st.integers(1, 7), min_size=1, max_size=2))
    shape = (*navigation, *signal)
    dtype = draw(st.sampled_from(["u1", "i2", "u4", "i8", "f2", "f4", "f8", ">f8"]))
    data = generator.integers(0, 60, shape).astype(dtype)
    masks = []
    for part in (navigation, signal):
        mask = generator.random(part) < draw(st.sampled_from([0.0, 0.3, 0.9]))
        mask.flat[generator.integers(mask.size)] = False
        masks.append(mask if draw(st.booleans()) or mask.any() else None)
    X = dense(data, len(signal), *masks)
    kind = draw(st.sampled_from(["array", "dask", "csr"]))
    if kind == "dask":
        data = da.from_array(data, chunks=[draw(st.integers(1, n)) for n in shape])
    elif kind == "csr" and data.dtype.kind + data.dtype.byteorder != "f>":
        if data.dtype != np.float16:
            data = scipy.sparse.csr_array(data.reshape(int(np.prod(navigation)), -1))
            masks = [None if mask is None else mask.ravel() for mask in masks]
            signal = [0]
    return as_blocks(data, len(signal), *masks), X


@given(matrices())
def test_any_matrix_agrees_with_dense_numpy(case):
    blocks, X = case
    products_agree(blocks, X)
    summary = blocks.describe()
    agree(summary.sum_of_squares, np.square(X).sum(), blocks)
    agree(summary.row_sums, X.sum(axis=1), blocks)
    agree(summary.row_squares, np.square(X).sum(axis=1), blocks)
    agree(summary.column_sums, X.sum(axis=0), blocks)
    agree(summary.column_squares, np.square(X).sum(axis=0), blocks)
    np.testing.assert_array_equal(summary.column_zeros, (X == 0).sum(axis=0))
    assert summary.minimum == X.min() and summary.whole_numbers
    row_scale, column_scale = poisson_scales(X)
    products_agree(blocks.poisson_scaled(), X / np.outer(row_scale, column_scale))
    assert blocks.passes == 5
