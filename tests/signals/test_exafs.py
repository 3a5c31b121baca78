"""chi(k), chi(R) and shells as signals."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp import signals, xas

K = np.arange(0, 15, 0.05)


def shells(pixels=(2, 3)):
    distance = np.linspace(2.2, 2.7, int(np.prod(pixels))).reshape(*pixels, 1)
    return np.sin(2 * K * distance) / 10, distance[..., 0]


@pytest.fixture(params=[False, True], ids=["eager", "lazy"])
def chi(request):
    """EXAFSSpectrum of 3 x 2 pixels, each with a shell of its own."""
    signal = signals.EXAFSSpectrum(shells()[0])
    axis = signal.axes_manager[-1]
    axis.scale, axis.units, axis.name = 0.05, "1/Angstrom", "k"
    signal.metadata.set_item("Sample.name", "foil")
    return signal.as_lazy() if request.param else signal


def test_transform_is_that_of_the_solver_and_peaks_at_the_shells(chi):
    transformed = chi.fourier_transform(kmin=3, kmax=14, kweight=3, dk=2, rmax=6)
    assert transformed._lazy == chi._lazy
    assert transformed.metadata.Sample.name == "foil"
    r = transformed.axes_manager[-1].axis
    assert transformed.axes_manager[-1].units == "Angstrom" and r[-1] > 5.95
    matrix = xas.transform_matrix(K, r, kmin=3, kmax=14, kweight=3, dk=2)
    data, distance = shells()
    np.testing.assert_allclose(np.asarray(transformed.data), data @ matrix.T, atol=1e-9)
    peaks = r[np.abs(np.asarray(transformed.data)).argmax(axis=-1)]
    np.testing.assert_allclose(peaks, distance, atol=0.03)


def test_default_range_ends_with_the_data(chi):
    done = chi.fourier_transform().metadata.XAS
    assert done.kmax == pytest.approx(14.95)


def test_noise_is_mapped(chi, rng):
    chi.data = chi.data + rng.normal(0, 1e-3, chi.data.shape)
    noise = chi.estimate_noise()
    assert noise._lazy == chi._lazy
    assert noise.data.shape == (2, 3)
    assert float(np.asarray(noise.data).mean()) == pytest.approx(1e-3, rel=0.15)
    assert isinstance(chi.inav[0, 0].estimate_noise(), float)


def test_wavelet_is_that_of_the_solver(chi):
    planes = chi.wavelet(kweight=1, rmin=1.5, rmax=3.5, rstep=0.1, order=100)
    assert planes._lazy == chi._lazy
    assert planes.axes_manager.signal_shape == (300, 21)
    assert [axis.name for axis in planes.axes_manager.signal_axes] == ["k", "R"]
    r = planes.axes_manager.signal_axes[1].axis
    data, distance = shells()
    expected = xas.cauchy_wavelet(K, data, r, kweight=1, order=100)
    np.testing.assert_allclose(np.asarray(planes.data), expected, atol=1e-10)
    peaks = r[np.abs(expected).max(axis=-1).argmax(axis=-1)]
    np.testing.assert_allclose(peaks, distance, atol=0.06)


def test_weighted_chi_is_no_chi(chi):
    weighted = chi.weighted(2)
    np.testing.assert_allclose(np.asarray(weighted.data), shells()[0] * K**2)
    assert type(weighted).__name__ in ("Signal1D", "LazySignal1D")
    assert "k^2 chi" in weighted.metadata.Signal.quantity


def test_plots(chi):
    chi.plot()
    chi.inav[0, 0].plot(kweight=2)
    transformed = chi.inav[0, 0].fourier_transform()
    transformed.plot(representation="magnitude")
    transformed.plot()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.fourier_transform(kmax=20), "leaves the data, which cover 0 to"),
        (lambda s: s.fourier_transform(kmin=9, kmax=3), "is empty"),
        (lambda s: s.fourier_transform(window="none"), "is no window"),
        (lambda s: s.wavelet(rmin=-1), "distances are not negative"),
        (lambda s: s.estimate_noise(rmax=50), "resolve R up to"),
    ],
)
def test_bad_input_is_refused_before_any_work(chi, call, message):
    with pytest.raises(ValueError, match=message):
        call(chi)


def test_wrong_units_are_refused(chi):
    chi.axes_manager[-1].units = "eV"
    with pytest.raises(
        ValueError, match="The k axis is in 'eV', expected '1/Angstrom'"
    ):
        chi.fourier_transform()
    chi.axes_manager[-1].units = "Å⁻¹"
    chi.fourier_transform()


@pytest.mark.parametrize("lazy", [False, True])
def test_shells_are_summed_and_averaged(lazy):
    data = np.zeros((2, 2, 60))
    data[..., 20:23] = [2, 8, 2]
    data[0, 0, 40] = 6
    signal = signals.RDFSpectrum(data)
    axis = signal.axes_manager[-1]
    axis.scale, axis.units, axis.offset = 0.05, "Angstrom", 1.0
    signal = signal.as_lazy() if lazy else signal
    first = signal.coordination_number(1.9, 2.2)
    assert first._lazy == lazy
    np.testing.assert_allclose(np.asarray(first.data), 12)
    np.testing.assert_allclose(np.asarray(signal.mean_distance(1.9, 2.2).data), 2.05)
    second = np.asarray(signal.mean_distance(2.9, 3.1).data)
    assert second[0, 0] == pytest.approx(3.0) and np.isnan(second[1]).all()
    with pytest.raises(ValueError, match="No point of R lies between 9 and 10"):
        signal.coordination_number(9, 10)


def test_foil_peaks_where_its_first_shell_is(data_dir):
    s = hs.load(data_dir / "xas/XDI/cu_metal_10K.xdi")
    transformed = s.autobk().fourier_transform(kmin=3, kmax=16)
    r = transformed.axes_manager[-1].axis
    magnitude = np.abs(transformed.data)
    # 2.548 angstrom less the phase shift of copper, some 0.3 angstrom.
    assert r[magnitude.argmax()] == pytest.approx(2.24, abs=0.04)
    assert magnitude[r < 1].max() < 0.1 * magnitude.max()
