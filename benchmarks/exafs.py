"""EXAFS: from mu(E) to chi(k) and to shells, against larch and scikit-learn.

Tables
  reduction  10,000 spectra, a measured one with noise of their own, to chi(k); larch's
             time is that of its autobk for a few of them, times their number
  agreement  chi(k) of ours and of larch's autobk on measured spectra: relative
             root mean square of the difference of k^2 chi
  lasso      the non-negative path of 12 penalties for 10,000 simulated spectra of
             nickel oxide; scikit-learn's time as larch's
  evidence   a support for each of the same spectra, by greedy search
  memory     the whole chain, lazy, chunks of 20 MB: peak for 40,000 pixels and for
             eight times the pixels
  shells     measured spectra, one configuration: distances and numbers of atoms beside
             those of the crystal, and larch's fit of the first shell (structure given)
  image      a simulated image in much noise: shells from all pixels together, errors of
             the numbers of atoms beside the smallest that any unbiased fit can have

Rows of larch and of data that are not there are left out.
"""

import sys
from importlib.util import find_spec

from benchmarks.measure import run_case
from benchmarks.report import Check

TABLES = ("reduction", "agreement", "lasso", "evidence", "memory", "shells", "image")
CASES = "benchmarks.exafs_cases:"
# Scans that reach k of 9 1/angstrom and more.
MEASURED = ("cu_foil_10k", "co_foil", "fe2o3", "znse", "uo2")
CRYSTALS = ("cu_foil_10k", "nio_chi", "znse")


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--table", choices=(*TABLES, "all"), default="all", help="which table"
    )
    parser.add_argument("--quick", action="store_true", help="few spectra, for tests")
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
    count, few = (30, 2) if arguments.quick else (10_000, 40)
    rows = []

    def add(table, label, function, **options):
        row = run_case(
            CASES + function,
            threads=arguments.threads,
            limit=arguments.limit,
            **options,
        )
        if "missing" in row:
            print(f"{table}: {label}: left out, {row['missing']}", file=sys.stderr)
            return
        rows.append({"table": table, "method": label} | row)
        outcome = row.get("error") or f"{row['seconds']:.3g} s"
        print(f"{table}: {label}: {outcome}", file=sys.stderr, flush=True)

    larch = find_spec("larch") is not None
    wanted = TABLES if arguments.table == "all" else (arguments.table,)
    if "reduction" in wanted:
        add("reduction", "ours", "reduce_ours", count=count)
        if larch:
            add("reduction", "larch", "reduce_larch", count=count, timed=few)
    if "agreement" in wanted and larch:
        for name in MEASURED:
            add("agreement", name, "agree", name=name)
    if "lasso" in wanted:
        add("lasso", "ours", "path_ours", count=count)
        add("lasso", "scikit-learn", "path_sklearn", count=count, timed=few)
    if "evidence" in wanted:
        add("evidence", "ours", "evidence", count=count)
    if "memory" in wanted:
        for times in (4, 32):
            add("memory", f"{times * count:,} pixels", "chain", count=times * count)
    if "shells" in wanted:
        for name in CRYSTALS:
            add("shells", f"{name}, ours", "shells", name=name)
        if larch:
            add("shells", "cu_foil_10k, larch", "first_shell_larch")
    if "image" in wanted:
        edge = 5 if arguments.quick else 20
        for noise in (0.02, 0.08):
            for support in ("joint", "pixel"):
                label = f"{support}, noise {noise:g}"
                add("image", label, "image", edge=edge, noise=noise, support=support)
    return rows


def check(rows):
    """The targets that the rows at hand can tell about.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of benchmarks.report.Check
    """
    at = {(row["table"], row["method"]): row for row in rows if "error" not in row}
    checks = []

    def seconds(table, method="ours"):
        return at[table, method]["cpu_seconds"]

    for table, peer, faster, longest in (
        ("reduction", "larch", 50, 1),
        ("lasso", "scikit-learn", 5, 5),
        ("evidence", None, None, 5),
    ):
        if (table, "ours") not in at:
            continue
        time = seconds(table)
        checks.append(Check(f"{table}, ours", time, longest, at_most=True, unit=" s"))
        if (table, peer) in at:
            ratio = seconds(table, peer) / time
            checks.append(
                Check(f"{table}, {peer}", ratio, faster, unit=" times as long")
            )
    for (table, method), row in at.items():
        if table == "agreement":
            difference = row["difference"]
            checks.append(Check(f"{table}, {method}", difference, 1e-4, at_most=True))
    peaks = [row["peak_mib"] for (table, _), row in at.items() if table == "memory"]
    if len(peaks) == 2:
        # Of a few spectra the peak may be too small to be seen.
        growth = peaks[1] / peaks[0] if peaks[0] > 0 else None
        checks.append(Check("memory of 8 times the pixels", growth, 1.3, True))
    copper = at.get(("shells", "cu_foil_10k, ours"))
    if copper:
        limits = {1: (0.005, 1.2), 2: (0.01, 1.5), 3: (0.025, 6), 4: (0.025, 8)}
        for shell, (distance, atoms) in limits.items():
            found = copper["shells"].get(str(shell))
            name = f"copper at 10 K, shell {shell}"
            error = found and (abs(found["dR"]), abs(found["dN"]))
            checks += [
                Check(f"{name}, distance", error and error[0], distance, True, " A"),
                Check(f"{name}, atoms", error and error[1], atoms, True),
            ]
        spurious = copper["spurious"]
        checks.append(Check("copper, atoms elsewhere", spurious, 0.1, at_most=True))
    image = at.get(("image", "joint, noise 0.08"))
    if image:
        checks += [
            Check("image, shells found", float(image["exact"]), 1),
            Check("image, error of N of O", image["rmse_O"], 0.75, at_most=True),
            Check("image, error of N of Ni", image["rmse_Ni"], 2.4, at_most=True),
        ]
    return checks
