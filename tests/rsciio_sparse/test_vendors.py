"""Events straight from the makers' files equal RosettaSciIO's dense reading."""

import json
import struct

import h5py
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse._kernels import streams
from rsciio_sparse._vendors import bruker, jeol, velox
from rsciio_sparse._vendors.source import chosen_frames

BRUKER = ["Hitachi_TM3030Plus.bcf", "P45_the_default_job.bcf", "bcf_v2_50x50px.bcf"]
JEOL, VELOX = "jeol_view000.pts", "example_velox_EELS_EDS.emd"


@pytest.fixture(scope="module")
def counts_dir():
    """Folder of the makers' files; the test is skipped where there is none."""
    import os
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("SPARSEDECOMP_DATA_DIR", root / "../shared/data"))
    if not (folder / "counts").is_dir():
        pytest.skip("the makers' files are not here: set SPARSEDECOMP_DATA_DIR")
    return folder / "counts"


def same(ours, theirs, place=""):
    """Compare trees of metadata; functions are those of RosettaSciIO itself."""
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs), place
        for key in theirs:
            same(ours[key], theirs[key], f"{place}/{key}")
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, err_msg=place)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), place
        for one, other in zip(ours, theirs, strict=True):
            same(one, other, place)
    elif not callable(theirs):
        assert ours == theirs or (ours != ours and theirs != theirs), place


def agree(source, dense, tile_shape=None):
    layout = source.layout(tile_shape)
    assert layout.shape == dense["data"].shape and layout.dtype == dense["data"].dtype
    numbers = []
    for number, counts in source.read(layout, range(layout.n_tiles)):
        expected = np.asarray(dense["data"][layout.window(number)])
        ours = counts.dense(layout.dtype).reshape(expected.shape)
        np.testing.assert_array_equal(ours, expected)
        numbers.append(number)
    assert numbers == list(range(layout.n_tiles))
    for name in ("axes", "metadata", "original_metadata"):
        same(source.signal[name], dense[name], name)
    if layout.n_tiles > 1:
        (last,) = source.read(layout, [layout.n_tiles - 1])
        assert last[0] == layout.n_tiles - 1 and last[1].total == counts.total


@pytest.mark.parametrize("name", BRUKER)
@pytest.mark.parametrize("tile_shape", [None, (7, 9)])
def test_bruker_maps(counts_dir, name, tile_shape):
    from rsciio.bruker import file_reader

    path = counts_dir / name
    dense = file_reader(str(path), select_type="spectrum_image")[0]
    (source,) = bruker.sources(path)
    agree(source, dense, tile_shape)


def test_jeol_maps_summed_and_frame_by_frame(counts_dir):
    from rsciio.jeol import file_reader

    path = str(counts_dir / JEOL)
    for frames, rebin in ((False, 16), (True, 128)):
        options = {"sum_frames": not frames, "rebin_energy": rebin}
        (source,) = jeol.sources(path, frames=frames, rebin_energy=rebin)
        agree(source, file_reader(path, **options)[0], (3, 200, 512)[-2 - frames :])
    assert source.frames["units"] == "s" and len(source.frames["event_time_zero"]) == 14
    (source,) = jeol.sources(path, frames=True, rebin_energy=128, drop_frames=[0, -1])
    assert source.shape == (12, 512, 512, 32)
    theirs = file_reader(path, sum_frames=False, rebin_energy=128)[0]["data"]
    layout = source.layout((1, 512, 512))
    ((_, counts),) = source.read(layout, [2])
    np.testing.assert_array_equal(
        counts.dense("uint8"), theirs[3].reshape(-1, 32), "frame 3 is the third left"
    )


@pytest.mark.study
def test_jeol_map_in_all_channels(counts_dir):
    from rsciio.jeol import file_reader

    path = str(counts_dir / JEOL)
    (source,) = jeol.sources(path)
    agree(source, file_reader(path)[0])


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("detectors", [False, True])
def test_velox_maps(counts_dir, frames, detectors):
    from rsciio.emd import file_reader

    path = str(counts_dir / VELOX)
    options = {"sum_frames": not frames, "sum_EDS_detectors": not detectors}
    dense = [
        signal
        for signal in file_reader(
            path, select_type="spectrum_image", rebin_energy=4, **options
        )
        if signal["axes"][-1]["name"] == "X-ray energy"
    ]
    ours = velox.sources(path, frames=frames, detectors=detectors, rebin_energy=4)
    assert len(ours) == len(dense) == (6 if detectors else 1)
    for source, theirs in zip(ours, dense, strict=True):
        agree(source, theirs)


def test_impossible_options_are_refused(counts_dir, tmp_path):
    with pytest.raises(ValueError, match="does not hold single frames"):
        bruker.sources(counts_dir / BRUKER[0], frames=True)
    for module, name in ((bruker, BRUKER[1]), (jeol, JEOL), (velox, VELOX)):
        with pytest.raises(ValueError, match="rebin_energy=7, expected a divisor"):
            module.sources(counts_dir / name, rebin_energy=7)
        empty = tmp_path / name
        empty.write_bytes(b"")
        with pytest.raises(MalformedFile):
            module.sources(empty)
    with pytest.raises(ValueError, match="no frame 14"):
        jeol.sources(counts_dir / JEOL, drop_frames=[14])


def test_frames_to_read():
    assert chosen_frames(4, [1, -1]) == [0, 2]
    with pytest.raises(ValueError, match="no frame -5"):
        chosen_frames(4, [-5])
    with pytest.raises(ValueError, match="All 2 frames are dropped"):
        chosen_frames(2, [0, 1])


def damaged_copies(path, target, n, seed):
    raw, rng = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(n):
        changed = bytearray(raw)
        for _ in range(rng.integers(1, 4)):
            # Headers matter more than events.
            changed[int(len(raw) * rng.random() ** 3)] ^= 1 << rng.integers(8)
        if rng.random() < 0.3:
            changed = changed[: rng.integers(len(raw))]
        target.write_bytes(changed)
        yield target


@pytest.mark.parametrize(
    ("module", "name"), [(bruker, BRUKER[1]), (jeol, JEOL), (velox, VELOX)]
)
def test_damaged_files_are_read_or_refused(counts_dir, tmp_path, module, name):
    for path in damaged_copies(counts_dir / name, tmp_path / name, 12, 0):
        try:
            (source,) = module.sources(path, rebin_energy=16)
            layout = source.layout()
            for _ in source.read(layout, range(layout.n_tiles)):
                pass
        except MalformedFile as error:
            assert str(path) in str(error)


# The kernels on small streams


@pytest.fixture(params=["compiled", "python"])
def kernel(request):
    def find(name):
        function = getattr(streams, name)
        return function if request.param == "compiled" else function.py_func

    return find


def test_jeol_stream(kernel):
    x, y, image, event = 0x8000, 0x9000, 0xA000, 0xB000
    words = [y | 0, x | 0, event | 9, event | 9, x | 2048, event | 5, image | 7]
    words += [y | 2048, x | 0, event | 4095, x | 2048, event | 1, image | 3]
    frame = np.array(words, np.uint16)
    both = np.concatenate([frame, frame[:9]])
    end, complete = kernel("jeol_frame_end")(both, 0, 2048, 2048)
    assert end == len(words) and complete
    end, complete = kernel("jeol_frame_end")(both, end, 2048, 2048)
    assert end == len(both) and not complete
    nothing, counts = np.empty(0, np.int64), np.zeros(4, np.int64)
    arguments = frame, (2048, 2048), (2, 2, 512), 8
    kernel("jeol_events")(*arguments, counts, nothing, np.empty(0, np.uint16))
    assert counts.tolist() == [2, 1, 1, 1]
    grouped = np.zeros(5, np.uint16)
    cursor = np.array([0, 2, 3, 4])
    kernel("jeol_events")(*arguments, counts, cursor, grouped)
    assert grouped.tolist() == [1, 1, 0, 511, 0]


def test_velox_stream(kernel):
    words = np.array([4, 4, 65535, 65535, 9, 65535, 2, 65535, 7, 65535], np.uint16)
    nothing, none = np.empty(0, np.int64), np.empty(0, np.uint16)
    counts = np.zeros(3, np.int64)
    place = kernel("velox_frame")(words, 0, 10, 1, counts, nothing, none)
    assert place == 6 and counts.tolist() == [2, 0, 1]
    grouped = np.zeros(3, np.uint16)
    kernel("velox_frame")(words, 0, 5, 2, counts, np.array([0, 2, 2]), grouped)
    assert grouped.tolist() == [2, 2, 4]
    assert kernel("velox_frame")(words, 0, 9, 1, counts, nothing, none) == -1


def bruker_pixel(x, flag, n_pulses, body):
    head = struct.pack("<IHH4xHHHI", x, 0, 0, flag, 0, n_pulses, len(body))
    return head + body


def entries(n):
    return [np.empty(n, kind) for kind in (np.int64, np.int32, np.uint32)]


def bruker_map():
    """Stream of two lines of three pixels, and its spectra of 32 channels."""
    dense = np.zeros((2, 3, 32), int)
    sixteen = bruker_pixel(0, 0, 3, struct.pack("<3H", 5, 5, 31))
    dense[0, 0, 5], dense[0, 0, 31] = 2, 1
    pulses = [1, 2, 3, 30, 29]
    packed = bytearray(12)
    for i, channel in enumerate(pulses):
        at = 6 * (i // 4)
        if i % 4 == 0:
            packed[at] |= (channel & 15) << 4
            packed[at + 1] = channel >> 4
        elif i % 4 == 1:
            packed[at] |= channel >> 8
            packed[at + 3] = channel & 255
        elif i % 4 == 2:
            packed[at + 2] = channel >> 4
            packed[at + 5] |= (channel & 15) << 4
        else:
            packed[at + 5] |= channel >> 8
            packed[at + 4] = channel & 255
    twelve = bruker_pixel(2, 1, 5, bytes(packed[:8]))
    dense[0, 2, pulses] = 1
    runs = bytes([0, 4]) + bytes([1, 3, 2, 0x10, 0x05]) + bytes([2, 2, 1, 1, 3, 4])
    runs += bytes([4, 1, 0, 0, 0, 0]) + struct.pack("<H", 700) + bytes([0, 22])
    body = runs + struct.pack("<I", 4)
    runs = bruker_pixel(1, 2, 2, body) + struct.pack("<2H", 0, 31)
    dense[1, 1, 4:7] = [2, 3, 7]
    dense[1, 1, 7:9] = [257 + 3, 257 + 4]
    dense[1, 1, 9] = 700
    dense[1, 1, [0, 31]] += 1
    raw = struct.pack("<I", 2) + sixteen + twelve + struct.pack("<I", 1) + runs
    return np.array(bytearray(raw), np.uint8), dense


def test_bruker_stream(kernel):
    raw, dense = bruker_map()
    for stop in range(len(raw) + 1):
        # In two parts, wherever the first ends.
        found, state, place = np.zeros_like(dense).reshape(6, 32), np.zeros(3, int), 0
        for end in (stop, len(raw)):
            padded = raw[:end]
            arrays = entries(2 * len(raw))
            state[2] = 0
            shape = (2, 3, 32)
            place = kernel("bruker_pixels")(padded, place, state, shape, *arrays)
            pixels, channels, values = (each[: state[2]] for each in arrays)
            np.add.at(found, (pixels, channels), values)
            if kernel("bruker_pixels") is not streams.bruker_pixels and stop % 7:
                break
        else:
            np.testing.assert_array_equal(found.reshape(dense.shape), dense)
            assert state[0] == 2 and place == len(raw)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<I", 4),
        struct.pack("<I", 1) + bruker_pixel(3, 0, 0, b""),
        struct.pack("<I", 1) + bruker_pixel(0, 0, 9, b"\0\0"),
        struct.pack("<I", 1) + bruker_pixel(0, 2, 0, b""),
        struct.pack("<I", 1) + bruker_pixel(0, 2, 0, b"\3\1" + bytes(9)),
        struct.pack("<I", 1) + bruker_pixel(0, 2, 0, b"\1\xff" + bytes(9)),
        struct.pack("<I", 1) + bruker_pixel(0, 2, 0, b"\1" + bytes(4)),
    ],
)
def test_impossible_bruker_pixels(kernel, raw):
    raw = np.array(bytearray(raw), np.uint8)
    arrays = entries(2 * len(raw))
    place = kernel("bruker_pixels")(raw, 0, np.zeros(3, int), (2, 3, 32), *arrays)
    assert place == -1


# Oxford


@pytest.fixture
def h5oina(tmp_path):
    """File after the specification: a map of 3 x 4 pixels, a line scan, an image."""
    rng = np.random.default_rng(0)
    spectra = rng.poisson(0.2, (12, 64)).astype(np.int32)
    path = tmp_path / "map.h5oina"

    def header(group, rows):
        for name, value in rows.items():
            kind = h5py.string_dtype() if isinstance(value, str) else None
            group.create_dataset(name, data=[value], dtype=kind)

    with h5py.File(path, "w") as file:
        header(file, {"Format Version": "8.0", "Manufacturer": "Oxford Instruments"})
        file.create_dataset("Index", data=["1"], dtype=h5py.string_dtype())
        common = {"X Cells": 4, "Y Cells": 3, "X Step": 0.5, "Y Step": 0.25}
        common |= {"Beam Voltage": 20.0, "Magnification": 900.0}
        common |= {
            "Specimen Label": "a rock",
            "Acquisition Date": "2026-04-03T04:33:12",
        }
        eds = {"Channel Width": 10.0, "Start Channel": -200.0, "Number Channels": 64}
        eds |= {"Detector Azimuth": np.pi / 2, "Detector Elevation": np.pi / 6}
        for name, more in (("EDS1", {}), ("EDS2", {"X Cells": 12, "Y Cells": 1})):
            group = file.create_group(f"1/{name}")
            header(group.create_group("Header"), {**common, **eds, **more})
            group["Header/Stage Position/X"] = [1.5]
            group["Header/Stage Position/Tilt"] = [np.pi / 4]
            group.create_dataset("Data/Spectrum", data=spectra, compression="lzf")
            group["Data/Live Time"] = np.full((12, 1), 0.5, np.float32)
            window = group.create_dataset(
                "Data/Window Integral/Fe Ka1", data=spectra[:, 0]
            )
            window.attrs["Atomic Number"] = [26]
        image = file.create_group("1/Electron Image")
        header(image.create_group("Header"), common)
        image["Data/SE/Electron Image 1"] = np.arange(12, dtype=np.uint8)[:, None]
    return path, spectra


def test_oxford_maps_lines_and_images(h5oina):
    import hyperspy.api as hs

    path, spectra = h5oina
    for lazy in (False, True):
        area, line, image = hs.load(path, lazy=lazy)
        np.testing.assert_array_equal(np.asarray(area.data), spectra.reshape(3, 4, 64))
        np.testing.assert_array_equal(np.asarray(line.data), spectra)
        assert np.asarray(image.data).tolist() == np.arange(12).reshape(3, 4).tolist()
    axes = area.axes_manager
    assert (axes["x"].scale, axes["y"].scale, axes["x"].units) == (0.5, 0.25, "µm")
    assert (axes["Energy"].scale, axes["Energy"].offset) == (0.01, -0.2)
    assert axes["Energy"].units == "keV"
    metadata = area.metadata
    assert metadata.Signal.signal_type == "EDS_SEM"
    assert metadata.Sample.as_dictionary() == {"name": "a rock", "elements": ["Fe"]}
    assert metadata.General.date == "2026-04-03" and metadata.General.time == "04:33:12"
    sem = metadata.Acquisition_instrument.SEM
    assert (sem.beam_energy, sem.magnification) == (20.0, 900.0)
    assert sem.Stage.x == 1.5 and sem.Stage.tilt_alpha == pytest.approx(45)
    eds = sem.Detector.EDS
    assert (eds.azimuth_angle, eds.live_time) == (pytest.approx(90), pytest.approx(6))
    assert area.original_metadata.Header.Number_Channels == 64
    assert len(hs.load(path, select_type="spectrum_image")) == 2
    assert hs.load(path, select_type="image").data.shape == (3, 4)


def test_oxford_files_that_are_refused(h5oina, tmp_path):
    from rsciio_sparse.h5oina import file_reader

    path, _ = h5oina
    with pytest.raises(ValueError, match="select_type='map'"):
        file_reader(path, select_type="map")

    def changed(change):
        copy = tmp_path / "copy.h5oina"
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            change(file)
        return copy

    def bomb(file):
        del file["1/EDS1/Data/Spectrum"]
        file.create_dataset(
            "1/EDS1/Data/Spectrum", (12, 2**26), "i4", chunks=(12, 1024)
        )

    cases = {
        "no Format Version": lambda f: f.pop("Format Version"),
        "for 5 x 3 pixels": lambda f: f["1/EDS1/Header/X Cells"].write_direct(
            np.array([5])
        ),
        "would take": bomb,
        "neither|no spectra": lambda f: [f["1"].pop(k) for k in list(f["1"])],
        "X Cells": lambda f: f["1/EDS1/Header"].pop("X Cells"),
    }
    for reason, change in cases.items():
        with pytest.raises(MalformedFile, match=reason):
            file_reader(changed(change))
    (tmp_path / "text.h5oina").write_text("no HDF5")
    with pytest.raises(MalformedFile, match="damaged"):
        file_reader(tmp_path / "text.h5oina")


def test_velox_file_without_streams(tmp_path):
    path = tmp_path / "pruned.emd"
    with h5py.File(path, "w") as file:
        file.create_group("Data/SpectrumStream")
        file["Version"] = [json.dumps({"version": 11})]
    assert not velox.is_velox(path) and not velox.is_velox(tmp_path / "nothing")
    with pytest.raises(MalformedFile, match="no stream of events"):
        velox.sources(path)


def test_heaps_of_texts_that_have_no_end_are_refused(tmp_path):
    from rsciio_sparse._hdf5 import check_heaps

    path = tmp_path / "texts.h5oina"
    with h5py.File(path, "w") as file:
        for number in range(300):
            file[f"text {number}"] = "x" * number
    check_heaps(path)
    raw = path.read_bytes()
    heap = raw.index(b"GCOL")
    for place, value in [(16 + 8, 2**63), (16 + 8, 5), (8, 2**40)]:
        changed = bytearray(raw)
        changed[heap + place : heap + place + 8] = value.to_bytes(8, "little")
        if value == 5:  # Free space that is smaller than its own header.
            changed[heap + 16 : heap + 18] = bytes(2)
        path.write_bytes(changed)
        with pytest.raises(MalformedFile, match=f"at byte {heap}"):
            check_heaps(path)
    path.write_bytes(raw[: heap + 12])
    with pytest.raises(MalformedFile):
        check_heaps(path)
