"""Version 9809 text: angles to energies, channels by mode, and what is refused."""

import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse.xas9809 import file_reader

SPACING = 3.13551
HC = 12398.419843320026
ENERGY = np.array([8900.0, 8979.0, 8980.0, 8990.5, 9100.0])


def text(modes=(1, 2), counts=None, offsets=None, angles=None):
    counts = (
        np.arange(10.0, 10 + len(ENERGY) * len(modes)) if counts is None else counts
    )
    counts = np.reshape(counts, (len(ENERGY), len(modes)))
    if angles is None:
        angles = np.rad2deg(np.arcsin(HC / (2 * SPACING * ENERGY)))
    offsets = np.zeros(len(modes)) if offsets is None else offsets
    lines = [
        "  9809     KEK-PF   BL12C",
        "C:\\DATA\\CUFOIL.001   03.10.10 12:34 - 03.10.10 13:00",
        " copper foil, room temperature",
        " Ring :   2.5 GeV   449.3 mA -  445.1 mA",
        f" Mono :   SI(111)       D=  {SPACING} A    Initial angle= 12.98200 deg",
        " BL12C    Transmission( 2)   Repetition=  1     Points=    5",
        " Param file : CU.PRM         energy axis (2)     Block = 1",
        "",
        " Block      Init-Eng  final-Eng     Step/eV     Time/s       Num",
        "     1       8900.00    9100.00       50.00       2.00         5",
        f" ORTEC( 0)     NDCH ={len(modes) + 1:2}",
        "  Angle(c)  Angle(o)    time/s"
        + "".join(f"{i + 1:10}" for i in range(len(modes))),
        "      Mode         0         0" + "".join(f"{mode:10}" for mode in modes),
        "    Offset         0         0" + "".join(f"{o:10.3f}" for o in offsets),
    ]
    for angle, row in zip(angles, counts, strict=True):
        cells = "".join(f" {cell:9.0f}" for cell in row)
        lines.append(f"{angle + 0.001:10.7f} {angle:9.7f}      2.00{cells}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="file.9809"):
        path = tmp_path / name
        path.write_bytes(content.encode("latin-1"))
        return path

    return write


@pytest.mark.parametrize("lazy", [False, True])
def test_transmission_scan(write, lazy):
    i0, it = np.full(5, 1000.0), np.array([900, 500, 200, 100, 300.0])
    signal = hs.load(write(text(counts=np.stack([i0, it], axis=1))), lazy=lazy)
    assert type(signal).__name__ == ("LazyXASSpectrum" if lazy else "XASSpectrum")
    np.testing.assert_allclose(np.asarray(signal.data), np.log(i0 / it))
    np.testing.assert_allclose(signal.axes_manager[0].axis, ENERGY, atol=2e-3)
    assert signal.metadata.General.title == "copper foil, room temperature"
    instrument = signal.metadata.Acquisition_instrument.XAS
    assert instrument.Mono.d_spacing == SPACING and instrument.Mono.name == "SI(111)"
    assert instrument.Beamline.name == "BL12C" and instrument.Facility.name == "KEK-PF"
    np.testing.assert_array_equal(signal.original_metadata.columns.itrans, it)


def test_files_with_another_name_need_the_format(write):
    signal = hs.load(write(text(), "scan.dat"), file_format="9809")
    assert signal.data.shape == (5,)


def test_fluorescence_is_summed_over_the_detector(write):
    counts = np.tile([3.0, 5.0, 100.0, 777.0, 1.0], (5, 1))
    (found,) = file_reader(write(text((3, 3, 1, 103, 101), counts)))
    np.testing.assert_allclose(found["data"], 8 / 100)
    assert found["original_metadata"]["column"] == "fluorescence"


def test_reference_can_be_chosen(write):
    counts = np.tile([100.0, 50.0, 5.0], (5, 1))
    (found,) = file_reader(write(text((1, 2, 4), counts)), column="reference")
    np.testing.assert_allclose(found["data"], np.log(10))


def test_offsets_are_subtracted_when_asked_for(write):
    counts = np.tile([110.0, 60.0], (5, 1))
    path = write(text(counts=counts, offsets=(5.0, 5.0)))
    (raw,) = file_reader(path)
    np.testing.assert_allclose(raw["data"], np.log(110 / 60))
    (corrected,) = file_reader(path, subtract_offsets=True)
    np.testing.assert_allclose(corrected["data"], np.log(100 / 50))


def test_set_angles_serve_where_none_were_read(write):
    content = text(angles=np.zeros(5)).splitlines()
    angles = np.rad2deg(np.arcsin(HC / (2 * SPACING * ENERGY)))
    for i, angle in enumerate(angles):
        content[14 + i] = f"{angle:10.7f}" + content[14 + i][10:]
    (found,) = file_reader(write("\n".join(content)))
    np.testing.assert_allclose(found["axes"][0]["axis"], ENERGY, atol=2e-3)


def test_comments_in_other_encodings_do_not_matter(write):
    content = text().replace("copper foil", "\x93\xba foil")
    assert file_reader(write(content))[0]["data"].shape == (5,)


REFUSED = {
    "other": (text().replace("9809", "9810"), 1, "'9809' and the beamline"),
    "no crystal": (text().replace("Mono :", "Mono ;"), None, "spacing of the crystal"),
    "no offset": (text().replace("Offset", "Ofset"), None, "no line 'Offset' ends"),
    "no mode": (text().replace("Mode", "Made"), 14, "2 offsets for 0 modes"),
    "modes": (
        text().replace("0         1         2", "0         1         x"),
        13,
        "no n",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_headers_are_refused_with_line_and_reason(write, name):
    content, line, reason = REFUSED[name]
    with pytest.raises(MalformedFile) as error:
        file_reader(write(content))
    assert error.value.line == line and reason in str(error.value)


def test_malformed_rows_are_refused_with_line_and_reason(write):
    with pytest.raises(MalformedFile, match="the angle is 95 degrees") as error:
        file_reader(write(text(angles=[12, 11, 95, 10, 9.0])))
    assert error.value.line == 17
    rows = text().splitlines()
    short = [*rows[:14], *(row.rsplit(maxsplit=1)[0] for row in rows[14:])]
    with pytest.raises(MalformedFile, match="4 columns: two angles, the time and 2"):
        file_reader(write("\n".join(short)))
    with pytest.raises(MalformedFile, match="other than numbers") as error:
        file_reader(write("\n".join([*rows[:16], rows[16] + " x", *rows[17:]])))
    assert error.value.line == 17
    with pytest.raises(MalformedFile, match="no absorption among the columns i0"):
        file_reader(write(text((1, 101))))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f"D=  {SPACING} A", "D=  1.2.3 A", "the spacing of the crystal is 1.2.3"),
        (f"D=  {SPACING} A", "D=  0 A", "the spacing of the crystal is 0 angstrom"),
        ("0         1         2", "0       inf       nan", "holds no numbers"),
        ("Mono :", "Mono :" + " " * 50_000, "spacing of the crystal"),
    ],
)
def test_curious_headers_are_refused_at_once(write, old, new, reason):
    content = text()
    assert old in content
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write(content.replace(old, new)))


def test_the_end_of_file_of_dos_is_no_row(write):
    (found,) = file_reader(write(text() + "\x1a\r\n"))
    assert found["data"].shape == (5,)
