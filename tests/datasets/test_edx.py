"""Each effect of the EDX model against a direct computation."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from sparsedecomp.datasets.edx import (
    ATOMIC_NUMBER,
    LINES,
    bremsstrahlung,
    detected_line,
    detector_efficiency,
    edx_spectrum,
    energy_resolution,
    fluorescence_yield,
    ionisation,
)
from sparsedecomp.datasets.specimens import EDX_PHASES

ENERGY = 0.205 + 0.01 * np.arange(1024)
BORDERS = np.append(ENERGY - 0.005, ENERGY[-1] + 0.005)


def test_line_counts_are_the_integrals_of_a_gaussian():
    found = detected_line(BORDERS, 6.404)
    sigma = energy_resolution(6.404) / 2.3548
    for channel in (600, 620, 630):
        x = np.linspace(BORDERS[channel], BORDERS[channel + 1], 2001)
        gauss = np.exp(-0.5 * ((x - 6.404) / sigma) ** 2)
        gauss /= sigma * np.sqrt(2 * np.pi)
        assert found[channel] == pytest.approx(trapezoid(gauss, x), rel=1e-3)


@pytest.mark.parametrize("width", [0.005, 0.02, 0.5])
def test_broadening_keeps_the_counts_of_a_line_in_any_channels(width):
    borders = np.arange(0, 10, width)
    assert detected_line(borders, 5.0).sum() == pytest.approx(1)


def test_resolution_is_the_quoted_one_at_manganese_and_grows_with_energy():
    assert energy_resolution(5.895, fwhm_mn=0.127) == pytest.approx(0.127)
    width = energy_resolution(np.array([0.277, 1.74, 5.895, 10.0]))
    assert np.all(np.diff(width) > 0)
    # Fano's statistics alone at 5.895 keV make 117 eV.
    assert np.sqrt(0.130**2 - energy_resolution(1e-9) ** 2) == pytest.approx(
        0.117, abs=0.001
    )


def test_entrance_of_the_detector_stops_soft_x_rays():
    found = detector_efficiency(np.array([0.277, 0.525, 1.74, 6.4]))
    assert np.all(np.diff(found) > 0)
    assert found[0] < 0.2 and found[-1] > 0.99


@pytest.mark.parametrize(
    ("element", "shell", "published"),
    [("Fe", "K", 0.34), ("Cu", "K", 0.44), ("Si", "K", 0.05), ("Ce", "L", 0.11)],
)
def test_fluorescence_yields_come_near_published_ones(element, shell, published):
    found = fluorescence_yield(ATOMIC_NUMBER[element], shell)
    assert found == pytest.approx(published, rel=0.3)


def test_deeper_shells_are_ionised_less():
    assert ionisation(7.1, "K", 200) < ionisation(1.8, "K", 200)
    assert ionisation(7.1, "K", 200) < ionisation(7.1, "L", 200)


def test_line_energies_agree_with_the_table_of_exspy():
    material = pytest.importorskip("exspy").material
    compared = 0
    for (element, shell), (_, family) in LINES.items():
        if (element, shell) == ("Ce", "M"):
            continue  # exspy gives the edge's low side; the X-ray data booklet 883 eV
        known = material.elements[element].Atomic_properties.Xray_lines.as_dictionary()
        for line, (energy, _) in family.items():
            if line in known:
                assert energy == pytest.approx(known[line]["energy (keV)"], abs=0.005)
                compared += 1
    assert compared > 12


@pytest.mark.parametrize("name", EDX_PHASES)
def test_continuum_carries_its_share(name):
    bare = edx_spectrum(ENERGY, EDX_PHASES[name], continuum_share=0.0)
    whole = edx_spectrum(ENERGY, EDX_PHASES[name], continuum_share=0.15)
    assert 1 - bare.sum() / whole.sum() == pytest.approx(0.15)
    continuum = (whole - bare) / bremsstrahlung(ENERGY, 200.0)
    np.testing.assert_allclose(continuum, continuum[0], rtol=1e-6)


def test_lines_are_proportional_to_the_number_of_atoms():
    one = edx_spectrum(ENERGY, {"Fe": 1.0}, continuum_share=0.0)
    other = edx_spectrum(ENERGY, {"O": 1.0}, continuum_share=0.0)
    both = edx_spectrum(ENERGY, {"Fe": 2.0, "O": 3.0}, continuum_share=0.0)
    np.testing.assert_allclose(both, 2 * one + 3 * other)


def test_strongest_lines_of_iron_oxide_are_where_they_belong():
    found = edx_spectrum(ENERGY, {"Fe": 40.5, "O": 54.0})
    hard = ENERGY > 3
    assert ENERGY[hard][found[hard].argmax()] == pytest.approx(6.404, abs=0.01)
    soft = ENERGY < 0.6
    assert ENERGY[soft][found[soft].argmax()] == pytest.approx(0.525, abs=0.02)
