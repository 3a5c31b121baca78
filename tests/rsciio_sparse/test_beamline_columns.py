"""Texts as beamlines write them: labels, units, arithmetic, and the question to ask."""

import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse._expressions import evaluate
from rsciio_sparse._labels import fluorescence_labels
from rsciio_sparse._tables import labels_of, tables_of
from rsciio_sparse.xas_columns import file_reader

ENERGY = np.concatenate([np.arange(7012, 7100, 4.0), np.arange(7100, 7300, 2.0)])
MU = 0.8 + 0.5 * np.arctan((ENERGY - 7112) / 2)
I0 = 1e5 - 10 * np.arange(len(ENERGY))


def rows(*columns, separator="  ", digits=8):
    return "\n".join(
        separator.join(f"{value:.{digits}g}" for value in row)
        for row in zip(*columns, strict=True)
    )


def counts(noise=0.0, seed=0):
    """Counts before, behind and beside a sample."""
    rng = np.random.default_rng(seed)
    transmitted = I0 * np.exp(-MU) * (1 + noise * rng.standard_normal(len(MU)))
    return I0, transmitted, 0.01 * I0 * MU


XDAC = """XDAC V1.4 Datafile V1
"iron.002" created on 6/27/11 at 2:22:40 PM on X-23A2
Diffraction element= Si (311).  Ring energy= 2.80 GeV
E0= 7112.00
SRB= -200 -20 30 60 13k

Offsets= 103.00 58.00 1.00
Gains= 8.00 9.00 1.00
1 of 2 scans
--------------------------------------------
        Energy            I0            It
"""
EPICS_TEXT = """; Epics Scan 1 dimensional scan
; I0 sensitivity value (13BMD:A3sens_num.VAL)\t = 5
;   E0 =       7112.00
;       Start       Stop       Step       Npts
;     -150.00    -10.000     5.0000     29.000
; column labels:
; P1 = {Energy} --> 13BMA:E:Energy.VAL
; D1 = {I0}  --> 13BMD:scaler1_calc2.VAL
; D2 = {I1}  --> 13BMD:scaler1_calc3.VAL
;--------------------------------------------
;  P1 D1 D2
"""
SSRL = """SSRL   EXAFS Data Collector 1.3
PTS:        122 COLS:          3
4 2000 25 RST 0 0
Iron foil, pH 1.7

Weights:
 1.000  1.000  1.000
Offsets:
 0.000  0.000  144.200
Data:
Requested Energy
I0
I1

"""
NUMBERED = """#D Tue Jul 09 14:44:45 2019
#C exafs_edge_energy 7.112
#C 1_Energy (keV) 2_i0 3_i1
"""
ITEMS = """# Beamline 20
# Column.1: Energy eV || PV:energy
# Column.2: I0 counts || PV:1
# Column.3: Itrans counts || PV:2
"""
STARS = "# edge: K\n# element: Fe\n# Column headings:\n# Mono Energy (alt)* Io* It\n"
EVENTS = '#(1)\t"pv:a"\t"pv:b"\t"pv:c"\n#(1)\t"$(EnergyRead)"\t"$(I0)"\t"$(I1)"\n'

HEADERS = {
    "XDAC": (XDAC, 1.0),
    "EPICS": (EPICS_TEXT, 1.0),
    "SSRL": (SSRL, 1.0),
    "numbered labels in keV": (NUMBERED, 1e-3),
    "items": (ITEMS, 1.0),
    "stars": (STARS, 1.0),
    "events": (EVENTS, 1.0),
    "tabulators": ("%Energy\tI_0\tI_trans\n", 1.0),
    "commas": ("energy, i0, itrans\n", 1.0),
}


@pytest.fixture
def write(tmp_path):
    def write(text, name="scan.dat"):
        path = tmp_path / name
        path.write_bytes(text.encode("latin-1"))
        return path

    return write


def energies(signal):
    return signal.axes_manager[-1].axis


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("end", ["", "\n\x1a\r\n", "\n\n# scan ended\n", "\r\n"])
def test_hyperspy_loads_the_texts_of_beamlines(write, name, end):
    header, scale = HEADERS[name]
    path = write(header + rows(ENERGY * scale, I0, I0 * np.exp(-MU), digits=12) + end)
    signal = hs.load(path)
    np.testing.assert_allclose(energies(signal), ENERGY, rtol=1e-9)
    np.testing.assert_allclose(signal.data, MU, atol=1e-6)
    if name in ("XDAC", "EPICS", "numbered labels in keV", "stars"):
        element = signal.metadata.Acquisition_instrument.XAS.Element
        assert (element.symbol, element.edge) == ("Fe", "K")


@pytest.mark.parametrize("extension", ["dat", "txt", "001", "060", ""])
def test_any_extension_is_recognised_by_its_contents(write, extension):
    name = f"scan.{extension}" if extension else "scan"
    signal = hs.load(write(XDAC + rows(*counts()[:2], ENERGY), name), x="It", y=1)
    assert type(signal).__name__ == "XASSpectrum"
    path = write("XDI as it is called\n", name)
    with pytest.raises(Exception, match=r"."):
        hs.load(path)


def test_columns_without_labels_are_asked_for(write):
    path = write(rows(ENERGY, *counts()))
    with pytest.raises(MalformedFile, match="4 columns without labels. Which of them"):
        file_reader(path)
    (found,) = file_reader(path, column="ln($2 / $3)")
    np.testing.assert_allclose(found["data"], MU, atol=1e-6)
    with pytest.raises(ValueError, match="file_format='XAS columns'"):
        hs.load(path)
    # The logarithm of the ratio of two columns is the absorption.
    recorded = write(rows(ENERGY, *counts()[:2], MU, digits=12))
    np.testing.assert_allclose(file_reader(recorded)[0]["data"], MU, rtol=1e-6)


def test_the_only_other_column_is_the_absorption_unless_it_is_counts(write):
    path = write("# Sample-A Energy(eV)\n" + rows(MU, ENERGY))
    np.testing.assert_allclose(hs.load(path).data, MU, rtol=1e-6)
    for label in ("I0", "counts", "det1"):
        path = write(f"# Energy(eV) {label}\n" + rows(ENERGY, I0))
        with pytest.raises(MalformedFile, match="Choose with column="):
            hs.load(path)


def test_labels_without_counts_are_asked_for(write):
    path = write("# energy det1 det2\n" + rows(ENERGY, *counts()[:2]))
    with pytest.raises(MalformedFile, match=r"energy, det1, det2.*column='ln\(\$2"):
        hs.load(path)
    signal = hs.load(path, column="ln(det1/det2)")
    np.testing.assert_allclose(signal.data, MU, atol=1e-6)
    path = write("# angle i0 it\n" + rows(ENERGY, *counts()[:2]))
    with pytest.raises(MalformedFile, match="no energy among the columns angle, i0"):
        file_reader(path)


def test_fluorescence_is_taken_where_only_it_shows_the_edge(write, caplog):
    i0, transmitted, emitted = counts()
    flat = i0 * np.exp(-1) * (1 + 0.01 * np.sin(np.arange(len(i0)) ** 2))
    lines = [0.4 * emitted, 0.6 * emitted]
    header = "# energy i0 it Fe_Ka_mca1 Fe_Ka_mca2 Fe_Ka_time\n"
    for behind, kind in ((flat, "fluorescence"), (transmitted, "transmission")):
        path = write(header + rows(ENERGY, i0, behind, *lines, i0, digits=12))
        caplog.clear()
        (found,) = file_reader(path)
        assert found["original_metadata"]["column"] == kind
        assert f"{kind} was taken" in caplog.text
        element = found["metadata"]["Acquisition_instrument"]["XAS"]["Element"]
        assert element == {"symbol": "Fe", "edge": "K"}
        (chosen,) = file_reader(path, column="fluorescence")
        np.testing.assert_allclose(chosen["data"], 0.01 * MU, rtol=1e-8)


def test_lines_of_other_elements_and_single_channels_are_not_summed():
    energy = {"energy": ENERGY}
    columns = {**energy, "MgKa": I0, "FeKa": I0, "I0": I0}
    assert fluorescence_labels(columns) == ["FeKa"]
    columns = {**energy, "fla01": I0, "fla02": I0, "flatot": I0}
    assert fluorescence_labels(columns) == ["flatot"]
    columns = {**energy, "Ifch1": I0, "Ifch2": I0, "Ifslow1": I0, "Iffast1": I0}
    assert fluorescence_labels(columns) == ["Ifch1", "Ifch2"]
    columns = {**energy, "D1_FeKa_corr": I0, "D1_FeKa": I0, "D1_FeKa_dead": I0}
    assert fluorescence_labels(columns) == ["D1_FeKa_corr"]


def test_dead_times_are_corrected_when_asked_for(write):
    i0, _, emitted = counts()
    header = "# energy i0 Fe_Ka_mca1 Fe_Ka_mca2 DTFactor_mca1 DTFactor_mca2\n"
    factors = [np.full(len(i0), 1.25), np.full(len(i0), 2.0)]
    path = write(header + rows(ENERGY, i0, emitted / 1.25, emitted / 2, *factors))
    (found,) = file_reader(path, dead_time=True)
    np.testing.assert_allclose(found["data"], 0.02 * MU, rtol=1e-6)
    path = write("# energy i0 Fe_Ka_mca1\n" + rows(ENERGY, i0, emitted))
    with pytest.raises(MalformedFile, match="no column of dead-time factors for Fe_Ka"):
        file_reader(path, dead_time=True)


def test_every_scan_of_a_spec_file_is_read(write):
    scan = "#S {} ascan\n#D now\n#N 3\n#L Mono Energy  I0  Ion 1\n"
    text = "#F file\n\n" + scan.format(1) + rows(ENERGY, *counts()[:2])
    text += "\n\n" + scan.format(2) + "#C aborted\n\n" + scan.format(3)
    text += rows(ENERGY[::-1], 2 * I0[::-1], I0[::-1]) + "\n#C end\n"
    found = file_reader(write(text), column="ln(I0 / `Ion 1`)")
    assert [signal["metadata"]["General"]["title"] for signal in found] == [
        "scan, scan 1", "scan, scan 2",
    ]  # fmt: skip
    np.testing.assert_allclose(found[1]["data"], np.log(2))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "# energy mu\n7000 1\n7001 x2\n7002 3\n7003 1\n",
            "line 3: '7001 x2' contains",
        ),
        ("# energy mu\n7000 1\n7001 2\n7002 3\n7003\n", "line 5: 1 columns, but 2"),
        ("# energy mu\n7000 1\n7001 2\n7002 3\n7003 3o\n", "line 5: '7003 3o' contain"),
        (
            "# energy mu\n7000 1\n7001 2\n# x\n7002 3\n",
            "line 4: '# x' between the rows",
        ),
        ("# energy mu\n7000 1\nnan 2\n7002 3\n", "line 3: the energy is nan"),
        ("# energy mu\n-1 1\n7000 2\n7002 3\n", "line 2: the energy is -1"),
        ("energy mu\n" + "1" * 400 + " 2\n", "no line holds two numbers"),
        ("energy mu\n1_0 2\n² 2\n", "no line holds two numbers"),
        ("energy mu\n", "no line holds two numbers"),
    ],
)
def test_damaged_tables_are_refused(write, text, reason):
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write(text))


def test_large_texts_are_not_read(write, monkeypatch):
    monkeypatch.setattr("rsciio_sparse._text.MAX_BYTES", 100)
    with pytest.raises(MalformedFile, match="a text of at most 0 MiB was expected"):
        file_reader(write("7000 1\n" * 100))


def test_labels_are_found_in_all_layouts():
    assert labels_of(["# Energy (eV)   I0   It"], 3) == ["Energy (eV)", "I0", "It"]
    assert labels_of(["# Energy (eV) I0 [V] It"], 3) == ["Energy (eV)", "I0 [V]", "It"]
    assert labels_of(["energy i0 i0"], 3) == ["energy", "i0", "i0_2"]
    assert labels_of(["# 1) Mono Energy", "# 2) I0", "# 3) It"], 3)[0] == "Mono Energy"
    assert labels_of(["some words here", "1 2 3"], 3) == []
    (table,) = tables_of("file", ["x y", "1 2", "3 4"])
    assert table.labels == [] and table.line_numbers == [2, 3]


COLUMNS = {
    "I0": np.array([4.0, 9.0]),
    "fl 1": np.array([2.0, 3.0]),
    "A_1": np.array([1.0, 0.0]),
    "a_2": np.array([3.0, -1.0]),
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("i0", [4, 9]),
        ("$2 / $1", [0.5, 1 / 3]),
        ("sum(a_*) / I0", [1, -1 / 9]),
        ("-ln(`fl 1`) + 2^2 * (1.5e0 - A_1)", [2 - np.log(2), 6 - np.log(3)]),
        ("log(a_2)", [np.log(3), np.nan]),
        ("sqrt(abs(a_2)) * exp(0)", [np.sqrt(3), 1]),
        ("I0 / A_1", [4, np.nan]),
    ],
)
def test_arithmetic_on_columns(expression, expected):
    np.testing.assert_allclose(evaluate(expression, COLUMNS), expected)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("I1 / I0", "no column is called 'I1'; there are: I0, fl 1"),
        ("$7", r"there is no column \$7"),
        ("sum(b*)", "no column fits 'b\\*'"),
        ("1 + 2", "contains no column"),
        ("I0 /", "was not understood"),
        ("I0 @ I0", "was not understood"),
        ("ln(I0, I0)", "was not understood"),
        ("(" * 900 + "I0" + ")" * 900, "was not understood"),
        ("I0 + " * 900, "too long"),
        ("__import__('os')", "no column is called '__import__'"),
    ],
)
def test_other_expressions_are_refused(expression, reason):
    with pytest.raises(ValueError, match=reason):
        evaluate(expression, COLUMNS)


def test_columns_can_be_given_by_number_label_or_expression(write):
    path = write("# energy mu extra\n" + rows(ENERGY, MU, I0))
    (found,) = file_reader(path, y=2)
    np.testing.assert_allclose(found["data"], I0)
    two = write("# energy mu\n" + rows(ENERGY, MU), "two.dat")
    assert file_reader(two, x="energy + 1")[0]["axes"][0]["axis"][0] == ENERGY[0] + 1
    (found,) = file_reader(path, x="energy + 10", column="extra * 2")
    assert found["axes"][0]["axis"][0] == ENERGY[0] + 10
    with pytest.raises(MalformedFile, match="no column is called 'none'"):
        file_reader(path, x="none")
    with pytest.raises(MalformedFile, match="column='mu /': 'mu /' was not understood"):
        file_reader(path, column="mu /")
    with pytest.raises(ValueError, match="units='J': choose 'eV' or 'keV'"):
        file_reader(path, units="J")
    (found,) = file_reader(write(rows(ENERGY / 1000, MU)), units="keV")
    np.testing.assert_allclose(found["axes"][0]["axis"], ENERGY)


def test_simulations_of_fdmnes_have_absolute_energies(write):
    first = "   7112.000   26  1  0.96E-02  1.2E+02   0.0 = E_edge, Z, n_edge, Eimag"
    text = f"{first}\n    Energy    <xanes>\n" + rows(ENERGY - 7112, MU)
    signal = hs.load(write(text, "Fe_conv.txt"))
    np.testing.assert_allclose(energies(signal), ENERGY)
    np.testing.assert_allclose(signal.data, MU, rtol=1e-6)
    element = signal.metadata.Acquisition_instrument.XAS.Element
    assert (element.symbol, element.edge) == ("Fe", "K")


def test_normalised_records_of_athena_are_said_to_be_normalised(write):
    text = "# energy norm nbkg flat\n" + rows(ENERGY, MU, MU, 2 * MU)
    signal = hs.load(write(text, "scan.nor"))
    np.testing.assert_allclose(signal.data, MU, rtol=1e-6)
    assert signal.metadata.XAS.normalized
    assert signal.metadata.Signal.quantity == "Normalised absorption"


EXPECTED = {
    "APS10BM_2019.dat": ("Mn", 3462, 6389.9975, "transmission"),
    "APS12BM_2019.dat": ("Mn", 492, 6339.0, "mu01"),
    "APS13ID_2019.dat": ("Mn", 221, 6389.001866, "fluorescence"),
    "NSLS_XDAC_2011.dat": ("Fe", 422, 6912.0019, "fluorescence"),
    "PFBL12C_2005.dat": (None, 818, 12049.0833, "transmission"),
    "SLS_PHOENIX_2023.dat": ("Al", 301, 1479.998754, "fluorescence"),
    "SSRL1_2006.dat": (None, 455, 25284.998, "transmission"),
    "fe.060": ("Fe", 511, 6911.98862, "transmission"),
    "znse_zn_xafs.001": ("Zn", 469, 9509.0, "transmission"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_published_files_of_beamlines(data_dir, name):
    symbol, size, start, column = EXPECTED[name]
    path = data_dir / "xas/beamlines" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    signal = hs.load(path)
    assert signal.data.shape == (size,) and np.isfinite(signal.data).all()
    assert energies(signal)[0] == pytest.approx(start)
    assert signal.original_metadata.column == column
    element = "Acquisition_instrument.XAS.Element.symbol"
    assert signal.metadata.get_item(element) == symbol


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("CLSHXMA.dat", "ln(Detector1 / Detector2)"),
        ("ESRF_SNBL_2013.dat", "ln(Ion1 / Ion2)"),
    ],
)
def test_published_files_that_need_an_answer(data_dir, name, column):
    path = data_dir / "xas/beamlines" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    with pytest.raises(MalformedFile, match="Choose with column="):
        hs.load(path)
    signals = hs.load(path, column=column)
    signals = signals if isinstance(signals, list) else [signals]
    assert all(np.isfinite(signal.data).all() for signal in signals)
