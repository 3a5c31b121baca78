"""Plain columns, and the formats as HyperSpy sees them."""

import pickle

import hyperspy.api as hs
import numpy as np
import pytest
import rsciio

from rsciio_sparse import IO_PLUGINS, MalformedFile
from rsciio_sparse._spectra import axis_of
from rsciio_sparse.xas_columns import file_reader

NAMES = [
    "Athena", "H5OINA", "NeXus XAS", "scube", "STXM hdr", "XAS 9809", "XAS columns",
    "XDI",
]  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.xmu"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("lazy", [False, True])
def test_energy_and_mu(write, lazy):
    path = write(
        "# a foil\n#  2 columns\n# energy mu\n 8979 .1\n8980 .2D0\n8990 .3E+00\n"
    )
    signal = hs.load(path, lazy=lazy)
    assert type(signal).__name__.endswith("XASSpectrum")
    np.testing.assert_allclose(np.asarray(signal.data), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(signal.axes_manager[0].axis, [8979, 8980, 8990])
    assert "a foil" in signal.metadata.General.notes


def test_k_and_chi(write):
    rows = "\n".join(f"{k:.2f}, {np.cos(k):.5f}, 7" for k in np.arange(0, 3, 0.05))
    signal = hs.load(write(rows, "file.chi"))
    assert type(signal).__name__ == "EXAFSSpectrum"
    axis = signal.axes_manager[0]
    assert axis.is_uniform and axis.scale == pytest.approx(0.05)
    assert (file_reader(write(rows), y=2, quantity="chi")[0]["data"] == 7).all()


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("# nothing\n", {}, "no line holds two numbers"),
        ("8979 1\n8980 1 2\n", {}, "line 2: 3 columns, but 2"),
        ("8979 1\n8980 2\n", {"y": 3}, r"2 columns, but column 3 \(from 0\)"),
        ("8.979 1\n8.980 2\n", {}, "energy in eV was expected. Is it in keV"),
    ],
)
def test_malformed_columns_are_refused(write, text, options, reason):
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write(text), **options)


@pytest.mark.parametrize("step", [0.05, 20.0])
@pytest.mark.parametrize(
    ("units", "share"), [("1/Angstrom", 1e-3), ("eV", 5e-7)], ids=["k", "energy"]
)
def test_axis_is_uniform_within_a_small_share_of_its_step(step, units, share):
    values = step * np.arange(50)
    values[20] += share * step
    assert axis_of(values, "x", units)["_type"] == "UniformDataAxis"
    values[20] += 2 * share * step
    assert axis_of(values, "x", units)["_type"] == "DataAxis"


def test_unknown_quantity_is_refused(write):
    with pytest.raises(ValueError, match="quantity='norm': choose 'mu' or 'chi'"):
        file_reader(write("1 2\n3 4\n"), quantity="norm")


def test_published_columns(data_dir):
    mu = hs.load(data_dir / "xas/cu_10k.xmu")
    assert mu.data.shape == (612,) and not mu.axes_manager[0].is_uniform
    chi = hs.load(data_dir / "xas/cu10k.chi")
    assert chi.axes_manager[0].scale == pytest.approx(0.05, rel=1e-4)


def test_every_format_is_described_and_known_to_hyperspy_once():
    assert [plugin["name"] for plugin in IO_PLUGINS] == NAMES
    known = [plugin["name"] for plugin in rsciio.IO_PLUGINS]
    for plugin in IO_PLUGINS:
        assert known.count(plugin["name"]) == 1
        assert set(rsciio.IO_PLUGINS[0]) <= set(plugin)
        assert plugin["description"] and plugin["file_extensions"]
        assert f"``{plugin['name'].lower()}``" in hs.load.__doc__


def test_no_extension_is_taken_from_another_format():
    theirs = [plugin for plugin in rsciio.IO_PLUGINS if plugin not in IO_PLUGINS]
    taken = {e.lower() for plugin in theirs for e in plugin["file_extensions"]}
    ours = {e.lower() for plugin in IO_PLUGINS for e in plugin["file_extensions"]}
    assert not ours & taken


def test_errors_can_be_sent_to_another_process():
    error = MalformedFile("file", 3, "why")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) and copy.line == 3
