"""Faults of a scan that make its fit wrong are named, and sound scans are not."""

import numpy as np
import pytest

from sparsedecomp.xas import check_scan, photon_energy, wavenumber

E0 = 8980.0


def make_scan(begin=-150.0, kmax=14.0, noise=2e-4, seed=0):
    """Energies and mu of a copper-like foil."""
    energy = np.concatenate(
        [np.arange(begin, 0, 4), photon_energy(np.arange(0, kmax, 0.05), 0)]
    )
    energy = E0 + energy[energy >= begin]
    k = wavenumber(energy, E0)
    chi = 8 * k * np.exp(-0.014 * k**2) * np.sin(2 * 2.4 * k + 1) / (k**2 + 20)
    rise = 0.5 + np.arctan((energy - E0) / 1.5) / np.pi
    mu = 0.6 * (energy / E0) ** -2.7 + 2 * rise * (energy / E0) ** -2.7 * (
        1 + 0.3 * chi
    )
    return energy, mu + noise * np.random.default_rng(seed).normal(size=len(mu))


def names(energy, mu, e0=E0, **options):
    return [flag.name for flag in check_scan(energy, mu, e0, **options)]


def test_a_sound_scan_has_no_flag():
    for seed in range(5):
        energy, mu = make_scan(noise=1e-3, seed=seed)
        assert names(energy, mu, element="Cu", edge="K") == []


def test_shared_scans_have_hardly_any(data_dir):
    import hyperspy.api as hs

    for file in ("cu_10k.xmu", "library/cu_150k.xmu", "XDI/co_metal_rt.xdi"):
        assert hs.load(data_dir / "xas" / file).check() == []


@pytest.mark.parametrize("length", [3.0, 12.0])
def test_short_pre_edge(length):
    energy, mu = make_scan(begin=-length)
    assert "pre-edge" in names(energy, mu)


def test_a_scan_that_begins_above_the_edge():
    energy, mu = make_scan()
    energy, mu = energy[energy > E0 + 20], mu[energy > E0 + 20]
    (flag,) = [
        f
        for f in check_scan(energy, mu, 9040.0, element="Cu", edge="K")
        if f.name == "above the edge"
    ]
    assert "begins at 9000" in flag.message
    # Without the name of the edge its oscillations are taken for a pre-edge.
    found = names(energy, mu, float(energy[energy > 9080][0]))
    assert "pre-edge" in found or "edge step" in found


def test_no_edge_step_is_named():
    energy, mu = make_scan()
    assert names(energy, -mu) == ["edge step"]


@pytest.mark.parametrize(("at", "height"), [(200, 0.5), (450, 0.3), (650, 0.2)])
def test_a_second_edge_is_found(at, height):
    energy, mu = make_scan()
    second = height * 2 * (0.5 + np.arctan((energy - E0 - at) / 1.5) / np.pi)
    (flag,) = check_scan(energy, mu + second, E0)
    assert flag.name in ("second edge", "jump") and "another edge" in flag.message
    place = float(flag.message.split(" eV")[0].split()[-1])
    assert abs(place - E0 - at) < 20


def test_later_edges_of_the_absorber_end_the_range():
    energy, mu = make_scan()
    energy = energy - E0 + 5964
    (flag,) = check_scan(energy, mu, 5964.0, element="Pr", edge="L3")
    assert "Pr L2" in flag.message and "kmax = 10." in flag.message


def test_an_edge_of_another_element():
    energy, mu = make_scan()
    (flag,) = check_scan(energy + 100, mu, E0 + 100, element="Cu", edge="K")
    assert flag.name == "other edge" and "+101 eV off" in flag.message


def test_a_jump_of_two_percent():
    energy, mu = make_scan()
    (flag,) = check_scan(energy, mu + 0.04 * (energy > E0 + 400), E0)
    assert flag.name == "jump" and "+2" in flag.message


def test_a_faint_edge_and_glitches():
    energy, mu = make_scan()
    assert names(energy, mu + 100) == ["faint edge"]
    mu[150] += 0.1
    assert names(energy, mu) == ["glitches"]
