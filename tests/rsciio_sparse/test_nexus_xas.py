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
