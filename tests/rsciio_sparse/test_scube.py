"""Files of sparse counts: what is written is read again, damage is refused."""

import io
import json
import pickle
import zlib

import dask
import h5py
import hyperspy.api as hs
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsciio_sparse import MalformedFile
from rsciio_sparse._counts import (
    Counts,
    counts_of_csr,
    counts_of_dense,
    counts_of_events,
    group_by_pixel,
    no_counts,
)
from rsciio_sparse._kernels import events as kernels
from rsciio_sparse.scube import _tiles, file_reader, file_writer
from rsciio_sparse.scube._layout import Layout, choose_tiles
from rsciio_sparse.scube._lazy import dask_array, file_of
from rsciio_sparse.scube._read import ScubeFile
from rsciio_sparse.scube._write import Writer


def poisson(shape, mean=0.02, dtype="uint8", seed=0):
    return np.random.default_rng(seed).poisson(mean, shape).astype(dtype)


@pytest.fixture
def signal():
    """Spectrum image of 9 x 7 pixels and 60 channels with metadata of every kind."""
    signal = hs.signals.Signal1D(poisson((9, 7, 60), 0.3))
    signal.metadata.General.title = "a/b µ"
    signal.metadata.set_item("Sample.elements", ["Fe", "O"])
    signal.metadata.set_item("Sample.nothing", None)
    signal.original_metadata.set_item("a.list", [1, "two", [3.0, {"x": 4}]])
    signal.original_metadata.set_item("a.array", np.arange(12.0).reshape(3, 4))
    signal.original_metadata.set_item("a.tuple", (1, 2, 3))
    energy = signal.axes_manager[-1]
    energy.name, energy.units, energy.scale, energy.offset = "Energy", "keV", 0.01, -0.2
    energy.is_binned = True
    signal.axes_manager[0].name, signal.axes_manager[0].units = "x", "nm"
    return signal


@pytest.fixture
def saved(signal, tmp_path):
    """The signal and the name of its file, whose tiles have 4 x 3 pixels."""
    path = tmp_path / "counts.scube"
    signal.save(path, tile_shape=(4, 3))
    return signal, path


def same_metadata(first, second):
    for name in ("metadata", "original_metadata"):
        trees = [getattr(each, name).as_dictionary() for each in (first, second)]
        for tree in trees:
            tree.get("General", {}).pop("FileIO", None)
        assert repr(trees[0]) == repr(trees[1])
    first, second = (each.axes_manager.as_dictionary() for each in (first, second))
    assert first == second


@pytest.mark.parametrize("lazy", [False, True])
def test_data_axes_and_metadata_return_as_hspy_returns_them(saved, lazy, tmp_path):
    signal, path = saved
    again = hs.load(path, lazy=lazy)
    signal.save(tmp_path / "same.hspy")
    expected = hs.load(tmp_path / "same.hspy")
    assert (
        again._lazy == lazy
        and type(again).__name__.endswith(type(expected).__name__)
        and again.data.dtype == signal.data.dtype
    )
    np.testing.assert_array_equal(np.asarray(again.data), signal.data)
    same_metadata(again, expected)


def test_a_tile_is_a_chunk_that_hyperspy_computes_with(saved):
    signal, path = saved
    again = hs.load(path, lazy=True)
    assert again.data.chunks == ((4, 4, 1), (3, 3, 1), (60,))
    np.testing.assert_array_equal(again.sum().data, signal.sum().data)
    part = again.inav[1:4, 2:].isig[5:30]
    np.testing.assert_array_equal(part.data.compute(), signal.data[2:, 1:4, 5:30])


def test_results_of_a_decomposition_are_kept(saved, tmp_path):
    signal, _ = saved
    signal.change_dtype("float32")
    signal.decomposition(algorithm="SVD", output_dimension=2, print_info=False)
    signal.save(tmp_path / "decomposed.scube")
    again = hs.load(tmp_path / "decomposed.scube", lazy=True)
    expected = signal.learning_results.loadings
    np.testing.assert_array_equal(again.learning_results.loadings, expected)


def test_format_is_found_by_its_name_and_listed_in_the_help(saved, tmp_path):
    import rsciio_sparse.scube

    signal, path = saved
    copy = tmp_path / "copy.bin"
    copy.write_bytes(path.read_bytes())
    for name in ("scube", "sparse_cube", rsciio_sparse.scube):
        again = hs.load(copy, file_format=name)
        np.testing.assert_array_equal(again.data, signal.data)
    assert "``scube``" in hs.load.__doc__
    assert (
        "``scube``" in hs.signals.BaseSignal.save.__doc__ + hs.io.save.__doc__
        if (hasattr(hs, "io"))
        else True
    )


@settings(max_examples=12)
@given(
    data=hnp.arrays(
        st.sampled_from(["uint8", "uint16", "int32", "int64", "float32", "bool"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        elements=st.integers(0, 1),
    ),
    factor=st.sampled_from([1, 3, 100]),
    tile=st.integers(1, 3),
)
def test_any_shape_type_and_tiles(tmp_path_factory, data, factor, tile):
    data = data if data.dtype == bool else data * data.dtype.type(factor)
    path = tmp_path_factory.mktemp("any") / "any.scube"
    signal = hs.signals.Signal1D(data)
    signal.save(path, tile_shape=(tile,) * (data.ndim - 1))
    for lazy in (False, True):
        again = np.asarray(hs.load(path, lazy=lazy).data)
        np.testing.assert_array_equal(again.reshape(data.shape), data)


def test_signal_axes_before_navigation_axes_and_two_signal_axes(tmp_path):
    data = poisson((4, 5, 6, 7), 0.5)
    image = hs.signals.Signal2D(data)
    image.save(tmp_path / "image.scube")
    np.testing.assert_array_equal(hs.load(tmp_path / "image.scube").data, data)
    axes = [
        {"size": n, "navigate": n in (5, 6), "name": "abcd"[n - 4]} for n in range(4, 8)
    ]
    plain = {"axes": axes, "data": data, "metadata": {"General": {"title": ""}}}
    rest = ("original_metadata", "learning_results", "attributes", "models")
    plain |= {name: {} for name in (*rest, "package_info")}
    file_writer(tmp_path / "moved.scube", plain)
    (again,) = file_reader(tmp_path / "moved.scube")
    assert [axis["name"] for axis in again["axes"]] == ["b", "c", "a", "d"]
    np.testing.assert_array_equal(again["data"], data.transpose(1, 2, 0, 3))


def test_non_uniform_axis(tmp_path):
    signal = hs.signals.Signal1D(poisson((3, 5)))
    signal.axes_manager[-1].convert_to_non_uniform_axis()
    signal.axes_manager[-1].axis = np.array([1.0, 2, 4, 8, 16])
    signal.save(tmp_path / "a.scube")
    again = hs.load(tmp_path / "a.scube")
    np.testing.assert_array_equal(again.axes_manager[-1].axis, [1, 2, 4, 8, 16])


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1, "-1.0 is no count"), (0.5, "0.5 is no count"), (np.nan, "nan is no count")],
)
def test_what_is_no_count_is_refused_and_nothing_is_left(tmp_path, value, reason):
    data = poisson((3, 4, 9), dtype="float32")
    data[1, 2, 3] = value
    with pytest.raises(ValueError, match=reason):
        hs.signals.Signal1D(data).save(tmp_path / "a.scube")
    assert list(tmp_path.iterdir()) == []


def test_complex_data_and_unknown_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="complex64"):
        hs.signals.Signal1D(np.ones((3, 4), "complex64")).save(tmp_path / "a.scube")
    with pytest.raises(TypeError, match="colour"):
        hs.signals.Signal1D(np.ones((3, 4))).save(tmp_path / "a.scube", colour=1)
    with pytest.raises(ValueError, match="blocks='coo'"):
        file_reader(tmp_path / "a.scube", blocks="coo")
    with pytest.raises(ValueError, match="lazy=True"):
        file_reader(tmp_path / "a.scube", blocks="csr")


def test_a_tile_is_events_or_csr_whichever_is_smaller(tmp_path):
    sparse, full = poisson((40, 50, 500), 0.002), poisson((8, 9, 50), 60.0)
    for data, expected in ((sparse, "pulse_height"), (full, "indices_1")):
        counts = counts_of_dense(data.reshape(-1, data.shape[-1]))
        kinds = [_tiles._as_events(counts), _tiles._as_csr(counts)]
        sizes = [_tiles.stored_bytes(kind) for kind in kinds]
        chosen = _tiles.encode(counts)
        assert expected in chosen
        assert _tiles.stored_bytes(chosen) == min(sizes)
        assert all(array.dtype.itemsize <= 4 for array in chosen.values())


def test_binsparse_reads_a_tile(tmp_path):
    binsparse = pytest.importorskip("binsparse")
    data = poisson((6, 7, 50), 60.0)
    hs.signals.Signal1D(data).save(tmp_path / "a.scube", tile_shape=(3, 7))
    with h5py.File(tmp_path / "a.scube") as file:
        container = binsparse.HDF5BinsparseContainer(file["tiles/1"])
        tensor = binsparse.BinsparseTensor.parse(container)
        header = json.loads(file["tiles/1"].attrs["binsparse"])["binsparse"]
        parts = [file["tiles/1"][name][()] for name in _tiles.CSR]
    assert type(tensor).__name__ == "CSRMatrix" and tensor.shape == (21, 50)
    assert header["number_of_stored_values"] == np.count_nonzero(data[3:])
    pointers, indices, values = parts
    matrix = scipy.sparse.csr_array((values, indices.astype(int), pointers), (21, 50))
    np.testing.assert_array_equal(matrix.toarray(), data[3:].reshape(21, 50))


def test_events_of_a_tile_are_those_that_the_format_describes(tmp_path):
    data = np.zeros((1, 3, 8), np.uint8)
    data[0, 0, 5], data[0, 2, 1], data[0, 2, 7] = 1, 2, 1
    hs.signals.Signal1D(data).save(tmp_path / "a.scube")
    with h5py.File(tmp_path / "a.scube") as file:
        tile = file["tiles/0"]
        assert tile.attrs["NX_class"] == b"NXevent_data"
        np.testing.assert_array_equal(tile["event_index"], [1, 0, 3])
        np.testing.assert_array_equal(tile["pulse_height"], [5, 1, 0, 6])
        crc = zlib.crc32(bytes([5, 1, 0, 6]))
        assert tile["pulse_height"].attrs["crc32"] == crc
        inner = h5py.File(io.BytesIO(file["hyperspy"][()].tobytes()))
        assert "axis-2" in inner["Experiments/signal"]


def test_chunks_of_csr_are_never_dense(saved):
    signal, path = saved
    (sparse,) = file_reader(path, lazy=True, blocks="csr")
    tile = sparse["data"].blocks[0, 0].compute()
    assert scipy.sparse.issparse(tile.tocsr()) and tile.shape == (4, 3, 60)
    np.testing.assert_array_equal(tile.todense(), signal.data[:4, :3])
    assert tile.nbytes < tile.todense().nbytes * 8 and tile.ndim == 3


def test_a_file_can_be_sent_to_other_processes_and_written_again(saved, tmp_path):
    signal, path = saved
    lazy = hs.load(path, lazy=True)
    file = pickle.loads(pickle.dumps(file_of(lazy.data)))
    np.testing.assert_array_equal(
        file.read(0).dense("uint8").reshape(4, 3, 60), signal.data[:4, :3]
    )
    lazy.save(path, overwrite=True, tile_shape=(2, 7))
    np.testing.assert_array_equal(hs.load(path).data, signal.data)
    with pytest.raises(OSError, match="was replaced since it was loaded"):
        lazy.data.compute()
    assert file_of(lazy.data + 1) is None and file_of(signal.data) is None


def test_sparse_chunks_and_tiles_of_another_file_are_written_without_zeros(saved):
    signal, path = saved
    (sparse,) = file_reader(path, lazy=True, blocks="csr")
    rest = {"learning_results": {}, "models": {}, "package_info": {}}
    for tile_shape in ((4, 3), None):
        file_writer(path.with_name("b.scube"), {**sparse, **rest}, tile_shape)
        np.testing.assert_array_equal(
            hs.load(path.with_name("b.scube")).data, signal.data
        )
        hs.load(path, lazy=True).save(
            path.with_name("c.scube"), overwrite=True, tile_shape=tile_shape
        )
        np.testing.assert_array_equal(
            hs.load(path.with_name("c.scube")).data, signal.data
        )


def test_conversion_is_resumed_after_a_crash(signal, tmp_path):
    data = poisson((40, 5, 60), 0.3)
    dictionary = hs.signals.Signal1D(data)._to_dictionary()
    dictionary |= {"package_info": {}, "models": {}}
    layout = Layout(data.shape, 2, (1, 5), data.dtype)
    path = tmp_path / "a.scube"

    def write(numbers, fingerprint="first"):
        writer = Writer(path, dictionary, layout, fingerprint=fingerprint)
        missing = writer.missing
        for number in numbers:
            if number in missing:
                writer.append(number, counts_of_dense(data[number]))
        return writer, missing

    crashed, missing = write(range(25))
    assert len(missing) == 40
    crashed._file.close()  # What a crash does, at best.
    other = tmp_path / "other"
    other.mkdir()
    again, missing = write(range(40))
    assert 20 < len(missing) < 40, "complete segments are kept, the last one is not"
    with pytest.raises(FileNotFoundError):
        ScubeFile(path)
    again.finish()
    np.testing.assert_array_equal(hs.load(path).data, data)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.scube", "other"]
    _, missing = write(range(25), "first")
    _, missing = write([], "of another source")
    assert len(missing) == 40
    with pytest.raises(ValueError, match="40 tiles .* are not written"):
        write([], "of another source")[0].finish()


def test_counts_of_another_shape_are_refused(signal, tmp_path):
    dictionary = signal._to_dictionary() | {"package_info": {}, "models": {}}
    layout = Layout(signal.data.shape, 2, (3, 7), signal.data.dtype)
    with pytest.raises(ValueError, match="Tile 1 has 21 pixels and 60 channels"):
        with Writer(tmp_path / "a.scube", dictionary, layout) as writer:
            writer.append(1, no_counts(20, 60))
    assert list(tmp_path.iterdir()) == []


def test_frames_have_their_times(tmp_path):
    data = poisson((3, 4, 5, 60))
    dictionary = hs.signals.Signal1D(data)._to_dictionary()
    dictionary |= {"package_info": {}, "models": {}}
    layout = Layout(data.shape, 3, (1, 4, 5), data.dtype)
    frames = {"event_time_zero": [0.0, 1.5, 3.0], "units": "s"}
    with Writer(tmp_path / "a.scube", dictionary, layout, frames) as writer:
        for number in range(3):
            writer.append(number, counts_of_dense(data[number].reshape(-1, 60)))
    times, units = ScubeFile(tmp_path / "a.scube").frame_times()
    assert times.tolist() == [0.0, 1.5, 3.0] and units == "s"
    np.testing.assert_array_equal(hs.load(tmp_path / "a.scube").data, data)


def test_file_is_read_while_another_one_is_written(saved, tmp_path):
    signal, path = saved
    dictionary = signal._to_dictionary() | {"package_info": {}, "models": {}}
    layout = Layout(signal.data.shape, 2, (3, 7), signal.data.dtype)
    with Writer(path, dictionary, layout) as writer:
        for number in range(3):
            writer.append(number, counts_of_dense(np.ones((21, 60), np.uint8)))
            np.testing.assert_array_equal(hs.load(path).data, signal.data)
    assert hs.load(path).data.min() == 1


def test_tiles_take_the_size_of_a_chunk_of_dask():
    assert choose_tiles((512, 512, 4096), 2, "uint8") == (64, 512)
    assert choose_tiles((14, 64, 64, 2048), 3, "uint16") == (8, 64, 64)
    assert choose_tiles((4096, 4096, 4096), 2, "uint16") == (4, 4096)
    assert choose_tiles((10, 2**28), 1, "uint8") == (1,)
    assert choose_tiles((100,), 0, "uint8") == ()


def test_layout_refuses_absurd_shapes():
    good = Layout((6, 5, 10), 2, (3, 5), np.dtype("u1"))
    good.check()
    for change in (
        {"shape": (6, 0, 10)},
        {"tile_shape": (0, 5)},
        {"tile_shape": (3,)},
        {"navigation_dimension": 3},
        {"dtype": np.dtype("complex64")},
        {"dtype": np.dtype("V3")},
        {"shape": (2**21, 5, 10), "tile_shape": (1, 5)},
        {"shape": (2**25, 1, 10), "tile_shape": (2**25, 1)},
        {"shape": (6, 5, 2**32)},
    ):
        with pytest.raises((ValueError, TypeError)):
            good._replace(**change).check()


def test_whole_cube_that_does_not_fit_into_memory_is_refused(tmp_path):
    layout = Layout((2**12, 2**12, 2**15), 2, (64, 64), np.dtype("u1"))
    axes = [{"size": n, "navigate": n == 2**12} for n in layout.shape]
    plain = {"axes": axes, "metadata": {"General": {"title": ""}}}
    rest = ("original_metadata", "learning_results", "attributes", "models")
    plain |= {name: {} for name in (*rest, "package_info")}
    nothing = no_counts(64 * 64, 2**15)
    with Writer(tmp_path / "a.scube", plain, layout) as writer:
        for number in range(layout.n_tiles):
            writer.append(number, nothing)
    with pytest.raises(MemoryError, match="lazy=True"):
        file_reader(tmp_path / "a.scube")
    (signal,) = file_reader(tmp_path / "a.scube", lazy=True)
    assert signal["data"][5, 7, :9].compute().tolist() == [0] * 9


# Damage


def damaged(path, change):
    """Change a copy of the file with HDF5."""
    copy = path.with_name("damaged.scube")
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        change(file)
    return copy


def replace(name, array):
    """Put a well-formed dataset of other content in the place of one."""

    def change(file):
        from rsciio_sparse.scube._write import write_array

        del file[name]
        group, _, last = name.rpartition("/")
        write_array(file[group or "/"], last, _tiles.deflate(np.asarray(array)))

    return change


def bomb(file):
    del file["tiles/0/pulse_height"]
    zeros = zlib.compress(bytes(2**26), 9)
    made = file.create_dataset(
        "tiles/0/pulse_height", (2**26,), "u1", chunks=(2**26,), compression="gzip"
    )
    made.id.write_direct_chunk((0,), zeros)
    made.attrs["crc32"] = 0


def cut_short(file):
    data = file["hyperspy"][()][:-100]
    replace("hyperspy", data)(file)


CASES = {
    "is no .scube file": lambda f: f.attrs.__setitem__("format", np.bytes_("HyperSpy")),
    "no text of fixed length": lambda f: f.attrs.__setitem__("format", "scube"),
    "install a newer one": lambda f: f.attrs.__setitem__("version", 2),
    "totals of": lambda f: f["tiles"].attrs.__setitem__("tile_shape", [2, 3]),
    "axes of the sizes": lambda f: f["tiles"].attrs.__setitem__("shape", [9, 7, 61]),
    "shape": lambda f: f["tiles"].attrs.__setitem__("shape", [9, 0, 60]),
    "navigation": lambda f: f["tiles"].attrs.__setitem__("navigation_dimension", 9),
    "damaged": lambda f: f["tiles"].attrs.__setitem__("dtype", np.bytes_("rubbish")),
    "tile 0": lambda f: f["tiles"].pop("0"),
    "outside the tile": replace("tiles/0/pulse_height", np.full(400, 200, np.uint8)),
    "of 12 pixels": replace("tiles/0/event_index", np.ones(11, np.uint8)),
    "would take": bomb,
    "expected 12": replace("total_counts", np.full(9, 12, np.uint64)),
    "tile 1": replace("tiles/1/event_index", np.ones(12, np.uint8)),
    "no array of unsigned": lambda f: (
        f["tiles/0"].pop("event_index"),
        f["tiles/0"].create_dataset("event_index", data=np.ones((3, 4))),
    ),
    "one chunk": lambda f: (
        f["tiles/0"].pop("event_index"),
        f["tiles/0"].create_dataset("event_index", data=np.ones(12, "u1"))
        .attrs.__setitem__("crc32", 0),
    ),
    "the file is damaged": cut_short,
    "has no data": lambda f: (
        f["tiles/0"].pop("event_index"),
        f["tiles/0"].create_dataset(
            "event_index", (12,), "u1", chunks=(12,), compression="gzip"
        ).attrs.__setitem__("crc32", 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", CASES)
def test_damage_is_refused_with_its_reason(saved, reason):
    _, path = saved
    copy = damaged(path, CASES[reason])
    with pytest.raises(MalformedFile, match=reason):
        file_reader(copy)


def test_flipped_bits_and_truncation_are_found(saved):
    signal, path = saved
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    copy = path.with_name("damaged.scube")
    for _ in range(60):
        changed = bytearray(raw)
        place = rng.integers(len(raw))
        changed[place] ^= 1 << rng.integers(8)
        if rng.random() < 0.2:
            changed = changed[:place]
        copy.write_bytes(changed)
        try:
            data = file_reader(copy)[0]["data"]
        except MalformedFile as error:
            assert "damaged" in str(error)
        else:
            # The bit is one of those that mean nothing.
            np.testing.assert_array_equal(data, signal.data)


def test_metadata_bombs_and_links_are_refused(tmp_path):
    from rsciio_sparse.scube._read import _check_sizes

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("bomb", (2**40,), "f8", chunks=(2**16,))
        with pytest.raises(ValueError, match="would take"):
            _check_sizes(file, 1000)
        del file["bomb"]
        file["group/inner"] = 3
        _check_sizes(file, 1000)
        file["again"] = file["group"]
        with pytest.raises(ValueError, match="more than once"):
            _check_sizes(file, 1000)
        del file["again"]
        file["group/soft"] = h5py.SoftLink("/group")
        with pytest.raises(ValueError, match="elsewhere"):
            _check_sizes(file, 1000)


# Kernels and counts


def naive_rows(pixels, channels, n_pixels, n_channels):
    dense = np.zeros((n_pixels, n_channels), int)
    np.add.at(dense, (pixels, channels), 1)
    return dense


@pytest.mark.parametrize("compiled", [True, False])
def test_events_in_any_order_become_counts(compiled, monkeypatch, rng):
    if not compiled:
        import rsciio_sparse._counts as module

        for name in ("count_events", "place_events", "sort_rows", "merge_events"):
            monkeypatch.setattr(module, name, getattr(kernels, name).py_func)
    pixels, channels = rng.integers(0, 9, 700), rng.integers(0, 30, 700)
    pixels[pixels == 4] = 3  # A pixel without counts, and one of many.
    dense = naive_rows(pixels, channels, 9, 30)
    pointers, grouped = group_by_pixel(pixels, channels.astype(np.uint16), 9)
    counts = counts_of_events(pointers, grouped, 30)
    np.testing.assert_array_equal(counts.dense(int), dense)
    assert counts.total == 700 and counts.n_pixels == 9
    expected = scipy.sparse.csr_array(dense)
    np.testing.assert_array_equal(counts.indptr, expected.indptr)
    np.testing.assert_array_equal(counts.indices, expected.indices)
    events, each = counts.events()
    np.testing.assert_array_equal(each, grouped)
    np.testing.assert_array_equal(events, pointers)


@pytest.mark.parametrize("mean", [0.01, 0.5, 40.0])
@pytest.mark.parametrize("compiled", [True, False])
def test_tiles_are_decoded_as_they_were_encoded(mean, compiled, monkeypatch, rng):
    if not compiled:
        for name in ("decode_events", "encode_events", "is_valid_csr"):
            monkeypatch.setattr(_tiles, name, getattr(kernels, name).py_func)
    rows = rng.poisson(mean, (20, 30))
    counts = counts_of_dense(rows)
    for encode in (_tiles.encode, _tiles._as_events, _tiles._as_csr):
        again = _tiles.decode(encode(counts), 20, 30)
        for ours, expected in zip(again, counts, strict=True):
            np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(again.dense(int), rows)


def test_pixel_with_more_counts_than_sixteen_bits(rng):
    counts = counts_of_dense(np.array([[0, 70_000, 3], [1, 0, 0]]))
    again = _tiles.decode(_tiles._as_events(counts), 2, 3)
    np.testing.assert_array_equal(again.dense(int), [[0, 70_000, 3], [1, 0, 0]])


def test_large_tiles_choose_their_encoding_on_a_sample(rng):
    for mean, expected in ((0.004, "pulse_height"), (60.0, "values")):
        counts = counts_of_dense(rng.poisson(mean, (12_000, 1000 if mean < 1 else 9)))
        assert counts.total > _tiles._SAMPLE
        chosen = _tiles.encode(counts)
        assert expected in chosen
        again = _tiles.decode(chosen, 12_000, counts.n_channels)
        np.testing.assert_array_equal(again.indices, counts.indices)


def test_array_that_compresses_too_well_is_stored_less_compressed():
    stored = _tiles.deflate(np.zeros(2**20, np.uint8))
    assert 2**20 <= _tiles.MAX_RATIO * len(stored.raw)
    np.testing.assert_array_equal(_tiles.inflate(stored, "zeros"), 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"raw": b"rubbish"}, "cannot be decompressed"),
        ({"size": 99}, "expected 99"),
        ({"size": 101}, "expected 101"),
        ({"crc32": 1}, "does not have its checksum"),
        ({"size": 10**9}, "would take"),
    ],
)
def test_damaged_arrays_are_refused(change, reason):
    stored = _tiles.deflate(np.arange(100, dtype=np.uint8))
    with pytest.raises(ValueError, match=reason):
        _tiles.inflate(stored._replace(**change), "array")


def test_csr_tiles_are_checked():
    pointers, indices, values = (
        np.array([0, 2, 3]),
        np.array([1, 4, 0]),
        np.ones(3, int),
    )
    good = [pointers, indices, values]

    def decoded(arrays):
        stored = {
            name: _tiles.deflate(array.astype(np.uint8))
            for name, array in zip(_tiles.CSR, arrays, strict=True)
        }
        return _tiles.decode(stored, 2, 5)

    assert decoded(good).dense(int).tolist() == [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]]
    for place, array in [
        (0, [0, 3, 2]), (0, [0, 2]), (0, [1, 2, 3]), (0, [0, 4, 3]),
        (1, [4, 1, 0]), (1, [1, 5, 0]), (1, [1, 1, 0]), (2, [1, 0, 1]), (2, [1, 1]),
    ]:  # fmt: skip
        arrays = list(good)
        arrays[place] = np.array(array)
        with pytest.raises(ValueError):
            decoded(arrays)


def test_counts_of_sparse_matrices_have_no_zeros_and_no_duplicates():
    rows, columns, values = [0, 0, 1, 1], [2, 2, 0, 1], [1.0, 2.0, 0.0, 5.0]
    matrix = scipy.sparse.coo_array((values, (rows, columns)), shape=(2, 3))
    counts = counts_of_csr(matrix)
    assert isinstance(counts, Counts) and counts.values.tolist() == [3, 5]
    assert counts.dense("uint8").tolist() == [[0, 0, 3], [0, 5, 0]]
    with pytest.raises(ValueError, match="no count"):
        counts_of_csr(matrix * 0.5)


def test_reading_is_the_same_on_threads(saved):
    signal, path = saved
    array = dask_array(ScubeFile(path), sparse=False)
    with dask.config.set(scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(array.compute(), signal.data)
