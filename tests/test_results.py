"""Every result is shown in a line, a text and HTML, is pickled, saved and drawn."""

import pickle
import re
from pathlib import Path

import h5py
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp import result_files
from sparsedecomp.decomposition import NMFSO, confidence_bands, unmixing_report
from sparsedecomp.decomposition.automatic.verdict import Verdict
from sparsedecomp.results import Result
from sparsedecomp.superresolution import Tuning, edge_width
from sparsedecomp.xas import FeffBasis


def counts():
    """Counts of two phases, 6 x 8 pixels, with calibrated axes."""
    rng = np.random.default_rng(0)
    first = np.arange(48).reshape(6, 8, 1) < 20
    mean = np.where(first, np.linspace(5, 40, 30), np.linspace(40, 5, 30))
    s = hs.signals.Signal1D(rng.poisson(mean))
    s.metadata.General.title = "phases"
    s.axes_manager[0].name, s.axes_manager[0].scale = "x", 0.5
    s.axes_manager[-1].units, s.axes_manager[-1].offset = "keV", 2.0
    return s


def mixed():
    rng = np.random.default_rng(0)
    return rng.poisson(rng.dirichlet([0.3, 0.3], 96) @ rng.gamma(0.5, 40, (2, 30)))


def series():
    rng = np.random.default_rng(0)
    A, B, C = (rng.random((n, 2)) for n in (5, 12, 20))
    return hs.signals.Signal1D(np.einsum("ir,jr,er->ije", A, B, C).reshape(5, 3, 4, 20))


def frames():
    for x0, y0 in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)):
        y, x = np.mgrid[:14, :14] + np.array([y0, x0])[:, None, None]
        frame = hs.signals.Signal1D(
            2 + (np.sin(x) * np.cos(y))[..., None] + np.eye(5)[0]
        )
        frame.axes_manager[0].offset, frame.axes_manager[1].offset = x0, y0
        yield frame


def phases(method="mixture", windows=None):
    mask = np.zeros((8, 6), bool)
    mask[2, 3] = True
    return counts().segment_composition(
        method=method, windows=windows, navigation_mask=mask, random_state=0
    )


def super_resolution(lazy=False):
    fine = sparsedecomp.super_resolve(
        list(frames()), 2, method="interpolation", registration=False, lazy=lazy
    )
    return fine.super_resolution


def fusion(lazy=False):
    y, x = np.mgrid[:24, :24] / 3
    image = 2 + np.sin(x * y / 3) + np.cos(2 * y)
    coarse = image.reshape(6, 4, 6, 4).mean(axis=(1, 3))[..., None] + np.eye(8)[0]
    guide = hs.signals.Signal2D(image)
    for axis in guide.axes_manager.signal_axes:
        axis.scale, axis.offset = 0.25, -0.375
    s = hs.signals.Signal1D(coarse)
    return s.fuse(guide, method="spatial_process", lazy=lazy).fusion


def exafs(lazy=False):
    basis = FeffBasis.from_composition("Cu", ["Cu"])
    k = np.arange(1, 331) * 0.05
    chi = 12 * basis.channels[0].columns(k, 2.556, sigma2=0.008)[0, 0]
    s = hs.signals.Signal1D(chi * np.array([[1.0], [0.8]]))
    s.axes_manager[-1].scale = s.axes_manager[-1].offset = 0.05
    s.axes_manager[-1].units = "1/Angstrom"
    s.set_signal_type("EXAFS")
    return (s.as_lazy() if lazy else s).exafs_sparse_fit(basis, max_shells=2)


def trials():
    values = np.array([0.1, 0.3, 0.2])
    return Tuning(
        objective="likelihood",
        names=("weight",),
        parameters=values[:, None],
        score=values - 0.2,
        error=values / 10,
        resolution=5 * values,
        best={"weight": 0.1},
        chosen=0,
        shifts=np.zeros((2, 2)),
    )


def bands():
    spectra = np.random.default_rng(0).gamma(0.5, 40, (2, 30))
    return confidence_bands(mixed(), spectra, n_halvings=1, random_state=0)


def edge():
    return edge_width(1 / (1 + np.exp(-0.7 * (np.arange(30) - 14.6))), step=0.2)


def restoration(lazy=False):
    s = counts()
    return (s.as_lazy() if lazy else s).denoise("pca").restoration


def inpainting(lazy=False):
    s = counts()
    mask = np.random.default_rng(0).random((6, 8)) < 0.3
    return (s.as_lazy() if lazy else s).inpaint(mask, "smooth").inpainting


def mixture():
    energy = np.arange(7000.0, 7300.0, 2.0)
    spectra = {
        name: sparsedecomp.signals.XASSpectrum.from_counts(
            np.ones(150), np.exp(-np.arctan(energy - e0) - 2), energy=energy
        )
        for name, e0 in (("metal", 7112), ("oxide", 7121))
    }
    return spectra["metal"].linear_combination(spectra, max_references=1)


def target_transform():
    energy = np.arange(7000.0, 7300.0, 2.0)
    pure = np.array([np.arctan(energy - e0) + 2 for e0 in (7112, 7121)])
    rng = np.random.default_rng(0)
    mu = rng.dirichlet([1, 1], 20) @ pure + rng.normal(0, 0.01, (20, 150))
    make = sparsedecomp.signals.XASSpectrum.from_counts
    s, *references = (
        make(np.ones(150), np.exp(-one), energy=energy) for one in (mu, *pure)
    )
    return s.target_transform(references)


MAKE = {
    "Certificate": lambda: restoration().certificate(),
    "ConfidenceBands": bands,
    "Deblurring": lambda: counts().deblur(zero_loss=[1.0, 2.0, 1.0]).deblurring,
    "DataCheck": lambda: counts().check_data(),
    "DosePlan": lambda: counts().dose_plan(),
    "Fusion": fusion,
    "Inpainting": inpainting,
    "MixtureResult": mixture,
    "Plan": lambda: sparsedecomp.plan_shifts(500, [(0, 0), (0, 200), (200, 0)]),
    "RankEstimate": lambda: counts().estimate_rank(["noise_edge", "minka"]),
    "RankReport": lambda: series().tensor_rank(2, random_state=0),
    "Resolution": edge,
    "Restoration": restoration,
    "Segmentation": phases,
    "SparseEXAFSResult": exafs,
    "Sparsity": lambda: counts().sparsity(),
    "SuperResolution": super_resolution,
    "TargetTransformResult": target_transform,
    "TensorResults": lambda: series().tensor_decomposition(2, show_progressbar=False),
    "Tuning": trials,
    "UnmixingReport": lambda: unmixing_report(
        mixed(), NMFSO(2), n_starts=1, n_resamples=1, random_state=0
    ),
    "Verdict": lambda: Verdict(3, ("A <doubt> remains.",), ("A note.",)),
}
DRAWN = {
    name for name in MAKE if name not in ("Verdict", "RankReport", "SuperResolution")
}


@pytest.fixture(scope="module")
def result(request):
    return MAKE[request.param]()


every_kind = pytest.mark.parametrize("result", MAKE, indirect=True)


def contents(result):
    """All that is in a result, as a text and arrays in memory."""
    text, arrays = result_files.encode(result)
    return text.replace('"_lazy", true', '"_lazy", false'), list(
        map(np.asarray, arrays)
    )


def assert_same(one, other):
    (text, arrays), (text_again, arrays_again) = contents(one), contents(other)
    assert text == text_again
    for array, again in zip(arrays, arrays_again, strict=True):
        assert array.dtype == again.dtype
        np.testing.assert_array_equal(array, again)


def test_every_kind_of_result_is_tested():
    package = Path(sparsedecomp.__file__).parent
    sources = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    kinds = re.findall(r"^class (\w+)\(Result\)", "\n".join(sources), re.MULTILINE)
    assert set(kinds) == set(MAKE)


@every_kind
def test_one_line_one_text_one_table(result):
    name = type(result).__name__
    assert re.fullmatch(rf"<{name}: .{{3,}}>", repr(result))
    assert len(repr(result)) <= 100
    text, html = str(result), result._repr_html_()
    assert text and not text.endswith("\n\n") and "  \n" not in text
    # Sentences of a user's data do not become tags.
    assert set(re.findall(r"</?(\w+)", html)) <= {
        *("p", "b", "table", "thead", "tbody", "tr", "td", "th")
    }
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    for table in html.split("<table>")[1:]:
        rows = re.findall(r"<tr>(.*?)</tr>", table)
        assert len({row.count("</t") for row in rows}) == 1


@every_kind
def test_pickled_saved_and_loaded(result, tmp_path):
    assert_same(pickle.loads(pickle.dumps(result)), result)
    kind = type(result)
    path = result.save(tmp_path / "found")
    assert path == tmp_path / "found.h5"
    assert [file.name for file in tmp_path.iterdir()] == ["found.h5"]
    again = kind.load(path)
    assert str(again) == str(result) and again._repr_html_() == result._repr_html_()
    if kind.__name__ != "SuperResolution":
        assert_same(again, result)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.save(path)
    assert result.save(path, overwrite=True) == path
    other = Verdict if kind is not Verdict else type(MAKE["Plan"]())
    with pytest.raises(ValueError, match=f"holds a {kind.__name__}, expected a"):
        other.load(path)
    assert_same(Result.load(path), again)


@every_kind
def test_plots_of_what_was_loaded(result, tmp_path):
    kind = type(result)
    assert hasattr(result, "plot") == (kind.__name__ in DRAWN)
    if not hasattr(result, "plot"):
        return
    again = kind.load(result.save(tmp_path / "found"))
    drawn = again.plot()
    first = np.ravel(list(drawn.values()) if isinstance(drawn, dict) else drawn)[0]
    assert first.figure.number in plt.get_fignums() and first.has_data()
    plt.close("all")


@pytest.mark.parametrize("method", ["mixture", "kmeans"])
@pytest.mark.parametrize("windows", [None, {"a": (2, 10), "b": (20, 31)}])
def test_phases(method, windows, tmp_path):
    found = phases(method, windows)
    again = type(found).load(found.save(tmp_path / "phases"))
    assert_same(again, found)
    assert repr(again.estimator) == repr(found.estimator)
    assert vars(again.estimator).keys() == vars(found.estimator).keys()
    for name in ("labels", "mean_spectra"):
        one, other = getattr(again, name), getattr(found, name)
        assert type(one) is type(other) and repr(one) == repr(other)
        assert one.axes_manager[-1].units == other.axes_manager[-1].units


@pytest.mark.parametrize("make", [super_resolution, exafs])
def test_lazy_results_are_in_memory_after_loading(make, tmp_path):
    found = make(lazy=True)
    assert_same(pickle.loads(pickle.dumps(found)), found)
    again = type(found).load(found.save(tmp_path / "found.hdf5"))
    assert str(again) == str(found)
    if make is exafs:
        residual = found.residual()
        assert residual._lazy and not again.residual()._lazy
        np.testing.assert_allclose(
            again.residual().data, residual.data.compute(), atol=1e-12
        )
    else:
        one, other = again.standard_deviation, found.standard_deviation
        assert one.axes_manager.shape == other.axes_manager.shape
        np.testing.assert_array_equal(one.data.compute(), other.data.compute())


def test_models_of_loaded_tensors(tmp_path):
    found = MAKE["TensorResults"]()
    again = type(found).load(found.save(tmp_path / "found"))
    np.testing.assert_array_equal(again.get_model().data, found.get_model().data)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    verdict = MAKE["Verdict"]()
    path = verdict.save(tmp_path / "verdict")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(h5py.File, "create_dataset", full)
    monkeypatch.setattr(h5py.File, "__setitem__", full)
    with pytest.raises(OSError, match="No space"):
        Verdict(2).save(path, overwrite=True)
    monkeypatch.undo()
    assert str(Verdict.load(path)) == str(verdict)
    assert [file.name for file in tmp_path.iterdir()] == ["verdict.h5"]


def test_files_that_hold_no_result(tmp_path):
    path = MAKE["Verdict"]().save(tmp_path / "verdict")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 99
    with pytest.raises(ValueError, match="install a newer one"):
        Verdict.load(path)
    with h5py.File(path, "w") as file:
        file.attrs["something"] = 1
    with pytest.raises(ValueError, match="is no result of sparsedecomp"):
        Verdict.load(path)


def test_files_name_no_class_of_others(tmp_path):
    path = MAKE["Verdict"]().save(tmp_path / "verdict")
    for name, message in (
        ("os:system", "which is none of ours"),
        ("sparsedecomp.gone:Verdict", "of another version"),
    ):
        with h5py.File(path, "r+") as file:
            text = file["content"].asstr()[()]
            del file["content"]
            file["content"] = re.sub(r'"class": "[^"]*"', f'"class": "{name}"', text)
        with pytest.raises(ValueError, match=message):
            Verdict.load(path)
