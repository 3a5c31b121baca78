"""Each effect of the core-loss model against a direct computation."""

import math

import numpy as np
import pytest

from sparsedecomp.datasets.eels import (
    Edge,
    core_loss_spectrum,
    edge_intensity,
    plural_scattering,
    point_spread,
    power_law,
    valence_loss,
)
from sparsedecomp.datasets.specimens import EELS_PHASES

STEP = 0.25
EDGES = [edge for phase in EELS_PHASES.values() for _, edge in phase["edges"]]


@pytest.fixture
def titanium():
    return Edge("Ti", "L", 456.0, 9.0, 1.5, ((458.0, 1.0, 0.8),), 0.4)


@pytest.mark.parametrize("edge", EDGES, ids=lambda e: f"{e.element}-{e.shell}")
def test_edge_integrates_to_its_cross_section(edge):
    energy = np.arange(300, 1200, STEP)
    window = (energy > edge.onset - 40) & (energy < edge.onset + 100)
    total = edge_intensity(energy, edge)[window].sum() * STEP
    # The wings of the Lorentzians reach beyond the window.
    assert total == pytest.approx(edge.cross_section, rel=0.03)


def test_edge_starts_at_its_onset(titanium):
    energy = np.arange(400, 600, STEP)
    continuum_only = Edge("Ti", "L", 456.0, 9.0, 1.5, ((458.0, 1.0, 0.8),), 0.0)
    intensity = edge_intensity(energy, continuum_only)
    assert np.all(intensity[energy < 456] == 0)
    assert np.all(intensity[energy > 456.5] > 0)
    peak = energy[edge_intensity(energy, titanium).argmax()]
    assert peak == pytest.approx(458, abs=STEP)


def test_valence_loss_is_a_density_that_peaks_at_the_plasmon():
    loss = np.arange(0, 300, STEP)
    density = valence_loss(loss, plasmon=25.0, width=8.0)
    assert density.sum() * STEP == pytest.approx(1)
    assert loss[density.argmax()] == pytest.approx(25, abs=1)


@pytest.mark.parametrize("thickness", [0.0, 0.4, 1.5])
def test_plural_scattering_is_the_poisson_series_of_convolutions(thickness, titanium):
    energy = np.arange(440, 600, 1.0)
    single = power_law(energy, 5.0, 3.0) + edge_intensity(energy, titanium)
    valence = valence_loss(energy - energy[0], 20.0, 10.0)

    term, series = single, math.exp(-thickness) * single
    for n in range(1, 30):
        term = np.convolve(term, valence)[: len(energy)]
        weight = math.exp(-thickness) * thickness**n / math.factorial(n)
        series = series + weight * term

    found = plural_scattering(single, valence, thickness, step=1.0)
    # What comes round past four times the range is all that differs.
    np.testing.assert_allclose(found, series, rtol=1e-7)


def test_plural_scattering_keeps_the_electrons_and_moves_them_up():
    energy = np.arange(0, 2000, 1.0)
    line = (energy == 100).astype(float)
    valence = valence_loss(energy, 20.0, 5.0) * (energy < 200)
    valence /= valence.sum()
    found = plural_scattering(line, valence, thickness=0.7, step=1.0)
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert found @ energy == pytest.approx(100 + 0.7 * (valence @ energy), abs=1e-6)
    assert found[100] == pytest.approx(math.exp(-0.7))


def test_point_spread_has_unit_sum_and_the_width_asked_for():
    offset = 0.01 * np.arange(-4000, 4001)
    core = point_spread(offset, fwhm=0.9, tail_share=0.0, tail_fwhm=3.0)
    wide = offset[core >= core.max() / 2]
    assert np.ptp(wide) == pytest.approx(0.9, abs=0.02)
    spread = point_spread(offset, fwhm=0.9, tail_share=0.15, tail_fwhm=3.0)
    assert spread.sum() == pytest.approx(1)
    np.testing.assert_allclose(spread, spread[::-1])


def test_spectrum_without_edges_and_thickness_is_the_power_law():
    energy = 430.25 + 0.5 * np.arange(1024)
    found = core_loss_spectrum(
        energy, [], (5.0, 3.0), plasmon=(25.0, 10.0), thickness=0.0, tail_share=0.0
    )
    np.testing.assert_allclose(found, 0.5 * power_law(energy, 5.0, 3.0), rtol=2e-4)


def test_sharp_line_stays_in_its_channel(titanium):
    energy = 430.25 + 0.5 * np.arange(1024)
    arguments = dict(plasmon=(25.0, 10.0), thickness=0.0, tail_share=0.0)
    with_edge = core_loss_spectrum(energy, [(1.0, titanium)], (0.0, 3.0), **arguments)
    assert energy[with_edge.argmax()] == pytest.approx(458, abs=0.5)


def test_wide_channels_sum_narrow_ones():
    phase = EELS_PHASES["LaMnO3"]
    narrow = core_loss_spectrum(430.25 + 0.5 * np.arange(1024), **phase)
    wide = core_loss_spectrum(432 + 4.0 * np.arange(128), **phase)
    np.testing.assert_allclose(narrow.reshape(128, 8).sum(axis=1), wide, rtol=1e-5)


def test_thicker_specimen_has_weaker_jumps():
    energy = 430.25 + 0.5 * np.arange(1024)
    phase = EELS_PHASES["SrTiO3"]

    def jump(thickness):
        spectrum = core_loss_spectrum(energy, **(phase | {"thickness": thickness}))
        before = spectrum[(energy > 445) & (energy < 455)].mean()
        return spectrum[(energy > 457) & (energy < 467)].mean() / before

    assert jump(0.2) > jump(0.8) > 1
