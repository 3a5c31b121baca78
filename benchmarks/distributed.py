"""Cluster: tasks, bytes to the client, time, lost workers, and what 1 TB would take.

Tables
  workers        the default decomposition, Poisson NMF of three components and the rank
                 of a cube of counts in an HDF5 file: without a cluster, and on 1, 2 and
                 4 single-threaded worker processes of this machine
  maps           abundances of known spectra that are not computed for the client
                 (``abundances(..., compute=False)``) but kept by the workers
  lost workers   the same fits on two workers, one of which is killed in the middle of
                 every pass over the data
  1 TB           the same spectra, more pixels, on 16 workers: extrapolated

"difference" is the largest one to the fit without a cluster, relative to the largest
value of maps or spectra. Bytes to the client are those of all arrays that it gathers.

The model of the extrapolation: tasks, bytes from and to the client, and processor time
of client and of workers are each a constant plus a rate times the pixels, from two runs
on two workers with different numbers of pixels. The time of all workers is divided by
16. To it are added the client's time; a gigabyte per second for its bytes; and a
millisecond of the scheduler for each task. Tasks are counted for blocks of 64 MiB, in
which so large a file should be written; the files here have blocks of a megabyte.
"client GiB" is the memory that the default decomposition needs for each pixel (see the
benchmark ``nmf``) times the pixels: more than one machine has if the cube is of short
spectra. Then fit a part of the pixels, and let the workers keep the maps of all.
"""

import tempfile
from pathlib import Path

from benchmarks.measure import MIB, Rows, run_case
from benchmarks.nmf import PIXEL_BYTES
from benchmarks.report import Check

FITS = ("nmf_so_ard", "nmf_kl", "estimate_rank")
WORKERS = (1, 2, 4)
SIZES = (64, 128)
N_CHANNELS = 1024
# Of the extrapolation: bytes of the cube, workers, bytes of a block, seconds of the
# scheduler for a task (said by dask's documentation), bytes per second of the network.
CUBE_BYTES = 1e12
FAR_WORKERS = 16
FAR_BLOCK = 64 * MIB
TASK_SECONDS = 1e-3
NETWORK = 1e9
# Grow with the pixels.
GROWING = (
    "tasks",
    "received_mib",
    "sent_mib",
    "worker_cpu_seconds",
    "cpu_seconds",
)
BOUND = 1e-5


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=WORKERS,
        help="numbers of worker processes (default: 1 2 4)",
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs=2,
        default=SIZES,
        help="edges of the square maps of the two cubes (default: 64 128)",
    )
    parser.add_argument(
        "--channels", type=int, default=N_CHANNELS, help="of a spectrum (default: 1024)"
    )
    parser.add_argument(
        "--fits", nargs="+", choices=FITS, default=FITS, help="some (default: all)"
    )
    parser.add_argument(
        "--no-loss",
        action="store_true",
        help="leave the lost workers out: a new process for each takes seconds",
    )
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds for a case (default: 3600)"
    )


def run(arguments):
    """Run the fits with and without clusters.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _run(arguments, Path(folder))


def _run(arguments, folder):
    rows = Rows("benchmarks.distributed_cases:", arguments)
    small, large = sorted(arguments.sizes)
    files = {}
    for edge in (small, large):
        file = {"path": str(folder / f"{edge}.hspy")}
        written = run_case(
            "benchmarks.nmf_data:write_cube",
            kind="edx",
            shape=(edge, edge),
            n_channels=arguments.channels,
            n_components=3,
            path=file["path"],
        )
        if "error" in written:
            return [{"table": "workers", "method": f"{edge} x {edge}", **written}]
        file["reference"] = str(folder / f"{edge}.npz")
        file["fits"] = list(arguments.fits)
        files[edge] = file
        rows.add("workers", f"{edge} x {edge}, none", "fit_here", **file)

    def on_cluster(edge, n_workers, table="workers", **options):
        label = f"{edge} x {edge}, {n_workers} workers"
        rows.add(
            table,
            label,
            "fit_on_cluster",
            **files[edge],
            n_workers=n_workers,
            **options,
        )

    for n_workers in arguments.workers:
        on_cluster(large, n_workers)
    on_cluster(small, 2)
    if 2 not in arguments.workers:
        on_cluster(large, 2)
    if not arguments.no_loss:
        on_cluster(small, 2, "lost workers", lose=True)
    return _named(rows) + _far(rows, small, large, arguments.channels)


def _named(rows):
    """The rows by fit, with the fit in the name; maps have a table of their own."""
    order = (*FITS, "maps", None)
    named = []
    for row in sorted(rows, key=lambda row: order.index(row.get("fit"))):
        fit = row.get("fit")
        named.append(
            row
            | {"method": f"{fit}, {row['method']}" if fit else row["method"]}
            | {"table": "maps" if fit == "maps" else row["table"]}
        )
    tables = ("workers", "maps", "lost workers")
    return sorted(named, key=lambda row: tables.index(row["table"]))


def _far(rows, small, large, n_channels):
    """What a cube of a terabyte would take on 16 workers, see the docstring."""
    far = []
    names = {f"{edge} x {edge}, 2 workers": edge for edge in (small, large)}
    for fit in FITS:
        measured = {
            names[row["method"]]: row
            for row in rows
            if row["table"] == "workers"
            and row.get("fit") == fit
            and row["method"] in names
        }
        if len(measured) == 2:
            found = extrapolate(measured[small], measured[large], n_channels)
            far.append({"table": "1 TB", "method": f"{fit}, 16 workers", **found})
    return far


def extrapolate(small, large, n_channels, cube_bytes=CUBE_BYTES):
    """Quantities of a larger cube from those of two small ones.

    Parameters
    ----------
    small, large : dict
        Rows of two runs with "n_pixels", "passes" and the quantities of `GROWING`.
    n_channels : int
        Channels of the float32 spectra.
    cube_bytes : float
        Size of the cube to extrapolate to.

    Returns
    -------
    dict
        A row: the quantities, the time in hours and what it is made of.
    """
    n_pixels = cube_bytes / (4 * n_channels)
    more = large["n_pixels"] - small["n_pixels"]
    at = {}
    for name in GROWING:
        rate = max(0.0, (large[name] - small[name]) / more)
        at[name] = large[name] + rate * (n_pixels - large["n_pixels"])
    # The blocks of the files hold a megabyte.
    tasks = at["tasks"] * 1e6 / FAR_BLOCK
    seconds = {
        "workers_hours": at["worker_cpu_seconds"] / FAR_WORKERS,
        "client_hours": at["cpu_seconds"],
        "network_hours": (at["received_mib"] + at["sent_mib"]) * MIB / NETWORK,
        "scheduler_hours": tasks * TASK_SECONDS,
    }
    return {
        "client_gib": n_pixels * PIXEL_BYTES / 2**30,
        "n_pixels": int(n_pixels),
        "passes": large["passes"],
        "tasks": int(tasks),
        "received_mib": at["received_mib"],
        **{name: value / 3600 for name, value in seconds.items()},
        "hours": sum(seconds.values()) / 3600,
    }


def check(rows):
    """The targets that the rows at hand can tell about.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of benchmarks.report.Check
    """
    checks = []
    for row in rows:
        if "difference" in row:
            name = f"{row['table']}: {row['method']}, difference"
            checks.append(Check(name, row["difference"], BOUND, at_most=True))
        if "lost" in row:
            name = f"{row['table']}: {row['method']}, passes with a lost worker"
            checks.append(Check(name, row["lost"], row["passes"]))
        if "held_mib" in row:
            name = f"{row['table']}: {row['method']}"
            part = row["received_mib"] / row["maps_mib"]
            checks += [
                Check(f"{name}, part sent to the client", part, 0.01, at_most=True),
                Check(
                    f"{name}, part held by the workers",
                    row["held_mib"] / row["maps_mib"],
                    1.0,
                ),
            ]
    return checks
