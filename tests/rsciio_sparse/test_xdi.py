"""XDI: small files of every kind, the published cases, and what is refused."""

import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse.xdi import file_reader
from rsciio_sparse.xdi._api import UNITS_OF_ANGLE

HEADER = """# XDI/1.0 GSE/1.0
# Column.1: energy eV
# Column.2: mutrans
# Element.edge: K
# Element.symbol: Cu
# Mono.d_spacing: 3.13553
# Facility.name: APS
# Sample.name: foil
# Scan.start_time: 2001-06-26T22:27:31
# ///
# measured twice
# by hand
#-----
# energy mutrans
"""
ROWS = "8979.0 0.1\n8980.0 0.5\n8982.5 1.0\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.xdi"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_spectrum_with_its_metadata(write):
    (found,) = file_reader(write(HEADER + ROWS))
    np.testing.assert_array_equal(found["data"], [0.1, 0.5, 1.0])
    (axis,) = found["axes"]
    np.testing.assert_array_equal(axis["axis"], [8979, 8980, 8982.5])
    assert (axis["name"], axis["units"], axis["navigate"]) == ("Energy", "eV", False)
    metadata = found["metadata"]
    assert metadata["Signal"] == {"signal_type": "XAS", "quantity": "Absorption"}
    assert metadata["General"]["title"] == "foil"
    assert metadata["General"]["notes"] == "measured twice\nby hand"
    assert metadata["General"]["date"] == "2001-06-26"
    instrument = metadata["Acquisition_instrument"]["XAS"]
    assert instrument["Element"] == {"symbol": "Cu", "edge": "K"}
    assert instrument["Mono"]["d_spacing"] == 3.13553
    assert instrument["Facility"]["name"] == "APS"
    assert metadata["Sample"] == {"name": "foil", "elements": ["Cu"]}
    original = found["original_metadata"]
    np.testing.assert_array_equal(original["columns"]["mutrans"], found["data"])


@pytest.mark.parametrize("lazy", [False, True])
def test_hyperspy_loads_it(write, lazy):
    signal = hs.load(write(HEADER + ROWS), lazy=lazy)
    assert type(signal).__name__ == ("LazyXASSpectrum" if lazy else "XASSpectrum")
    assert not signal.axes_manager[0].is_uniform
    assert signal.metadata.Acquisition_instrument.XAS.Element.symbol == "Cu"


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ("energy i0 itrans", ["1 10 5", "2 20 5"], [np.log(2), np.log(4)]),
        ("energy i0 ifluor", ["1 10 5", "2 20 5"], [0.5, 0.25]),
        ("energy i0 itrans mutrans", ["1 1 1 7", "2 1 1 8"], [7, 8]),
        ("energy i0 itrans", ["1 10 5", "2 0 5"], [np.log(2), np.nan]),
        ("energy time mufluor", ["1 10 5", "2 0 6"], [5, 6]),
    ],
)
def test_absorption_is_read_or_made_from_counts(write, columns, rows, expected):
    header = "# XDI/1.0\n# Element.symbol: Cu\n# ///\n#---\n# " + columns + "\n"
    (found,) = file_reader(write(header + "\n".join(rows)))
    np.testing.assert_allclose(found["data"], expected)


def test_a_column_can_be_chosen(write):
    header = "# XDI/1.0\n# ///\n#---\n# energy i0 itrans irefer mutrans\n"
    path = write(header + "1 10 5 1 7\n2 20 5 5 8\n")
    (found,) = file_reader(path, column="reference")
    np.testing.assert_allclose(found["data"], [np.log(5), 0])
    (found,) = file_reader(path, column="i0")
    np.testing.assert_allclose(found["data"], [10, 20])
    signal = hs.load(path, column="transmission")
    np.testing.assert_allclose(signal.data, [np.log(2), np.log(4)])


def test_energies_in_kev_become_ev(write):
    kev = HEADER.replace("energy eV", "energy keV") + "8.979 1\n8.980 2\n"
    (found,) = file_reader(write(kev))
    assert found["axes"][0]["offset"] == pytest.approx(8979)


@pytest.mark.parametrize("unit", UNITS_OF_ANGLE)
def test_angles_of_the_monochromator_become_energies(write, unit):
    angles = np.array([13.0, 12.9])
    rows = "".join(
        f"{np.radians(angle) if unit.startswith('rad') else angle:.15f} {angle}\n"
        for angle in angles
    )
    (found,) = file_reader(write(HEADER.replace("energy eV", f"angle {unit}") + rows))
    axis = found["axes"][0]
    energies = axis["offset"] + axis["scale"] * np.arange(2)
    # Bragg's law for the lattice planes of the header.
    expected = 12398.4198 / (2 * 3.13553 * np.sin(np.deg2rad(angles)))
    np.testing.assert_allclose(energies, expected, rtol=1e-8)
    np.testing.assert_allclose(found["data"], angles)


def test_scans_that_run_down_jitter_or_repeat_are_put_in_order(write, caplog):
    rows = [f"{energy} {i}" for i, energy in enumerate(range(120, 80, -1))]
    (found,) = file_reader(write(HEADER + "\n".join(rows)))
    assert found["axes"][0]["offset"] == 81 and found["data"][0] == 39
    assert not caplog.records
    jitter = [f"{energy} 1" for energy in range(40)]
    jitter[20], jitter[30] = "21.4 5", "29 3"
    (found,) = file_reader(write(HEADER + "\n".join(jitter)))
    energy = found["axes"][0]["axis"]
    assert (np.diff(energy) > 0).all() and len(energy) == 39
    assert found["data"][list(energy).index(21.4)] == 5
    assert found["data"][list(energy).index(29.0)] == 2
    assert "line 36: 21 eV follows 21.4" in caplog.text
    assert "1 points repeat the energy" in caplog.text


def test_missing_element_is_said(write, caplog):
    file_reader(write(HEADER.replace("# Element.edge: K\n", "") + ROWS))
    assert "does not say Element.edge: set_edge of the signal" in caplog.text


REFUSED = {
    "no version": (HEADER[17:] + ROWS, 1, "'# XDI/1.0' was expected"),
    "no data": (HEADER, 15, "followed by no data"),
    "one row": (HEADER + "8979 1\n", None, "1 rows of numbers, at least two"),
    "text": (
        HEADER + "8979 1\n8980 none\n",
        16,
        "'8980 none' contains something other",
    ),
    "fewer": (HEADER + ROWS + "8990\n", 18, "1 columns, but 2 in the rows before"),
    "more": (HEADER + ROWS + "8990 1 2\n", 18, "3 columns, but 2"),
    "comment": (HEADER + ROWS + "# Outer.value: 2\n", 18, "between the rows of data"),
    "back": (HEADER + ROWS + "8900 1\n9000 2\n", 18, "8900 eV follows 8982.5"),
    "nan": (HEADER + "8979 1\nnan 2\n8990 2\n", 16, "the energy is nan"),
    "same": (HEADER + "8979 1\n8979 2\n", None, "all points have the same energy"),
    "field": (
        HEADER.replace("# ///\n", "") + ROWS,
        10,
        "'# measured twice' is no field",
    ),
    "columns": (
        HEADER.replace("# Column.2", "# Column.3") + ROWS,
        3,
        "Column.3 is described, but the data have 2 columns",
    ),
    "position": (
        HEADER.replace("energy eV", "x mm") + ROWS,
        2,
        "neither energy nor an",
    ),
    "units": (HEADER.replace("energy eV", "energy pixel") + ROWS, 2, "is in 'pixel'"),
    "spacing": (
        HEADER.replace("energy eV", "angle").replace("3.13553", "unknown") + ROWS,
        6,
        "angles need Mono.d_spacing in angstrom, found 'unknown'",
    ),
    "angle": (HEADER.replace("energy eV", "angle steps") + ROWS, 2, "is in 'steps'"),
    "no mu": (
        HEADER.replace("mutrans", "temperature") + ROWS,
        None,
        "no absorption among the columns energy, temperature",
    ),
    "empty": ("", None, "the file is empty"),
    "binary": ("# XDI/1.0\0\0", None, "this is a binary file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_files_are_refused_with_line_and_reason(write, name):
    text, line, reason = REFUSED[name]
    path = write(text)
    with pytest.raises(MalformedFile) as error:
        file_reader(path)
    assert error.value.line == line
    assert reason in str(error.value)
    assert str(path) in str(error.value)
    with pytest.raises(ValueError, match="file.xdi"):
        hs.load(path)


def test_a_column_that_is_not_there_is_refused(write):
    with pytest.raises(MalformedFile, match="no fluorescence among the columns energy"):
        file_reader(write(HEADER + ROWS), column="fluorescence")


def test_chi_of_k_is_read_as_exafs(write):
    header = "# XDI/1.0\n# Column.1: k inverse Angstrom\n# Column.2: chi\n"
    header += "# Column.3: chik\n# Column.4: energy\n# ///\n#---\n"
    rows = [f"{k:.3f} {np.sin(k):.6f} 0 {9000 + k}" for k in np.arange(0, 5, 0.05)]
    signal = hs.load(write(header + "\n".join(rows), "file.chik"))
    assert type(signal).__name__ == "EXAFSSpectrum"
    axis = signal.axes_manager[0]
    assert axis.is_uniform and axis.scale == pytest.approx(0.05)
    np.testing.assert_allclose(signal.data, np.sin(axis.axis), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "points", "element", "edge"),
    [
        ("XDI/cu_metal_10K.xdi", 612, "Cu", "K"),
        ("XDI/co_metal_rt.xdi", 418, "Co", "K"),
        ("XDI/fe2o3_rt.xdi", 348, "Fe", "K"),
        ("XDI/zn_znse_rt.xdi", 469, "Zn", "K"),
        ("repeats/NiS_rt_02.xdi", 507, "Ni", "K"),
        ("NiO.chik", 357, "Ni", "K"),
        ("UO2.chik", 371, "U", "L3"),
    ],
)
def test_published_files_are_read(data_dir, name, points, element, edge):
    signal = hs.load(data_dir / "xas" / name)
    assert signal.data.shape == (points,)
    found = signal.metadata.Acquisition_instrument.XAS.Element
    assert (found.symbol, found.edge) == (element, edge)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("nonxafs_1d", 2, "neither energy nor angle"),
        ("nonxafs_2d", 34, "'# Outer.value: 1.10' between the rows"),
        ("nonxafs_negvalues", 3, "neither energy nor angle"),
    ],
)
def test_published_files_without_a_spectrum_are_refused(data_dir, name, line, reason):
    with pytest.raises(MalformedFile, match=reason) as error:
        file_reader(data_dir / f"xas/XDI/{name}.xdi")
    assert error.value.line == line
