"""Athena projects: both forms, the literals of Perl, published files, damaged ones."""

import gzip
import json
import tracemalloc

import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse.athena import file_reader
from rsciio_sparse.athena._perl import parse

FIRST = "# Athena project file -- Demeter version 0.9.20\n"
RECORD = (
    "$old_group = 'abcde';\n"
    r"@args = ('label','it\'s mu','bkg_z','Cu','fft_edge','k','bkg_e0','8980.5',"
    "'titles',['a','b'],'bkg_eshift','0.25');\n"
    "@x = ('8979','8980','8982.5');\n"
    "@y = ('0.1',0.5,'1e0');\n"
    "@i0 = ('10','11','12');\n"
    "$xdi = bless( {'ok' => 0,'metadata' => "
    "{'Facility' => {'name' => 'NSLS'},'Sample' => {}}}, 'Xray::XDI' );\n"
    "[record]   # create object and set arrays in ifeffit\n"
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.prj", compress=True):
        path = tmp_path / name
        content = text.encode()
        path.write_bytes(gzip.compress(content) if compress else content)
        return path

    return write


@pytest.mark.parametrize("compress", [True, False])
def test_record_with_its_parameters(write, compress):
    (found,) = file_reader(write(FIRST + RECORD, compress=compress))
    np.testing.assert_array_equal(found["data"], [0.1, 0.5, 1.0])
    np.testing.assert_array_equal(found["axes"][0]["axis"], [8979, 8980, 8982.5])
    metadata, original = found["metadata"], found["original_metadata"]
    assert metadata["General"]["title"] == "it's mu"
    instrument = metadata["Acquisition_instrument"]["XAS"]
    assert instrument["Element"] == {"symbol": "Cu", "edge": "K"}
    assert instrument["Facility"] == {"name": "NSLS"}
    assert original["Athena"] == {"e0": 8980.5, "energy_shift": 0.25}
    assert original["parameters"]["titles"] == ["a", "b"]
    np.testing.assert_array_equal(original["columns"]["i0"], [10, 11, 12])


def test_shift_is_applied_when_asked_for(write):
    path = write(FIRST + RECORD)
    (found,) = file_reader(path, apply_shift=True)
    np.testing.assert_array_equal(found["axes"][0]["axis"], [8979.25, 8980.25, 8982.75])


@pytest.mark.parametrize("lazy", [False, True])
def test_hyperspy_loads_all_records_or_those_named(write, lazy):
    second = RECORD.replace("it\\'s mu", "second").replace("abcde", "fghij")
    path = write(FIRST + RECORD + "\n" + second)
    signals = hs.load(path, lazy=lazy)
    assert [s.metadata.General.title for s in signals] == ["it's mu", "second"]
    assert all(type(s).__name__.endswith("XASSpectrum") for s in signals)
    one = hs.load(path, lazy=lazy, records=["second"])
    assert one.metadata.General.title == "second"
    with pytest.raises(ValueError, match="no record 'third'. It holds: it's mu, sec"):
        hs.load(path, records=["third"])


def test_chi_and_normalised_records_are_told_apart(write):
    k = ",".join(f"'{value:.2f}'" for value in np.arange(0, 2, 0.05))
    chi = RECORD.replace("'label'", "'is_chi',1,'label'")
    chi = chi.replace("'8979','8980','8982.5'", k).replace("'0.1',0.5,'1e0'", k)
    norm = RECORD.replace("'label'", "'is_nor',1,'label'")
    chi, norm = hs.load(write(FIRST + chi + norm))
    assert type(chi).__name__ == "EXAFSSpectrum"
    assert chi.axes_manager[0].scale == pytest.approx(0.05)
    assert norm.metadata.XAS.normalized is True


def test_json_projects(write):
    project = {
        "_____header1": "# Athena project file -- Demeter version 0.9.26",
        "two": {"args": {"label": "B", "bkg_z": "Fe"}, "x": [1, 2, 4], "y": [5, 6, 7]},
        "one": {"args": {"label": "A"}, "x": ["1", "2", "4"], "y": ["8", "9", "10"]},
        "_____order": ["one", "two"],
        "_____journal": [],
    }
    found = file_reader(write(json.dumps(project)))
    assert [f["metadata"]["General"]["title"] for f in found] == ["A", "B"]
    np.testing.assert_array_equal(found[0]["data"], [8, 9, 10])
    del project["_____order"]
    assert len(file_reader(write(json.dumps(project)))) == 2
    project["_____order"] = ["three"]
    with pytest.raises(MalformedFile, match="the record 'three' is missing"):
        file_reader(write(json.dumps(project)))
    with pytest.raises(MalformedFile, match="line 1: "):
        file_reader(write(json.dumps(project)[:-3]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1, -2.5, '3', 1e3)", [1, -2.5, "3", 1000.0]),
        ("('a' => ['b', undef], 'c' => {})", ["a", ["b", None], "c", {}]),
        (r"'it\'s \\ fine'", "it's \\ fine"),
        (r'"\x{e9}t\x{e9}\n"', "été\n"),
        ("bless( {'a' => 1}, 'Class' )", {"a": 1}),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_literals_of_perl(text, value):
    assert parse(text) == value


@pytest.mark.parametrize("text", ["(1, 2", "system('ls')", "(1, `ls`)", "=> 1", "]"])
def test_whatever_is_no_literal_is_refused(text):
    with pytest.raises(ValueError, match="too soon|not a value|not understood"):
        parse(text)


REFUSED = {
    "other": ("# some file\n1 2\n", 1, "'# Athena project file' was expected"),
    "no record": (FIRST, None, "holds no record"),
    "open": (FIRST + RECORD.replace("[record]", "# "), 2, "not closed by '[record]'"),
    "cut": (FIRST + RECORD[: RECORD.index("'1e0'")], 5, "y: the text ends too soon"),
    "length": (FIRST + RECORD.replace(",'1e0'", ""), 8, "x and y of one length"),
    "no y": (FIRST + RECORD.replace("@y", "@z"), 8, "x and y of one length"),
    "text": (FIRST + RECORD.replace("'8980'", "'abc'"), 8, "x holds no numbers"),
    "back": (FIRST + RECORD.replace("'8980'", "'9980'"), 8, "8982.5 eV follows 9980"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_projects_are_refused_with_line_and_reason(write, name):
    text, line, reason = REFUSED[name]
    with pytest.raises(MalformedFile) as error:
        file_reader(write(text))
    assert error.value.line == line
    assert reason in str(error.value)


def test_projects_cut_short_are_refused(write):
    path = write(FIRST + RECORD)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MalformedFile, match="cannot be decompressed"):
        file_reader(path)


@pytest.mark.parametrize(
    ("name", "labels", "points"),
    [
        ("athena/Copper.prj", ["cu.012"], 612),
        ("athena/fbo.prj", ["febaa.300"], 199),
        ("UO2.prj", ["uo2ln.201", "uo2ln.202", "uo2ln.203", "UO2 77K"], 474),
    ],
)
def test_published_projects(data_dir, name, labels, points):
    found = file_reader(data_dir / "xas" / name)
    assert [f["metadata"]["General"]["title"] for f in found] == labels
    assert all(f["data"].shape == (points,) for f in found)


def test_project_and_columns_of_one_foil_agree(data_dir):
    (record,) = file_reader(data_dir / "xas/athena/Copper.prj")
    energy, mu = np.loadtxt(data_dir / "xas/cu_10k.xmu", comments="#").T
    np.testing.assert_allclose(record["axes"][0]["axis"], energy)
    np.testing.assert_allclose(record["data"], mu, atol=1e-6)


def test_line_ends_inside_strings_are_kept(data_dir):
    found = file_reader(data_dir / "xas/athena/zirconolite.prj")
    assert len(found) == 9
    assert found[-1]["metadata"]["General"]["title"] == "Ti blank"


def perl(name, literal):
    return FIRST + RECORD.replace("@i0 = ('10','11','12');", f"{name} = {literal};")


HEADER = "# Athena project file -- Demeter version 0.9.20"


def project(record, order=("a",)):
    return json.dumps({"_____header1": HEADER, "_____order": list(order), **record})


GOOD = {"args": {"label": "foil"}, "x": [1, 2, 3], "y": [1, 2, 3]}

CURIOUS = {
    "nested": (perl("@args", "[" * 3000), "lists are nested in more than 50 others"),
    "key": (perl("@args", "([1], 2)"), "a list is the key of a value"),
    "key of a dictionary": (perl("$xdi", "{[1] => 2}"), "a list is the key of a value"),
    "no parameters": (perl("@args", "7"), "args holds no parameters"),
    "empty object": (perl("$xdi", "bless( )"), "bless\\(\\) holds no value"),
    "digits": (perl("@x", "(" + "9" * 6000 + ", 1, 2)"), "y of one length|inf"),
    "digit": (perl("@x", "('\u00b2', 1, 2)"), "x holds no numbers"),
    "columns": (perl("@x", "([1, 2], [3, 4])"), "x is no list of numbers"),
    "nested JSON": (project({"a": GOOD})[:-1] + ', "b": ' + "[" * 10**5, "no project"),
    "digits in JSON": (
        project({"a": GOOD})[:-1] + ', "b": ' + "9" * 5000,
        "no project",
    ),
    "integers": (project({"a": {**GOOD, "x": [1, 2, 10**400]}}), "x holds no numbers"),
    "order": (project({"a": GOOD}, [["a"]]), "is no list of names"),
    "record": (project({"a": [1]}), "the record 'a' holds no fields"),
    "args": (project({"a": {**GOOD, "args": [1]}}), "args holds no parameters"),
}


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("name", CURIOUS)
def test_what_python_trips_over_is_refused(write, name, compress):
    content, reason = CURIOUS[name]
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write(content, compress=compress))


def test_parameters_of_odd_types_do_not_matter(write):
    args = {"label": ["a"], "bkg_e0": 10**400, "bkg_z": 7, "titles": {"a": None}}
    (found,) = file_reader(write(project({"a": {**GOOD, "args": args}})))
    np.testing.assert_array_equal(found["data"], [1, 2, 3])
    assert found["original_metadata"]["Athena"] == {"e0": None}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0" * 2**28, "# Athena project file' was expected"),
        (FIRST.encode() + b" " * 2**28, "takes more than 32 MiB"),
        (
            b'{"_____header1": "# Athena project file", "a": [' + b"[]," * 2**23,
            "more than the spectra of a project can be",
        ),
    ],
    ids=["zeros", "blanks", "lists"],
)
def test_bombs_are_refused_before_they_fill_the_memory(tmp_path, content, reason):
    path = tmp_path / "bomb.prj"
    path.write_bytes(gzip.compress(content, 1))
    del content
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFile, match=reason):
            file_reader(path)
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()


def test_several_members_of_gzip_are_one_project(tmp_path):
    path = tmp_path / "file.prj"
    path.write_bytes(gzip.compress(FIRST.encode()) + gzip.compress(RECORD.encode()))
    assert len(file_reader(path)) == 1
    path.write_bytes(gzip.compress(FIRST.encode() + RECORD.encode())[:-6])
    with pytest.raises(MalformedFile, match="cut short"):
        file_reader(path)
