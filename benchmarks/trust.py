"""Trust: is the default right on 22 kinds of simulated scenes, or does it say so?

Tables
  one of each kind of scene: number of components and largest spectral angle of a
                 decomposition that is told nothing, whether it was flagged, and the
                 best of our methods that are told the true number
  summary        for every method: how many of its answers are right, wrong without a
                 word, and flagged although right; of the answers more than five degrees
                 off and of those within two, how many are flagged

An answer is right when its number of components is and when its largest angle is at
most twice that of the best method given the number, plus one degree. It is flagged
when the decomposition warns with ``DoubtfulResultWarning`` or ``UndeterminedWarning``.
Scenes of the seeds 0 to 99 are for development; those from 200 on for judgement.
"""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.measure import run_case
from benchmarks.report import Check
from benchmarks.trust_scenes import KINDS

# Algorithms of `decomposition` that find the number, and estimators that are given it.
BLIND = ("nmf_so_ard", "simplex_ml")
GIVEN = ("MCRALS", "VCA", "MinimumVolume", "NMFSO", "PoissonNMF")
# The best of these is the measure of what the data allow; degrees added to twice its
# angle. Answers farther off than the second figure are wrong, within the third right.
FACTOR, ADDED, WRONG, NEAR = 2.0, 1.0, 5.0, 2.0


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], metavar="SEED")
    parser.add_argument(
        "--methods", nargs="+", choices=BLIND, default=["nmf_so_ard"], metavar="METHOD"
    )
    parser.add_argument(
        "--given",
        type=Path,
        metavar="PATH",
        help="results of an earlier run, whose angles of the methods given the number "
        "are used",
    )
    parser.add_argument(
        "--limit", type=float, default=1200, help="seconds for a case (default: 1200)"
    )


def run(arguments):
    """Run the chosen methods on the chosen scenes.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    rows, known = [], _known(arguments.given)
    for kind in arguments.kinds:
        for seed in arguments.seeds:
            given = [] if (kind, seed) in known else GIVEN
            found = run_case(
                "benchmarks.trust_cases:fit_scene",
                threads=arguments.threads,
                limit=arguments.limit,
                kind=kind,
                seed=seed,
                blind=arguments.methods,
                given=given,
            )
            scene = {"table": kind, "kind": kind, "seed": seed}
            cases = found.get("rows", [found | {"method": f"seed {seed}"}])
            if not given:
                cases += known[kind, seed]
            new = [scene | case for case in cases]
            rows += _judged(new)
            for row in rows[-len(new) :]:
                print(f"{kind} {seed}: {_line(row)}", file=sys.stderr, flush=True)
    return rows + summary(rows)


def _known(path):
    """Rows of the methods given the number, by scene, in an earlier report."""
    known = {}
    for row in json.loads(path.read_text())["rows"] if path else []:
        if row.get("given"):
            kept = {k: row[k] for k in ("method", "given", "worst_angle", "seconds")}
            known.setdefault((row["kind"], row["seed"]), []).append(kept)
    return known


def _line(row):
    if "error" in row:
        return row["error"]
    words = f"{row['method']} {row['worst_angle']:.1f} deg {row['seconds']:.1f} s"
    if not row.get("given"):
        words += f", {row['components']} components, {row['found']}"
    return words


def _judged(rows):
    """Rows of one scene with the best angle of the methods given the number."""
    angles = [row["worst_angle"] for row in rows if row.get("given")]
    best = min(angles, default=None)
    judged = []
    for row in rows:
        if row.get("given") or "error" in row:
            judged.append(row)
            continue
        off = row["worst_angle"]
        right = row["right_number"] and off <= FACTOR * best + ADDED
        words = ("right" if right else "wrong") + ", flagged" * row["flagged"]
        judged.append(row | {"best_given": best, "right": right, "found": words})
    return judged


def summary(rows):
    """One row for every method that is told nothing, and one for each failure.

    Parameters
    ----------
    rows : list of dict
        Of all scenes.

    Returns
    -------
    list of dict
    """
    judged = [row for row in rows if "right" in row]
    lines = []
    for method in dict.fromkeys(row["method"] for row in judged):
        mine = [row for row in judged if row["method"] == method]
        right = np.array([row["right"] for row in mine])
        flagged = np.array([row["flagged"] for row in mine])
        off = np.array(
            [row["worst_angle"] if row["right_number"] else 90.0 for row in mine]
        )
        lines.append(
            {
                "table": "summary",
                "method": method,
                "scenes": len(mine),
                "right_share": float(right.mean()),
                "silently_wrong": int(np.sum(~right & ~flagged)),
                "false_alarms": _share(flagged[right]),
                "far_flagged": _share(flagged[off > WRONG]),
                "near_flagged": _share(flagged[off <= NEAR]),
                "seconds": float(np.mean([row["seconds"] for row in mine])),
            }
        )
    return lines


def _share(flags):
    return float(flags.mean()) if len(flags) else None


def check(rows):
    """The targets that the summary can tell about.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of benchmarks.report.Check
    """
    checks = []
    for row in rows:
        if row["table"] != "summary":
            continue
        for key, words, target, at_most in (
            ("right_share", "right", 0.9, False),
            ("silently_wrong", "silently wrong", 0, True),
            ("false_alarms", "flagged though right", 0.1, True),
            ("far_flagged", f"flagged, more than {WRONG:g} degrees off", 0.95, False),
            ("near_flagged", f"flagged, within {NEAR:g} degrees", 0.1, True),
        ):
            if row[key] is not None:
                checks.append(
                    Check(f"{row['method']}: {words}", row[key], target, at_most)
                )
    return checks
