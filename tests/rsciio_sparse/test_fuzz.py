"""Damaged files: a clear error, never a crash, a hang or a lot of memory.

``python -m pytest -m study tests/rsciio_sparse/test_fuzz.py`` reads 10,000 files of
counts, 20,000 texts of X-ray absorption and 3,000 NeXus files; the environment variable
SPARSEDECOMP_FUZZ gives another number of each.
"""

import gzip
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
TEXTS = ("xdi", "columns", "athena", "9809")
# Texts and NeXus files of a spectrum, published ones after those made here.
PUBLISHED = {
    "xdi": ("XDI/cu_metal_10K.xdi", "beamlines/APS13ID_2019.dat"),
    "columns": ("beamlines/SSRL1_2006.dat", "beamlines/fe.060"),
    "athena": ("athena/fbo.prj", "athena/Copper.prj"),
    "9809": ("beamlines/PFBL12C_2005.dat",),
    "nexus": ("nexus/KEK_PFdata.h5", "nexus/generic.h5"),
}
# Seconds in which a file of a spectrum is read or refused.
QUICK = 5.0
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


@pytest.fixture
def spectra_of(tmp_path):
    """Function that returns undamaged files of a kind of X-ray absorption."""

    def find(kind, published=False):
        energy = np.arange(7000.0, 7300.0, 2.0)
        mu = np.arctan((energy - 7112) / 2) + 2
        path = tmp_path / f"base.{kind}"
        rows = "\n".join(
            f"{e:.3f}  {m:.6f}  1000" for e, m in zip(energy, mu, strict=True)
        )
        if kind == "xdi":
            fields = "# Column.1: energy eV\n# Column.2: mutrans\n# Column.3: i0\n"
            head = f"# XDI/1.0\n{fields}# Element.symbol: Fe\n# Mono.d_spacing: 3.1\n"
            path.write_text(f"{head}# ///\n# a remark\n#----\n{rows}\n")
        elif kind == "columns":
            path.write_text(f"# E0= 7112\n# Offsets= 1 2\n# energy mu i0\n{rows}\n")
        elif kind == "athena":
            arrays = ""
            for name, values in (("x", energy), ("y", mu)):
                arrays += f"@{name} = ('" + "','".join(f"{v:.4f}" for v in values)
                arrays += "');\n"
            head = (
                "# Athena project file -- Demeter version 0.9.20\n$old_group = 'a';\n"
            )
            args = "@args = ('label','foil','bkg_z','Fe','titles',['a','b']);\n"
            xdi = "$xdi = bless( {'metadata' => {'Sample' => {}}}, 'Xray::XDI' );\n"
            text = f"{head}{args}{arrays}{xdi}[record]   # create object\n"
            path.write_bytes(gzip.compress(text.encode()))
        elif kind == "9809":
            angle = np.rad2deg(np.arcsin(12398.42 / (2 * 3.1355 * energy)))
            lines = ["  9809  KEK-PF  BL12C", "a foil", " Ring :  2.5 GeV"]
            lines += [" Mono : SI(111)  D=  3.1355 A", "  Mode 0 0 1 2"]
            lines += ["  Offset 0 0 1.0 2.0"]
            lines += [
                f"{a:.5f} {a:.5f} 1.0 1000 {m:.6f}"
                for a, m in zip(angle, mu, strict=True)
            ]
            path.write_text("\n".join(lines))
        else:
            with h5py.File(path, "w") as file:
                entry = file.create_group("entry")
                entry.attrs["NX_class"], entry["definition"] = "NXentry", "NXxas"
                entry["data/energy"], entry["data/mutrans"] = energy, mu
                entry["data/energy"].attrs["units"] = "eV"
                entry["title"], entry["element/symbol"] = "foil", "Fe"
        folder = os.environ.get("SPARSEDECOMP_DATA_DIR", ROOT / "../shared/data")
        others = [Path(folder) / "xas" / name for name in PUBLISHED[kind]]
        return [path, *(other for other in others if published and other.is_file())]

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


def judged(rows, seconds=PATIENCE):
    bad = [
        row for row in rows
        if row["outcome"] not in ("read", "refused")
        or row["growth"] > GROWTH or row["seconds"] > seconds
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


@pytest.mark.parametrize("kind", [*TEXTS, "nexus"])
def test_some_damaged_spectra(kind, spectra_of, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    (base,) = spectra_of(kind)
    found = judged(fuzz(kind, base, folder, 40, 1))
    assert found["refused"] > 5 and found["read"] > 2


@pytest.mark.study
@pytest.mark.parametrize("kind", [*TEXTS, "nexus"])
def test_many_damaged_spectra(kind, spectra_of, tmp_path):
    default = 3_000 if kind == "nexus" else 20_000 // len(TEXTS)
    n = int(os.environ.get("SPARSEDECOMP_FUZZ", default))
    bases = spectra_of(kind, published=True)
    folder = tmp_path / "damaged"
    folder.mkdir()
    rows = []
    for seed, base in enumerate(bases):
        rows += fuzz(kind, base, folder, n // len(bases) + 1, seed)
    found = judged(rows, QUICK)
    assert found["refused"] > n // 10 and found["read"] > n // 20
