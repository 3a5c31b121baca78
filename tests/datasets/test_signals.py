"""The simulated cubes as HyperSpy signals."""

import importlib.util
import logging
import subprocess
import sys

import numpy as np
import pytest

from sparsedecomp import datasets

HAS_EXSPY = importlib.util.find_spec("exspy") is not None
BOTH = pytest.mark.parametrize(
    "simulator", [datasets.eels_oxide_interface, datasets.edx_particles]
)


def test_import_is_light():
    code = (
        "import sys, sparsedecomp.datasets as d; d.names(); "
        "heavy = {'hyperspy', 'exspy', 'dask', 'numba', 'sklearn', 'pooch'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@BOTH
def test_lazy_signal_holds_the_same_counts(simulator):
    eager = simulator(shape=(9, 10), n_channels=48, seed=3)
    lazy = simulator(shape=(9, 10), n_channels=48, seed=3, lazy=True, chunks=(4, 3))
    assert lazy._lazy and not eager._lazy
    assert lazy.data.chunks[:2] == ((4, 4, 1), (3, 3, 3, 1))
    lazy.compute(show_progressbar=False)
    np.testing.assert_array_equal(lazy.data, eager.data)
    assert lazy.data.dtype == eager.data.dtype
    assert set(lazy.metadata.Sample.elements) == set(eager.metadata.Sample.elements)


@BOTH
def test_mean_of_the_signal_is_that_of_its_truth(simulator):
    signal = simulator(shape=(30, 20), n_channels=64)
    expected = datasets.truth(signal).expected().mean(axis=(0, 1))
    found = signal.data.mean(axis=(0, 1), dtype=float)
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected / 600) + 0.01)


@pytest.mark.parametrize(
    ("simulator", "units", "window", "field", "dtype"),
    [
        (datasets.eels_oxide_interface, "eV", (430, 942), 32, "float32"),
        (datasets.edx_particles, "keV", (0.2, 10.44), 400, "uint16"),
    ],
)
def test_axes_are_calibrated(simulator, units, window, field, dtype):
    signal = simulator(shape=(8, 16), n_channels=64)
    y, x, energy = signal.axes_manager._axes
    assert (y.name, y.units, y.size, y.scale) == ("y", "nm", 8, field / 8)
    assert (x.name, x.units, x.size, x.scale) == ("x", "nm", 16, field / 16)
    assert energy.units == units
    assert energy.axis[0] - energy.scale / 2 == pytest.approx(window[0])
    assert energy.axis[-1] + energy.scale / 2 == pytest.approx(window[1])
    np.testing.assert_allclose(energy.axis, datasets.truth(signal).energy)
    assert signal.data.dtype == dtype
    assert signal.metadata.Acquisition_instrument.TEM.beam_energy == 200


@pytest.mark.skipif(not HAS_EXSPY, reason="exspy is not installed")
@pytest.mark.parametrize("lazy", [False, True])
def test_signal_types_are_those_of_exspy(lazy):
    eels = datasets.eels_oxide_interface(shape=(4, 4), n_channels=64, lazy=lazy)
    assert type(eels).__name__ == ("LazyEELSSpectrum" if lazy else "EELSSpectrum")
    assert sorted(eels.metadata.Sample.elements) == ["La", "Mn", "O", "Ti"]
    edx = datasets.edx_particles(shape=(4, 4), n_channels=64, lazy=lazy)
    assert type(edx).__name__ == ("LazyEDSTEMSpectrum" if lazy else "EDSTEMSpectrum")


@pytest.mark.skipif(not HAS_EXSPY, reason="exspy is not installed")
def test_lines_of_the_particles_can_be_integrated():
    signal = datasets.edx_particles(shape=(24, 24), n_channels=1024)
    iron = signal.get_lines_intensity(["Fe_Ka"])[0].data
    maps = datasets.truth(signal).maps
    correlation = [np.corrcoef(iron.flat, maps[..., k].flat)[0, 1] for k in range(3)]
    assert np.argmax(correlation) == 1 and correlation[1] > 0.9


@BOTH
def test_without_exspy_a_plain_signal_says_so(simulator, monkeypatch, caplog):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "exspy" else find_spec(name, *rest),
    )
    with caplog.at_level(logging.INFO, "sparsedecomp.datasets.signals"):
        signal = simulator(shape=(4, 4), n_channels=16)
    assert type(signal).__name__ == "Signal1D"
    assert "exspy is not installed" in caplog.text
    assert datasets.truth(signal).maps.shape == (4, 4, 3)


def test_dose_scales_the_counts():
    few = datasets.eels_oxide_interface(shape=(8, 8), n_channels=64, dose=1e4)
    many = datasets.eels_oxide_interface(shape=(8, 8), n_channels=64, dose=1e6)
    assert many.data.sum() / few.data.sum() == pytest.approx(100, rel=0.02)


def test_counts_too_many_for_the_type_are_refused():
    with pytest.raises(ValueError, match="uint8 holds at most 255"):
        datasets.edx_particles(shape=(4, 4), counts=1e5, dtype="uint8")
