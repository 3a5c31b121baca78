"""`check_data` and `estimate_energy_drift` of a signal, eager and lazy."""

import numpy as np
import pytest

hs = pytest.importorskip("hyperspy.api")


@pytest.fixture
def drifting(rng):
    """Counts of two peaks whose energies drift by two channels, 0.5 eV per channel."""
    channel = np.arange(120.0)
    shift = np.linspace(-1, 1, 24 * 20)[:, None]
    a, b = (np.exp(-0.5 * ((channel - shift - at) / 5) ** 2) for at in (40, 80))
    share = np.tile(np.random.default_rng(3).random((24, 1)), (20, 1))
    expected = 30 + 400 * (share * a + (1 - share) * b)
    signal = hs.signals.Signal1D(rng.poisson(expected).reshape(20, 24, 120))
    energy = signal.axes_manager[-1]
    energy.units, energy.scale = "eV", 0.5
    return signal, 0.5 * shift.reshape(20, 24)


@pytest.mark.parametrize("lazy", [False, True])
def test_drift_is_a_calibrated_map(drifting, lazy):
    signal, shift = drifting
    data = signal.data.copy()
    mask = np.zeros((24, 20), bool)
    mask[3, 5] = True
    found = (signal.as_lazy() if lazy else signal).estimate_energy_drift(
        navigation_mask=mask
    )
    assert found.axes_manager.signal_shape == (24, 20)
    assert "eV" in found.metadata.Signal.quantity
    assert np.isnan(found.data[5, 3]) and np.isnan(found.data).sum() == 1
    assert np.nanmax(np.abs(found.data - shift)) < 0.1
    drift = found.metadata.Signal.energy_drift
    assert drift.found and drift.rigid
    assert drift.n_components == 2 < drift.n_components_unaligned
    np.testing.assert_array_equal(signal.data, data)


def test_shift1d_takes_the_drift_out(drifting):
    signal, _ = drifting
    signal.change_dtype("float64")
    found = signal.estimate_energy_drift()

    def moved():
        first, last = signal.data[:5].mean(axis=(0, 1)), signal.data[-5:].mean((0, 1))
        channels = np.arange(signal.data.shape[-1])
        centres = [(x - 30) @ channels / np.sum(x - 30) for x in (first, last)]
        return centres[1] - centres[0]

    before = moved()
    signal.shift1D(-found.data, crop=True, show_progressbar=False)
    assert abs(moved()) < 0.25 * abs(before)
    # Interpolated noise tells nothing any more, and nothing is claimed.
    assert not signal.estimate_energy_drift().metadata.Signal.energy_drift.found


@pytest.mark.parametrize("lazy", [False, True])
def test_check_data_reports_all(drifting, lazy):
    signal, _ = drifting
    signal.data[3, 4, 50] = 60 * signal.data.max()
    signal.data[7, 8] = 0
    checked = (signal.as_lazy() if lazy else signal).check_data()
    assert {f.kind for f in checked.findings} == {
        "spikes",
        "dead_pixels",
        "energy_drift",
    }
    assert "drifts by" in str(checked)
    assert signal.check_data(energy_drift=False)["energy_drift"] is None


def test_signals_without_an_energy_axis_are_refused():
    image = hs.signals.Signal2D(np.ones((3, 4, 5)))
    with pytest.raises(ValueError, match="expected one energy axis"):
        image.estimate_energy_drift()


def test_picture_marks_what_was_found(drifting):
    from sparsedecomp.plotting import plot_data_check

    signal, _ = drifting
    signal.data[3, 4, 50] = 1e5
    signal.data[..., 100] = 0
    image, spectrum = plot_data_check(signal.check_data())
    labels = [t.get_text() for ax in (image, spectrum) for t in ax.get_legend().texts]
    assert labels == ["spikes", "dead channels"]
