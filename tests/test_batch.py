"""The batch door: what is planned, written, skipped, refused, and never left behind."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.batch import (
    Settings,
    claims,
    decompose_files,
    fingerprint,
    plan_outputs,
    read_record,
    write_results,
)
from sparsedecomp.batch.inputs import load_cube, parse_ranges

QUICK = Settings(parameters={"random_state": 0, "max_iter": 20, "n_init": 1})


def run(files, output, settings=QUICK, **options):
    files = files if isinstance(files, list) else [files]
    return decompose_files(files, output, settings, show_progressbar=False, **options)


def run_one(file, output, settings=QUICK, **options):
    (outcome,) = run(file, output, settings, **options)
    if outcome.error is not None:
        raise outcome.error
    return outcome


@pytest.fixture
def cube(tmp_path, small_signal):
    path = tmp_path / "cube.hspy"
    small_signal.save(path)
    return path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


class TestPlan:
    def test_one_file(self):
        assert plan_outputs(["a.dm4"], "b.hspy") == [Path("b.hspy")]

    def test_folder_that_exists_or_ends_in_a_slash(self, tmp_path):
        assert plan_outputs(["in/a.dm4"], tmp_path) == [tmp_path / "a.hspy"]
        assert plan_outputs(["in/a.dm4", "b.emd"], "new/") == [
            Path("new/a.hspy"),
            Path("new/b.hspy"),
        ]

    @pytest.mark.parametrize(
        ("files", "output", "message"),
        [
            (["a.dm4", "b.dm4"], "out.hspy", "2 files cannot share the output"),
            (["a.dm4", "./a.dm4"], "out/", "the input a.dm4 is listed twice"),
            (["x/a.dm4", "y/a.dm4"], "out/", "both be written to out/a.hspy"),
            (["a.dm4"], "out.zspy", "ends in .hspy, not out.zspy"),
            (["a.hspy"], "a.hspy", "the output a.hspy is one of the inputs"),
        ],
    )
    def test_refused(self, files, output, message):
        with pytest.raises(ValueError, match=message):
            plan_outputs(files, output)


class TestFingerprint:
    def test_follows_the_content_not_the_name(self, tmp_path):
        a, b = tmp_path / "a", tmp_path / "b"
        a.write_bytes(b"spectra")
        b.write_bytes(b"spectra")
        assert fingerprint(a) == fingerprint(b)
        b.write_bytes(b"spectrA")
        assert fingerprint(a) != fingerprint(b)

    def test_samples_a_large_file_from_end_to_end(self, tmp_path):
        path = tmp_path / "large"
        size = 65 * 2**20
        with path.open("wb") as file:
            file.truncate(size)
        prints = {fingerprint(path)}
        for place in (0, size // 3, size - 1):
            with path.open("r+b") as file:
                file.seek(place)
                file.write(b"x")
            prints.add(fingerprint(path))
        assert len(prints) == 4

    def test_of_a_folder_sees_its_files(self, tmp_path):
        (tmp_path / "chunk").write_bytes(b"12")
        before = fingerprint(tmp_path)
        (tmp_path / "chunk2").write_bytes(b"")
        assert fingerprint(tmp_path) != before


class TestResultFile:
    def test_holds_maps_and_spectra_with_axes_and_metadata(self, cube, tmp_path):
        outcome = run_one(cube, tmp_path / "out.hspy")
        maps, spectra = hs.load(tmp_path / "out.hspy")
        k = outcome.summary["n_components"]
        assert maps.data.shape == (k, 9, 7)
        assert spectra.data.shape == (k, 60)
        assert spectra.axes_manager[-1].units == "eV"
        assert maps.axes_manager["x"].scale == 2.0
        assert maps.metadata.General.title == "small: component maps"
        for part in (maps, spectra):
            assert part.metadata.Sparsedecomp.settings.algorithm == "nmf_so_ard"
            assert part.metadata.Sparsedecomp.input == "cube.hspy"

    def test_lazy_metadata_are_written_as_they_are(self, cube, tmp_path, capsys):
        s = hs.load(cube)
        s.metadata.set_item("Sample.profile", np.arange(5.0))
        s.save(cube, overwrite=True)
        run_one(cube, tmp_path / "out.hspy", lazy=True)
        _, spectra = hs.load(tmp_path / "out.hspy")
        np.testing.assert_array_equal(spectra.metadata.Sample.profile, np.arange(5.0))
        assert "Completed" not in capsys.readouterr().out

    def test_equals_the_decomposition_of_the_signal(self, cube, tmp_path):
        run_one(cube, tmp_path / "out.hspy")
        _, spectra = hs.load(tmp_path / "out.hspy")
        s = hs.load(cube)
        sparsedecomp.decompose(
            s, "nmf_so_ard", print_info=False, show_progressbar=False,
            **QUICK.parameters,
        )  # fmt: skip
        np.testing.assert_array_equal(spectra.data, s.learning_results.factors.T)

    def test_hands_the_results_back_to_the_cube(self, cube, tmp_path):
        run_one(cube, tmp_path / "out.hspy")
        _, spectra = hs.load(tmp_path / "out.hspy")
        s = hs.load(cube)
        s.learning_results = spectra.learning_results
        model = s.get_decomposition_model()
        assert np.linalg.norm(model.data - s.data) < 0.1 * np.linalg.norm(s.data)

    def test_leaves_the_cube_and_nothing_else(self, cube, tmp_path):
        before = cube.read_bytes()
        run_one(cube, tmp_path / "out.hspy")
        assert cube.read_bytes() == before
        assert names_in(tmp_path) == ["cube.hspy", "out.hspy"]

    def test_record_says_what_was_done(self, cube, tmp_path):
        outcome = run_one(cube, tmp_path / "out.hspy")
        record = read_record(tmp_path / "out.hspy")
        assert record["summary"] == outcome.summary
        assert record["settings"] == QUICK.record()
        assert record["fingerprint"] == fingerprint(cube)
        assert record["version"] == sparsedecomp.__version__

    def test_makes_missing_folders(self, cube, tmp_path):
        run_one(cube, f"{tmp_path}/new/deep/")
        assert (tmp_path / "new/deep/cube.hspy").is_file()

    def test_lazy_equals_eager(self, cube, tmp_path):
        run_one(cube, tmp_path / "eager.hspy")
        run_one(cube, tmp_path / "lazy.hspy", lazy=True, chunks=(4, 7))
        eager, lazy = (hs.load(tmp_path / f"{n}.hspy")[1] for n in ("eager", "lazy"))
        assert not lazy._lazy
        np.testing.assert_allclose(lazy.data, eager.data, rtol=1e-3, atol=1e-4)


class TestResume:
    def test_a_finished_result_is_skipped(self, cube, tmp_path):
        run_one(cube, tmp_path / "out.hspy")
        before = (tmp_path / "out.hspy").read_bytes()
        assert run_one(cube, tmp_path / "out.hspy").state == "skipped"
        # Where the cube is computed, and how, does not change the result.
        again = run_one(cube, tmp_path / "out.hspy", lazy=True, scheduler="threads")
        assert again.state == "skipped"
        assert (tmp_path / "out.hspy").read_bytes() == before

    def test_only_what_is_missing_is_made(self, cube, tmp_path, small_signal):
        small_signal.save(tmp_path / "second.hspy")
        run_one(cube, f"{tmp_path}/out/")
        states = [
            o.state for o in run([cube, tmp_path / "second.hspy"], tmp_path / "out")
        ]
        assert states == ["skipped", "done"]

    def test_other_settings_are_refused_by_name(self, cube, tmp_path):
        run_one(cube, tmp_path / "out.hspy")
        before = (tmp_path / "out.hspy").read_bytes()
        other = Settings(max_components=2, poisson=True, parameters=QUICK.parameters)
        with pytest.raises(FileExistsError, match="other max_components, poisson;"):
            run_one(cube, tmp_path / "out.hspy", other)
        assert (tmp_path / "out.hspy").read_bytes() == before

    def test_other_data_are_refused(self, cube, tmp_path, small_signal):
        run_one(cube, tmp_path / "out.hspy")
        (small_signal * 2).save(cube, overwrite=True)
        with pytest.raises(FileExistsError, match="made with other input data"):
            run_one(cube, tmp_path / "out.hspy")
        assert run_one(cube, tmp_path / "out.hspy", force=True).state == "done"
        assert run_one(cube, tmp_path / "out.hspy").state == "skipped"

    def test_a_foreign_file_is_refused(self, cube, tmp_path):
        foreign = tmp_path / "out.hspy"
        foreign.write_text("my notes")
        with pytest.raises(FileExistsError, match="is not a result of"):
            run_one(cube, foreign)
        assert foreign.read_text() == "my notes"

    def test_masks_are_compared_by_content(self, cube, tmp_path):
        mask = np.zeros((9, 7), bool)
        mask[0] = True
        np.save(tmp_path / "mask.npy", mask)
        settings = Settings(
            mask=str(tmp_path / "mask.npy"), parameters=QUICK.parameters
        )
        run_one(cube, tmp_path / "out.hspy", settings)
        assert run_one(cube, tmp_path / "out.hspy", settings).state == "skipped"
        np.save(tmp_path / "mask.npy", ~mask)
        with pytest.raises(FileExistsError, match="other mask;"):
            run_one(cube, tmp_path / "out.hspy", settings)

    def test_the_record_survives_json(self):
        settings = Settings(signal_mask="1:2,3:4", parameters={"init": (1, None, "a")})
        assert json.loads(json.dumps(settings.record())) == settings.record()


class TestMasks:
    def test_masked_pixels_are_those_of_the_image(self, cube, tmp_path):
        mask = np.zeros((9, 7), bool)
        mask[2, 5] = mask[8, 0] = True
        np.save(tmp_path / "mask.npy", mask)
        run_one(cube, tmp_path / "out.hspy", Settings(mask=tmp_path / "mask.npy"))
        maps, _ = hs.load(tmp_path / "out.hspy")
        np.testing.assert_array_equal(np.isnan(maps.data[0]), mask)

    def test_mask_from_an_image_file_of_zeros_and_ones(self, cube, tmp_path):
        image = np.zeros((9, 7), np.uint8)
        image[4, 1] = 1
        hs.signals.Signal2D(image).save(tmp_path / "image.hspy")
        run_one(cube, tmp_path / "out.hspy", Settings(mask=tmp_path / "image.hspy"))
        maps, _ = hs.load(tmp_path / "out.hspy")
        np.testing.assert_array_equal(np.isnan(maps.data[0]), image == 1)

    def test_ranges_are_in_units_of_the_axis_and_inclusive(self, cube, tmp_path):
        run_one(cube, tmp_path / "out.hspy", Settings(signal_mask="100:101,129:200"))
        _, spectra = hs.load(tmp_path / "out.hspy")
        energy = spectra.axes_manager[-1].axis
        np.testing.assert_array_equal(
            np.isnan(spectra.data[0]), (energy <= 101) | (energy >= 129)
        )

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            (np.zeros((7, 9), bool), r"shape \(7, 9\), the data need \(9, 7\)"),
            (np.linspace(0, 1, 63).reshape(9, 7), "values other than 0 and 1"),
            (np.ones((9, 7), bool), "mask.npy leaves out everything"),
        ],
        ids=["transposed", "grey", "everything"],
    )
    def test_bad_masks(self, cube, tmp_path, mask, message):
        np.save(tmp_path / "mask.npy", mask)
        with pytest.raises(ValueError, match=message):
            run_one(cube, tmp_path / "out.hspy", Settings(mask=tmp_path / "mask.npy"))

    def test_a_range_beside_the_axis(self, cube, tmp_path):
        with pytest.raises(ValueError, match="no channel lies in 5:6; the axis runs"):
            run_one(cube, tmp_path / "out.hspy", Settings(signal_mask="5:6"))

    def test_a_mask_that_is_not_there(self, cube, tmp_path):
        with pytest.raises(FileNotFoundError, match="the mask none.npy does not"):
            run(cube, tmp_path / "out.hspy", Settings(mask="none.npy"))

    @pytest.mark.parametrize("text", ["mask.npy", "1:2:3", "1", "1:2,x", ""])
    def test_what_is_no_range(self, text):
        assert parse_ranges(text) is None


class TestInputs:
    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="none.hspy does not exist"):
            run_one(tmp_path / "none.hspy", tmp_path / "out.hspy")

    def test_unreadable_file(self, tmp_path):
        (tmp_path / "bad.hspy").write_text("not HDF5")
        with pytest.raises(OSError, match="bad.hspy could not be read"):
            run_one(tmp_path / "bad.hspy", tmp_path / "out.hspy")

    @pytest.mark.parametrize(
        "flat",
        [hs.signals.Signal1D(np.ones(5)), hs.signals.Signal2D(np.ones((4, 5)))],
    )
    def test_not_a_cube(self, tmp_path, flat):
        flat.save(tmp_path / "flat.hspy")
        with pytest.raises(ValueError, match=r"holds 0 cubes .*untitled \( \| "):
            run_one(tmp_path / "flat.hspy", tmp_path / "out.hspy")

    def test_images_beside_the_cube_are_passed_over(self, cube, tmp_path):
        self.add(hs.signals.Signal2D(np.ones((4, 5))), cube, "survey")
        assert load_cube(cube).data.shape == (9, 7, 60)

    def test_two_cubes_in_one_file(self, cube, small_signal):
        self.add(small_signal * 2, cube, "other")
        with pytest.raises(ValueError, match=r"holds 2 cubes .*other \(7, 9 \| 60\)"):
            load_cube(cube)

    @staticmethod
    def add(second, path, title):
        """Put a second signal into a file."""
        second.metadata.General.title = title
        more = path.with_name("more.hspy")
        second.save(more)
        with h5py.File(path, "r+") as file, h5py.File(more) as other:
            other.copy(f"Experiments/{title}", file["Experiments"])
        more.unlink()

    def test_chunks(self, cube):
        assert load_cube(cube, lazy=True, chunks=(4, 7)).data.chunks[0] == (4, 4, 1)
        with pytest.raises(ValueError, match=r"chunks \(4,\) do not fit .*\(9, 7\)"):
            load_cube(cube, lazy=True, chunks=(4,))
        with pytest.raises(ValueError, match="give lazy as well"):
            run(cube, "out.hspy", chunks=(4, 7))

    @pytest.mark.parametrize(
        ("settings", "error", "message"),
        [
            (Settings("svd"), ValueError, "unknown algorithm 'svd': choose one of nmf"),
            (Settings(max_components=0), ValueError, "positive integer, got 0"),
            (Settings("nmf_so"), ValueError, "must be specified for 'nmf_so'"),
            (Settings(parameters={"colour": 1}), TypeError, "no parameter 'colour'"),
        ],
    )
    def test_settings_are_checked_before_any_work(self, settings, error, message):
        with pytest.raises(error, match=message):
            run("never_opened.hspy", "out.hspy", settings)


class TestFailure:
    def test_one_bad_file_does_not_stop_the_others(self, cube, tmp_path):
        bad = tmp_path / "bad.hspy"
        bad.write_text("")
        seen = []
        outcomes = run([bad, cube], f"{tmp_path}/out/", report=seen.append)
        assert [o.state for o in outcomes] == ["failed", "done"]
        assert seen == outcomes
        assert names_in(tmp_path / "out") == ["cube.hspy"]

    @pytest.mark.parametrize("existing", [False, True])
    def test_disk_full(self, cube, tmp_path, monkeypatch, existing):
        target = tmp_path / "out" / "cube.hspy"
        if existing:
            run_one(cube, target)
        before = target.read_bytes() if existing else None

        def copy(*args, **kwargs):
            raise OSError(errno.ENOSPC, "No space left on device")

        # Late: when one of the two signals has been written.
        monkeypatch.setattr(h5py.Group, "copy", copy)
        with pytest.raises(OSError, match="No space left"):
            run_one(cube, target, force=True)
        assert names_in(target.parent) == (["cube.hspy"] if existing else [])
        if existing:
            assert target.read_bytes() == before

    def test_a_write_that_really_fails(self, small_signal, tmp_path):
        # A limit on the size of files stands for the end of the disk.
        resource = pytest.importorskip("resource", reason="no limits on file sizes")
        sparsedecomp.decompose(
            small_signal, print_info=False, show_progressbar=False, **QUICK.parameters
        )
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                write_results(tmp_path / "out.hspy", small_signal, {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert names_in(tmp_path) == []
        write_results(tmp_path / "out.hspy", small_signal, {})
        assert len(hs.load(tmp_path / "out.hspy")) == 2

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_while_writing(self, cube, tmp_path, monkeypatch, number):
        copy = h5py.Group.copy

        def copy_and_stop(*args, **kwargs):
            signal.raise_signal(number)
            copy(*args, **kwargs)

        monkeypatch.setattr(h5py.Group, "copy", copy_and_stop)
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            run(cube, tmp_path / "out.hspy")
        assert names_in(tmp_path) == ["cube.hspy"]
        assert handlers == tuple(map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))

    def test_a_fit_stopped_by_ctrl_c_is_not_recorded_as_done(
        self, cube, tmp_path, monkeypatch
    ):
        from sparsedecomp.decomposition import AutomaticUnmixing

        fit = AutomaticUnmixing.fit_transform

        def interrupted(self, *args, **kwargs):
            weights = fit(self, *args, **kwargs)
            self.interrupted_ = True
            return weights

        monkeypatch.setattr(AutomaticUnmixing, "fit_transform", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(cube, tmp_path / "out.hspy")
        assert names_in(tmp_path) == ["cube.hspy"]

    def test_a_result_that_appears_meanwhile_is_kept(self, cube, tmp_path, monkeypatch):
        target, copy = tmp_path / "out.hspy", h5py.Group.copy

        def copy_slowly(*args, **kwargs):
            copy(*args, **kwargs)
            target.write_text("somebody else's")

        monkeypatch.setattr(h5py.Group, "copy", copy_slowly)
        with pytest.raises(FileExistsError, match="appeared meanwhile"):
            run_one(cube, target)
        assert target.read_text() == "somebody else's"


@pytest.fixture
def dead_pid():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def other_process():
    """A process that runs until the test ends."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows decides by age alone")


class TestAfterAKill:
    @needs_posix
    def test_kill_leaves_nothing_after_the_next_run(self, cube, tmp_path):
        code = (
            "import os; from pathlib import Path\n"
            "from sparsedecomp.batch.claims import claimed\n"
            "from sparsedecomp.batch.results import replacing\n"
            f"target = Path({str(tmp_path / 'out' / 'cube.hspy')!r})\n"
            "with claimed(target), replacing(target, False) as parts:\n"
            "    [part.write_bytes(bytes(100)) for part in parts]\n"
            "    os.kill(os.getpid(), 9)"
        )
        done = subprocess.run([sys.executable, "-c", code])
        assert done.returncode == -signal.SIGKILL
        assert len(names_in(tmp_path / "out")) == 3
        assert run_one(cube, tmp_path / "out").state == "done"
        assert names_in(tmp_path / "out") == ["cube.hspy"]

    @needs_posix
    def test_only_what_is_dead_or_old_is_removed(
        self, cube, tmp_path, dead_pid, other_process
    ):
        host, alive = platform.node(), other_process.pid
        removed = [
            f".cube-{host}-{dead_pid}-1.hspy",
            f".cube-{dead_pid}-2.hspy",
            # Containers give the number of a killed process to the next one.
            f".cube-{host}-{os.getpid()}-1.hspy",
            f".cube-elsewhere-{alive}-2.hspy",
        ]
        kept = [
            f".cube-{host}-{alive}-1.hspy",
            f".cube-elsewhere-{dead_pid}-1.hspy",
            f".another-{host}-{dead_pid}-1.hspy",
            ".cube-notes-1.hspy",
        ]
        folder = tmp_path / "out"
        folder.mkdir()
        for name in removed + kept:
            (folder / name).write_text("")
        long_ago = time.time() - 1e5
        os.utime(folder / removed[-1], (long_ago, long_ago))
        run_one(cube, folder)
        assert names_in(folder) == sorted([*kept, "cube.hspy"])


class TestTwoRuns:
    def claim(self, folder, owner, age=0.0):
        folder.mkdir(exist_ok=True)
        file = folder / ".cube.hspy.claim"
        file.write_text(owner)
        os.utime(file, (time.time() - age,) * 2)

    def test_what_another_run_is_doing_is_skipped(
        self, cube, tmp_path, small_signal, other_process
    ):
        small_signal.save(tmp_path / "second.hspy")
        self.claim(tmp_path / "out", f"{platform.node()} {other_process.pid}")
        seen = []
        outcomes = run(
            [cube, tmp_path / "second.hspy"], tmp_path / "out", report=seen.append
        )
        assert [o.state for o in outcomes] == ["busy", "done"]
        assert seen == outcomes[::-1]
        assert names_in(tmp_path / "out") == [".cube.hspy.claim", "second.hspy"]

    def test_what_another_run_finishes_meanwhile_was_done_before(
        self, cube, tmp_path, small_signal, other_process
    ):
        small_signal.save(tmp_path / "second.hspy")
        run_one(cube, tmp_path / "ready" / "cube.hspy")
        folder = tmp_path / "out"
        self.claim(folder, f"{platform.node()} {other_process.pid}")

        def finish(outcome):
            if outcome.state == "done":
                (tmp_path / "ready" / "cube.hspy").rename(folder / "cube.hspy")
                (folder / ".cube.hspy.claim").unlink()

        outcomes = run([cube, tmp_path / "second.hspy"], folder, report=finish)
        assert [o.state for o in outcomes] == ["skipped", "done"]

    def test_equal_result_that_appears_while_writing_was_done_before(
        self, cube, tmp_path, monkeypatch
    ):
        run_one(cube, tmp_path / "ready.hspy")
        target, copy = tmp_path / "out.hspy", h5py.Group.copy

        def copy_slowly(*args, **kwargs):
            copy(*args, **kwargs)
            (tmp_path / "ready.hspy").rename(target)

        monkeypatch.setattr(h5py.Group, "copy", copy_slowly)
        assert run_one(cube, target).state == "skipped"
        assert names_in(tmp_path) == ["cube.hspy", "out.hspy"]

    @pytest.mark.parametrize("reason", ["dead", "silent"])
    def test_claims_of_killed_runs_are_void(self, cube, tmp_path, dead_pid, reason):
        if reason == "silent":
            self.claim(tmp_path / "out", f"elsewhere {dead_pid}", age=1000)
        elif os.name == "nt":
            pytest.skip("Windows decides by age alone")
        else:
            self.claim(tmp_path / "out", f"{platform.node()} {dead_pid}")
        assert run_one(cube, tmp_path / "out").state == "done"
        assert names_in(tmp_path / "out") == ["cube.hspy"]

    def test_claim_stays_fresh_while_the_work_lasts(self, tmp_path, monkeypatch):
        monkeypatch.setattr(claims, "_INTERVAL", 0.01)
        with claims.claimed(tmp_path / "cube.hspy") as mine:
            assert mine
            with claims.claimed(tmp_path / "cube.hspy") as again:
                assert not again
            file = tmp_path / ".cube.hspy.claim"
            os.utime(file, (0, 0))
            end = time.monotonic() + 10
            while file.stat().st_mtime < 1 and time.monotonic() < end:
                time.sleep(0.01)
            assert file.stat().st_mtime > 1
        assert names_in(tmp_path) == []


class TestScheduler:
    def test_unknown(self, cube, tmp_path):
        with pytest.raises(ValueError, match="unknown scheduler 'gpu'"):
            run(cube, tmp_path / "out.hspy", scheduler="gpu")

    def test_nobody_answers(self, cube, tmp_path):
        import dask

        # Its import adds defaults, which the block below must not take away again.
        pytest.importorskip("distributed")
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
            pytest.raises(ConnectionError, match="no dask scheduler answers at tcp"),
        ):
            run(cube, tmp_path / "out.hspy", scheduler="tcp://127.0.0.1:9")

    def test_the_cluster_at_an_address_does_the_work(self, cube, tmp_path):
        from distributed import LocalCluster

        # In this process: starting another one takes longer than the rest.
        with LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address=None,
        ) as cluster:
            run_one(
                cube,
                tmp_path / "out.hspy",
                lazy=True,
                chunks=(5, 7),
                scheduler=cluster.scheduler_address,
            )
            assert len(cluster.scheduler.task_prefixes) > 0
        run_one(cube, tmp_path / "here.hspy", lazy=True, chunks=(5, 7))
        there, here = (hs.load(tmp_path / f"{n}.hspy")[1] for n in ("out", "here"))
        np.testing.assert_allclose(there.data, here.data, rtol=1e-5, atol=1e-6)
