"""Unmixing: how close to the truth, and how fast, of ours and of its peers.

Tables
  truth          scenes with known spectra and maps, every method at its defaults:
                 mean and worst angle to the true spectra, error of the abundances, and
                 of the shares of a pixel once every map is scaled to be closest
  no pure pixel  scenes of the benchmark ``trust`` in which no pixel is pure: minimum
                 volume against SISAL and pyMCR, whichever is closer
  oxides         NMFSOARD on Mn3O4: the draws of noise and start that give two
                 components, and the change of the spectra in other units
  per iteration  coordinate descent on 10,000 x 1,000 entries, ten components: an
                 iteration of ours settles the abundances: pixels that hold something
                 of all components are solved, others swept up to 20 times; with one
                 sweep it is what an iteration of scikit-learn's is
  vertices       VCA once the data are compressed
  corners        SSS+VCA once they are, on mixtures in which sources own channels
  counts         Poisson NMF on the non-zero counts of a measured cube, to the loss that
                 scikit-learn's multiplicative updates reach
  lazy           a cube of 256 MiB whose blocks are made anew in every pass: peak memory
                 against the formula of the benchmark ``nmf``, of Poisson NMF itself

Scenes that are not at hand are left out, and said so. Peers are scikit-learn's NMF
(coordinate descent, and multiplicative updates for the Poisson loss), HyperSpy's ORNMF,
on the data over their mean since it does not end on large counts, and pyMCR, where it
is installed; SISAL is that of `benchmarks.sisal`. The last release of espm cannot be
imported beside the others.
"""

import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import run_case
from benchmarks.nmf import FROBENIUS, PEERS, formula_mib
from benchmarks.report import Check

# Scene -> how it is made, and the decibels of the noise.
SCENES = {
    "samson": {"name": "samson", "unit_norm": True},
    "sim1, 30 dB": {"name": "sim1", "decibels": 30},
    "sim2, 30 dB": {"name": "sim2", "decibels": 30},
    "edx_particles": {"name": "edx_particles_espm"},
    "simulated EELS": {"name": "eels", "shape": (64, 64)},
    "simulated EDX": {"name": "edx", "shape": (64, 64)},
}
COUNTS = ("edx_particles", "simulated EELS", "simulated EDX")
# Method, of all scenes or of one: most degrees, abundance error and seconds.
TARGETS = {
    ("MinimumVolume", "samson"): {"angle": 1.9, "abundance_rmse": 0.045},
    ("MinimumVolume", "sim1, 30 dB"): {"angle": 0.5, "abundance_rmse": 0.015},
    ("MinimumVolume", "sim2, 30 dB"): {"angle": 0.5, "abundance_rmse": 0.015},
    ("PoissonNMF", "edx_particles"): {
        "angle": 3.3,
        "abundance_rmse": 0.032,
        "cpu_seconds": 1.0,
    },
    # What pyMCR was measured to reach, closed and from the vertices of another VCA.
    ("MCRALS", "samson"): {"angle": 4.26, "share_rmse": 0.145},
    ("MCRALS", "sim1, 30 dB"): {"angle": 3.3},
    ("MCRALS", "sim2, 30 dB"): {"angle": 16.8},
    ("MCRALS", "edx_particles"): {"angle": 4.73, "share_rmse": 0.064},
}
NO_PURE_PIXEL, SEEDS = ("not pure, 30 dB", "not pure, 40 dB", "XANES"), range(3)
DRAWS = 100
CORNERS = range(3, 9)
ONE_SWEEP = "NMFSO, one sweep"
OURS = ("VCA", "SSSVCA", "MinimumVolume", "NMFSO", "NMFSOARD", "MCRALS")
FASTER = {"per iteration": 10, "counts": 5}


def add_arguments(parser):
    """Add the options of this benchmark to its command."""
    parser.add_argument(
        "--scene",
        choices=(*SCENES, "all"),
        default="all",
        help="one scene of the table truth (default: all)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="toy scenes and few iterations, for tests"
    )
    parser.add_argument(
        "--limit", type=float, default=1200, help="seconds for a case (default: 1200)"
    )


def run(arguments):
    """Run the cases of the chosen scenes.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `add_arguments`, and "threads".

    Returns
    -------
    list of dict
        The rows of all tables.
    """
    bench = Bench(arguments)
    scenes = SCENES if arguments.scene == "all" else [arguments.scene]
    with tempfile.TemporaryDirectory() as folder:
        bench.folder = Path(folder)
        for scene in scenes:
            _truth(bench, scene)
        if arguments.scene == "all":
            _no_pure_pixel(bench)
            _oxides(bench)
            _per_iteration(bench)
            _vertices(bench)
            _corners(bench)
            _counts(bench)
            _lazy(bench)
    return bench.rows


class Bench:
    """The cases and the rows that they gave."""

    def __init__(self, arguments):
        self.quick = arguments.quick
        self.rows = []
        self.folder = None
        self.threads = arguments.threads
        self.case = partial(run_case, threads=self.threads, limit=arguments.limit)

    def add(self, table, label, function, **options):
        """Run a case and keep its row."""
        row = {"table": table, "method": label} | self.case(function, **options)
        self.rows.append(row)
        outcome = row.get("error") or " ".join(
            f"{row[key]:.3g} {unit}"
            for key, unit in (("cpu_seconds", "s"), ("cpu_ms", "ms"))
            if key in row
        )
        print(f"{table}: {label}: {outcome}", file=sys.stderr, flush=True)
        return row


def _truth(bench, scene):
    recipe = dict(SCENES[scene])
    if bench.quick:
        recipe |= {"shape": (16, 16)} if "shape" in recipe else {}
    path = str(bench.folder / "scene.npy")
    about = bench.case("benchmarks.unmixing_cases:write_scene", path=path, **recipe)
    if "error" in about:
        print(f"{scene}: left out, {about['error']}", file=sys.stderr)
        return
    add = partial(
        bench.add,
        f"truth, {scene}",
        function="benchmarks.unmixing_cases:fit_scene",
        path=path,
        n_components=about["n_components"],
    )
    counts = scene in COUNTS
    repeats = 1 if bench.quick else 3
    for estimator in OURS + (("PoissonNMF",) if counts else ()):
        row = add(estimator, method="ours", estimator=estimator, repeats=repeats)
        row["target"] = [estimator, scene]
    few = {"max_iter": 5} if bench.quick else {}
    add("scikit-learn NMF, cd", method="scikit_learn", **few)
    if counts:
        kl = {"solver": "mu", "beta_loss": "kullback-leibler", "init": "nndsvda"}
        add("scikit-learn NMF, KL", method="scikit_learn", **kl, **few)
    online = {"method": "in_hyperspy", "algorithm": "ORNMF", "unit_mean": True}
    add("HyperSpy ORNMF, X / mean", **online)
    if find_spec("pymcr"):
        add("pyMCR, NNLS, closed", method="py_mcr", **few)


def _no_pure_pixel(bench):
    kinds, seeds = NO_PURE_PIXEL, SEEDS
    if bench.quick:
        kinds, seeds = kinds[-1:], seeds[:1]
    path = str(bench.folder / "no_pure_pixel.npy")
    for kind in kinds:
        for seed in seeds:
            about = bench.case(
                "benchmarks.unmixing_cases:write_simulated",
                kind=kind,
                seed=seed,
                path=path,
            )
            add = partial(
                bench.add,
                f"no pure pixel, {kind}, seed {seed}",
                function="benchmarks.unmixing_cases:fit_scene",
                path=path,
                n_components=about["n_components"],
            )
            peers = [add("SISAL", method="sisal")]
            if find_spec("pymcr"):
                few = {"max_iter": 5} if bench.quick else {}
                peers.append(add("pyMCR, NNLS, closed", method="py_mcr", **few))
            row = add("MinimumVolume", method="ours", estimator="MinimumVolume")
            row["best_peer"] = min(peer.get("angle", 90.0) for peer in peers)


def _oxides(bench):
    draws = 3 if bench.quick else DRAWS
    function = "benchmarks.unmixing_cases:find_oxides"
    row = bench.add("oxides", "NMFSOARD", function, draws=draws)
    if "error" in row:
        print(f"oxides: left out, {bench.rows.pop()['error']}", file=sys.stderr)


def _per_iteration(bench):
    shape, channels, iterations = ((100, 100), 1000, 100)
    if bench.quick:
        shape, channels, iterations = (10, 10), 60, 3
    path = str(bench.folder / "product.npy")
    bench.case(
        "benchmarks.nmf_data:write_cube",
        kind="product",
        shape=shape,
        n_channels=channels,
        n_components=10,
        path=path,
    )
    add = partial(
        bench.add,
        "per iteration",
        function="benchmarks.unmixing_cases:time_of_iterations",
        path=path,
        n_components=10,
        iterations=iterations,
    )
    peer = add(
        "scikit-learn NMF, cd", bound="max_iter", **PEERS["scikit-learn NMF, cd"]
    )
    for label, sweeps in (("NMFSO", None), (ONE_SWEEP, 1)):
        row = add(label, bound="iterations", sweeps=sweeps, **FROBENIUS)
        _compare_speed(row, peer, "cpu_ms")
        row["residual_of_peer"] = peer.get("residual")


def _vertices(bench):
    name = "samson"
    path = str(bench.folder / "vertices.npy")
    about = bench.case("benchmarks.unmixing_cases:write_scene", path=path, name=name)
    if "error" not in about:
        bench.add(
            "vertices",
            f"VCA, {name}",
            "benchmarks.unmixing_cases:find_vertices",
            path=path,
            n_components=about["n_components"],
        )


def _corners(bench):
    for k in CORNERS:
        options = {"n_pixels": 200, "n_channels": 60} if bench.quick else {}
        bench.add(
            "corners",
            f"SSSVCA, {k} sources",
            "benchmarks.unmixing_cases:find_corners",
            n_components=k,
            **options,
        )


def _counts(bench):
    iterations = 3 if bench.quick else 200
    function = "benchmarks.counts_cases:fit_counts"
    peer = bench.add(
        "counts", "scikit-learn NMF, mu", function, method="peer", iterations=iterations
    )
    if "error" in peer:
        print(f"counts: left out, {bench.rows.pop()['error']}", file=sys.stderr)
        return
    row = bench.add("counts", "PoissonNMF", function, method="ours", until=peer["loss"])
    _compare_speed(row, peer)


def _lazy(bench):
    shape, channels, edge = ((256, 256), 1024, 32)
    if bench.quick:
        shape, channels, edge = ((24, 20), 64, 8)
    for estimator in (*OURS, "PoissonNMF"):
        # Poisson NMF reads the data in every iteration: a few show what it holds.
        few = {"max_iter": 3} if estimator == "PoissonNMF" else {}
        row = bench.add(
            "lazy",
            estimator,
            "benchmarks.nmf_cases:fit_generated",
            shape=shape,
            n_channels=channels,
            chunks=(edge, edge),
            true_components=3,
            method="ours",
            estimator=estimator,
            n_components=3,
            **few,
        )
        if "error" not in row and not few:
            row["predicted_mib"] = formula_mib(
                (*shape, channels),
                edge * edge * channels * 4,
                bench.threads,
                row["warm_mib"],
            )


def _compare_speed(row, peer, key="cpu_seconds"):
    if "error" not in row and "error" not in peer:
        row["speed_up"] = peer[key] / row[key]
        peer["times_slower"] = row["speed_up"]


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
        for key, most in TARGETS.get(tuple(row.get("target", ())), {}).items():
            checks.append(Check(f"{name}, {key}", row.get(key), most, at_most=True))
        if "speed_up" in row:
            least = FASTER[row["table"]]
            checks.append(Check(name, row["speed_up"], least, unit=" times as fast"))
        if "best_peer" in row:
            most = row["best_peer"]
            checks.append(Check(f"{name}, angle", row.get("angle"), most, at_most=True))
        if row.get("residual_of_peer"):
            most = row["residual_of_peer"]
            name = f"{name}, residual"
            checks.append(Check(name, row.get("residual"), most, at_most=True))
        if row["table"] in ("vertices", "corners"):
            used = row.get("cpu_seconds")
            checks.append(Check(name, used, 0.2, at_most=True, unit=" s"))
        if row["table"] == "oxides":
            checks += _checks_of_oxides(name, row)
        if "predicted_mib" in row:
            ratio = row["peak_mib"] / row["predicted_mib"]
            name = f"{name}, peak over formula"
            checks.append(Check(name, ratio, 1.25, at_most=True))
        elif row["table"] == "lazy":
            peak = row["peak_mib"]
            checks.append(Check(f"{name}, peak", peak, 1024, True, " MiB"))
        if row["table"] == "corners":
            worst = row.get("worst_angle")
            checks.append(Check(name, worst, 0.01, at_most=True, unit=" degrees"))
    return checks


def _checks_of_oxides(name, row):
    share = 100 * row["two_components"] / row["draws"]
    return [
        Check(f"{name}, draws with two components", share, 95, unit=" %"),
        Check(
            f"{name}, outside of the feasible bands",
            row["outside"],
            0.0,
            at_most=True,
            unit=" degrees",
        ),
        Check(
            f"{name}, change in other units",
            row["difference"],
            1e-6,
            at_most=True,
        ),
    ]
