"""Thresholds of simulated and measured edges, and spectra that have none."""

import numpy as np
import pytest

from sparsedecomp.xas import e0_of, edge_energy, find_e0
from sparsedecomp.xas.reduction.edge_energies import EDGES, TABLE

ENERGY = np.arange(8900.0, 9200.0, 0.5)

# larch 2026.3.1: find_e0 of the shared files.
LARCH = {
    "cu_10k.xmu": 8977.58,
    "XDI/fe2o3_rt.xdi": 7126.0,
    "XDI/co_metal_rt.xdi": 7709.0,
}


def edge(e0, width=1.5, height=1.0):
    return height * (np.arctan((ENERGY - e0) / width) / np.pi + 0.5)


@pytest.mark.parametrize("name", LARCH)
def test_thresholds_of_measured_edges_are_larchs(data_dir, name):
    energy, mu = np.loadtxt(data_dir / "xas" / name, comments="#")[:, :2].T
    assert find_e0(energy, mu) == LARCH[name]


def test_every_pixel_gets_its_own_threshold():
    wanted = np.array([[8975.0, 8979.5], [8981.0, 8990.0]])
    mu = np.stack([[edge(e0) for e0 in row] for row in wanted])
    np.testing.assert_array_equal(find_e0(ENERGY, mu), wanted)
    np.testing.assert_array_equal(find_e0(ENERGY, 5 * mu - 2), wanted)
    np.testing.assert_array_equal(find_e0(ENERGY, mu.astype(np.float32)), wanted)


def test_one_steep_point_is_a_glitch_and_no_edge():
    mu = edge(8979.0)
    mu[400] += 0.5
    assert find_e0(ENERGY, mu) == 8979.0


def test_noise_moves_the_threshold_by_little(rng):
    mu = edge(8979.0) + rng.normal(0, 0.003, (200, len(ENERGY)))
    found = find_e0(ENERGY, mu)
    assert np.abs(found - 8979).max() <= 1.0


@pytest.mark.parametrize(
    "mu",
    [
        np.ones_like(ENERGY),
        np.exp(-ENERGY / 3000),
        ENERGY / 1e4,
        -edge(8979.0),
        np.full_like(ENERGY, np.nan),
        np.where(ENERGY == 9000, np.nan, edge(8979.0)),
    ],
    ids=["constant", "decay", "line", "falling edge", "all NaN", "one NaN"],
)
def test_spectra_without_an_edge_have_none(mu):
    assert np.isnan(find_e0(ENERGY, mu))
    # Beside good pixels too.
    both = find_e0(ENERGY, np.stack([edge(8979.0), mu]))
    assert both[0] == 8979.0 and np.isnan(both[1])


def test_noise_is_hardly_ever_an_edge(rng):
    mu = rng.normal(size=(2000, len(ENERGY)))
    assert np.isfinite(find_e0(ENERGY, mu)).mean() < 0.003


def test_search_chooses_between_edges():
    mu = edge(8979.0) + edge(9100.0, height=2)
    assert find_e0(ENERGY, mu) == 9100.0
    assert find_e0(ENERGY, mu, search=(9000, 8950)) == 8979.0


def test_the_flank_of_an_edge_outside_the_search_is_none():
    assert np.isnan(find_e0(ENERGY, edge(9100.0, width=8), search=(8950, 9095)))


def test_missing_edge_says_why_and_what_to_do():
    with pytest.raises(ValueError, match="between 8900 to 9199.5 eV: no rise.*Give e0"):
        e0_of(ENERGY, np.ones_like(ENERGY))
    with pytest.raises(ValueError, match="it holds NaN"):
        e0_of(ENERGY, np.full_like(ENERGY, np.nan))
    assert e0_of(ENERGY, edge(8979.0)) == 8979.0


def test_bad_input_is_refused():
    mu = edge(8979.0)
    with pytest.raises(ValueError, match="does not increase: 9000 eV at index 200"):
        find_e0(np.where(ENERGY == 9000.5, 9000.0, ENERGY), mu)
    with pytest.raises(ValueError, match="Only 0 points of the scan.*another edge"):
        find_e0(ENERGY, mu, search=(7000, 7100))
    with pytest.raises(ValueError, match="7 points or more"):
        find_e0(ENERGY[:5], mu[:5])
    with pytest.raises(ValueError, match="too few to look for an edge"):
        find_e0(ENERGY[:7], mu[:7])
    with pytest.raises(ValueError, match=r"mu has shape \(3,\)"):
        find_e0(ENERGY, mu[:3])


@pytest.mark.parametrize(
    ("element", "edge_name", "handbook"),
    # X-ray Data Booklet (LBNL-490), electron binding energies.
    [
        ("Fe", "K", 7112),
        ("Cu", "K", 8979),
        ("Zn", "K", 9659),
        ("U", "L3", 17166),
        ("Fe", "L3", 706.8),
        ("O", "K", 543.1),
        ("La", "M5", 836),
    ],
)
def test_tabulated_edges_are_those_of_the_handbook(element, edge_name, handbook):
    assert edge_energy(element, edge_name) == pytest.approx(handbook, abs=4)


def test_deeper_levels_have_higher_edges_and_grow_with_the_charge():
    energies = {
        line.split()[0]: [float(word) for word in line.split()[1:]]
        for line in TABLE.strip().splitlines()
    }
    assert len(energies) == 98
    k = [values[0] for values in energies.values()]
    assert k == sorted(k)
    for values in energies.values():
        # Of light elements L2 and L3, M2 and M3 are hardly two edges.
        assert (np.diff(values) < 2).all()
        assert len(values) <= len(EDGES)


def test_unknown_edges_are_refused():
    with pytest.raises(ValueError, match="'copper' is no element"):
        edge_energy("copper", "K")
    with pytest.raises(ValueError, match="'L' is no edge. Known: K, L1"):
        edge_energy("Cu", "L")
    with pytest.raises(ValueError, match="He has no edge L3 in the table; it has K"):
        edge_energy("He", "L3")
