"""Super-resolution: shifts found, maps resolved, plans judged, against known truths.

Tables
  bridge         ten frames of known shifts, a factor of three, white noise: error of
                 the shifts that are found, and of the map at these shifts
  held out       real frames, a quarter of them predicted from the others
  published scan nine frames at 500 nm for a map at 200 nm, five draws of a stage off
                 by 50 nm: decibels at the nominal places, everything chosen blind, and
                 with the settings of the map at the places found; at these; at the
                 true ones
  noise 15       the same scan at its nominal places with a noise of 15, a point and a
                 spot of 100 nm: sparse codes of patches, the compound Markov random
                 field and the oriented process beside Tikhonov
  cubes          Indian Pines as nine Poisson frames, 30 and 300 counts in a channel
  denoising      K-SVD on four images, the noise given ("psnr") and found ("blind")
  single frame   one image made finer: Set5 by dictionaries of other photographs
  plan           what the published scan determines, and what is proposed
  large          nine frames of 512 x 512 with 16 factors to 1280 x 1280 (--large)
  lazy           nine frames of 512 x 512 x 2048, 18 GiB made block by block, through
                 HyperSpy (--large)

Every parameter is at its default, chosen by the data. Cases whose data are not at hand
are left out, and said so.
"""

import sys
from functools import partial

from benchmarks.measure import run_case
from benchmarks.report import Check

CASES = "benchmarks.superresolution_cases:"
DICTIONARIES = "benchmarks.dictionary_cases:"
# Noise: least decibels with estimated shifts.
BRIDGE = {0: None, 2: 36.2, 5: 32.7, 10: 30.0}
# Of the published scan; the targets are about the first.
LEAST_DRAWS = 5
HELD_OUT = {"text": 28.6, "disk": 26.0}
# Decibels of Elad and Aharon (2006), and of Zeyde, Elad and Protter (2012).
DENOISED = {"Barbara": 30.83, "Lena": 32.38, "Boat": 30.36, "House": 33.20}
FINER = {2: 35.78, 3: 31.90}
_NEAR = 0.1
SPOTS = {"point": 0.0, "spot 100 nm": 1.0}
# Counts: least decibels, most degrees.
CUBES = {30: (None, None), 300: (37.5, 1.2)}


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--quick", action="store_true", help="parts of the data, for tests"
    )
    parser.add_argument(
        "--large", action="store_true", help="the table large as well, some minutes"
    )
    parser.add_argument(
        "--draws", type=int, default=1, help="of the noise, a row for each (default: 1)"
    )
    parser.add_argument(
        "--limit", type=float, default=1200, help="seconds for a case (default: 1200)"
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
    rows = []
    case = partial(run_case, threads=arguments.threads, limit=arguments.limit)
    quick = {"quick": True} if arguments.quick else {}

    def add(table, label, function, **options):
        row = case(function if ":" in function else CASES + function, **options)
        outcome = row.get("error") or f"{row['seconds']:.1f} s"
        print(f"{table}: {label}: {outcome}", file=sys.stderr, flush=True)
        if "no data folder" in row.get("error", ""):
            return
        used = f" ({row['method']})" if "method" in row else ""
        rows.append(row | {"table": table, "method": label + used, "case": label})

    for draw in range(arguments.draws):
        for noise in BRIDGE:
            add("bridge", f"noise {noise}", "bridge", noise=noise, draw=draw, **quick)
        for name, spot in SPOTS.items():
            for method in ("tikhonov", "sparse", "bayes_cmrf", "oriented_process"):
                add(
                    "noise 15",
                    name,
                    "noisy_scan",
                    spot=spot,
                    method=method,
                    draw=draw,
                    **quick,
                )
        for image in DENOISED:
            add(
                "denoising",
                f"{image} 20",
                DICTIONARIES + "denoising",
                image=image,
                noise=20.0,
                draw=draw,
                **quick,
            )
        for counts in CUBES:
            add("cubes", f"{counts} counts", "cube", counts=counts, draw=draw, **quick)
    for draw in range(max(arguments.draws, LEAST_DRAWS)):
        add("published scan", f"draw {draw}", "published_scan", draw=draw, **quick)
    for name in HELD_OUT:
        add("held out", name, "held_out_frames", name=name, **quick)
    for scale in FINER:
        for method in ("zeyde", "yang"):
            add(
                "single frame",
                f"x{scale}",
                DICTIONARIES + "single_frame",
                scale=scale,
                method=method,
                **quick,
            )
    add("plan", "published scan", "plan")
    if arguments.large:
        for method in ("gaussian_process", "vtv", "auto"):
            add("large", method, "large", method=method)
        add("lazy", "9 x 512 x 512 x 2048", "lazy")
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
    checks, tikhonov = [], None
    for row in (row for row in rows if "error" not in row):
        name, case = f"{row['table']}, {row['case']}", row["case"]
        if row["table"] == "bridge":
            checks += [
                Check(f"SR1 {name}, shifts", row["shift_rmse"], 0.02, True, " px"),
                Check(f"SR1 {name}, time", row["cpu_seconds"], 10, True, " s"),
            ]
            least = BRIDGE[int(case.split()[1])]
            if least:
                checks.append(Check(f"SR2 {name}", row["psnr"], least, unit=" dB"))
        elif row["table"] == "held out":
            checks.append(Check(f"SR3 {name}", row["psnr"], HELD_OUT[case], unit=" dB"))
        elif row["table"] == "published scan":
            estimated = row["estimated"]
            if case == "draw 0":
                gain = estimated - row["nominal"]
                checks += [
                    Check(f"SR4 {name}", estimated, 33.2, unit=" dB"),
                    Check(f"SR4 {name}, over nominal", gain, 2.5, unit=" dB"),
                ]
            lost = row["true_places"] - estimated
            checks.append(Check(f"{name}, below true places", lost, 0.1, True, " dB"))
        elif row["table"] == "noise 15":
            if "tikhonov" in row["method"]:
                tikhonov = row["psnr"]
            elif "sparse" in row["method"]:
                gain = row["psnr"] - tikhonov
                checks.append(Check(f"SR5 {name}, over Tikhonov", gain, 0, unit=" dB"))
        elif row["table"] == "denoising":
            image = case.split()[0]
            least = 30.75 if image == "Barbara" else DENOISED[image] - _NEAR
            checks += [
                Check(f"DN1 {name}", row["psnr"], least, unit=" dB"),
                Check(f"DN1 {name}, time", row["cpu_seconds"], 10, True, " s"),
            ]
        elif row["table"] == "single frame":
            if "zeyde" in row["method"]:
                least = FINER[int(case[1:])] - _NEAR
                checks.append(Check(name, row["psnr"], least, unit=" dB"))
        elif row["table"] == "cubes":
            least, most = CUBES[int(case.split()[0])]
            if least:
                checks += [
                    Check(f"SR6 {name}", row["psnr"], least, unit=" dB"),
                    Check(f"SR6 {name}, angle", row["sam"], most, True, " degrees"),
                ]
        elif row["table"] == "plan":
            checks += [
                Check("SR7 plan, rank off by", abs(row["rank"] - 180), 0, True),
                Check("SR7 plan, thirds proposed", float(row["proposed"]), 1),
            ]
        elif row["table"] == "large":
            checks.append(Check(name, row["seconds"], 60, True, " s"))
        elif row["table"] == "lazy":
            checks.append(Check(f"{name}, peak", row["peak_mib"], 3072, True, " MiB"))
    return checks
