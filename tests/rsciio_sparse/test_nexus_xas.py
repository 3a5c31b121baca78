"""NXxas and NXstxm: energies stay uneven, stacks stay in the file."""

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse.nexus_xas import file_reader

ENERGY = np.array([700.0, 701.0, 701.5, 703.25])


def entry(file, definition, name="entry"):
    group = file.create_group(name)
    group.attrs["NX_class"] = "NXentry"
    group["definition"] = definition
    group["title"] = "a particle"
    group["start_time"] = "2020-01-02T03:04:05"
    return group


def nexus_group(parent, name, kind):
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


@pytest.fixture
def stack(tmp_path):
    """File of a stack of 4 energies, 3 x 5 pixels, and its images."""
    path = tmp_path / "stack.nxstxm"
    images = np.random.default_rng(0).integers(1, 99, (4, 3, 5)).astype("uint16")
    with h5py.File(path, "w") as file:
        group = entry(file, "NXstxm")
        data = nexus_group(group, "counter0", "NXdata")
        data["data"], data["energy"] = images, ENERGY
        data["sample_y"], data["sample_x"] = [0.0, 0.5, 1.0], 0.1 * np.arange(5)
        data["sample_x"].attrs["units"] = "um"
        control = nexus_group(group, "control", "NXmonitor")
        control["data"] = [9.0, 8.0, 7.0, 6.0]
    return path, images


@pytest.fixture
def spectrum(tmp_path):
    """``spectrum(**fields)``: file of an NXxas entry with these fields in its data."""

    def write(units="eV", energy=ENERGY, mode=None, **fields):
        path = tmp_path / "spectrum.nxs"
        with h5py.File(path, "w") as file:
            group = entry(file, "NXxas")
            data = nexus_group(group, "data", "NXdata")
            if energy is not None:
                data["energy"] = energy
                data["energy"].attrs["units"] = units
            if mode:
                data["mode"] = mode
            for name, values in fields.items():
                data[name] = values
            edge = nexus_group(group, "scan/xrayedge", "NXxrayedge")
            edge["element"], edge["edge"] = "Fe", "L3"
        return path

    return write


@pytest.mark.parametrize("lazy", [False, True])
def test_stacks_have_pixels_and_uneven_energies(stack, lazy):
    path, images = stack
    signal = hs.load(path, lazy=lazy)
    assert type(signal).__name__ == ("LazyXASSpectrum" if lazy else "XASSpectrum")
    assert signal.axes_manager.navigation_shape == (5, 3)
    np.testing.assert_array_equal(np.asarray(signal.data), np.moveaxis(images, 0, -1))
    axis = signal.axes_manager[-1]
    assert not axis.is_uniform and axis.units == "eV"
    np.testing.assert_array_equal(axis.axis, ENERGY)
    x, y = signal.axes_manager.navigation_axes
    assert (x.name, x.units, y.name) == ("x", "um", "y")
    assert (x.scale, y.scale) == (pytest.approx(0.1), 0.5)
    np.testing.assert_array_equal(signal.original_metadata.control, [9, 8, 7, 6])
    assert signal.metadata.General.title == "a particle"


def test_stacks_become_absorption(stack):
    signal = hs.load(stack[0], lazy=True)
    mu = type(signal).from_counts(np.full(4, 200.0), signal)
    expected = np.log(200 / np.moveaxis(stack[1], 0, -1))
    np.testing.assert_allclose(np.asarray(mu.data), expected)


def test_files_with_another_name_need_the_format(stack, tmp_path):
    path = stack[0].rename(tmp_path / "stack.nxs")
    assert hs.load(path, file_format="NXstxm").data.shape == (3, 5, 4)
    # Without it HyperSpy's own reader is asked, as ever.
    assert not isinstance(hs.load(path), type(hs.load(path, file_format="NXstxm")))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"mutrans": [1.0, 2, 3, 4]}, [1, 2, 3, 4]),
        ({"intensity": [1.0, 2, 3, 4]}, [1, 2, 3, 4]),
        ({"i0": [8.0] * 4, "itrans": [4.0] * 4}, [np.log(2)] * 4),
        ({"incoming_beam": [8.0] * 4, "absorbed_beam": [4.0] * 4}, [np.log(2)] * 4),
        (
            {
                "incoming_beam": [8.0] * 4,
                "absorbed_beam": [4.0] * 4,
                "mode": "Fluorescence",
            },
            [0.5] * 4,
        ),
    ],
)
def test_spectra_are_read_or_made_from_counts(spectrum, fields, expected):
    signal = hs.load(spectrum(**fields), file_format="NXxas")
    np.testing.assert_allclose(signal.data, expected)
    np.testing.assert_array_equal(signal.axes_manager[0].axis, ENERGY)
    element = signal.metadata.Acquisition_instrument.XAS.Element
    assert (element.symbol, element.edge) == ("Fe", "L3")


def test_detectors_and_monochromator_may_hold_the_columns(tmp_path):
    path = tmp_path / "classic.nxs"
    with h5py.File(path, "w") as file:
        group = entry(file, "NXxas")
        instrument = nexus_group(group, "instrument", "NXinstrument")
        mono = nexus_group(instrument, "monochromator", "NXmonochromator")
        mono["energy"] = ENERGY / 1000
        mono["energy"].attrs["units"] = "keV"
        for name, counts in (("incoming_beam", 9.0), ("absorbed_beam", 3.0)):
            nexus_group(instrument, name, "NXdetector")["data"] = np.full(4, counts)
    (found,) = file_reader(path)
    np.testing.assert_allclose(found["data"], np.log(3))
    np.testing.assert_allclose(found["axes"][0]["axis"], ENERGY)


def test_several_entries_and_counters(stack):
    path, images = stack
    with h5py.File(path, "a") as file:
        second = file["entry"].create_group("counter1")
        second.attrs["NX_class"] = "NXdata"
        second["data"], second["energy"] = 2 * images, ENERGY
        other = entry(file, "NXxas", "foil")
        data = nexus_group(other, "data", "NXdata")
        data["energy"], data["mutrans"] = ENERGY, ENERGY
        nexus_group(file, "raw", "NXentry")
    assert len(file_reader(path)) == 2
    (foil,) = file_reader(path, entry="foil")
    np.testing.assert_array_equal(foil["data"], ENERGY)
    (doubled,) = file_reader(path, entry="entry", column="counter1")
    np.testing.assert_array_equal(doubled["data"], 2 * np.moveaxis(images, 0, -1))
    with pytest.raises(
        MalformedFile, match="no NXdata counter7; there are: counter0, "
    ):
        file_reader(path, entry="entry", column="counter7")
    with pytest.raises(MalformedFile, match="no entry foo with the.*foil \\(NXxas\\)"):
        file_reader(path, entry="foo")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mutrans": [1.0, 2, 3]}, "3 points of mutrans for 4 energies"),
        ({"time": [1.0, 2, 3, 4]}, "no absorption among the columns"),
        ({"mutrans": [1.0] * 4, "units": "nm"}, "is in 'nm'; eV or keV was expected"),
        ({"mutrans": [1.0] * 4, "energy": None}, "holds no field 'energy'"),
        ({"mutrans": [1.0] * 4, "energy": [1.0, 9, 2, 3]}, "2 eV follows 9"),
    ],
)
def test_malformed_spectra_are_refused(spectrum, fields, reason):
    with pytest.raises(MalformedFile, match=reason):
        file_reader(spectrum(**fields))


@pytest.mark.parametrize(
    ("field", "values", "reason"),
    [
        ("energy", [700.0, 699, 701, 702], "699 eV follows 700 at index 0"),
        ("energy", [700.0, 701], r"has shape \(4, 3, 5\): energies \(2\), y and x"),
        ("energy", None, "lacks energy"),
        ("data", np.ones((4, 3)), r"has shape \(4, 3\)"),
    ],
)
def test_malformed_stacks_are_refused_and_closed(stack, field, values, reason):
    path, _ = stack
    with h5py.File(path, "a") as file:
        del file["entry/counter0"][field]
        if values is not None:
            file["entry/counter0"][field] = values
    with pytest.raises(MalformedFile, match=reason):
        file_reader(path, lazy=True)
    with h5py.File(path, "a"):
        pass


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "file.nxxas"
    path.write_text("no HDF5")
    with pytest.raises(MalformedFile, match="not an HDF5 file"):
        file_reader(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(MalformedFile, match="there are: none"):
        file_reader(path)


@pytest.fixture
def write_entry(tmp_path):
    """``write_entry(fill)``: file of an NXxas entry that ``fill(entry)`` completes."""

    def write(fill, name="file.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            group = entry(file, "NXxas")
            del group["title"]
            fill(group)
        return path

    return write


def simple(group):
    group["energy"], group["intensity"] = ENERGY, ENERGY
    group["energy"].attrs["units"] = "eV"


def test_element_edge_and_beamline_of_new_nxxas_are_read(write_entry):
    def fill(group):
        simple(group)
        nexus_group(group, "element", "NXelement")["symbol"] = "Fe"
        nexus_group(group, "edge", "NXedge")["name"] = "K"
        nexus_group(group, "mode", "NXxas_mode")["name"] = "fluorescence"
        source = nexus_group(group, "instrument/source", "NXsource")
        source["name"], source["beamline"] = "Photon Factory", "BL9A"

    signal = hs.load(write_entry(fill))
    instrument = signal.metadata.Acquisition_instrument.XAS
    assert (instrument.Element.symbol, instrument.Element.edge) == ("Fe", "K")
    assert instrument.Facility.name == "Photon Factory"
    assert instrument.Beamline.name == "BL9A"
    np.testing.assert_array_equal(signal.data, ENERGY)


def test_subentries_are_spectra_of_their_own(tmp_path):
    path = tmp_path / "bliss.h5"
    with h5py.File(path, "w") as file:
        scan = nexus_group(file, "1.1", "NXentry")
        mono = nexus_group(scan, "instrument/monochromator", "NXmonochromator")
        mono["energy"] = ENERGY / 1000
        mono.attrs["units"] = "keV"
        for name in ("itrans", "fluo0"):
            part = nexus_group(scan, name, "NXsubentry")
            part["definition"] = "NXxas"
            part["energy"] = h5py.SoftLink("/1.1/instrument/monochromator/energy")
            part["intensity"] = ENERGY
            nexus_group(part, "element", "NXelement")["symbol"] = "As"
    found = file_reader(path)
    assert [s["metadata"]["General"]["title"] for s in found] == [
        "1.1/fluo0", "1.1/itrans",
    ]  # fmt: skip
    np.testing.assert_allclose(found[0]["axes"][0]["axis"], ENERGY)
    assert found[0]["metadata"]["Sample"]["elements"] == ["As"]
    assert len(file_reader(path, entry="1.1/itrans")) == 1
    assert len(file_reader(path, entry="1.1")) == 2


def latin_1(group):
    simple(group)
    group["title"] = np.bytes_("Eisen(III)oxid, gegl\xfcht".encode("latin-1"))


def lists_of_one(group):
    simple(group)
    group["energy"].attrs["units"] = np.array([b"eV"])
    group["title"] = np.array([b"a", b"b"])


def groups_for_fields(group):
    simple(group)
    for name in ("title", "sample/name", "element/symbol", "mode", "edge/name"):
        group.create_group(name)


def loose_links(group):
    simple(group)
    group["data"] = h5py.SoftLink("/nowhere")
    group["instrument"] = h5py.SoftLink("/entry/instrument")
    group["title"] = h5py.SoftLink("/entry/title")
    group["plot"] = h5py.ExternalLink("absent.h5", "/entry")


@pytest.mark.parametrize(
    ("fill", "title"),
    [
        (latin_1, "Eisen(III)oxid, gegl\xfcht"),
        (lists_of_one, "a"),
        (groups_for_fields, "file"),
        (loose_links, "file"),
    ],
)
def test_oddities_that_do_not_matter_are_read(write_entry, fill, title):
    (found,) = file_reader(write_entry(fill))
    np.testing.assert_array_equal(found["data"], ENERGY)
    assert found["metadata"]["General"]["title"] == title


def energy_is_a_group(group):
    group.create_group("energy")


def one_energy(group):
    group["energy"], group["mu"] = ENERGY[:1], ENERGY[:1]


def no_energy(group):
    group["energy"], group["mu"] = ENERGY[:0], ENERGY[:0]


def texts(group):
    group["energy"] = ["a", "b"]


def circle(group):
    group["energy"] = h5py.SoftLink("/entry/energy")


def raw_file(group):
    simple(group)
    kind = h5py.string_dtype("utf-8", 20)
    group.create_dataset("title", (1,), kind, external=[("secret.txt", 0, 20)])


def link_outside(group):
    simple(group)
    group["title"] = h5py.ExternalLink("../secret.h5", "/text")


def bomb(group):
    group.create_dataset("energy", (2**40,), "f8", chunks=(2**16,), compression="gzip")


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (energy_is_a_group, "holds no field 'energy'"),
        (one_energy, "holds 1 energies, two are needed"),
        (no_energy, "holds 0 energies, two are needed"),
        (texts, "holds no field 'energy'"),
        (circle, "holds no field 'energy'"),
        (raw_file, "is stored in the file 'secret.txt': fields in other files"),
        (link_outside, "is a link to the file '../secret.h5': links out of the folder"),
        (bomb, "has 1099511627776 points"),
    ],
)
def test_what_cannot_or_must_not_be_read_is_refused(
    write_entry, tmp_path, fill, reason
):
    (tmp_path / "secret.txt").write_text("what nobody else reads")
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write_entry(fill))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kept", [0, 1])
def test_stacks_of_less_than_two_energies_are_refused(stack, lazy, kept):
    path, images = stack
    with h5py.File(path, "a") as file:
        data = file["entry/counter0"]
        for name, values in (("data", images[:kept]), ("energy", ENERGY[:kept])):
            del data[name]
            data[name] = values
    with pytest.raises(MalformedFile, match=f"holds {kept} energies, two are needed"):
        file_reader(path, lazy=lazy)


def test_stacks_that_were_never_written_are_refused(stack):
    path, _ = stack
    with h5py.File(path, "a") as file:
        data = file["entry/counter0"]
        del data["data"]
        data.create_dataset("data", (4, 2**10, 2**10), "f8", chunks=(1, 64, 64))
    with pytest.raises(MalformedFile, match="of which the file stores 0 bytes"):
        file_reader(path)


def test_truncated_files_are_refused(write_entry, tmp_path):
    content = write_entry(simple).read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MalformedFile, match="damaged"):
        file_reader(path)


PUBLISHED = {
    "KEK_PFdata.h5": {("Fe", "K")},
    "BlissMultiModal.h5": {("As", "K")},
    "generic.h5": {("Fe", "K"), ("Co", "K"), ("Ni", "K"), ("Cu", "K"), (None, None)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_nexus_files(data_dir, name):
    path = data_dir / "xas/nexus" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    signals = hs.load(path)
    signals = signals if isinstance(signals, list) else [signals]
    elements = {
        tuple(
            signal.metadata.get_item(f"Acquisition_instrument.XAS.Element.{key}")
            for key in ("symbol", "edge")
        )
        for signal in signals
    }
    assert elements == PUBLISHED[name]


def test_counters_of_bliss_are_read_without_definition(tmp_path):
    path = tmp_path / "bliss_raw.h5"
    with h5py.File(path, "w") as file:
        for number in (1, 2, 3):
            scan = nexus_group(file, f"{number}.1", "NXentry")
            scan["title"] = f"trigscan {number}"
            group = nexus_group(scan, "measurement", "NXcollection")
            if number == 3:
                group["omega"], group["I0"] = ENERGY, ENERGY
                continue
            group["energy"], group["energy_enc"] = ENERGY / 1000, ENERGY / 1000 + 1e-4
            group["I0"], group["I1"] = [8.0] * 4, [4.0] * 4
            group["image"] = np.ones((4, 2, 2))
            group["link"] = h5py.SoftLink("/nowhere")
    signals = hs.load(path)
    assert [s.metadata.General.title for s in signals] == ["trigscan 1", "trigscan 2"]
    np.testing.assert_allclose(signals[0].data, np.log(2))
    np.testing.assert_allclose(signals[0].axes_manager[0].axis, ENERGY + 0.1)
    (found,) = file_reader(path, entry="2.1", column="I1 / I0")
    np.testing.assert_allclose(found["data"], 0.5)
