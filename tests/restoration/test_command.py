"""`sparsedecomp denoise`: a file in, a restored file out."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.cli import main


@pytest.fixture
def run(tmp_path, capsys):
    """Denoise a file with the given options; returns code, output and restored file."""
    clean = 3.0 + 2 * (np.indices((20, 18)).sum(axis=0) > 18)[..., None] * np.ones(12)
    counts = np.random.default_rng(0).poisson(clean).astype(np.uint8)
    hs.signals.Signal1D(counts).save(tmp_path / "cube.hspy")

    def run(*options):
        files = str(tmp_path / "cube.hspy"), "--output", str(tmp_path / "out.hspy")
        code = main(["denoise", *files, "--method", "gaussian", *options])
        return code, *capsys.readouterr(), tmp_path / "out.hspy"

    return run


@pytest.mark.parametrize("options", [(), ("--lazy", "--components", "1")])
def test_a_file_is_restored(run, options):
    code, out, err, written = run(*options)
    assert (code, err) == (0, "")
    assert "gaussian; " in out and "sigma" in out
    assert hs.load(written).restoration.n_components == 1


def test_a_result_is_replaced_only_by_force(run, tmp_path):
    assert run("--figure", str(tmp_path / "drawn.png"))[0] == 0
    assert (tmp_path / "drawn.png").stat().st_size > 1000
    code, _, err, _ = run()
    assert code == 2 and "--force" in err
    assert run("--force")[0] == 0


def test_a_missing_file_is_a_failure(capsys, tmp_path):
    command = ["denoise", str(tmp_path / "none.hspy"), "--output", "out.hspy"]
    assert main(command) == 1
