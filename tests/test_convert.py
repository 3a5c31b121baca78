"""Conversion into .scube files and back: results, resuming, options, the command."""

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse.scube import _write
from sparsedecomp.batch import convert_files
from sparsedecomp.cli import main


def convert(files, output, **options):
    return convert_files(files, output, show_progressbar=False, **options)


@pytest.fixture
def cube(tmp_path):
    """File .hspy of 12 x 5 pixels and 64 channels."""
    signal = hs.signals.Signal1D(
        np.random.default_rng(0).poisson(0.2, (12, 5, 64)).astype("uint8")
    )
    energy = signal.axes_manager[-1]
    energy.name, energy.units, energy.scale, energy.offset = "Energy", "keV", 0.01, -0.2
    signal.metadata.General.title = "counts"
    path = tmp_path / "cube.hspy"
    signal.save(path)
    return path, signal


def test_there_and_back(cube, tmp_path):
    path, signal = cube
    (done,) = convert([path], tmp_path / "new" / "cube.scube")
    assert done.state == "done" and done.n_counts == signal.data.sum()
    (target,) = done.targets
    assert f"{signal.data.sum()} counts" in done.line and str(target) in done.line
    (back,) = convert([target], tmp_path / "back.hspy")
    again = hs.load(back.targets[0])
    np.testing.assert_array_equal(again.data, signal.data)
    assert again.metadata.General.title == "counts"
    expected = signal.axes_manager.as_dictionary()
    assert again.axes_manager.as_dictionary() == expected
    assert convert([path], target)[0].state == "skipped"
    assert "done before" in convert([path], target)[0].line
    assert convert([path], target, force=True)[0].state == "done"


def test_rebinned_energy_is_that_of_hyperspy(cube, tmp_path):
    path, signal = cube
    convert([path], tmp_path / "a.scube", rebin_energy=4)
    again, expected = hs.load(tmp_path / "a.scube"), signal.rebin(scale=[1, 1, 4])
    np.testing.assert_array_equal(again.data, expected.data)
    ours, theirs = again.axes_manager[-1], expected.axes_manager[-1]
    np.testing.assert_allclose(ours.axis, theirs.axis)


def test_interrupted_conversion_goes_on(cube, tmp_path, monkeypatch):
    path, signal = cube
    target = tmp_path / "a.scube"
    append, written = _write.Writer.append, []

    def interrupted(self, number, counts):
        if len(written) == 10:
            raise KeyboardInterrupt
        written.append(number)
        append(self, number, counts)

    monkeypatch.setattr(_write, "_SEGMENT", 4)
    monkeypatch.setattr(_write.Writer, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert([path], target, tile_shape=(1, 5))
    assert not target.exists()
    again = []
    monkeypatch.setattr(
        _write.Writer, "append", lambda *args: (again.append(args[1]), append(*args))
    )
    convert([path], target, tile_shape=(1, 5))
    assert again == list(range(8, 12)), "two segments of four tiles were kept"
    np.testing.assert_array_equal(hs.load(target).data, signal.data)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.scube", "cube.hspy"]


def test_type_of_the_cube_grows_with_its_counts(cube, tmp_path, monkeypatch):
    _, signal = cube
    signal.change_dtype("uint16")
    signal.data[3, 2, 1] = 400
    signal.save(tmp_path / "large.hspy")
    import sparsedecomp.batch.convert as module

    sources = module._sources

    def too_small(*args):
        found = sources(*args)
        for source in found:
            source.dtype = np.dtype(np.uint8)
        return found

    monkeypatch.setattr(module, "_sources", too_small)
    convert([tmp_path / "large.hspy"], tmp_path / "a.scube", tile_shape=(1, 5))
    again = hs.load(tmp_path / "a.scube")
    assert again.data.dtype == np.uint16
    np.testing.assert_array_equal(again.data, signal.data)


@pytest.mark.parametrize(
    ("options", "name", "reason"),
    [
        ({"frames": True}, "cube.hspy", "frames are in .pts"),
        ({"drop_frames": [1]}, "cube.hspy", "frames are in .pts"),
        ({"detectors": True}, "cube.hspy", "single detectors"),
        ({"rebin_energy": 7}, "cube.hspy", "expected a divisor of the 64"),
        ({}, "missing.hspy", "there is no file"),
        ({}, "spectrum.hspy", "no spectra with navigation axes"),
        ({}, "float.hspy", "is no count"),
        ({}, "image.hspy", "no single signal axis"),
    ],
)
def test_reasons_of_failure(cube, tmp_path, options, name, reason):
    _, signal = cube
    signal.inav[0, 0].save(tmp_path / "spectrum.hspy")
    (signal * 0.5).save(tmp_path / "float.hspy")
    signal.transpose(signal_axes=2).save(tmp_path / "image.hspy")
    (done,) = convert([tmp_path / name], tmp_path / "a.scube", **options)
    assert done.state == "failed" and reason in str(done.error)
    assert not (tmp_path / "a.scube").exists()


def test_only_scube_files_are_converted_into_others(cube, tmp_path):
    path, _ = cube
    (done,) = convert([path], tmp_path / "a.hspy")
    assert "the input must be one" in str(done.error)
    convert([path], tmp_path / "a.scube")
    (done,) = convert([tmp_path / "a.scube"], tmp_path / "b.hspy", rebin_energy=2)
    assert "rebin_energy: only for" in str(done.error)


def test_command(cube, tmp_path, capsys):
    path, signal = cube
    target = tmp_path / "out"
    arguments = ["convert", str(path), str(tmp_path / "no.hspy"), "--quiet"]
    assert main([*arguments, "--output", f"{target}/", "--rebin-energy", "2"]) == 1
    out, err = capsys.readouterr()
    assert f"[1/2] {path}: {signal.data.sum()} counts" in out
    assert "[2/2]" in err and "there is no file" in err
    with h5py.File(target / "cube.scube") as file:
        assert file["tiles"].attrs["shape"].tolist() == [12, 5, 32]
    assert main(["convert", str(path), str(path), "--output", f"{target}/"]) == 2
    assert main(["convert", str(path), "--output", "a.tif"]) == 2
    assert main(["convert", "a", "--output", "b.scube", "--drop-frames", "x"]) == 2
    with pytest.raises(FileNotFoundError):
        main(["convert", "no", "--output", str(tmp_path / "b.scube"), "--debug"])


def test_frames_and_detectors_of_the_makers_files(data_dir, tmp_path):
    folder = data_dir / "counts"
    (done,) = convert(
        [folder / "jeol_view000.pts"], tmp_path / "j.scube",
        frames=True, rebin_energy=64, drop_frames=[-1],
    )  # fmt: skip
    signal = hs.load(done.targets[0], lazy=True)
    assert signal.data.shape == (13, 512, 512, 64)
    assert signal.axes_manager["Frame"].units == "s"
    with h5py.File(done.targets[0]) as file:
        assert len(file["event_time_zero"]) == 13
    (done,) = convert(
        [folder / "example_velox_EELS_EDS.emd"], tmp_path / "v.scube", detectors=True
    )
    assert [target.name for target in done.targets] == [
        f"v_{i}.scube" for i in range(1, 7)
    ]
    assert done.n_counts == 11093
    assert convert(
        [folder / "example_velox_EELS_EDS.emd"], tmp_path / "v.scube", detectors=True
    )[0].state == "skipped"  # fmt: skip
