"""A case in a process of its own: its time and its peak memory.

`run_case` starts ``python -m benchmarks.measure`` for one function, so that neither the
memory nor the caches of one case are seen by the next. The function returns a row.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import resource
except ImportError:  # on Windows
    resource = None

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
# Read by the libraries when they are loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "SPARSEDECOMP_NUM_THREADS",
    "DASK_NUM_WORKERS",
)


def run_case(target, *, threads=1, limit=None, **arguments):
    """Call a function in a new process.

    Parameters
    ----------
    target : str
        ``"module:function"``; the function returns a dictionary for JSON.
    threads : int, default 1
        That every library is told to use.
    limit : float, optional
        Seconds after which the process is ended.
    **arguments
        Of the function, values that JSON knows.

    Returns
    -------
    dict
        What the function returned, or "error" in words.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "row.json")
        command = [sys.executable, "-m", "benchmarks.measure", target, str(answer)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps(arguments),
                capture_output=True,
                text=True,
                cwd=ROOT,
                env=os.environ | dict.fromkeys(THREADS, str(threads)),
                timeout=limit,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {limit:g} s"}
        if done.returncode == 0:
            return json.loads(answer.read_text())
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return {"error": lines[-1]}


class Rows(list):
    """Rows of a benchmark, one case after the other.

    Parameters
    ----------
    cases : str
        ``"module:"`` of the functions.
    arguments : argparse.Namespace
        With "threads" and "limit".
    """

    def __init__(self, cases, arguments):
        super().__init__()
        self.cases, self.arguments = cases, arguments

    def add(self, table, label, function, **options):
        """Run a case, say how it went, and keep its row.

        A case that answers "missing", in words, is left out; one that answers "rows"
        has one for each of its methods.
        """
        row = run_case(
            self.cases + function,
            threads=self.arguments.threads,
            limit=self.arguments.limit,
            **options,
        )
        outcome = row.get("error") or row.get("missing")
        outcome = outcome or f"{row.get('seconds', 0):.3g} s"
        print(f"{table}: {label}: {outcome}", file=sys.stderr, flush=True)
        if "missing" not in row:
            found = row.get("rows", [row])
            self.extend({"table": table, "method": label} | one for one in found)


class Meter:
    """Peak resident memory above what the process held when the meter was made.

    Make it when everything is imported. The highest value that the kernel has seen is
    reset then where it can be, on Linux; elsewhere the imports must not have taken
    more than they kept.
    """

    def __init__(self):
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            pass
        self.baseline = resident_bytes()[0]

    def now_mib(self):
        return (resident_bytes()[0] - self.baseline) / MIB

    def peak_mib(self):
        return (resident_bytes()[1] - self.baseline) / MIB


def resident_bytes():
    """Resident memory of this process, now and at its highest."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        if resource is None:
            import psutil

            memory = psutil.Process().memory_info()
            return memory.rss, getattr(memory, "peak_wset", memory.rss)
        unit = 1 if sys.platform == "darwin" else 1024
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return highest, highest
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))


class Clock:
    """Wall and processor time since it was made."""

    def __init__(self):
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def read(self):
        return {
            "seconds": time.perf_counter() - self.wall,
            "cpu_seconds": time.process_time() - self.cpu,
        }


def quickest(function, repeats, enough=10.0):
    """Call a function some times, but not again after ``enough`` seconds.

    Returns
    -------
    result
        Of the quickest call by processor time.
    times : dict
        Of the same call, and how many calls there were.
    """
    best, began, calls = None, Clock(), 0
    while calls < repeats and (not calls or began.read()["seconds"] < enough):
        clock = Clock()
        result = function()
        times = clock.read()
        calls += 1
        if best is None or times["cpu_seconds"] < best[1]["cpu_seconds"]:
            best = result, times
    result, times = best
    return result, {**times, "repeats": calls}


def _main(target, answer):
    module, _, name = target.partition(":")
    arguments = json.load(sys.stdin)
    row = getattr(importlib.import_module(module), name)(**arguments)
    Path(answer).write_text(json.dumps(row))
    sys.stdout.flush()
    # Threads of a scheduler that idle on must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
