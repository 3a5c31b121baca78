"""`sparsedecomp fuse`: what it writes and says."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory, simulated):
    folder = tmp_path_factory.mktemp("files")
    hs.signals.Signal1D(simulated[1]).save(folder / "cube.hspy")
    hs.signals.Signal2D(simulated[2]).save(folder / "guide.hspy")
    return folder


def command(files, *options):
    names = [str(files / name) for name in ("cube.hspy", "guide.hspy", "out.hspy")]
    return main(
        ["fuse", *names[:2], "--output", names[2], "--method", "regression", *options]
    )


def test_command_writes_the_sharp_cube_and_prints_the_verdict(files, capsys):
    figure = files / "out.png"
    code = command(files, "--same-field", "--force", "--figure", str(figure))
    assert code == 0 and figure.exists()
    out = capsys.readouterr().out
    assert "12 x 12 to 48 x 48 pixels by regression" in out
    assert "The guide was accepted" in out
    assert hs.load(files / "out.hspy").data.shape == (48, 48, 40)


def test_result_that_exists_is_not_replaced(files, capsys):
    np.savetxt(files / "out.hspy", [0])
    assert command(files, "--same-field") == 2
    assert "exists" in capsys.readouterr().err
