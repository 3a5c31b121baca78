"""How the passes are made: counted, repeatable, on any scheduler, undisturbed."""

import dask
import dask.array as da
import dask.callbacks
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks, compress, sources
from sparsedecomp.blocks.sources import thread_count


@pytest.fixture
def cube(rng):
    return rng.random((30, 40, 25)).astype(np.float32)


def everything(blocks):
    """All that the passes give, as bytes-comparable arrays."""
    generator = np.random.default_rng(3)
    n, m = blocks.shape
    low = compress(blocks, 6, random_state=1)
    return [
        blocks.matmul(generator.random((m, 4))),
        blocks.rmatmul(generator.random((n, 4))),
        *[
            np.asarray(value)
            for value in blocks.describe()
            if not isinstance(value, str)
        ],
        low.scores,
        low.basis,
        low.singular_values,
    ]


def identical(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("chunks", [None, (30, 40, 25), (7, 9, 25), (7, 9, 6)])
def test_same_data_same_chunks_same_bits(cube, chunks):
    data = cube if chunks is None else da.from_array(cube, chunks=chunks)
    reference = everything(as_blocks(data))
    assert identical(everything(as_blocks(data)), reference)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_schedulers_give_the_same_bits(cube, scheduler):
    data = da.from_array(cube, chunks=(7, 9, 25))
    reference = everything(as_blocks(data))
    with dask.config.set(scheduler=scheduler):
        assert identical(everything(as_blocks(data)), reference)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_number_of_threads_does_not_change_the_bits(rng, monkeypatch, threads):
    X = rng.random((30000, 5))
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", "2")
    reference = everything(as_blocks(X))
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", threads)
    assert identical(everything(as_blocks(X)), reference)


@pytest.mark.parametrize("chunks", [(30, 40, 25), (7, 9, 25), (7, 9, 6)])
def test_chunks_change_rounding_only(cube, chunks):
    eager = everything(as_blocks(cube))
    lazy = everything(as_blocks(da.from_array(cube, chunks=chunks)))
    for a, b in zip(lazy[:-3], eager[:-3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    # Singular vectors are told apart by the projection that they span.
    np.testing.assert_allclose(lazy[-1], eager[-1], rtol=1e-5)


def test_passes_are_counted_and_shared(cube):
    blocks = as_blocks(da.from_array(cube, chunks=(10, 40, 25)))
    assert blocks.passes == 0
    blocks.matmul(np.ones((25, 1)))
    assert blocks.passes == 1
    blocks.rmatmul(np.ones((1200, 1)))
    assert blocks.passes == 2
    summary = blocks.describe()
    assert blocks.passes == 3
    assert blocks.describe() is summary
    scaled = blocks.poisson_scaled()
    assert blocks.passes == scaled.passes == 3
    scaled.matmul(np.ones((25, 1)))
    blocks.select(np.arange(5)).matmul(np.ones((25, 1)))
    assert blocks.passes == scaled.passes == 5
    for n_power in (1, 2, 3):
        before = blocks.passes
        compress(blocks, 4, n_power=n_power)
        assert blocks.passes - before == n_power + 1


@pytest.mark.parametrize("signal_chunk", [25, 10])
def test_a_pass_reads_every_chunk_once(cube, signal_chunk):
    reads = []

    def watched(block, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return block

    chunks = (10, 20, signal_chunk)
    data = da.from_array(cube, chunks=chunks).map_blocks(
        watched, dtype=cube.dtype, meta=np.empty((0, 0, 0), cube.dtype)
    )
    blocks = as_blocks(data)
    for number in (1, 2):
        blocks.rmatmul(np.ones((1200, 2)))
        assert len(reads) == number * data.npartitions
        assert len(set(reads)) == data.npartitions


def test_data_are_not_touched(cube, rng):
    before = cube.copy()
    blocks = as_blocks(cube, 1, rng.random((30, 40)) < 0.1)
    everything(blocks.poisson_scaled())
    assert cube.tobytes() == before.tobytes()


class Boom(Exception):
    pass


@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_error_in_a_block_comes_out(monkeypatch, error, threads):
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", threads)
    calls = []

    def explode(X):
        calls.append(1)
        raise error("in a block")

    blocks = as_blocks(np.ones((200000, 2)))
    assert blocks.n_blocks > 10
    with pytest.raises(error, match="in a block"):
        blocks.run(explode)
    # What had not begun was called off, and no read is counted.
    assert len(calls) < blocks.n_blocks
    assert blocks.passes == 0


def writable_or_not(X, shared):
    """Tell for every row whether the shared array can be written."""
    return (np.full(len(X), shared.flags.writeable),), (shared,)


def test_read_only_arrays_are_shared_as_writable_copies(cube):
    shared = np.ones(3)
    shared.flags.writeable = False
    (writable,), _ = as_blocks(cube).run(writable_or_not, shared=(shared,))
    assert writable.all() and not shared.flags.writeable


def test_an_error_in_a_lazy_block_comes_out():
    def explode(X):
        raise Boom("in a block")

    with pytest.raises(Boom, match="in a block"):
        as_blocks(da.ones((10, 3), chunks=(5, 3))).run(explode)


def test_number_of_threads_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("SPARSEDECOMP_NUM_THREADS", raising=False)
    assert thread_count() == 3
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", "5")
    assert thread_count() == 5
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert thread_count() >= 1


@pytest.mark.parametrize("kind", ["dask", "array"])
def test_sums_of_many_blocks_are_not_held_together(kind, monkeypatch):
    import tracemalloc

    from sparsedecomp.blocks import sources

    # 200 blocks, whose sums of 0.8 MB each would take 160 MB.
    monkeypatch.setattr(sources, "tile_rows", lambda *_: 2)
    X = np.ones((400, 100), np.float32)
    data = da.from_array(X, (2, 100)) if kind == "dask" else X
    blocks = as_blocks(data)
    assert blocks.n_blocks == 200
    tracemalloc.start()
    try:
        blocks.rmatmul(np.ones((400, 1000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6


def small_chunks(cube, kind):
    """The cube in chunks of a pixel, which may be CSR matrices or sparse arrays."""
    if kind == "csr":
        rows = da.from_array(cube.reshape(-1, cube.shape[-1]), chunks=(1, -1))
        return rows.map_blocks(scipy.sparse.csr_array)
    return da.from_array(cube, chunks=(1, 1, 12 if kind == "split" else 25))


@pytest.mark.parametrize("kind", ["whole", "split", "csr"])
def test_many_small_chunks_are_read_together(cube, rng, kind, caplog):
    mask = rng.random(cube.shape[:2]) < 0.2
    small = small_chunks(cube, kind)
    if kind == "csr":
        mask = mask.ravel()
    few, many = (
        as_blocks(X, 1, mask.reshape(X.shape[:-1]))
        for X in (cube.reshape(small.shape), small)
    )
    assert "1200 chunks" in caplog.text or kind == "split"
    assert "chunks` of a megabyte" in caplog.text
    assert 64 <= many.n_blocks <= 100
    for a, b in zip(everything(few), everything(many), strict=True):
        np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-4, atol=1e-4)
    tasks = []
    with dask.callbacks.Callback(pretask=lambda key, *_: tasks.append(key)):
        many.matmul(np.ones((25, 1)))
    ours = [key for key in tasks if "pass-" in str(key)]
    assert many.n_blocks < len(ours) <= 2 * many.n_blocks


@pytest.mark.parametrize("chunks", [(7, 9, 25), (30, 40, 25)])
def test_chunks_of_a_good_size_stay_as_they_are(cube, chunks, caplog):
    data = da.from_array(cube, chunks=chunks)
    assert as_blocks(data).n_blocks == data.npartitions
    assert caplog.text == ""


def test_a_chunk_that_takes_much_memory_is_told(monkeypatch, caplog):
    monkeypatch.setattr(sources, "_LARGE_CHUNK", 2**21)
    as_blocks(da.zeros((30, 1024, 100), chunks=(3, 1024, 100)))
    assert "chunk of the data takes 2 MiB" in caplog.text
