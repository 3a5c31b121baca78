"""NMF: time to a given residual, memory and accuracy, of ours and of its peers.

Tables
  same residual  every method minimises ||X - W H|| alone, with the same number of
                 components: time to the residual that a peer reaches in 200 iterations
  truth          every method as one would use it: components kept, mean and worst angle
                 to the true spectra, error of the abundances
  out of core    a cube in an HDF5 file that HyperSpy loads lazily: peak memory, passes
  generated      a cube of 32 GiB whose blocks are made anew in every pass, the same way

Peers are scikit-learn's NMF (coordinate descent), HyperSpy's online robust NMF (ORNMF),
HyperSpy's lazy NMF (mini-batch NMF) and the published update rules in plain NumPy.
Every case runs in a process of its own. Peak memory is the highest resident memory
above that after the imports; a cube in memory is part of it. "x ours" says how many
times longer a peer takes, in processor time where there is one thread. Compiling and
reading a cube into memory are not timed.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import MIB, run_case
from benchmarks.report import Check

SHAPES = {
    "small": (64, 64, 512),
    "medium": (128, 128, 1024),
    "large": (512, 512, 2048),
    "huge": (2048, 2048, 2048),
}
# The same cases on toys, for the tests.
QUICK_SHAPES = {
    "small": (14, 12, 64),
    "medium": (16, 14, 64),
    "large": (24, 20, 64),
    "huge": (48, 40, 64),
}
SIZES = tuple(SHAPES)
COMPONENTS = 10
ITERATIONS = 200
# Without soft orthogonality, on even noise and from one start the objective of NMFSO
# is the residual and nothing else, as it is for the peers.
FROBENIUS = {
    "method": "ours",
    "estimator": "NMFSO",
    "orthogonality": 0.0,
    "noise": "uniform",
    "clipping": False,
    "n_init": 1,
    "tol": 0.0,
}
PEERS = {
    "scikit-learn NMF, cd": {"method": "scikit_learn", "tol": 0.0},
    "published rules": {
        "method": "published",
        "rules": "nmf_so",
        "wo": 0.0,
        "tol": 0.0,
    },
}
SPEED_TARGETS = {"scikit-learn NMF, cd": 5, "published rules": 20}
ORNMF = {"method": "in_hyperspy", "algorithm": "ORNMF"}
MINI_BATCH = {"method": "in_hyperspy", "algorithm": "NMF", "lazy": True}

# Memory of a fit of a lazy cube: see `formula_mib`.
RANK = 30
PIXEL_BYTES = 2 * 4 * RANK + 64
SEARCH_PIXELS = 2**16
SEARCH_BYTES = 900
BLOCK_COPIES = 3
TASK_BYTES = 9 * 1024


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    shapes = ", ".join(f"{k} {'x'.join(map(str, v))}" for k, v in SHAPES.items())
    parser.add_argument(
        "--size",
        choices=(*SIZES, "all"),
        default="medium",
        help=f"of the cube: {shapes}; all leaves huge out (default: medium)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="toy cubes and few iterations, for tests"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="runs of a method in memory, the quickest counts (default: 3)",
    )
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds for a case (default: 3600)"
    )
    parser.add_argument(
        "--folder", help="where cubes are written (default: a temporary folder)"
    )


def run(arguments):
    """Run the cases of the chosen sizes.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    sizes = SIZES[:3] if arguments.size == "all" else (arguments.size,)
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            bench = Bench(arguments, size, Path(folder))
            if size in ("small", "medium"):
                _in_memory(bench)
            elif size == "large":
                _out_of_core(bench)
            else:
                _generated(bench)
            rows += bench.rows
    return rows


class Bench:
    """The cases of one size, and the rows that they gave."""

    def __init__(self, arguments, size, folder):
        self.size = size
        self.quick = arguments.quick
        self.shape = (QUICK_SHAPES if self.quick else SHAPES)[size]
        self.components = min(COMPONENTS, min(self.shape) // 2)
        self.iterations = 5 if self.quick else ITERATIONS
        self.threads = arguments.threads
        self.repeats = 1 if self.quick else arguments.repeats
        self.folder = folder
        self.rows = []
        self.case = partial(run_case, threads=arguments.threads, limit=arguments.limit)

    def write(self, kind, suffix):
        """Make a cube; returns the path and what is known of it."""
        path = str(self.folder / f"{kind}{suffix}")
        about = self.case(
            "benchmarks.nmf_data:write_cube",
            kind=kind,
            shape=self.shape[:2],
            n_channels=self.shape[2],
            n_components=self.components,
            path=path,
        )
        if "error" in about:
            raise RuntimeError(f"The cube {path} could not be made: {about['error']}")
        return path, about

    def add(self, table, label, function, **options):
        """Run a case and keep its row."""
        row = self.case(f"benchmarks.nmf_cases:{function}", **options)
        name = f"{table}, {'x'.join(map(str, self.shape))}"
        row = {"table": name, "size": self.size, "method": label} | row
        self.rows.append(row)
        outcome = row.get("error") or f"{row['seconds']:.2f} s"
        print(f"{name}: {label}: {outcome}", file=sys.stderr, flush=True)
        return row

    def ratio(self, peer, row):
        """How many times longer the peer took, None unless ours did as well."""
        if "error" in peer or "error" in row or row["residual"] > peer["residual"]:
            return None
        time = "cpu_seconds" if self.threads == 1 else "seconds"
        return peer[time] / row[time]


def _in_memory(bench):
    # One cube of each sort is enough for a test.
    n_kinds = 1 if bench.quick else 2
    for kind in ("product", "edges")[:n_kinds]:
        path, _ = bench.write(kind, ".npy")
        _same_residual(bench, kind, path)
    for kind in ("eels", "edx")[:n_kinds]:
        path, about = bench.write(kind, ".npy")
        _truth(bench, kind, path, about["n_components"])


def _same_residual(bench, kind, path):
    add = partial(
        bench.add,
        f"same residual, {kind}, K={bench.components}",
        function="fit_cube",
        path=path,
        n_components=bench.components,
        repeats=bench.repeats,
    )
    fixed = {"max_iter": bench.iterations}
    stopped = {"iterations": bench.iterations}
    for name, options in PEERS.items():
        peer = add(f"{name}, {bench.iterations} it", **options, **fixed)
        row = add(
            f"NMFSO to the residual of {name}",
            until=peer.get("residual", 0.0),
            max_iter=1000,
            **FROBENIUS,
        )
        row["peer"] = name
        row["speed_up"] = peer["times_slower"] = bench.ratio(peer, row)
    add(f"NMFSO, {bench.iterations} it", **FROBENIUS, **stopped)
    add(f"NMFSO exact, {bench.iterations} it", compression=None, **FROBENIUS, **stopped)
    if kind == "product":
        # In other units it takes many times longer and ends elsewhere.
        add("HyperSpy ORNMF, X / mean", unit_mean=True, **ORNMF)
        add("HyperSpy lazy NMF (mini-batch)", **MINI_BATCH)


def _truth(bench, kind, path, k):
    add = partial(bench.add, f"truth, {kind}", function="fit_cube", path=path)
    spectra = [str(bench.folder / f"{kind}_{n}.npz") for n in ("compressed", "exact")]
    ard = {"method": "ours", "estimator": "NMFSOARD", "n_components": None}
    scaled = {"n_components": k, "normalize_poissonian_noise": True}
    rules = {"method": "published", "max_iter": bench.iterations}
    compressed = add("NMFSOARD", **ard, save=spectra[0])
    exact = add("NMFSOARD exact", **ard, compression=None, save=spectra[1])
    add("NMFSO", method="ours", estimator="NMFSO", n_components=k)
    add("scikit-learn NMF, cd", method="scikit_learn", n_components=k)
    add("HyperSpy ORNMF, Poisson", **ORNMF, **scaled)
    add("HyperSpy lazy NMF, Poisson", **MINI_BATCH, **scaled)
    add("published NMF-SO, wo=0.1", rules="nmf_so", n_components=k, **rules)
    add(
        "published NMF-ARD-SO, wo=0.05",
        rules="nmf_ard_so",
        n_components=bench.components,
        wo=0.05,
        **rules,
    )
    if "error" in compressed or "error" in exact:
        return
    exact["against_compressed"] = {
        "components": abs(exact["components"] - compressed["components"]),
        "objective": _relative(exact["objective"], compressed["objective"]),
        "residual": _relative(exact["residual"] ** 2, compressed["residual"] ** 2),
        **bench.case(
            "benchmarks.nmf_cases:compare_spectra", first=spectra[0], second=spectra[1]
        ),
    }


def _relative(a, b):
    return abs(a - b) / abs(a)


def _out_of_core(bench):
    path, about = bench.write("eels", ".hspy")
    add = partial(bench.add, "out of core, eels", function="fit_file", path=path)
    row = add("nmf_so_ard", **_in_hyperspy("nmf_so_ard", None))
    _add_formula(bench, row, about["block"])
    add("HyperSpy lazy NMF (mini-batch)", **_in_hyperspy("NMF", about["n_components"]))


def _in_hyperspy(algorithm, n_components):
    return {
        "method": "in_hyperspy",
        "algorithm": algorithm,
        "n_components": n_components,
    }


def _generated(bench):
    edge = 8 if bench.quick else 64
    row = bench.add(
        "generated, product, K=3",
        "NMFSOARD",
        function="fit_generated",
        shape=bench.shape[:2],
        n_channels=bench.shape[2],
        chunks=(edge, edge),
        true_components=3,
        method="ours",
        estimator="NMFSOARD",
        n_components=None,
    )
    _add_formula(bench, row, edge * edge * bench.shape[2] * 4)


def _add_formula(bench, row, block_bytes):
    if "error" not in row:
        row["predicted_mib"] = formula_mib(
            bench.shape, block_bytes, bench.threads, row["warm_mib"]
        )


def formula_mib(shape, block_bytes, threads, warm_mib):
    """Peak memory of a fit of a lazy float32 cube by NMFSOARD.

    What a fit of a toy takes (compiled kernels, buffers of the libraries); three times
    each block in flight (as read, in tiles, and the last one not yet given back); for
    every pixel two sets of scores of `RANK` directions and eight numbers; the search
    for the number of components, on at most `SEARCH_PIXELS` pixels; the directions;
    and what dask holds for a stored block. The bytes of the search and of a block were
    measured on cubes of 256 x 256 pixels in 16 to 16,384 blocks.
    """
    n_pixels, n_channels = shape[0] * shape[1], shape[2]
    size = BLOCK_COPIES * threads * block_bytes
    size += n_pixels * PIXEL_BYTES + 3 * 8 * RANK * n_channels
    size += min(n_pixels, SEARCH_PIXELS) * SEARCH_BYTES
    size += n_pixels * n_channels * 4 / block_bytes * TASK_BYTES
    return warm_mib + size / MIB


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
        name = f"{row['table']}: {row['method']}"
        if row["size"] == "medium" and "peer" in row:
            target = SPEED_TARGETS[row["peer"]]
            checks.append(Check(name, row["speed_up"], target, unit=" times as fast"))
        if "against_compressed" in row:
            found = row["against_compressed"]
            name = f"{row['table']}: compressed against exact"
            checks += [
                Check(f"{name}, components", found["components"], 0, at_most=True),
                Check(f"{name}, cosine of spectra", found.get("cosine"), 0.999),
                Check(f"{name}, objective", found["objective"], 1e-3, at_most=True),
                Check(f"{name}, residual", found["residual"], 1e-3, at_most=True),
            ]
        if "predicted_mib" in row:
            ratio = row["peak_mib"] / row["predicted_mib"]
            checks.append(
                Check(f"{name}, peak over formula", ratio, 1.25, at_most=True)
            )
            checks.append(Check(f"{name}, passes", row["passes"], 8, at_most=True))
            if row["size"] == "large":
                peak = row["peak_mib"]
                checks.append(
                    Check(f"{name}, peak", peak, 1024, at_most=True, unit=" MiB")
                )
    return checks
