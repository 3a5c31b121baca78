"""Bands: do bands of nine in ten cover that share of the true spectra and maps?

Tables
  coverage  for every kind of scene of ``trust`` the number of components of which is
            known: largest spectral angle of the fit, share of the channels of the true
            spectra and of the pixels of the true maps that the bands cover (mean over
            the seeds, and spectra with the counting noise alone for comparison), and
            seconds of the fit and of the bands

Kinds whose model is wrong (cosmic rays, drift, plural scattering) are left out unless
they are asked for. Scenes of the seeds 0 to 99 are for development; those from 200 on
for judgement.
"""

import sys

import numpy as np

from benchmarks.measure import run_case
from benchmarks.report import Check
from benchmarks.trust_scenes import KINDS

MODEL_IS_WRONG = ("1 cosmic ray", "5 cosmic rays", "drift .5", "drift 2", "thickness")
# Shares between which a kind counts as covered, and number of kinds.
LOW, HIGH, KINDS_COVERED = 0.85, 0.95, 8
COST = 5.0


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    kinds = [kind for kind in KINDS if kind not in MODEL_IS_WRONG]
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=kinds, metavar="KIND"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], metavar="SEED")
    parser.add_argument(
        "--limit", type=float, default=1200, help="seconds for a case (default: 1200)"
    )


def run(arguments):
    """Compute the bands of the chosen scenes.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        One row for each kind.
    """
    rows = []
    for kind in arguments.kinds:
        cases = [
            run_case(
                "benchmarks.trust_cases:cover_scene",
                threads=arguments.threads,
                limit=arguments.limit,
                kind=kind,
                seed=seed,
            )
            for seed in arguments.seeds
        ]
        failed = [case for case in cases if "error" in case]
        row = failed[0] if failed else {k: _mean(cases, k) for k in cases[0]}
        rows.append({"table": "coverage", "method": kind} | row)
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _mean(cases, key):
    return float(np.mean([case[key] for case in cases]))


def check(rows):
    """Kinds whose spectra are covered, and those whose maps are; the cost.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of benchmarks.report.Check
    """
    done = [row for row in rows if "error" not in row]
    checks = [
        Check(
            f"kinds whose {name} are covered {LOW:.0%} to {HIGH:.0%}",
            sum(LOW <= round(row[key], 2) <= HIGH for row in done),
            min(KINDS_COVERED, len(rows)),
            at_most=False,
        )
        for name, key in (("spectra", "covered"), ("maps", "maps_covered"))
    ]
    if done:
        cost = np.median([row["seconds"] / row["fit_seconds"] for row in done])
        checks.append(Check("seconds of the bands over one fit", cost, COST, True))
    return checks
