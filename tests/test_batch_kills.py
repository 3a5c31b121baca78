"""kill -9 of the batch command at random times loses nothing and leaves nothing.

Three kills among the usual tests; ``python -m pytest -n 0 -m study
tests/test_batch_kills.py`` makes a hundred, which takes some minutes.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.batch import read_record

# VCA compiles and loads little: the kills shall meet reading and writing.
OPTIONS = "--algorithm vca --max-components 3 --set random_state=0 --quiet".split()
# The libraries are loaded once, by a first run. Every later run is a fork in a process
# group of its own: the answers are its number and, when it has ended, its exit code.
COMMANDS = """
import json, os, sys
from sparsedecomp.cli import main

def run(line):
    try:
        return main(json.loads(line))
    except SystemExit as exit:
        return exit.code

sys.stdout = sys.stderr
run(sys.stdin.readline())
for line in sys.stdin:
    if not (pid := os.fork()):
        os.setsid()
        os._exit(run(line) or 0)
    os.write(1, b"%d\\n" % pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(1, b"%d\\n" % code)
"""


def contents(result):
    """Arrays of a result file, and its record but for the time that the fit took."""
    record = read_record(result)
    record["summary"].pop("seconds")
    arrays = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
            arrays[name] = item[()]

    with h5py.File(result) as file:
        file.visititems(collect)
    return record, arrays


def assert_equal_results(result, undisturbed):
    (record, arrays), (wanted_record, wanted) = map(contents, (result, undisturbed))
    assert record == wanted_record
    assert arrays.keys() == wanted.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


def results_in(folder):
    return {path.name: path for path in folder.glob("[!.]*")}


def claimed_by(folder, pid):
    """Whether a process works on a file of the folder."""
    for claim in folder.glob(".*.claim"):
        try:
            if claim.read_text().endswith(f" {pid}"):
                return True
        except FileNotFoundError:
            continue
    return False


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def commands(first, log):
    """Function that runs the command for some files and kills it ``wait`` seconds
    after its first claim; returns its exit code and the seconds since that claim."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-c", COMMANDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as server,
    ):

        def send(files, folder):
            line = ["decompose", *map(str, files), "--output", str(folder), *OPTIONS]
            server.stdin.write(json.dumps(line).encode() + b"\n")
            server.stdin.flush()

        def run(files, folder, wait=np.inf):
            send(files, folder)
            pid = int(server.stdout.readline())
            while is_running(pid) and not claimed_by(folder, pid):
                time.sleep(0.002)
            start = time.monotonic()
            while is_running(pid) and time.monotonic() < start + wait:
                time.sleep(0.002)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            return int(server.stdout.readline()), time.monotonic() - start

        send(*first)
        yield run
        server.stdin.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to kill")
@pytest.mark.parametrize("n_kills", [3, pytest.param(100, marks=pytest.mark.study)])
def test_kills_lose_nothing_and_leave_nothing(tmp_path, mixture, n_kills):
    files = []
    for i in range(6):
        files.append(tmp_path / f"cube{i}.hspy")
        hs.signals.Signal1D(mixture()[2] * (1 + i)).save(files[-1])
    inputs = [file.read_bytes() for file in files]
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "out"
    undisturbed.mkdir()
    folder.mkdir()
    rng = np.random.default_rng(0)
    killed = interrupted_writes = claims = kept = 0
    log = tmp_path / "log.txt"
    with commands((files[:1], tmp_path / "first.hspy"), log) as run:
        code, duration = run(files, undisturbed)
        assert code == 0, log.read_text()
        while killed < n_kills:
            code, _ = run(files, folder, duration * rng.random())
            # What is there under the name of a result is a whole one.
            before = {}
            for name, path in results_in(folder).items():
                before[name] = path.read_bytes()
                assert_equal_results(path, undisturbed / name)
            if code == 0:
                assert before.keys() == results_in(undisturbed).keys()
            else:
                assert code == -signal.SIGKILL, log.read_text()
                killed += 1
                kept += len(before)
                hidden = [path.name for path in folder.glob(".*")]
                claims += any(name.endswith(".claim") for name in hidden)
                interrupted_writes += any(name.endswith(".hspy") for name in hidden)

            assert run(files, folder)[0] == 0, log.read_text()
            assert sorted(os.listdir(folder)) == sorted(os.listdir(undisturbed))
            for name, path in results_in(folder).items():
                assert_equal_results(path, undisturbed / name)
                assert name not in before or path.read_bytes() == before[name]
                path.unlink()
    assert [file.read_bytes() for file in files] == inputs
    # The kills met what they are about.
    assert claims
    if n_kills >= 100:
        assert interrupted_writes >= 5 and kept >= 50
