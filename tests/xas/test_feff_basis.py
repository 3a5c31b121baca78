"""Where grids come from: the package, the cache, FEFF; and FEFF that fails."""

import os
import sys
import time
import tracemalloc

import numpy as np
import pytest

from sparsedecomp.cache import VARIABLE
from sparsedecomp.xas import FeffBasis, FeffError
from sparsedecomp.xas.theory import grid_store as module
from sparsedecomp.xas.theory.clusters import make_cluster
from sparsedecomp.xas.theory.elements import atomic_number
from sparsedecomp.xas.theory.feff_input import read_feff_input
from sparsedecomp.xas.theory.feff_run import ENVIRONMENT, find_feff, run_feff


def program(folder, monkeypatch, code):
    """A program in the place of FEFF6L that runs some Python."""
    if os.name == "nt":
        pytest.skip("Windows does not read the interpreter from a file's first line")
    file = folder / "feff6l"
    file.write_text(f"#!{sys.executable}\n{code}\n")
    file.chmod(0o755)
    monkeypatch.setenv(ENVIRONMENT, str(file))


PATHS = [[("Cu", (2.5, 0, 0))], [("Cu", (2.6, 0, 0))]]
# Writes what FEFF does, with an amplitude that tells the number of the path.
STAND_IN = """
import re
from pathlib import Path
Path("phase.bin").write_text("")
text = Path("paths.dat").read_text().splitlines()
if "CONTROL 0 0 1 0" in Path("feff.inp").read_text():
    starts = [i for i, line in enumerate(text) if "nleg" in line]
    for n, i in enumerate(starts, 1):
        legs = int(text[i].split()[1])
        atoms = [line.split() for line in text[i + 2 : i + 2 + legs]]
        symbols = [a[4].strip("'") for a in atoms]
        r = max(float(a[0]) for a in atoms)
        out = [f" Abs Z=29 Rmt= 1.3 Rnm= 1.4 K shell", " " + 60 * "-"]
        out += [f" {legs} 1.000 {r:.4f} 2.6 -5.5", " x y z pot at#"]
        out += [f" .0 .0 .0 0 29 {symbols[-1]} absorbing atom"]
        out += [f" {r} .0 .0 1 29 {s}" for s in symbols[:-1]]
        out += [" k real[2*phc] mag[feff] phase[feff] red lambda real[p]@#"]
        out += [f" {k:.1f} 3.5 0.{n:03d} -5.1 1.0 15. {k + 1:.1f}" for k in range(21)]
        Path(f"feff{n:04d}.dat").write_text("\\n".join(out))
"""


def test_shipped_grids_need_no_feff(monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nowhere"))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    basis = FeffBasis.from_composition("Ni", ["Ni", "O"])
    assert basis.labels == ("Ni", "O", "Ni via Ni", "Ni via O", "O via O")
    k = np.arange(3, 15, 0.05)
    columns = basis.columns(k, e0=2.0, sigma2=0.006)
    assert columns.shape == (len(basis.r), len(k)) and np.all(np.isfinite(columns))
    # A focused atom is seen better, a farther one less.
    strength = np.linalg.norm(columns * k**2, axis=1)
    at = [
        strength[(basis.channel_index == kind) & np.isclose(basis.r, r)].item()
        for kind, r in ((0, 3.0), (0, 4.2), (3, 4.2))
    ]
    assert at[0] > at[1] and at[2] > 1.5 * at[1]
    with pytest.raises(FeffError, match="which is not a file"):
        FeffBasis.from_composition("Pd", ["Pd"])
    with pytest.raises(ValueError, match="basis ends at k = 20.0 .* data reach 21.0"):
        basis.columns(np.array([3.0, 21.0]))


def test_without_feff_the_way_to_get_it_is_told(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FeffError, match=r'pip install "sparsedecomp\[xas\]"'):
        find_feff()


def test_computed_grids_are_kept(monkeypatch, tmp_path):
    program(tmp_path, monkeypatch, STAND_IN)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    first = FeffBasis.from_composition("Pd", ["Pd"], focusing=False)
    assert len(list((tmp_path / "cache" / "feff").iterdir())) == 1
    program(tmp_path, monkeypatch, "raise SystemExit('not again')")
    again = FeffBasis.from_composition("Pd", ["Pd"], focusing=False)
    k = np.arange(3, 15, 0.5)
    np.testing.assert_allclose(again.columns(k), first.columns(k), rtol=1e-5, atol=1e-9)
    # Another bond length is another cluster.
    with pytest.raises(FeffError, match="It said:\nnot again"):
        FeffBasis.from_composition("Pd", ["Pd"], bond=2.7, focusing=False)


@pytest.mark.parametrize("damage", ["truncated", "planted"])
def test_damaged_grids_are_computed_again(monkeypatch, tmp_path, damage, caplog):
    program(tmp_path, monkeypatch, STAND_IN)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    k = np.arange(3, 15, 0.5)
    first = FeffBasis.from_composition("Pd", ["Pd"], focusing=False).columns(k)
    (file,) = (tmp_path / "cache" / "feff").iterdir()
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        with np.load(file) as stored:
            arrays = dict(stored)
        arrays["amplitude0"] = 2 * arrays["amplitude0"]
        np.savez(file, **arrays)
    again = FeffBasis.from_composition("Pd", ["Pd"], focusing=False).columns(k)
    np.testing.assert_array_equal(again, first)
    assert str(file) in caplog.text
    caplog.clear()
    FeffBasis.from_composition("Pd", ["Pd"], focusing=False)
    assert not caplog.text


def test_grids_of_unexpected_shapes_are_refused(monkeypatch, tmp_path):
    program(tmp_path, monkeypatch, STAND_IN)
    arrays = module.arrays_of_grids(
        module.compute_grids(make_cluster("Cu", ["Cu"]), "K", ["Cu"], [])
    )
    with pytest.raises(ValueError, match=r"phase0 has shape .*expected \(54, 21\)"):
        module.grids_from_arrays(arrays | {"phase0": arrays["phase0"][:, :9]})


def test_paths_come_back_in_their_order(monkeypatch, tmp_path):
    program(tmp_path, monkeypatch, STAND_IN)
    found = run_feff(make_cluster("Cu", ["Cu"]), "K", PATHS[::-1])
    assert [path.distance for path in found] == [2.6, 2.5]
    assert [path.amplitude[0] for path in found] == [0.001, 0.002]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('Atoms overlap'); raise SystemExit(3)", "code 3. It said:\nAtoms over"),
        ("print('no phases')", "code 0. It said:\nno phases"),
        ("open('phase.bin', 'w'); print('lost')", "wrote 0 of 2 paths. It said:\nlost"),
        ("import time; time.sleep(30)", "more than 0.5 s and was stopped"),
    ],
)
def test_failures_are_shown_in_feffs_words(monkeypatch, tmp_path, code, message):
    program(tmp_path, monkeypatch, code)
    with pytest.raises(FeffError, match=message):
        run_feff(make_cluster("Cu", ["Cu"]), "K", PATHS, time_limit=0.5)


GRANDCHILD = """
import subprocess, sys, time
code = "import time; time.sleep(0.8); open('survived', 'w'); time.sleep(20)"
subprocess.Popen([sys.executable, "-c", code], cwd={folder!r})
"""


@pytest.mark.parametrize(
    ("ending", "message"),
    [("time.sleep(30)", "was stopped"), ("sys.exit(3)", "code 3")],
)
def test_children_of_feff_are_stopped_with_it(monkeypatch, tmp_path, ending, message):
    program(tmp_path, monkeypatch, GRANDCHILD.format(folder=str(tmp_path)) + ending)
    start = time.monotonic()
    with pytest.raises(FeffError, match=message):
        run_feff(make_cluster("Cu", ["Cu"]), "K", PATHS, time_limit=0.4)
    time.sleep(max(1.2 + start - time.monotonic(), 0))
    assert not (tmp_path / "survived").exists()


def test_output_of_feff_is_not_held_in_memory(monkeypatch, tmp_path):
    code = "for _ in range(400): print('x' * 99_999)\nprint('end'); raise SystemExit(3)"
    program(tmp_path, monkeypatch, code)
    tracemalloc.start()
    try:
        with pytest.raises(FeffError, match="x\nend"):
            run_feff(make_cluster("Cu", ["Cu"]), "K", PATHS)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


def test_a_program_that_is_none(monkeypatch, tmp_path):
    (tmp_path / "feff6l").write_text("no program")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "feff6l"))
    with pytest.raises(FeffError, match="cannot be run"):
        run_feff(make_cluster("Cu", ["Cu"]), "K", PATHS)


def test_real_feff_computes_what_is_shipped(monkeypatch, tmp_path):
    try:
        find_feff()
    except FeffError:
        pytest.skip("FEFF6L is not installed")
    shipped = FeffBasis.from_composition("Cu", ["Cu"])
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "nothing")
    computed = FeffBasis.from_composition("Cu", ["Cu"])
    k = np.arange(3, 16, 0.1)
    expected = shipped.columns(k)
    error = np.abs(computed.columns(k) - expected).max()
    assert error < 1e-3 * np.abs(expected).max()


def test_paths_of_a_structure_serve_near_their_distances(data_dir):
    folder = data_dir / "xas/feff/Cu_fcc_a3.6032_shells"
    files = sorted(folder.glob("*.dat"))
    basis = FeffBasis.from_paths(files, rmax=5.3)
    assert basis.labels == ("Cu",)
    assert basis.r[0] == pytest.approx(2.16) and basis.r[-1] == pytest.approx(5.3)
    k = np.arange(3, 15, 0.1)
    grid = FeffBasis.from_composition("Cu", ["Cu"])
    at = np.isclose(basis.r, 2.54), np.isclose(grid.r, 2.54) & (grid.channel_index == 0)
    a, b = basis.columns(k)[at[0]][0], grid.columns(k)[at[1]][0]
    assert np.linalg.norm((a - b) * k**2) < 0.1 * np.linalg.norm(b * k**2)
    with pytest.raises(ValueError, match="None of the files .* .two legs"):
        FeffBasis.from_paths([folder / "feff0003.dat"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Cu", "Cu"), "elements='Cu': give a list"),
        (("Cu", []), "elements is empty"),
        (("Xx", ["O"]), "'Xx' is no element"),
        (("Cu", ["Cu"], "M5"), "edge='M5', expected one of 'K', 'L1'"),
        (
            ("Cu", ["Cu"], "K", "hexagonal"),
            "'hexagonal', expected one of 'fcc'",
        ),
        (("Cu", ["Cu"], "K", "fluorite"), "2 sublattices .* does not go with"),
    ],
)
def test_bad_compositions_are_refused(monkeypatch, tmp_path, arguments, message):
    program(tmp_path, monkeypatch, STAND_IN)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    names = ("edge", "lattice")
    with pytest.raises(ValueError, match=message):
        FeffBasis.from_composition(
            *arguments[:2], **dict(zip(names, arguments[2:], strict=False))
        )


@pytest.mark.parametrize(
    ("lattice", "elements", "shells"),
    [
        ("fcc", ["Cu"], [(12, 1), (6, np.sqrt(2)), (24, np.sqrt(3))]),
        ("bcc", ["Fe"], [(8, 1), (6, 2 / np.sqrt(3))]),
        ("rocksalt", ["O"], [(6, 1), (12, np.sqrt(2))]),
        ("zincblende", ["Se"], [(4, 1), (12, np.sqrt(8 / 3))]),
        ("fluorite", ["O"], [(8, 1), (12, np.sqrt(8 / 3))]),
    ],
)
def test_clusters_have_the_shells_of_their_lattice(lattice, elements, shells):
    absorber = {"Cu": "Cu", "Fe": "Fe"}.get(elements[0], "Zr")
    cluster = make_cluster(absorber, elements, lattice=lattice, bond=2.0)
    r = np.array([np.linalg.norm(place) for _, place in cluster])
    assert cluster[0] == (absorber, (0.0, 0.0, 0.0))
    first = 1
    for count, ratio in shells:
        np.testing.assert_allclose(r[first : first + count], 2 * ratio)
        first += count
    assert r[first] > 2 * shells[-1][1] + 0.1


def test_two_ligands_alternate():
    symbols = [symbol for symbol, _ in make_cluster("Zr", ["O", "N"])[1:7]]
    assert sorted(set(symbols)) == ["N", "O"]
    assert atomic_number("Zr") == 40


INPUT = """
 TITLE zinc selenide
 HOLE 1   1.0   *  Zn K edge
 CONTROL   1      1     1     1
 POTENTIALS
 *    ipot   Z  element
        0   30   Zn
        1   30   Zn
        2   34   Se
 ATOMS
    4.00   2.00   2.00  1 Zn1_1   2.83
    1.00   1.00   1.00  0 Zn1     0.0
    2.42   2.42   2.42  2 Se1_1   2.45
 END
 anything
"""


def test_clusters_of_input_files(monkeypatch, tmp_path):
    file = tmp_path / "feff.inp"
    file.write_text(INPUT)
    cluster, edge = read_feff_input(file)
    assert edge == "K" and [symbol for symbol, _ in cluster] == ["Zn", "Se", "Zn"]
    np.testing.assert_allclose(cluster[0][1], 0)
    np.testing.assert_allclose(cluster[2][1], [3, 1, 1])
    program(tmp_path, monkeypatch, STAND_IN)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    basis = FeffBasis.from_feff_inp(file, focusing=False)
    assert basis.labels == ("Se", "Zn")
    # From the cache, in which another cluster has another place.
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nowhere"))
    assert FeffBasis.from_feff_inp(file).labels[:2] == ("Se", "Zn")
    file.write_text(INPUT.replace("2.42", "2.43"))
    with pytest.raises(FeffError, match="is not a file"):
        FeffBasis.from_feff_inp(file)
    with pytest.raises(ValueError, match=r"'O' is not among the atoms .*Se, Zn"):
        FeffBasis.from_feff_inp(file, ["O"])


def test_edges_by_name(tmp_path):
    file = tmp_path / "feff.inp"
    file.write_text(INPUT.replace("HOLE 1", "EDGE L3"))
    assert read_feff_input(file)[1] == "L3"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2.42   2.42", "2.42   zwei", "line 13: .* cannot be read after ATOMS"),
        ("HOLE 1", "HOLE 9", "line 3: 'HOLE 9 1.0' cannot be read"),
        ("0   30", "0   300", "line 7: .* cannot be read after POTENTIALS"),
        ("HOLE", "TITLE", "the edge None"),
        ("2   34   Se", "3   34   Se", r"no potential for \[2\]"),
        ("0 Zn1 ", "1 Zn1 ", "0 of them absorbers"),
    ],
)
def test_bad_input_files_are_refused(tmp_path, old, new, message):
    file = tmp_path / "feff.inp"
    file.write_text(INPUT.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_feff_input(file)


def test_some_elements_of_a_basis():
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"])
    assert basis.only("O").labels == ("O", "O via O")
    assert basis.only("Ni").labels == ("Ni", "Ni via Ni")
    with pytest.raises(ValueError, match=r"has no shells of Se alone"):
        basis.only("Se")
