"""What one process of the benchmark ``distributed`` does: some fits on one cluster."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import MIB, Clock

N_COMPONENTS = 3


def default_decomposition(X):
    """What ``s.decomposition(algorithm="nmf_so_ard")`` runs."""
    from sparsedecomp import AutomaticUnmixing

    model = AutomaticUnmixing(random_state=0)
    return model.fit_transform(X), model.components_


def poisson_nmf(X):
    """What ``s.decomposition(algorithm="nmf_kl")`` runs."""
    from sparsedecomp import PoissonNMF

    model = PoissonNMF(N_COMPONENTS, random_state=0, max_iter=30)
    return model.fit_transform(X), model.components_


def rank(X):
    """The singular values of the whitened data, of which `estimate_rank` counts."""
    from sparsedecomp import estimate_rank

    found = estimate_rank(X)
    return np.array([found.n_components]), found.singular_values


FITS = {
    "nmf_so_ard": default_decomposition,
    "nmf_kl": poisson_nmf,
    "estimate_rank": rank,
}


def fit_here(path, reference, fits):
    """Fit without a cluster, one block after the other, and save what was found."""
    import dask

    rows, found = [], {}
    with dask.config.set(scheduler="synchronous"):
        for name in fits:
            FITS[name](_toy(1))
            blocks, clock = _blocks(path), Clock()
            found[f"{name} maps"], found[f"{name} spectra"] = FITS[name](blocks)
            rows.append({"fit": name, "passes": blocks.passes, **clock.read()})
    np.savez(reference, **found)
    return {"rows": rows}


def fit_on_cluster(path, reference, fits, n_workers, *, lose=False, processes=True):
    """Fit on a cluster of this machine, and compare with the fit without one.

    Parameters
    ----------
    path, reference : str
        Cube, and result of `fit_here`.
    fits : list of str
        Some of `FITS`.
    n_workers : int
        Worker processes of one thread.
    lose : bool, default False
        Whether a worker is killed in the middle of every pass; another one is started
        in its place.
    processes : bool, default True
        False for workers in this process, for tests.

    Returns
    -------
    dict
        With a row for each fit and one for the maps that stay on the workers.
    """
    with _Cluster(n_workers, processes, fits) as (client, tasks):
        reference = np.load(reference)
        rows = [_fit_row(client, tasks, path, reference, name, lose) for name in fits]
        if not lose:
            rows.append(_maps_row(client, tasks, path))
    return {"rows": rows}


def _fit_row(client, tasks, path, reference, name, lose):
    from sparsedecomp.blocks import BlockMatrix

    blocks = _blocks(path)
    counters, clock = _Counters(client, tasks), Clock()
    run = BlockMatrix.run
    with _Losses(enabled=lose) as losses:
        BlockMatrix.run = losses.of(run)
        try:
            maps, spectra = FITS[name](blocks)
        finally:
            BlockMatrix.run = run
        lost = losses.count()
    row = clock.read() | counters.read()
    row |= {"fit": name, "passes": blocks.passes, "n_pixels": blocks.shape[0]}
    if lose:
        row["lost"] = lost
        del row["worker_cpu_seconds"]
    wanted = reference[f"{name} maps"], reference[f"{name} spectra"]
    return row | {"difference": _difference((maps, spectra), wanted)}


def _maps_row(client, tasks, path):
    """Abundances of known spectra, computed by the workers and kept there."""
    from distributed import wait

    from sparsedecomp import abundances

    data = _data(path)
    spectra = np.load(Path(path).with_suffix(".truth.npz"))["spectra"]
    counters, clock = _Counters(client, tasks), Clock()
    maps = abundances(data, spectra, compute=False).persist()
    wait(maps)
    row = clock.read() | counters.read()
    held = sum(client.run(_held_bytes).values()) / MIB
    mean = maps.mean(axis=(0, 1)).compute()
    wanted = abundances(data, spectra).mean(axis=0)
    row |= {"fit": "maps", "passes": 1, "n_pixels": maps.size // len(spectra)}
    row |= {"maps_mib": maps.nbytes / MIB, "held_mib": held}
    return row | {"difference": _difference([mean], [wanted])}


def _held_bytes(dask_worker):
    """Bytes of a worker's arrays; a fused task and its alias hold one buffer."""
    arrays = [v for v in dask_worker.data.values() if isinstance(v, np.ndarray)]
    return sum({v.__array_interface__["data"][0]: v.nbytes for v in arrays}.values())


def _data(path):
    import hyperspy.api as hs

    return hs.load(path, lazy=True).data


def _blocks(path):
    from sparsedecomp.blocks import as_blocks

    return as_blocks(_data(path))


def _difference(found, wanted):
    """Largest difference relative to the largest value; infinite for other shapes."""
    if any(a.shape != b.shape for a, b in zip(found, wanted, strict=True)):
        return float("inf")
    return max(
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip(found, wanted, strict=True)
    )


class _Cluster:
    """A cluster of this machine, its client and the tasks that its workers ended."""

    def __init__(self, n_workers, processes, fits):
        self.n_workers, self.processes, self.fits = n_workers, processes, fits

    def __enter__(self):
        import logging

        from distributed import Client, LocalCluster
        from distributed.diagnostics.plugin import SchedulerPlugin

        class CountingClient(Client):
            received = 0

            def gather(self, futures, *args, **kwargs):
                values = super().gather(futures, *args, **kwargs)
                self.received += _nbytes(values)
                return values

        class Tasks(SchedulerPlugin):
            ended = 0

            def transition(self, key, start, finish, *args, **kwargs):
                self.ended += (start, finish) == ("processing", "memory")

        # Workers that are killed are what some rows are about.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.cluster = LocalCluster(
            n_workers=self.n_workers,
            threads_per_worker=1,
            processes=self.processes,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        tasks = Tasks()
        self.cluster.scheduler.add_plugin(tasks)
        self.client = CountingClient(self.cluster)
        # Importing and loading compiled functions is not timed.
        for name in self.fits:
            FITS[name](_toy(self.n_workers))
        return self.client, tasks

    def __exit__(self, *exception):
        self.client.close()
        self.cluster.close()


def _toy(n_workers):
    """Counts of three phases, in a chunk for each worker at least."""
    import dask.array as da

    rng = np.random.default_rng(0)
    rows = 8 * n_workers
    maps = rng.dirichlet(np.full(3, 0.2), (rows, 12))
    counts = rng.poisson(maps @ (30 * rng.random((3, 40))))
    return da.from_array(counts.astype(np.float32), chunks=(4, 12, 40))


def _nbytes(value):
    """Bytes of the arrays, dense or CSR, in nested lists and tuples."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return sum(map(_nbytes, value))
    if hasattr(value, "indptr"):
        return value.data.nbytes + value.indices.nbytes + value.indptr.nbytes
    return getattr(value, "nbytes", 0)


class _Counters:
    """Tasks, bytes and processor time of the workers since it was made."""

    def __init__(self, client, tasks):
        self.client, self.tasks = client, tasks
        self.before = self._now()

    def _now(self):
        times = self.client.run(time.process_time)
        return {
            "tasks": self.tasks.ended,
            "received_mib": self.client.received / MIB,
            "sent_mib": self.client.scheduler_comm.byte_count / MIB,
            "worker_cpu_seconds": sum(times.values()),
        }

    def read(self):
        now = self._now()
        return {name: now[name] - self.before[name] for name in now}


class _Losses:
    """A worker killed in the middle of every pass.

    Every tile that a worker begins leaves a byte in the file of its pass; who leaves
    the byte of the middle block kills the process that it is in.
    """

    def __init__(self, enabled):
        self.enabled = enabled

    def __enter__(self):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.when = []
        return self

    def __exit__(self, *exception):
        self.folder.cleanup()

    def of(self, run):
        """Passes in which a worker is lost, instead of ``run``."""
        if not self.enabled:
            return run

        def run_and_lose(matrix, function, rows=(), shared=()):
            mark = Path(self.folder.name, f"pass{len(self.when)}")
            self.when.append(matrix.n_blocks // 2 + 1)
            dies = partial(dies_in_the_middle, function, str(mark), self.when[-1])
            return run(matrix, dies, rows, shared)

        return run_and_lose

    def count(self):
        """Number of passes in which a worker was lost."""
        folder = Path(self.folder.name)
        sizes = [(folder / f"pass{i}").stat().st_size for i in range(len(self.when))]
        return sum(size >= when for size, when in zip(sizes, self.when, strict=True))


def dies_in_the_middle(function, mark, when, X, *arguments):
    """Call a function of a pass, but kill this process at a certain call of all."""
    with open(mark, "ab", buffering=0) as file:
        file.write(b".")
        begun = file.tell()
    if begun == when:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(X, *arguments)
