"""A cluster of two processes makes the passes, and makes them itself."""

import os
import signal
import sys

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks, compress

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """Client of a cluster of two single-threaded processes on this machine."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def process_numbers(X):
    """Which process a tile was worked on by; a function for `BlockMatrix.run`."""
    return (np.full(len(X), os.getpid()),), (X.sum(),)


@pytest.mark.parametrize("chunks", [(6, 20, 30), (6, 20, 12)])
def test_passes_run_on_the_workers_and_agree(client, rng, chunks):
    cube = rng.random((24, 20, 30)).astype(np.float32)
    mask = rng.random((24, 20)) < 0.1
    lazy = as_blocks(da.from_array(cube, chunks=chunks), 1, mask).poisson_scaled()
    eager = as_blocks(cube, 1, mask).poisson_scaled()
    (processes,), (total,) = lazy.run(process_numbers)
    workers = set(client.run(os.getpid).values())
    assert len(workers) == 2 and os.getpid() not in workers
    assert set(processes.tolist()) == workers
    np.testing.assert_allclose(total, eager.run(process_numbers)[1][0], rtol=1e-6)

    M, A = rng.random((30, 3)), rng.random((lazy.shape[0], 3))
    np.testing.assert_allclose(lazy.matmul(M), eager.matmul(M), rtol=1e-5)
    np.testing.assert_allclose(lazy.rmatmul(A), eager.rmatmul(A), rtol=1e-5)
    np.testing.assert_allclose(
        compress(lazy, 5, random_state=0).singular_values,
        compress(eager, 5, random_state=0).singular_values,
        rtol=1e-5,
    )


def test_bad_number_on_a_worker_is_named(client):
    cube = np.ones((4, 4, 5))
    cube[2, 1, 3] = np.nan
    with pytest.raises(ValueError, match=r"pixel \(2, 1\), channel 3"):
        as_blocks(da.from_array(cube, chunks=(2, 2, 5))).describe()


def killed_once(X, mark):
    """Kill the process of the third tile of all; a function for `BlockMatrix.run`."""
    with open(mark, "ab", buffering=0) as file:
        file.write(b".")
        if file.tell() == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return (X[:, :1].copy(),), (X.sum(axis=0),)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_worker_that_dies_during_a_pass_costs_nothing_but_time(client, rng, tmp_path):
    cube = rng.random((24, 20, 30)).astype(np.float32)
    before = set(client.run(os.getpid).values())
    blocks = as_blocks(da.from_array(cube, chunks=(4, 20, 30)))
    mark = tmp_path / "mark"
    (first,), (total,) = blocks.run(killed_once, shared=(str(mark),))
    assert mark.stat().st_size > blocks.n_blocks == 6
    np.testing.assert_array_equal(first, cube.reshape(-1, 30)[:, :1])
    np.testing.assert_allclose(total, cube.sum(axis=(0, 1), dtype=float), rtol=1e-6)
    client.wait_for_workers(2)
    assert len(before & set(client.run(os.getpid).values())) == 1
