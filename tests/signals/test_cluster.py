"""Two worker processes reduce and fit: the same result, and the work was theirs."""

import os

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.xas import FeffBasis

distributed = pytest.importorskip("distributed")

K = np.arange(0, 14.01, 0.05)


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


@pytest.fixture
def watched(tmp_path):
    """``watched(data)``: lazy data, and a function for who has read blocks of it."""

    def read(block):
        (tmp_path / str(os.getpid())).touch()
        return block

    def of(data):
        blocks = da.from_array(data, chunks=(2, 2, -1))
        meta = np.empty((0, 0, 0))
        return blocks.map_blocks(read, meta=meta), lambda: {
            int(path.name) for path in tmp_path.iterdir()
        }

    return of


def test_workers_reduce(client, watched, make_image, absorption_cube):
    mu = absorption_cube[1]
    lazy = make_image(mu, lazy=True)
    lazy.data, readers = watched(mu)
    reduced = lazy.autobk().data.compute()
    np.testing.assert_allclose(reduced, make_image(mu).autobk().data, atol=1e-12)
    assert readers() == set(client.run(os.getpid).values())


@pytest.mark.parametrize("options", [{}, {"method": "lasso", "penalty": 0.05}])
def test_workers_fit(client, watched, rng, options):
    basis = FeffBasis.from_composition("Ni", ["Ni"], focusing=False)
    atoms = np.zeros(len(K))
    atoms[1:] = basis.channels[0].columns(K[1:], 2.492, sigma2=0.006)[0, 0]
    n = rng.uniform(6, 12, (6, 5, 1))
    s = hs.signals.Signal1D(n * atoms + 0.004 * rng.normal(size=(6, 5, len(K))))
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.05, "1/Angstrom"
    s.set_signal_type("EXAFS")
    lazy = s.as_lazy()
    lazy.data, readers = watched(s.data)
    options |= {"rmin": 1.0, "rmax": 3.0, "kmin": 3, "kmax": 13, "e0": 0.0}
    with_workers = lazy.exafs_sparse_fit(basis, **options)
    workers = set(client.run(os.getpid).values())
    assert readers() == workers and os.getpid() not in workers
    eager = s.exafs_sparse_fit(basis, **options)
    found = with_workers.n.compute()
    assert readers() == workers
    np.testing.assert_allclose(found, eager.n, rtol=1e-6, atol=1e-6)
    of = np.abs(eager.fits[0].shells_.r - 2.492) < 0.06
    np.testing.assert_allclose(found[..., of].sum(-1), n[..., 0], atol=1.0)
