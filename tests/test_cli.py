"""The command: what it prints where, its exit codes, and its words for errors."""

import errno
import os
import re
import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp import __version__, datasets
from sparsedecomp.cli import main

QUICK = ["--set", "max_iter=500", "--set", "n_init=1", "--set", "random_state=0"]


@pytest.fixture
def cube(tmp_path, small_signal):
    path = tmp_path / "cube.hspy"
    small_signal.save(path)
    return path


@pytest.fixture
def decompose(capsys):
    """Run ``sparsedecomp decompose`` and return its exit code, stdout and stderr."""

    def run(*arguments):
        code = main(["decompose", "--quiet", *QUICK, *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_decompose_says_what_it_made(decompose, cube, tmp_path):
    code, out, err = decompose(cube, "--output", tmp_path / "out.hspy")
    assert (code, err) == (0, "")
    assert out.startswith(f"[1/1] {cube}: 3 components, residual 0.0")
    assert "passes over the data" in out and out.endswith(f"{tmp_path}/out.hspy\n")
    maps, spectra = hs.load(tmp_path / "out.hspy")
    assert len(maps.data) == len(spectra.data) == 3


def test_decompose_again_says_that_it_was_done(decompose, cube, tmp_path):
    decompose(cube, "--output", tmp_path / "out.hspy")
    code, out, err = decompose(cube, "--output", tmp_path / "out.hspy")
    assert (code, err) == (0, "")
    assert out == f"[1/1] {cube}: done before, {tmp_path}/out.hspy\n"


def test_file_of_another_run_is_skipped_without_failure(decompose, cube, tmp_path):
    (tmp_path / ".out.hspy.claim").write_text("elsewhere 1")
    code, out, err = decompose(cube, "--output", tmp_path / "out.hspy")
    assert (code, err) == (0, "")
    assert out.startswith(f"[1/1] {cube}: another run is working on it, skipped, ")


def test_refusal_names_the_way_out_and_force_takes_it(decompose, cube, tmp_path):
    decompose(cube, "--output", tmp_path / "out.hspy")
    other = (cube, "--output", tmp_path / "out.hspy", "--max-components", 2)
    code, out, err = decompose(*other)
    assert (code, out) == (1, "")
    assert "made with other max_components; choose another output, or --force" in err
    code, out, err = decompose(*other, "--force")
    assert code == 0 and "2 components" in out


def test_every_option_reaches_the_decomposition(decompose, cube, tmp_path):
    mask = np.zeros((9, 7), bool)
    mask[3, 4] = True
    np.save(tmp_path / "mask.npy", mask)
    code, out, err = decompose(
        cube, "--output", f"{tmp_path}/{{stem}}_ard.hspy", "--algorithm", "nmf_so",
        "--max-components", 2, "--lazy", "--chunks", "5,7", "--poisson",
        "--mask", tmp_path / "mask.npy", "--signal-mask", "100:101",
        "--scheduler", "synchronous",
    )  # fmt: skip
    assert code == 0, err
    maps, spectra = hs.load(tmp_path / "cube_ard.hspy")
    learned = spectra.learning_results
    assert learned.decomposition_algorithm == "nmf_so"
    assert learned.output_dimension == 2
    assert learned.poissonian_noise_normalized
    np.testing.assert_array_equal(np.isnan(maps.data[0]), mask)
    assert np.isnan(spectra.data[0]).sum() == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.hspy"], 1, "none.hspy does not exist"),
        (["notes.hspy"], 1, "notes.hspy could not be read by HyperSpy"),
        (["image.hspy"], 1, "image.hspy holds 0 cubes where one was expected"),
        (["cube.hspy", "--mask", "none.npy"], 1, "the mask none.npy does not exist"),
        (["cube.hspy", "--mask", "bad.npy"], 1, "the mask bad.npy has shape (2, 2)"),
        (["cube.hspy", "--mask", "empty.npy"], 1, "the mask empty.npy could not be"),
        (["cube.hspy", "--mask", "notes.hspy"], 1, "the mask notes.hspy could not be"),
        (["cube.hspy", "--mask", "all.npy"], 1, "the mask all.npy leaves out every"),
        (["cube.hspy", "--mask", "one.npy"], 1, "the mask one.npy leaves one pixel"),
        (["cube.hspy", "--signal-mask", "1:2"], 1, "no channel lies in 1:2"),
        (["cube.hspy", "--max-components", "99"], 1, "99"),
        (["negative.hspy"], 1, "negative"),
        (["broken.hspy"], 1, "pixel (1, 2)"),
        (["complex.hspy"], 1, "complex"),
        (["cube.hspy", "--algorithm", "svd"], 2, "choose one of nmf_so, nmf_so_ard"),
        (["cube.hspy", "--set", "colour=1"], 2, "has no parameter 'colour'"),
        (["cube.hspy", "--set", "max_iter=many"], 2, "'max_iter' parameter of"),
        (["cube.hspy", "--set", "tol=[1]"], 2, "'tol' parameter of"),
        (["cube.hspy", "cube.hspy"], 2, "cube.hspy is listed twice"),
        (["cube.hspy", "--max-components", "0"], 2, "positive integer, got 0"),
        (["cube.hspy", "--scheduler", "gpu"], 2, "unknown scheduler 'gpu'"),
        (["cube.hspy", "--chunks", "2,2"], 2, "give lazy as well"),
        (["cube.hspy", "image.hspy"], 2, "2 files cannot share the output"),
        (["cube.hspy", "--chunks", "2,b"], 2, "'2,b' is not a list of whole numbers"),
        (["cube.hspy", "--set", "colour"], 2, "'colour' is not of the form KEY=VALUE"),
        ([], 2, "the following arguments are required"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_error_has_its_words_and_leaves_nothing(
    decompose, cube, small_signal, monkeypatch, arguments, code, message
):
    monkeypatch.chdir(cube.parent)
    (cube.parent / "notes.hspy").write_text("not HDF5")
    hs.signals.Signal2D(np.ones((4, 5))).save("image.hspy")
    (small_signal - 1).save("negative.hspy")
    (small_signal * 1j).save("complex.hspy")
    small_signal.data[1, 2, 3] = np.nan
    small_signal.save("broken.hspy")
    np.save("bad.npy", np.zeros((2, 2), bool))
    (cube.parent / "empty.npy").write_bytes(b"")
    np.save("all.npy", np.ones((9, 7), bool))
    np.save("one.npy", np.arange(63).reshape(9, 7) > 0)
    before = sorted(cube.parent.iterdir())
    exit_code, out, err = decompose(*arguments, "--output", "out.hspy")
    assert message in err
    assert (exit_code, out) == (code, "")
    assert "Traceback" not in err
    assert sorted(cube.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "the disk is full: nothing was written; free some space"),
        (errno.EFBIG, "larger than this system allows: nothing was written; raise"),
    ],
)
def test_full_disk(decompose, cube, monkeypatch, number, advice):
    from sparsedecomp.batch import jobs

    def write_results(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(jobs, "write_results", write_results)
    code, _, err = decompose(cube, "--output", cube.parent / "out.hspy")
    assert code == 1
    assert "failed: the" in err and advice in err


def test_interrupt(decompose, cube, monkeypatch):
    from sparsedecomp.batch import jobs

    def write_results(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "write_results", write_results)
    code, out, err = decompose(cube, "--output", cube.parent / "out.hspy")
    assert (code, out) == (130, "")
    assert err == "interrupted: no incomplete file remains\n"


def test_debug_shows_where_it_went_wrong(decompose):
    with pytest.raises(FileNotFoundError):
        decompose("none.hspy", "--output", "out.hspy", "--debug")


@pytest.fixture
def demo(capsys, tmp_path):
    """Run ``sparsedecomp demo`` and return its exit code, stdout, stderr and image."""

    def run(*arguments):
        image = tmp_path / "picture.png"
        code = main(["demo", "--output", str(image), *arguments])
        return code, *capsys.readouterr(), image

    return run


def test_demo_finds_the_truth_of_both_cubes_and_draws_it(demo):
    code, out, err, image = demo("--size", "32", "--seed", "3")
    assert (code, err) == (0, "")
    assert out.count("components    3, true: 3") == 2
    angles = [float(angle) for angle in re.findall(r"spectrum ([\d.]+)° from", out)]
    assert len(angles) == 6 and max(angles) < 4
    noise = re.findall(r"noise +([\d.]+), expected for counts: ([\d.]+)", out)
    np.testing.assert_allclose(*np.array(noise, float).T, rtol=0.1)
    assert image.read_bytes().startswith(b"\x89PNG")


def test_demo_on_real_data(demo, data_dir):
    code, out, err, image = demo("--dataset", "mn3o4")
    assert (code, err) == (0, "")
    assert "22 x 24 pixels, 138 channels" in out
    assert "components    2\n" in out
    assert image.is_file()


def test_demo_of_a_name_that_is_not_there(demo):
    code, out, err, image = demo("--dataset", "mn3o5")
    assert (code, out) == (2, "")
    assert "no data set 'mn3o5'. Did you mean 'mn3o4'?" in err
    assert not image.exists()


def test_demo_into_a_folder_that_is_not_there(demo):
    code, out, err, _ = demo("--output", "none/picture.png")
    assert (code, out) == (2, "")
    assert "there is no folder" in err and "none/picture.png" in err


def test_datasets_lists_names_licences_and_places(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSEDECOMP_DATA_DIR", str(tmp_path))
    (tmp_path / "unmixing").mkdir()
    (tmp_path / "unmixing" / "samson.npz").touch()
    assert main(["datasets"]) == 0
    out = capsys.readouterr().out
    for name in datasets.names():
        assert re.search(rf"^{name} .*\n +licence: \S", out, re.MULTILINE)
    assert re.search(r"^samson +here", out, re.MULTILINE)
    assert re.search(r"^mn3o4 +can be fetched", out, re.MULTILINE)
    assert re.search(r"^sim1 +not here", out, re.MULTILINE)


def test_cache_lists_and_clears_its_own_files_only(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSEDECOMP_CACHE_DIR", str(tmp_path))
    names = ("feff/Cu_K_1a2b.npz", "feff/.Cu-x.tmp", "fetched/mn3o4.hspy", "feff/notes")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(2**18))
    assert main(["cache"]) == 0
    out = capsys.readouterr().out
    assert all(f"0.25 MiB  {name}\n" in out for name in names[:3])
    assert f"{tmp_path}: 3 files, 0.75 MiB" in out
    assert main(["cache", "--clear"]) == 0
    assert "3 deleted, 0.75 MiB" in capsys.readouterr().out
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["notes"]


def test_help_names_the_commands():
    command = "from sparsedecomp.cli import main; main(['--help'])"
    run = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert re.search("demo .*datasets .*cache .*decompose ", run.stdout, re.DOTALL)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sparsedecomp {__version__}\n"
