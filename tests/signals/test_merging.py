"""Merged signals: energies, shifts, metadata and what is refused."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp.signals import XASSpectrum

ENERGY = np.concatenate([np.arange(7000, 7090, 5.0), np.arange(7090, 7300, 0.5)])


def scan(seed, shift=0.0, energy=ENERGY, title="scan", extra=0.0):
    mu = np.arctan((energy - shift - 7112) / 2) + 2 + extra
    mu = mu + np.random.default_rng(seed).normal(0, 0.005, len(energy))
    s = XASSpectrum.from_counts(np.ones(len(energy)), np.exp(-mu), energy=energy)
    s.metadata.General.title = title
    s.set_edge("Fe", "K")
    return s


def test_scans_are_aligned_and_averaged():
    first, *others = (scan(i, shift) for i, shift in enumerate((0, 0.4, -0.3, 0.2)))
    others[0] = scan(1, 0.4, energy=ENERGY[3:-20] + 0.1)
    before = first.data.copy()
    merged = first.merge(others)
    np.testing.assert_array_equal(merged.axes_manager[0].axis, ENERGY)
    np.testing.assert_array_equal(first.data, before)
    about = merged.metadata.XAS.merge
    assert about.scans == 4 and about.rejected_scans == []
    np.testing.assert_allclose(about.shifts, [0, 0.4, -0.3, 0.2], atol=0.05)
    truth = np.arctan((ENERGY - 7112) / 2) + 2
    assert np.std(merged.data - truth) < 0.004
    variance = merged.metadata.Signal.Noise_properties.variance
    assert np.median(np.sqrt(variance.data)) == pytest.approx(0.0025, rel=0.2)
    assert merged.metadata.Acquisition_instrument.XAS.Element.symbol == "Fe"


def test_a_scan_of_another_sample_is_left_out_and_named():
    first, *others = (scan(i, title=f"number {i}") for i in range(4))
    others[1] = scan(7, title="wrong", extra=0.3 * np.sin(ENERGY / 9))
    with pytest.warns(UserWarning, match="1 of 4 scans .* were left out: wrong"):
        merged = first.merge(others, align=False)
    assert merged.metadata.XAS.merge.rejected_scans == ["wrong"]


def test_other_signals_are_refused():
    first = scan(0)
    with pytest.raises(ValueError, match="scan 2 is a Signal1D of shape"):
        first.merge([hs.signals.Signal1D(first.data)])
    other = scan(1, title="copper")
    other.metadata.Acquisition_instrument.XAS.Element.symbol = "Cu"
    with pytest.raises(ValueError, match="copper is a scan of the Cu K edge, expected"):
        first.merge([other])
    far = scan(1)
    far.axes_manager[0].axis = ENERGY + 900
    with pytest.raises(ValueError, match="none of the energies 7000 to 7299.5 eV"):
        first.merge([far], align=False)


def test_published_repeats(data_dir):
    names = [f"xas/repeats/MnO_rt_0{number}.xdi" for number in (1, 2, 3)]
    first, *others = (hs.load(data_dir / name) for name in names)
    merged = first.merge(others)
    assert merged.metadata.XAS.merge.scans == 3
    assert np.abs(merged.data - first.data).max() < 0.02
