"""What a benchmark found, as aligned text and as JSON."""

import datetime
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = (
    "sparsedecomp hyperspy numpy scipy scikit-learn numba dask distributed h5py".split()
)
# Key of a row: heading and format. What a row does not have stays empty.
COLUMNS = {
    "method": ("method", "{}"),
    "seed": ("seed", "{}"),
    "scenes": ("scenes", "{}"),
    "right_share": ("right", "{:.2f}"),
    "silently_wrong": ("silently wrong", "{}"),
    "false_alarms": ("false alarms", "{:.2f}"),
    "far_flagged": ("far off: flagged", "{:.2f}"),
    "near_flagged": ("near: flagged", "{:.2f}"),
    "components": ("k", "{}"),
    "iterations": ("iter", "{}"),
    "passes": ("passes", "{}"),
    "seconds": ("wall s", "{:.2f}"),
    "cpu_seconds": ("cpu s", "{:.2f}"),
    "cpu_ms": ("cpu ms", "{:.2f}"),
    "worker_cpu_seconds": ("workers' cpu s", "{:.2f}"),
    "tasks": ("tasks", "{}"),
    "received_mib": ("to client MiB", "{:.2f}"),
    "sent_mib": ("from client MiB", "{:.2f}"),
    "maps_mib": ("maps MiB", "{:.2f}"),
    "held_mib": ("held MiB", "{:.2f}"),
    "lost": ("lost", "{}"),
    "workers_hours": ("workers h", "{:.2f}"),
    "client_hours": ("client h", "{:.2f}"),
    "network_hours": ("network h", "{:.2f}"),
    "scheduler_hours": ("scheduler h", "{:.2f}"),
    "hours": ("all h", "{:.2f}"),
    "client_gib": ("client GiB", "{:.1f}"),
    "residual": ("residual", "{:.6f}"),
    "match": ("FMS", "{:.4f}"),
    "map_error": ("map error", "{:.3f}"),
    "off": ("off px", "{:.4f}"),
    "shift_rmse": ("shift px", "{:.4f}"),
    "nominal": ("nominal", "{:.2f}"),
    "same_settings": ("same settings", "{:.2f}"),
    "estimated": ("estimated", "{:.2f}"),
    "true_places": ("true places", "{:.2f}"),
    "psnr": ("PSNR dB", "{:.2f}"),
    "best_single": ("best method", "{:.2f}"),
    "raw": ("raw", "{:.2f}"),
    "hyperspy_pca": ("HyperSpy PCA", "{:.2f}"),
    "skimage_tv": ("skimage TV", "{:.2f}"),
    "skimage_nlm": ("skimage NLM", "{:.2f}"),
    "bias_mean": ("deviation", "{:+.2f}"),
    "bias_spread": ("spread", "{:.2f}"),
    "flagged": ("flagged", "{:.2f}"),
    "interpolated": ("interp.", "{:.2f}"),
    "blind": ("blind", "{:.2f}"),
    "noise_found": ("noise", "{:.2f}"),
    "sam": ("SAM deg", "{:.2f}"),
    "gain": ("over GSA dB", "{:.2f}"),
    "gsa": ("GSA dB", "{:.2f}"),
    "told": ("told dB", "{:.2f}"),
    "spline": ("spline dB", "{:.2f}"),
    "spline_sam": ("SAM deg", "{:.2f}"),
    "rank": ("rank", "{}"),
    "z_score": ("z", "{:.2f}"),
    "angle": ("SAD deg", "{:.2f}"),
    "worst_angle": ("worst", "{:.2f}"),
    "best_given": ("best given k", "{:.2f}"),
    "abundance_rmse": ("RMSE", "{:.4f}"),
    "share_rmse": ("of shares", "{:.4f}"),
    "peak_mib": ("peak MiB", "{:.0f}"),
    "predicted_mib": ("formula", "{:.0f}"),
    "times_slower": ("x ours", "{:.1f}"),
    "difference": ("difference", "{:.1e}"),
    "at_the_end": ("at the end", "{:.1e}"),
    "from_ours": ("from ours", "{:.1e}"),
    "cost": ("cost", "{:+.1e}"),
    "e0_off": ("E0 eV", "{:.2f}"),
    "step_off": ("step", "{:.1e}"),
    "ratio": ("R2/R1", "{:.3f}"),
    "covered": ("covered", "{:.2f}"),
    "maps_covered": ("maps", "{:.2f}"),
    "noise_covered": ("noise alone", "{:.2f}"),
    "fit_seconds": ("fit s", "{:.2f}"),
    "found": ("found", "{}"),
    "error": ("", "{}"),
}


@dataclass(frozen=True)
class Check:
    """A target and what was measured.

    Attributes
    ----------
    name : str
    measured, target : float
    at_most : bool
        Whether the target is an upper bound, else it is a lower one.
    unit : str
    """

    name: str
    measured: float
    target: float
    at_most: bool = False
    unit: str = ""

    @property
    def passed(self):
        # A figure that could not be measured is None and meets nothing.
        if self.measured is None:
            return False
        if self.at_most:
            return self.measured <= self.target
        return self.measured >= self.target

    def as_dict(self):
        return {**asdict(self), "passed": self.passed}

    def __str__(self):
        measured = "nothing" if self.measured is None else f"{self.measured:.6g}"
        bound = "at most" if self.at_most else "at least"
        verdict = "PASS" if self.passed else "FAIL"
        figures = f"{measured}{self.unit}, target {bound} {self.target:g}{self.unit}"
        return f"{verdict}  {self.name}: {figures}"


def environment(threads):
    """What the figures depend on: machine, versions, threads."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "threads": threads,
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def print_tables(report):
    """Print the rows, one aligned table for every "table" among them."""
    found = report["environment"]
    versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
    print(f"{found['processor']}, {found['cores']} cores, threads {found['threads']}")
    print(f"Python {found['python']}, {versions}")
    tables = dict.fromkeys(row["table"] for row in report["rows"])
    for name in tables:
        rows = [row for row in report["rows"] if row["table"] == name]
        print(f"\n{name}\n{table(rows)}")


def table(rows):
    """Aligned text of some rows: names to the left, figures to the right."""
    keys = [key for key in COLUMNS if any(row.get(key) is not None for row in rows)]
    lines = [[COLUMNS[key][0] for key in keys]]
    for row in rows:
        lines.append(
            [
                "" if row.get(key) is None else COLUMNS[key][1].format(row[key])
                for key in keys
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys))]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if key in ("method", "error") else cell.rjust(width)
            for key, cell, width in zip(keys, line, widths, strict=True)
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def print_checks(checks):
    """Print what was asked and what was measured, a line for each target."""
    if checks:
        print("\nTargets")
    for check in checks:
        print(check)


def write_json(report, path=None):
    """Write a report and return where it went."""
    if path is None:
        stamp = report["environment"]["date"].replace(":", "")[:17]
        path = RESULTS / f"{report['benchmark']}-{stamp}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, default=str) + "\n")
    return path
