"""EXAFS: from mu(E) to chi(k) and to shells, against larch and scikit-learn.

Tables
  reduction  10,000 spectra, a measured one with noise of their own, to chi(k); larch's
             time is that of its autobk for a few of them, times their number
  agreement  every measured scan, ours beside larch's autobk: relative root mean square
             of the difference of k^2 chi, as larch leaves its search, where that search
             ends when it is led to a tolerance of 1e-15, and where it ends when it
             starts from ours; larch's own cost function, ours over theirs less 1;
             threshold and edge step
  theory     a column of the basis beside larch's path2chi, over all paths; a grid of
             one element by FEFF6L
  lasso      the non-negative path of 12 penalties for 10,000 simulated spectra of
             nickel oxide; scikit-learn's time as larch's
  evidence   a support for each of the same spectra, by greedy search; one for all of
             them, read in chunks
  memory     the whole chain, lazy, chunks of 20 MB: peak for 40,000 pixels and for
             eight times the pixels
  shells     measured spectra, one configuration: distances and numbers of atoms beside
             those of the crystal, elements, the ratio that tells the site, and larch's
             fit of the first shell (structure given)
  coverage   measured spectra of known structure, whole and cut at small k: how often
             95 % intervals hold distances and numbers of atoms, shells that are none
  image      a simulated image in rising noise: one set of shells for all pixels, with
             the pixels as a population and each alone; a set for each pixel; errors of
             the numbers of atoms beside the smallest that any unbiased fit can have

Rows of larch and of data that are not there are left out. How often intervals cover the
truth, and sites in noise, are studies among the tests: ``pytest -m study tests/xas``.
"""

from importlib.util import find_spec

from benchmarks.exafs_coverage import CUTS
from benchmarks.exafs_measured import CRYSTALS
from benchmarks.measure import Rows
from benchmarks.report import Check

TABLES = (
    "reduction agreement theory lasso evidence memory shells coverage image"
).split()
MANY, MEASURED = "exafs_cases:", "exafs_measured:"
COVERAGE = "exafs_coverage:coverage"
NOISES = (0.01, 0.02, 0.04, 0.08)


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
    rows = Rows("benchmarks.", arguments)
    add = rows.add
    larch = find_spec("larch") is not None
    wanted = TABLES if arguments.table == "all" else (arguments.table,)
    if "reduction" in wanted:
        add("reduction", "ours", MANY + "reduce_ours", count=count)
        if larch:
            add("reduction", "larch", MANY + "reduce_larch", count=count, timed=few)
    if "agreement" in wanted and larch:
        add("agreement", "all scans", MEASURED + "agreement")
    if "theory" in wanted:
        if larch:
            add("theory", "columns", MEASURED + "columns")
        add("theory", "grid by FEFF6L", MEASURED + "feff_grid")
    if "lasso" in wanted:
        add("lasso", "ours", MANY + "path_ours", count=count)
        add("lasso", "scikit-learn", MANY + "path_sklearn", count=count, timed=few)
    if "evidence" in wanted:
        add("evidence", "ours", MANY + "evidence", count=count)
        add("evidence", "joint, lazy", MANY + "joint_lazy", count=count)
    if "memory" in wanted:
        for times in (4, 32):
            pixels = times * count
            add("memory", f"{pixels:,} pixels", MANY + "chain", count=pixels)
    if "shells" in wanted:
        for name in CRYSTALS:
            add("shells", f"{name}, ours", MEASURED + "shells", name=name)
        if larch:
            add("shells", "cu_foil_10k, larch", MEASURED + "first_shell_larch")
    if "coverage" in wanted:
        for cut in CUTS[: 1 if arguments.quick else None]:
            label = "whole" if cut is None else f"to k = {cut:g}"
            add("coverage", label, COVERAGE, kmax=cut)
    if "image" in wanted:
        edge = 5 if arguments.quick else 20
        for noise in NOISES:
            scene = {"edge": edge, "noise": noise}
            for label, options in (
                ("joint", {"support": "joint"}),
                ("joint, alone", {"support": "joint", "hierarchical": False}),
                ("pixel", {"support": "pixel"}),
            ):
                label = f"{label}, noise {noise:g}"
                add("image", label, MANY + "image", **scene, **options)
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
    if ("evidence", "joint, lazy") in at:
        time = seconds("evidence", "joint, lazy")
        checks.append(Check("evidence, joint and lazy", time, 5, True, " s"))
    checks += _beside_larch([r for (table, _), r in at.items() if table == "agreement"])
    if ("theory", "columns") in at:
        difference = at["theory", "columns"]["difference"]
        checks.append(Check("theory, columns", difference, 1e-3, at_most=True))
    if ("theory", "grid by FEFF6L") in at:
        time = at["theory", "grid by FEFF6L"]["seconds"]
        checks.append(Check("theory, grid of an element", time, 5, True, " s"))
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
    checks += _elements_and_sites(
        {method: row for (table, method), row in at.items() if table == "shells"}
    )
    for (table, method), row in at.items():
        if table == "coverage" and "covered_R" in row:
            name = f"coverage, {method}"
            if method == "whole":
                checks.append(Check(f"{name}, distances", row["covered_R"], 0.9))
                checks.append(Check(f"{name}, atoms", row["covered_N"], 0.9))
            checks.append(Check(f"{name}, bonds", row["covered_first"], 0.9))
            checks.append(Check(f"{name}, spurious", row["spurious"], 0.05, True))
    image = at.get(("image", "joint, noise 0.08"))
    if image:
        covered = min(
            row["covered"]
            for (table, method), row in at.items()
            if table == "image" and method.startswith("joint, noise")
        )
        checks += [
            Check("image, two deviations cover", covered, 0.9),
            Check("image, shells found", float(image["exact"]), 1),
            Check("image, error of N of O", image["rmse_O"], 0.75, at_most=True),
            Check("image, error of N of Ni", image["rmse_Ni"], 2.4, at_most=True),
        ]
    return checks


def _beside_larch(scans):
    """Targets of the table agreement."""
    if not scans:
        return []

    def worst(key):
        return max(row[key] for row in scans)

    near = sum(row["difference"] <= 1e-4 for row in scans)
    return [
        Check("agreement, scans as larch leaves them", near, len(scans)),
        Check("agreement, larch's search ended", worst("at_the_end"), 1e-4, True),
        Check("agreement, larch's search from ours", worst("from_ours"), 1e-4, True),
        Check("agreement, larch's cost of ours", worst("cost"), 1e-12, True),
        Check("agreement, threshold", worst("e0_off"), 0.3, True, " eV"),
        Check("agreement, edge step", worst("step_off"), 0.01, True),
    ]


def _elements_and_sites(fits):
    """Targets of the table shells, over all measured spectra."""
    fits = {name: row for name, row in fits.items() if "right_elements" in row}
    told = {name: row for name, row in fits.items() if "ratio" in row}
    if not fits:
        return []
    right = min(row["right_elements"] for row in fits.values())
    checks = [Check("shells, elements right", right, 1)]
    if told:
        sites = min(row["right_site"] for row in told.values())
        checks.append(Check("shells, sites right", float(sites), 1))
    # The particles of uranium dioxide are no crystal, the first distance is short.
    known = [row["ratio_off"] for name, row in told.items() if "uo2" not in name]
    if known:
        checks.append(Check("shells, ratio of distances", max(known), 0.04, True))
    return checks
