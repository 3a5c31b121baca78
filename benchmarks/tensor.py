"""Tensors: CPD, Tucker and coupled data, of ours and of TensorLy, and out of core.

Tables
  dense        overlapping components and white noise of 20 dB, in memory, float32:
               time, worst factor match over the seeds, memory beyond the data
  counts       a simulated tilt series of few counts per spectrum, without choice of
               any parameter
  amino acids  measured fluorescence of known concentrations (skipped without the data):
               the number of components is that of the rank tool
  scan         EDX and EELS of one scan, mean over ten seeds: error of the maps from
               either and from both, of maximum likelihood and smoothed in the end
  generated    a lazy tilt series of 16 GiB whose blocks are drawn anew in every pass

TensorLy's times are of one random start each; ours hold all starts. "FMS" is the mean
over the components of the product of the cosines of their factors with the true ones.
Data are made and kernels compiled before the clock starts. Peak memory is beyond the
data for "dense" and "counts", beyond the imports for "generated".
"""

from functools import partial

from benchmarks.measure import Rows
from benchmarks.report import Check

TABLES = ("dense", "counts", "amino", "scan", "generated")
CASES = "benchmarks.tensor_cases:"


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--table",
        choices=(*TABLES, "all"),
        default="all",
        help="which table (default: all but generated)",
    )
    parser.add_argument("--quick", action="store_true", help="toy data, for tests")
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds for a case (default: 3600)"
    )


def run(arguments):
    """Run the cases of the chosen tables.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    wanted = TABLES[:-1] if arguments.table == "all" else (arguments.table,)
    rows = Rows(CASES, arguments)
    for table in wanted:
        globals()[f"_{table}"](rows.add, arguments.quick)
    return rows


def _dense(add, quick):
    shape = (16, 14, 60) if quick else (128, 128, 1024)
    rank, seeds = (2, [0]) if quick else (6, list(range(10)))
    for kind in ("cpd", "tucker"):
        table = f"dense, {kind}, {'x'.join(map(str, shape))}, rank {rank}, 20 dB"
        add = partial(add, kind=kind, shape=shape, rank=rank)
        add(table, "ours", "fit_dense", method="ours", seeds=seeds)
        add(table, "TensorLy", "fit_dense", method="tensorly", seeds=seeds[:3])


def _counts(add, quick):
    size = {
        "shape": (8, 8) if quick else (64, 64),
        "n_steps": 6 if quick else 12,
        "n_channels": 64 if quick else 512,
        "seed": 0,
    }
    for counts in (20,) if quick else (2, 20, 200):
        table = f"counts, {counts} per spectrum"
        add(table, "ours", "fit_counts", method="ours", counts=counts, **size)
        add(table, "TensorLy", "fit_counts", method="tensorly", counts=counts, **size)


def _amino(add, quick):
    add("amino acids", "ours", "fit_amino_acids")


def _scan(add, quick):
    shape, seeds = ((12, 12), [0]) if quick else ((48, 48), list(range(10)))
    for which in ("EDX", "EELS", "both"):
        for smooth in (False, True):
            options = {"shape": shape, "seeds": seeds, "smooth": smooth}
            label = f"{which}, smoothed" if smooth else which
            table = "scan, EDX 200, EELS 2000 counts"
            add(table, label, "fit_scan", which=which, **options)


def _generated(add, quick):
    shape, n_steps, n_channels = ((12, 12), 6, 64) if quick else ((256, 256), 32, 2048)
    add(
        "generated, tilt series, 50 counts per spectrum",
        "ours",
        "fit_generated",
        shape=shape,
        n_steps=n_steps,
        n_channels=n_channels,
        counts=50,
        chunks=(1, 4 if quick else 16),
    )


def check(rows):
    """The targets that the rows at hand can tell about.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of benchmarks.report.Check
    """
    found = {(row["table"], row["method"]): row for row in rows if "error" not in row}
    checks = []
    for (table, method), row in found.items():
        peer = found.get((table, "TensorLy"))
        if method == "ours" and table.startswith("dense"):
            checks += _dense_checks(table, row, peer)
        elif method == "ours" and table.startswith("counts"):
            checks += _counts_checks(table, row)
        elif table == "amino acids":
            checks += [
                Check("amino acids, rank off by", abs(row["components"] - 3), 0, True),
                Check("amino acids, factor match", row["match"], 0.999),
                Check("amino acids, correlation", row["correlation"], 0.998),
                Check("amino acids, core consistency", row["core_consistency"], 99),
            ]
        elif table.startswith("scan"):
            joint = method.startswith("both")
            name = f"scan, map error, {method}"
            if joint or not method.endswith("smoothed"):
                target = 0.34 if joint else 0.43
                checks.append(Check(name, row["map_error"], target, at_most=joint))
        elif table.startswith("generated"):
            checks += [
                Check("generated, passes", row["passes"], 3, at_most=True),
                Check(
                    "generated, peak", row["peak_mib"], 1536, at_most=True, unit=" MiB"
                ),
            ]
    return checks


def _dense_checks(table, row, peer):
    checks = [Check(f"{table}, memory", row["peak_mib"], 50, at_most=True, unit=" MiB")]
    if "match" in row:
        checks.append(Check(f"{table}, worst factor match", row["match"], 0.999))
    if peer:
        peer["times_slower"] = peer["cpu_seconds"] / row["cpu_seconds"]
        target = 10 if "cpd" in table else 50
        checks.append(Check(f"{table}, speed", peer["times_slower"], target, unit="x"))
        excess = row["residual"] / peer["residual"] - 1
        checks.append(Check(f"{table}, excess residual", excess, 1e-3, at_most=True))
    return checks


def _counts_checks(table, row):
    counts = int(table.split()[1])
    checks = []
    if counts in (2, 20):
        target = {2: 0.65, 20: 0.97}[counts]
        checks.append(Check(f"{table}, factor match", row["match"], target))
    if counts == 20:
        checks.append(
            Check(f"{table}, time", row["seconds"], 6, at_most=True, unit=" s")
        )
    return checks
