"""Stacks of .hdr and .xim: axes, order of energies, missing images, damaged headers."""

import hyperspy.api as hs
import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse.stxm_hdr import file_reader

ENERGY = [700.0, 701.0, 701.5, 703.25]
X, Y = [-1.0, -0.5, 0.0, 0.5, 1.0], [2.0, 2.25, 2.5]


def points(values):
    return f"({len(values)}, {', '.join(map(str, values))})"


def header(energy=ENERGY, x=X, y=Y):
    return f"""ScanDefinition = {{ Label = "532_1"; Type = "NEXAFS Image Scan";
	Regions = (1,
{{
			PAxis = {{ Name = "Sample X"; Unit = "um"; Min = -1; Max = 1; Dir = 1;
				Points = {points(x)};
}};
			QAxis = {{ Name = "Sample Y"; Unit = "um"; Min = 2; Max = 2.5; Dir = 1;
				Points = {points(y)};
}};
}});
	StackAxis = {{ Name = "Energy"; Unit = "eV"; Min = 700; Max = 703; Dir = -1;
		Points = {points(energy)};
}};
	Channels = (1,
{{ Name = "counter0"; Unit = "Hz";}});
}};
"""


@pytest.fixture
def write(tmp_path):
    def write(text=None, images=None, name="stack.hdr"):
        path = tmp_path / name
        path.write_text(header() if text is None else text)
        images = counts() if images is None else images
        for number, image in enumerate(images):
            lines = ["\t".join(f"{value:g}" for value in row) for row in image]
            (tmp_path / f"stack_a{number:03d}.xim").write_text("\n".join(lines) + "\n")
        return path

    return write


def counts():
    return np.random.default_rng(0).integers(1, 99, (4, 3, 5))


@pytest.mark.parametrize("lazy", [False, True])
def test_stacks_have_pixels_and_uneven_energies(write, lazy):
    signal = hs.load(write(), lazy=lazy)
    assert type(signal).__name__ == ("LazyXASSpectrum" if lazy else "XASSpectrum")
    np.testing.assert_array_equal(np.asarray(signal.data), np.moveaxis(counts(), 0, -1))
    x, y = signal.axes_manager.navigation_axes
    (energy,) = signal.axes_manager.signal_axes
    assert (x.name, x.scale, x.offset, x.units) == ("x", 0.5, -1.0, "um")
    assert (y.name, y.scale, y.offset) == ("y", 0.25, 2.0)
    np.testing.assert_array_equal(energy.axis, ENERGY)
    assert signal.metadata.General.title == "532_1"


def test_stacks_from_high_to_low_energies_are_reversed(write):
    (found,) = file_reader(write(header(ENERGY[::-1])))
    np.testing.assert_array_equal(found["data"], np.moveaxis(counts()[::-1], 0, -1))
    np.testing.assert_array_equal(found["axes"][-1]["axis"], ENERGY)


def test_energies_after_the_last_image_are_left_out(write, caplog):
    (found,) = file_reader(write(images=counts()[:3]))
    assert found["data"].shape == (3, 5, 3)
    assert "the images of the last 1 of 4 energies are missing" in caplog.text


BAD = {
    "one energy": (header(ENERGY[:1]), "with fewer than two energies"),
    "no stack": (
        header().replace("StackAxis", "Stack"),
        "NEXAFS Image Scan with fewer",
    ),
    "cut": (header().split("701.5")[0], "are not closed: was it cut"),
    "size of text": (header() + " " * 2**21, "was expected in a header"),
    "count": (header().replace("(4, 700.0", "(5, 700.0"), "5 points, but lists 4"),
    "words": (header().replace("701.0", "x"), "has no list of numbers"),
    "order": (header([700, 702, 701, 703]), "neither increase nor decrease"),
    "regions": (header().replace("QAxis", "Axis"), "0 regions of images"),
    "size": (header(y=[1.0, 2.0]), "3 rows and 5 columns, but the header says 2 and 5"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_headers_are_refused(write, name):
    text, reason = BAD[name]
    with pytest.raises(MalformedFile, match=reason):
        file_reader(write(text))


def test_missing_and_damaged_images_are_refused(write, tmp_path):
    path = write()
    with pytest.raises(
        MalformedFile, match="the image stack_b000.xim is not beside it"
    ):
        file_reader(path, detector=1)
    with pytest.raises(ValueError, match="detector=99: give a number from 0 to 15"):
        file_reader(path, detector=99)
    (tmp_path / "stack_a001.xim").write_text("1\t2\n3\tx\n")
    with pytest.raises(MalformedFile, match="stack_a001.xim, line 2: .* other than"):
        file_reader(path)
    (tmp_path / "stack_a001.xim").unlink()
    with pytest.raises(MalformedFile, match="the image stack_a001.xim is not beside"):
        file_reader(path)
