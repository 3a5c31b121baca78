"""Fusion of a sharp image with a coarse cube: airborne cubes with truth, EELS, traps.

Tables
  airborne       four cubes, a step of 4 or 8, one or four guide bands; everything blind
                 and by default, beside the cubic spline of every channel and GSA
                 (regression on the guide), which is told the point spread
  eels           measured EELS binned by 2 and 5 with its dark-field image, and with
                 the same image upside down, shuffled, moved, inverted and with 5 %
                 noise; "told dB" is the answer without a guide
  counts         simulated EDX of 5, 30 and 300 counts in a coarse pixel: the part of
                 all errors within two standard deviations
  point spread   ten point-spread functions, blind and told (--spreads)

The noise is 30 dB in the cube and 40 dB in the guide; decibels are means over bands,
each with its own peak. Cases whose data are not at hand are left out, and said so.
"""

import numpy as np

from benchmarks.fusion_cases import CUBES, PSFS
from benchmarks.fusion_measured import GUIDES
from benchmarks.measure import Rows
from benchmarks.report import Check

CASES = "benchmarks.fusion_cases:"
MEASURED = "benchmarks.fusion_measured:"
# Binning: least decibels with the dark-field image.
EELS = {2: 40.0, 5: 33.0}
COUNTS = (5, 30, 300)
_COVERED = 0.90, 0.98
# Most that a guide may cost that is not of the field.
_LOST = 0.1
# Step and bands: mean and least gain over GSA in decibels.
GAINS = {(4, 1): (2.5, 1.0), (8, 1): (1.3, 0.5), (4, 4): (3.0, 1.0), (8, 4): (2.0, 1.0)}
# Spectra must be so many degrees better than the spline's wherever these exceed three.
_ANGLE, _WHERE = 0.5, 3.0
_MEAN_LOSS, _WORST_LOSS = 0.3, 0.6


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--quick", action="store_true", help="one cube, one draw, for tests"
    )
    parser.add_argument(
        "--draws", type=int, default=1, help="of the noise (default: 1)"
    )
    parser.add_argument(
        "--first", type=int, default=100, help="seed of the first draw (default: 100)"
    )
    parser.add_argument(
        "--spreads", action="store_true", help="the table point spread as well"
    )
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds for a case (default: 600)"
    )


def run(arguments):
    """Run all cases.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
    """
    rows = Rows(CASES, arguments)
    cubes = CUBES[:1] if arguments.quick else CUBES
    for step, bands in list(GAINS)[: 1 if arguments.quick else None]:
        for draw in range(arguments.first, arguments.first + arguments.draws):
            for name in cubes:
                rows.add(
                    f"airborne, x{step}, {bands} bands",
                    f"{name}, draw {draw}",
                    "airborne_case",
                    name=name,
                    step=step,
                    bands=bands,
                    draw=draw,
                )
    measured = Rows(MEASURED, arguments)
    for binning in () if arguments.quick else EELS:
        for guide in GUIDES[: None if binning == 2 else 1]:
            label = f"x{binning}, {guide}"
            measured.add("eels", label, "eels_case", binning=binning, guide=guide)
    for counts in () if arguments.quick else COUNTS:
        for draw in range(arguments.first, arguments.first + arguments.draws):
            label = f"{counts} counts, draw {draw}"
            measured.add("counts", label, "counts_case", counts=counts, draw=draw)
    rows.extend(measured)
    if arguments.spreads:
        for psf in PSFS:
            for name in cubes:
                rows.add(
                    "point spread",
                    f"{psf}, {name}",
                    "airborne_case",
                    name=name,
                    step=4,
                    bands=4,
                    draw=arguments.first,
                    psf=psf,
                    twin=True,
                )
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
    checks = []
    rows = [row for row in rows if "error" not in row]
    for (step, bands), (mean, least) in GAINS.items():
        table = f"airborne, x{step}, {bands} bands"
        own = [row for row in rows if row["table"] == table]
        if not own:
            continue
        gains = [row["gain"] for row in own]
        checks += [
            Check(f"{table}, mean gain over GSA", np.mean(gains), mean, unit=" dB"),
            Check(f"{table}, least gain over GSA", min(gains), least, unit=" dB"),
        ]
        for row in own:
            better = row["spline_sam"] - row["sam"]
            needed = _ANGLE if bands == 1 and row["spline_sam"] > _WHERE else 0.0
            name = f"{table}, {row['method']}, spectra better than the spline's"
            checks.append(Check(name, better, needed, unit=" degrees"))
    for row in rows:
        name = f"{row['table']}, {row['method']}"
        if row["table"] == "counts":
            least, most = _COVERED
            checks += [
                Check(f"{name}, covered", row["covered"], least),
                Check(f"{name}, covered", row["covered"], most, True),
            ]
        elif row["table"] == "eels":
            checks.append(_eels_check(name, row))
    for psf in PSFS:
        own = [row for row in rows if row["method"].startswith(f"{psf}, ")]
        losses = [row["told"] - row["psnr"] for row in own if "told" in row]
        if losses:
            name = f"point spread, {psf}, lost"
            checks += [
                Check(f"{name}, mean", np.mean(losses), _MEAN_LOSS, True, " dB"),
                Check(f"{name}, worst", max(losses), _WORST_LOSS, True, " dB"),
            ]
    return checks


def _eels_check(name, row):
    """The target of one guide: decibels for true ones, what others cost at most."""
    binning, guide = row["method"].split(", ")
    if guide in ("true", "inverted"):
        return Check(name, row["psnr"], EELS[int(binning[1:])], unit=" dB")
    if guide in ("upside down", "shuffled"):
        return Check(f"{name}, lost", row["told"] - row["psnr"], _LOST, True, " dB")
    return Check(f"{name}, over splines", row["psnr"] - row["spline"], 0.0, unit=" dB")
