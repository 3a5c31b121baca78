"""Two worker processes: the same result, and the work was theirs."""

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from .conftest import LAYOUTS

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


def executed(client):
    """Number of tasks that each worker has executed so far."""

    def count(dask_worker):
        return dask_worker.state.executed_count

    return client.run(count)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("algorithm", ["nmf_so", "nmf_so_ard"])
@pytest.mark.parametrize("poisson", [False, True])
def test_a_cluster_gives_the_eager_result(
    client, signal, masks, decompose, algorithm, poisson
):
    kwargs = {
        "normalize_poissonian_noise": poisson,
        "navigation_mask": masks[0].T,
        "signal_mask": masks[1],
        "reproject": "both",
        "max_iter": 30,
    }
    eager = decompose(signal, algorithm, **kwargs)
    before = executed(client)
    lazy = hs.signals.Signal1D(
        da.from_array(signal.data, chunks=LAYOUTS["tiles"])
    ).as_lazy()
    found = decompose(lazy, algorithm, **kwargs)
    after = executed(client)
    for name in ("loadings", "factors", "explained_variance"):
        ours, theirs = getattr(found, name), getattr(eager, name)
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * largest)
    # Four blocks in each of several passes, shared by both processes.
    assert len(after) == 2
    assert all(after[worker] - before[worker] >= 4 for worker in after)
