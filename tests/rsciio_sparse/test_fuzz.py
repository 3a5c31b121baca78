"""Damaged files of counts: a clear error, never a crash, a hang or a lot of memory.

``python -m pytest -m study tests/rsciio_sparse/test_fuzz.py`` reads 10,000 of them; the
environment variable SPARSEDECOMP_FUZZ gives another number.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("scube", "jeol", "bruker", "velox", "h5oina")
# Seconds without an answer that count as a hang, and MiB as too much memory.
PATIENCE, GROWTH = 60.0, 200.0

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux"
)


@pytest.fixture
def base_of(tmp_path):
    """Function that returns an undamaged file of a kind."""

    def find(kind):
        names = {
            "jeol": "jeol_view000.pts",
            "bruker": "P45_the_default_job.bcf",
            "velox": "example_velox_EELS_EDS.emd",
        }
        if kind in names:
            folder = os.environ.get("SPARSEDECOMP_DATA_DIR", ROOT / "../shared/data")
            path = Path(folder) / "counts" / names[kind]
            if not path.is_file():
                pytest.skip(f"{path} is not here")
            return path
        data = np.random.default_rng(0).poisson(0.2, (12, 10, 64))
        path = tmp_path / f"base.{kind}"
        if kind == "scube":
            s = hs.signals.Signal1D(data.astype("uint8"))
            s.original_metadata.set_item("a.b", np.arange(300.0))
            s.original_metadata.set_item("a.c", ["text", 1, None])
            s.save(path, tile_shape=(3, 4))
            return path
        with h5py.File(path, "w") as file:
            file["Format Version"], file["Index"] = ["8.0"], ["1"]
            header = file.create_group("1/EDS/Header")
            rows = {"X Cells": 10, "Y Cells": 12, "X Step": 0.5, "Y Step": 0.5}
            rows |= {"Channel Width": 10.0, "Start Channel": 0.0}
            for name, value in rows.items():
                header[name] = [value]
            spectra = data.reshape(120, 64).astype("i4")
            group = file["1/EDS"].create_group("Data")
            group.create_dataset("Spectrum", data=spectra, compression="lzf")
            group["Live Time"] = np.ones((120, 1), "f4")
        return path

    return find


def fuzz(kind, base, folder, n, seed):
    """Outcomes of damaged files; a process that crashed or hangs is begun anew."""
    arguments = [kind, str(seed), str(n), str(folder), str(base)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rsciio_sparse.fuzzing", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    lines = queue.Queue()

    def collect():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=collect, daemon=True).start()
    rows, last = [], None
    try:
        while (line := lines.get(timeout=PATIENCE + 60 * (last is None))) is not None:
            row = json.loads(line)
            if "outcome" in row:
                rows.append({**last, **row})
            else:
                last = row
    except queue.Empty:
        process.kill()
        raise AssertionError(f"{kind} hangs: {last}") from None
    code, errors = process.wait(), process.stderr.read()
    assert code == 0, f"{kind} ended with {code} at {last}: {errors[-1000:]}"
    return rows


def judged(rows):
    bad = [
        row for row in rows
        if row["outcome"] not in ("read", "refused") or row["growth"] > GROWTH
    ]  # fmt: skip
    assert not bad, json.dumps(bad[:5], indent=1)
    return Counter(row["outcome"] for row in rows)


@pytest.mark.parametrize("kind", ["scube", "h5oina"])
def test_some_damaged_files(kind, base_of, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    found = judged(fuzz(kind, base_of(kind), folder, 60, 1))
    assert found["refused"] > 20


@pytest.mark.study
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_damaged_files(kind, base_of, tmp_path):
    n = int(os.environ.get("SPARSEDECOMP_FUZZ", 10_000)) // len(KINDS)
    folder = tmp_path / "damaged"
    folder.mkdir()
    found = judged(fuzz(kind, base_of(kind), folder, n, 0))
    assert found["refused"] > n // 10
