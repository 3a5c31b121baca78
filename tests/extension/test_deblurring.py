"""`s.deblur`: spectra and spectrum images, axes, the report and its file."""

import numpy as np
import pytest

import sparsedecomp  # noqa: F401

hs = pytest.importorskip("hyperspy.api")

N = 120
PEAK = np.exp(-0.5 * ((np.arange(31) - 15) / 4.0) ** 2)


@pytest.fixture(scope="module")
def scene():
    e = np.arange(N)
    lines = [np.exp(-0.5 * ((e - c) / 3.0) ** 2) + 0.05 for c in (45, 75)]
    kernel = PEAK / PEAK.sum()
    sharp = np.array([20 * line for line in lines])
    blurred = [np.convolve(np.pad(line, 15, "edge"), kernel, "valid") for line in sharp]
    share = np.linspace(0, 1, 16)[:, None, None] * np.ones((16, 14, 1))
    clean = share * sharp[0] + (1 - share) * sharp[1]
    mean = share * blurred[0] + (1 - share) * blurred[1]
    s = hs.signals.Signal1D(np.random.default_rng(0).poisson(mean))
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.1, "eV"
    s.metadata.General.title = "two lines"
    return clean, s


@pytest.fixture(scope="module")
def zero_loss():
    peak = hs.signals.Signal1D(1e4 * PEAK)
    peak.axes_manager[-1].scale, peak.axes_manager[-1].offset = 0.1, -1.5
    return peak


def test_a_spectrum_image_is_deblurred_on_its_components(scene, zero_loss):
    clean, s = scene
    before = s.data.copy()
    sharp = s.deblur(zero_loss=zero_loss)
    np.testing.assert_array_equal(s.data, before)
    mean, truth = sharp.data.mean(axis=(0, 1)), clean.mean(axis=(0, 1))
    blurred = s.data.mean(axis=(0, 1))
    assert np.std(mean - truth) < 0.45 * np.std(blurred - truth)
    assert sharp.axes_manager[-1].units == "eV" and sharp.data.dtype == np.float32
    assert sharp.metadata.General.title == "two lines, deblurred"
    lazy = s.as_lazy().deblur(zero_loss=PEAK)
    assert lazy._lazy
    difference = np.abs(lazy.data.compute() - sharp.data).max()
    assert difference < 1e-4 * sharp.data.max()
    positive = s.deblur(zero_loss=PEAK, nonnegative=True, n_components=1)
    assert positive.data.min() >= 0 and len(positive.deblurring.found) == 1


def test_a_spectrum_its_report_and_its_file(scene, zero_loss, tmp_path):
    s = scene[1].sum()
    sharp = s.deblur(zero_loss=zero_loss)
    report = sharp.deblurring
    assert "adaptive" in repr(report) and "degrees of freedom" in str(report)
    deviation = report.standard_deviation
    assert deviation._lazy and (deviation.data.compute() > 0).all()
    sharp.save(tmp_path / "sharp.hspy")
    loaded = hs.load(tmp_path / "sharp.hspy")
    assert str(loaded.deblurring) == str(report)
    assert loaded.metadata.Deblurring.noise == "counts"
    with pytest.raises(AttributeError, match="not saved"):
        loaded.deblurring.standard_deviation  # noqa: B018


def test_other_methods_and_noise(scene):
    s = scene[1].sum()
    few = s.deblur(zero_loss=PEAK, method="richardson_lucy", n_iter=5)
    assert few.deblurring.found[0].n_iter == 5
    with pytest.raises(AttributeError, match="no standard deviation"):
        few.deblurring.standard_deviation  # noqa: B018
    normal = s.deblur(zero_loss=PEAK, noise=float(np.sqrt(s.data.mean())))
    assert "standard deviation" in normal.deblurring.noise
    low = hs.signals.Signal1D(np.convolve(1e4 * np.eye(1, N, 20)[0], PEAK, "same"))
    low.axes_manager[-1].offset = -20
    single = low.deblur(zero_loss=PEAK, method="fourier_log")
    assert np.abs(single.data[:100]).max() < 1e-3 * low.data.max()
    with pytest.warns(UserWarning, match="constant"):
        flat = hs.signals.Signal1D(np.full(80, 5.0)).deblur(zero_loss=PEAK)
    np.testing.assert_allclose(flat.data, 5)


def test_bad_input_is_refused(scene, zero_loss):
    s = scene[1]
    with pytest.raises(ValueError, match="is unknown"):
        s.deblur(zero_loss=PEAK, method="wiener")
    with pytest.raises(ValueError, match="does not take"):
        s.deblur(zero_loss=PEAK, n_iter=4)
    with pytest.raises(ValueError, match="for a map of spectra"):
        s.deblur(zero_loss=PEAK, method="richardson_lucy")
    with pytest.raises(ValueError, match="for a map of spectra"):
        s.deblur(zero_loss=PEAK, noise=3.0)
    with pytest.raises(ValueError, match="wider than the field"):
        s.deblur(zero_loss=np.ones(100))
    with pytest.raises(ValueError, match="single spectrum"):
        s.sum().deblur(zero_loss=PEAK, n_components=2)
    with pytest.raises(ValueError, match="expected one of them"):
        s.deblur()
    with pytest.raises(ValueError, match="expected one of them"):
        s.deblur(np.ones((3, 3)), zero_loss=PEAK)
    with pytest.raises(ValueError, match="for a map of spectra"):
        s.deblur(np.ones((3, 3)), noise=2.0)
    with pytest.raises(ValueError, match="single map"):
        s.sum(-1).deblur(np.ones((3, 3)), n_components=2)
    with pytest.raises(ValueError, match="one signal axis"):
        hs.signals.Signal2D(np.ones((5, 6))).deblur(zero_loss=PEAK)
    with pytest.raises(ValueError, match="expected a spectrum"):
        s.deblur(zero_loss=hs.signals.Signal2D(np.ones((5, 6))))
    with pytest.raises(ValueError, match="NaN or infinite in channel 3"):
        data = np.ones(60)
        data[3] = np.nan
        hs.signals.Signal1D(data).deblur(zero_loss=[1, 2, 1])
    with pytest.raises(TypeError, match="complex"):
        hs.signals.Signal1D(1j * np.ones(60)).deblur(zero_loss=[1, 2, 1])
    other = zero_loss.deepcopy()
    other.axes_manager[-1].scale = 0.2
    with pytest.raises(ValueError, match="0.2 wide"):
        s.deblur(zero_loss=other)


def test_a_point_spread_is_taken_off_maps_and_images(scene):
    s = scene[1]
    psf = np.outer([1, 2, 1], [1, 2, 1])
    sharp = s.deblur(hs.signals.Signal2D(psf), method="tv", weight=0.3)
    assert sharp.data.shape == s.data.shape
    assert sharp.metadata.General.title == "two lines, deblurred"
    assert "tv" in repr(sharp.restoration)
    lazy = s.as_lazy().deblur(psf, method="tv", weight=0.3)
    assert lazy._lazy
    difference = np.abs(lazy.data.compute() - sharp.data).max()
    assert difference < 1e-4 * np.abs(sharp.data).max()
    image = hs.signals.Signal2D(s.data.sum(axis=2))
    assert image.deblur(psf, method="tv", weight=0.3).data.shape == (16, 14)
    line = s.inav[:, 3].deblur([1, 2, 1], method="tv", weight=0.3)
    assert line.data.shape == (14, N)
