"""`s.denoise`: shapes, laziness, metadata, the report and its file."""

import numpy as np
import pytest

import sparsedecomp  # noqa: F401

hs = pytest.importorskip("hyperspy.api")

SHAPE, CHANNELS = (24, 20), 40


@pytest.fixture(scope="module")
def counts():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = ((y - 11) ** 2 + (x - 9) ** 2 < 40)[..., None]
    spectra = np.random.default_rng(1).uniform(0.2, 3, (2, CHANNELS))
    clean = disc * spectra[0] + ~disc * spectra[1]
    return clean, np.random.default_rng(0).poisson(clean).astype(np.uint8)


@pytest.fixture(scope="module")
def signal(counts):
    s = hs.signals.Signal1D(counts[1])
    s.metadata.General.title = "two phases"
    for axis, name in zip(s.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.units, axis.scale = name, "nm", 0.5
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.02, "keV"
    return s


@pytest.fixture(scope="module")
def restored(signal):
    return signal.denoise("tv")


def test_the_error_falls_and_the_data_stay(signal, restored, counts):
    clean, noisy = counts
    np.testing.assert_array_equal(signal.data, noisy)
    assert np.std(restored.data - clean) < 0.25 * np.std(noisy - clean)
    assert restored.data.dtype == np.float32
    assert restored.metadata.General.title == "two phases, restored"
    for axis, before in zip(
        restored.axes_manager._axes, signal.axes_manager._axes, strict=True
    ):
        assert (axis.scale, axis.units, axis.size) == (
            before.scale,
            before.units,
            before.size,
        )


def test_lazy_equals_eager(signal, restored, counts):
    import dask.array as da

    lazy = hs.signals.Signal1D(da.from_array(counts[1], chunks=(7, 20, 40))).as_lazy()
    found = lazy.denoise("tv")
    assert found._lazy
    found.compute(show_progressbar=False)
    difference = np.abs(found.data - restored.data).max()
    assert difference < 1e-5 * restored.data.max()


def test_residual_and_deviation_are_signals(signal, restored):
    report = restored.restoration
    residual = report.residual
    assert residual._lazy
    np.testing.assert_allclose(
        residual.data.compute(), signal.data - restored.data, atol=1e-5
    )
    deviation = report.standard_deviation.data.compute()
    assert deviation.shape == signal.data.shape and (deviation > 0).all()
    assert deviation.mean() < 0.3 * np.std(signal.data)


def test_the_report_says_what_was_chosen(restored, tmp_path):
    report = restored.restoration
    assert "counts with the noise of Poisson" in str(report)
    assert "weight" in str(report) and "tv" in repr(report)
    restored.save(tmp_path / "restored.hspy")
    again = hs.load(tmp_path / "restored.hspy")
    assert again.restoration.summary == report.summary
    assert again.metadata.Restoration.n_components == report.n_components
    with pytest.raises(AttributeError, match="not saved"):
        again.restoration.residual  # noqa: B018
    with pytest.raises(AttributeError, match="no result of"):
        hs.signals.Signal1D(np.ones(9)).restoration  # noqa: B018


def test_the_figure_shows_before_and_after(restored):
    plt = pytest.importorskip("matplotlib.pyplot")
    axes = restored.restoration.plot(component=1)
    assert [ax.get_title(loc="left") for ax in axes][:2] == ["measured", "restored"]
    plt.close("all")


@pytest.mark.parametrize("kind", ["line scan", "image", "map", "spectrum", "stack"])
def test_other_shapes_keep_theirs(signal, counts, kind):
    given = {
        "line scan": lambda: signal.inav[:, 3],
        "image": lambda: signal.sum(axis=-1).transpose(signal_axes=2),
        "map": lambda: signal.sum(axis=-1),
        "spectrum": lambda: signal.sum(axis=(0, 1)),
        "stack": lambda: signal.isig[:6].transpose(signal_axes=(0, 1)),
    }[kind]()
    found = given.denoise("gaussian")
    assert found.data.shape == given.data.shape
    assert found.axes_manager.signal_shape == given.axes_manager.signal_shape
    assert np.isfinite(found.data).all() and found.restoration.plot() is not None
    pytest.importorskip("matplotlib.pyplot").close("all")


def test_negative_values_are_set_to_zero_on_demand(counts):
    s = hs.signals.Signal1D(counts[1].astype(float) - 2.0)
    kept = s.denoise("gaussian", sigma=0.5)
    assert kept.data.min() < 0
    assert s.denoise("gaussian", sigma=0.5, nonnegative=True).data.min() == 0


def test_bad_input_is_refused(signal):
    with pytest.raises(ValueError, match="navigation and 1 signal axes"):
        hs.signals.Signal1D(np.ones((3, 3, 3, 5))).denoise()
    with pytest.raises(ValueError, match="n_components=2"):
        hs.signals.Signal2D(np.eye(9)).denoise(n_components=2)
    with pytest.raises(ValueError, match="noise=2.0 was given for a map of spectra"):
        signal.denoise(noise=2.0)
    with pytest.raises(TypeError, match="complex"):
        hs.signals.Signal2D(np.ones((4, 4), complex)).denoise()


def test_the_certificate_compares_intensities(restored, tmp_path):
    found = restored.restoration.certificate({"low": (0, 0.3), "high": (0.4, 0.7)})
    assert found.flagged.shape == (4, 4) and "low" in str(found)
    assert abs(float(found.deviations.mean[0])) < 0.5
    found.save(tmp_path / "certificate.h5")
    assert type(found).load(tmp_path / "certificate.h5").summary == found.summary
    plt = pytest.importorskip("matplotlib.pyplot")
    assert len(found.plot()) == 2
    plt.close("all")


def test_inclusions_are_added_to_the_own_data(restored):
    found = restored.restoration.inclusion_test(methods=("pca", "gaussian"))
    assert set(found) == {"pca", "gaussian"}
    with pytest.raises(ValueError, match="Inclusions are added as counts"):
        image = hs.signals.Signal2D(np.random.default_rng(0).normal(size=(16, 16)))
        image.denoise("gaussian").restoration.inclusion_test()
