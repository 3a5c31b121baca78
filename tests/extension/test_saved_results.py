"""Results that hold signals can be pickled, and saved and loaded."""

import pickle

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.extension.segmentation import Segmentation


@pytest.fixture
def counts(rng):
    """Counts of two phases, 6 x 8 pixels, with calibrated axes."""
    first = np.arange(48).reshape(6, 8, 1) < 20
    mean = np.where(first, np.linspace(5, 40, 30), np.linspace(40, 5, 30))
    s = hs.signals.Signal1D(rng.poisson(mean))
    s.metadata.General.title = "phases"
    s.axes_manager[0].name, s.axes_manager[0].scale = "x", 0.5
    s.axes_manager[-1].units, s.axes_manager[-1].offset = "keV", 2.0
    return s


def frames():
    for x0, y0 in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)):
        y, x = np.mgrid[:14, :14] + np.array([y0, x0])[:, None, None]
        frame = hs.signals.Signal1D(
            2 + (np.sin(x) * np.cos(y))[..., None] + np.eye(5)[0]
        )
        frame.axes_manager[0].offset, frame.axes_manager[1].offset = x0, y0
        yield frame


def assert_same_signal(one, other):
    assert type(one) is type(other) and repr(one) == repr(other)
    np.testing.assert_array_equal(one.data, other.data)
    assert one.metadata.as_dictionary() == other.metadata.as_dictionary()
    for here, there in zip(
        one.axes_manager._axes, other.axes_manager._axes, strict=True
    ):
        assert here.name == there.name and here.units == there.units
        np.testing.assert_allclose(here.axis, there.axis)


def assert_same_phases(one, other):
    assert repr(one.estimator) == repr(other.estimator)
    assert one.names == other.names
    for name in ("labels", "mean_spectra"):
        assert_same_signal(getattr(one, name), getattr(other, name))
    if one.probabilities is None:
        assert other.probabilities is None
    else:
        assert_same_signal(one.probabilities, other.probabilities)
    for name in ("sizes", "counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    fitted, again = vars(one.estimator), vars(other.estimator)
    assert fitted.keys() == again.keys()
    for name, value in fitted.items():
        np.testing.assert_array_equal(value, again[name])


@pytest.mark.parametrize("method", ["mixture", "kmeans"])
@pytest.mark.parametrize("windows", [None, {"a": (2, 10), "b": (20, 31)}])
def test_phases(counts, method, windows, tmp_path):
    mask = np.zeros((8, 6), bool)
    mask[2, 3] = True
    result = counts.segment_composition(
        method=method, windows=windows, navigation_mask=mask, random_state=0
    )
    assert_same_phases(pickle.loads(pickle.dumps(result)), result)
    path = result.save(tmp_path / "phases")
    assert path == tmp_path / "phases.npz"
    assert_same_phases(Segmentation.load(path), result)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.save(path)
    assert result.save(path, overwrite=True) == path


def test_tensor_results_are_pickled(rng):
    A, B, C = (rng.random((n, 2)) for n in (5, 12, 20))
    s = hs.signals.Signal1D(np.einsum("ir,jr,er->ije", A, B, C).reshape(5, 3, 4, 20))
    result = s.tensor_decomposition(2, show_progressbar=False, random_state=0)
    again = pickle.loads(pickle.dumps(result))
    assert repr(again) == repr(result)
    for one, other in zip(again.factors, result.factors, strict=True):
        assert_same_signal(one, other)
    assert_same_signal(again.get_model(), result.get_model())


@pytest.mark.parametrize("lazy", [False, True])
def test_reports_of_super_resolution_are_pickled(lazy):
    fine = sparsedecomp.super_resolve(
        list(frames()), scale=2, registration=False, lazy=lazy
    )
    report = fine.super_resolution
    again = pickle.loads(pickle.dumps(report))
    assert repr(again) == repr(report)
    assert_same_signal(again.frame, report.frame)
    np.testing.assert_array_equal(
        again.standard_deviation.data.compute(),
        report.standard_deviation.data.compute(),
    )
