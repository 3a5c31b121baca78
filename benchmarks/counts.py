"""Counts that stay sparse: files of makers, a large cube, its fit, and the scaling.

Tables
  makers         the shared files of makers, converted: size against the entropy of the
                 marginals (channels, and counts of pixels) and against the dense .hspy
  large cube     simulated, 1 % full, streamed into a .scube: memory and speed of
                 writing, time to load it lazily, of its first map and sum spectrum
  hspy           sum spectrum of a part of the cube, from .scube and from dense .hspy
  fit            Poisson NMF of eight components, without prior: `PoissonNMF` on the
                 blocks of the file until it has the loss of scikit-learn's
                 multiplicative updates on the same counts as one CSR matrix in memory
  scaling        a pass of Poisson NMF over parts of a cube of 4096 x 4096 x 4096 with
                 700 million counts

Times of the checks are processor times of one thread. "mcounts_per_second" is of
compressing and writing, once the events are in memory and sorted by pixels.
"""

import tempfile
from pathlib import Path

from benchmarks.measure import Rows
from benchmarks.report import Check
from benchmarks.scube_cases import _CONVERTED

SHAPE, FILLING = (1024, 1024, 2048), 0.01
HUGE, HUGE_COUNTS = 4096, 7e8
PEER_ITERATIONS = 10


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--shape", type=int, nargs=3, default=SHAPE, help="of the cube (1024 1024 2048)"
    )
    parser.add_argument(
        "--parts", type=int, nargs="+", default=(64, 16),
        help="one over the parts of the large cube (default: 64 16; 1 is all of it)",
    )  # fmt: skip
    parser.add_argument(
        "--huge", type=int, default=HUGE, help="edge of that cube (default: 4096)"
    )
    parser.add_argument(
        "--peer-iterations", type=int, default=PEER_ITERATIONS, help="(default: 10)"
    )
    parser.add_argument(
        "--tables", nargs="+", default=("makers", "large", "fit", "scaling"),
        choices=("makers", "large", "fit", "scaling"), help="some (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds for a case (default: 3600)"
    )


def run(arguments):
    """Run the cases.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    rows = Rows("benchmarks.scube_cases:", arguments)
    if "makers" in arguments.tables:
        for name in _CONVERTED:
            rows.add("makers", name, "convert_makers_file", name=name)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "large.scube"))
        shape = list(arguments.shape)
        per_pixel = FILLING * shape[2]
        if {"large", "fit"} & set(arguments.tables):
            cube = {"path": path, "shape": shape, "per_pixel": per_pixel}
            rows.add("large cube", "write", "write_cube", **cube)
        if "large" in arguments.tables:
            rows.add("large cube", "read", "load_lazily", path=path)
            part = {
                "shape": [max(1, shape[0] // 8), *shape[1:]],
                "per_pixel": per_pixel,
            }
            files = [str(Path(folder, f"part{end}")) for end in (".scube", ".hspy")]
            rows.add(
                "hspy", "write", "write_cube", path=files[0], dense=files[1], **part
            )
            rows.add("hspy", ".scube", "load_lazily", path=files[0])
            rows.add("hspy", ".hspy", "sum_spectrum_of_hspy", path=files[1])
        if "fit" in arguments.tables:
            n = arguments.peer_iterations
            rows.add("fit", "scikit-learn", "fit_peer", path=path, iterations=n)
            loss = rows[-1].get("loss")
            rows.add("fit", "nmf_kl", "fit_file", path=path, iterations=200, until=loss)
            rows.add("fit", "nmf_kl, memory", "fit_file", path=path, iterations=5)
        if "scaling" in arguments.tables:
            edge = arguments.huge
            for part in arguments.parts:
                name = str(Path(folder, f"huge{part}.scube"))
                cube = {"shape": [edge // part, edge, edge]}
                cube["per_pixel"] = HUGE_COUNTS / HUGE**2
                rows.add("scaling", f"write 1/{part}", "write_cube", path=name, **cube)
                rows.add("scaling", f"pass 1/{part}", "passes_of", path=name, repeats=2)
                Path(name).unlink(missing_ok=True)
    return list(rows)


def check(rows):
    """Compare the rows with the targets.

    Parameters
    ----------
    rows : list of dict
        What `run` returned.

    Returns
    -------
    list of Check
        Targets of the rows that ended.
    """
    good = [row for row in rows if "error" not in row]
    checks = []
    for row in [row for row in good if row["table"] == "makers"]:
        name = row["method"]
        if row["filling"] < 0.01:
            ratio = row["bits_per_count"] / row["entropy"]
            checks.append(Check(f"{name}: size over entropy", ratio, 1.25, True))
        if "of_hspy" in row:
            checks.append(Check(f"{name}: size over .hspy", row["of_hspy"], 0.8, True))
        bound = 3 * row["source_mib"] + 95.4
        checks.append(Check(f"{name}: peak MiB", row["peak_mib"], bound, True))
    by_name = {(r["table"], r.get("action", r["method"])): r for r in good}
    written = by_name.get(("large cube", "write"))
    if written:
        checks += [
            Check("peak MiB of writing", written["peak_mib"], 1024, True),
            Check("Mcounts/s of writing", written["mcounts_per_second"], 20, False),
        ]
    for action, bound in (("lazy load", 0.5), ("first map", 1.0)):
        if row := by_name.get(("large cube", action)):
            checks.append(Check(f"{action}, s", row["cpu_seconds"], bound, True))
    ours, dense = (
        by_name.get(("hspy", f"sum spectrum{end}")) for end in ("", ", .hspy")
    )
    if ours and dense:
        ratio = ours["cpu_seconds"] / dense["cpu_seconds"]
        checks.append(Check("sum spectrum over .hspy", ratio, 1.0, True))
    peer, fit = by_name.get(("fit", "scikit-learn")), by_name.get(("fit", "nmf_kl"))
    if peer and fit:
        ratio = peer["cpu_seconds"] / fit["cpu_seconds"]
        checks.append(
            Check("scikit-learn over nmf_kl, time to its loss", ratio, 5, False)
        )
        checks.append(
            Check(
                "loss over that of scikit-learn", fit["loss"] / peer["loss"], 1.0, True
            )
        )
    if row := by_name.get(("fit", "nmf_kl, memory")):
        checks.append(Check("peak MiB of nmf_kl", row["peak_mib"], 2048, True))
    rates = [
        r["cpu_seconds"] / r["mcounts"] for r in good if r["method"].startswith("pass ")
    ]
    if len(rates) > 1:
        spread = max(rates) / min(rates)
        checks.append(Check("time of a pass per count, spread", spread, 1.25, True))
    return checks
