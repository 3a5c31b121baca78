"""AUTOBK as a matrix: against larch's numbers, against its definition, bad input."""

import numpy as np
import pytest
from scipy.interpolate import BSpline, UnivariateSpline

from sparsedecomp.xas import (
    background_matrices,
    common_kmax,
    photon_energy,
    wavenumber,
    window,
)
from sparsedecomp.xas.reduction.background import R_STEP

# larch 2026.3.1: pre_edge(g); autobk(g, rbkg=1, kweight=2) of the shared files: E0,
# edge step, and chi at k = 5, 8, 10, 12 1/angstrom.
LARCH = {
    "cu_10k.xmu": (
        8977.58,
        2.2987522766566535,
        (0.090840997, 0.04572568, -0.013685709, 0.0032351284),
    ),
    "XDI/fe2o3_rt.xdi": (
        7126.0,
        0.26316017835213934,
        (-0.013761367, -0.0047184843, 0.00038024749, -0.0028870061),
    ),
    "XDI/co_metal_rt.xdi": (
        7709.0,
        3.9563434265111312,
        (0.08520772, 0.04334907, -0.01203699, 0.0027159247),
    ),
}


def measured(data_dir, name):
    """Energies and mu of a file of columns under comments."""
    table = np.loadtxt(data_dir / "xas" / name, comments="#")
    return table[:, 0], table[:, 1]


@pytest.fixture(scope="module")
def edge():
    """Energies, smooth background and chi of a simulated foil."""
    pre, exafs = np.arange(8780.0, 8979.0, 5), np.arange(0, 16, 0.04)
    energy = np.unique(np.concatenate([pre, photon_energy(exafs, 8980.0)]))
    k = wavenumber(energy, 8980.0)
    chi = 0.5 * np.sin(2 * 2.4 * k + 1) * np.exp(-0.01 * k**2) / (1 + k)
    smooth = 1.5 - 1e-4 * (energy - 8980) + 1e-8 * (energy - 8980) ** 2
    return energy, np.where(energy < 8980, 0, smooth), np.where(energy < 8980, 0, chi)


@pytest.mark.parametrize("name", LARCH)
def test_chi_equals_larch_on_measured_spectra(data_dir, name):
    energy, mu = measured(data_dir, name)
    e0, step, expected = LARCH[name]
    background = background_matrices(energy, e0)
    chi = background.chi(mu, step)
    places = [np.abs(background.k - k).argmin() for k in (5, 8, 10, 12)]
    np.testing.assert_allclose(chi[places], expected, atol=2e-6 * np.abs(chi).max())


def test_chi_equals_larch_run_beside_it(data_dir):
    pytest.importorskip("larch")
    from larch import Group
    from larch.xafs import autobk as peer
    from larch.xafs import pre_edge

    for name in LARCH:
        energy, mu = measured(data_dir, name)
        group = Group(energy=energy.copy(), mu=mu.copy())
        pre_edge(group)
        peer(group, rbkg=1.0, kweight=2)
        background = background_matrices(energy, group.e0)
        chi = background.chi(mu, group.edge_step)
        error, scale = background.k**2 * (chi - group.chi), group.k**2 * group.chi
        assert np.linalg.norm(error) < 1e-5 * np.linalg.norm(scale)


def test_background_minimises_its_objective(edge):
    """Written out: no step of a coefficient lowers what the fit minimises."""
    energy, smooth, chi = edge
    mu = smooth + chi
    background = background_matrices(energy, 8980.0, clamp_hi=300.0)
    above = energy >= 8980.0
    k = wavenumber(energy[above], 8980.0)
    n = background.nknots
    grid, end = background.k, background.k[-1]
    weight = grid**2 * window(grid, 0, end, 0.1)
    n_r = int(1 + (n - 1) * np.pi / (2 * R_STEP * k[-1]))
    waves = np.exp(-2j * np.outer(R_STEP * np.arange(n_r), grid))

    def objective(smooth_part):
        left = UnivariateSpline(k, mu[above] - smooth_part, s=0)(grid)
        low = 0.05 / np.sqrt(np.pi) * waves @ (weight * left)
        # larch multiplies clamps by 0.1.
        return np.sum(np.abs(low) ** 2) + np.sum((0.1 * 300 * left[-3:]) ** 2)

    best = background.bkg(mu)[above]
    wanted = np.linspace(0, k[-1], n)
    places = k[[np.abs(k - at).argmin() for at in wanted]]
    knots = np.concatenate([[places[0]] * 4, places[2:-2], [places[-1]] * 4])
    lowest = objective(best)
    for i in range(n):
        coefficients = np.zeros(n)
        coefficients[i] = 1e-3
        step = BSpline(knots, coefficients, 3)(k)
        assert objective(best + step) > lowest
        assert objective(best - step) > lowest


def test_oscillation_beyond_rbkg_survives_and_slow_one_does_not(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0)
    found = background.chi(smooth + chi, 1.0)
    inside = (background.k > 3) & (background.k < 14)
    k = wavenumber(energy, 8980.0)
    wanted = np.interp(background.k, k, chi)
    assert np.abs(found - wanted)[inside].max() < 0.02 * np.abs(wanted[inside]).max()
    slow = np.where(energy < 8980, 0, 0.1 * np.sin(2 * 0.3 * k))
    assert np.abs(background.chi(slow, 1.0))[inside].max() < 2e-3


def test_matrix_is_linear_and_serves_all_pixels(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0)
    pixels = np.array([[smooth + chi, 2 * smooth], [chi, smooth - chi]])
    steps = np.array([[1.0, 2.0], [0.5, 4.0]])
    together = background.chi(pixels, steps)
    assert together.shape == (2, 2, len(background.k))
    for place in np.ndindex(2, 2):
        alone = background.chi(pixels[place], steps[place])
        np.testing.assert_allclose(together[place], alone, atol=1e-12)
    np.testing.assert_allclose(
        background.chi(3 * pixels, 3 * steps), together, atol=1e-12
    )


def test_background_returns_mu_below_the_edge(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0)
    mu = smooth + chi + 0.2
    below = energy < 8979
    np.testing.assert_allclose(background.bkg(mu)[below], mu[below], atol=1e-12)


def test_float32_stays_float32_and_integers_become_float64(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0)
    mu = (smooth + chi).astype(np.float32)
    single = background.chi(mu, 1.0)
    assert single.dtype == np.float32
    double = background.chi(smooth + chi, 1.0)
    np.testing.assert_allclose(single, double, atol=1e-5)
    assert background.chi((1e6 * mu).astype(int), 1e6).dtype == np.float64


def test_pixels_without_an_edge_are_nan(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0)
    pixels = np.stack([smooth + chi, smooth + chi, smooth * np.nan])
    found = background.chi(pixels, [1.0, 0.0, 1.0])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


def test_larger_rbkg_takes_more_away(edge):
    energy, smooth, chi = edge
    left = [
        np.linalg.norm(
            background_matrices(energy, 8980.0, rbkg=rbkg).chi(smooth + chi, 1.0)
        )
        for rbkg in (1.0, 3.0)
    ]
    assert left[1] < 0.6 * left[0]


def test_clamps_hold_the_ends(edge):
    energy, smooth, chi = edge
    mu = smooth + chi
    free = background_matrices(energy, 8980.0, clamp_hi=0).chi(mu, 1.0)
    held = background_matrices(energy, 8980.0, clamp_hi=1000, clamp_lo=0).chi(mu, 1.0)
    assert np.linalg.norm(held[-3:]) < 0.75 * np.linalg.norm(free[-3:])


def test_range_of_k_ends_where_it_is_told_to(edge):
    energy, smooth, chi = edge
    background = background_matrices(energy, 8980.0, kmax=12.0, kstep=0.1)
    assert background.k[0] == 0 and background.k[-1] == pytest.approx(12)
    assert background.chi(smooth + chi, 1.0).shape == (121,)
    # The spectrum beyond what is needed there changes nothing.
    other = np.where(energy > photon_energy(12.5, 8980), 7.0, smooth + chi)
    np.testing.assert_allclose(
        background.chi(other, 1.0), background.chi(smooth + chi, 1.0), atol=1e-12
    )


def test_common_range_of_a_map_of_thresholds():
    energy = np.arange(8900.0, 9500.0)
    thresholds = np.array([8978.0, np.nan, 8982.5])
    assert common_kmax(energy, thresholds) == wavenumber(9499.0, 8982.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kmax": 40.0},
            r"kmax=40 1/angstrom lies beyond the data, which reach 15\.",
        ),
        ({"kmin": 12.0, "kmax": 3.0}, "is empty"),
        ({"kmin": -1.0}, "starts below 0"),
        ({"rbkg": 0.0}, "rbkg=0.0: give a positive number"),
        ({"kstep": -0.05}, "kstep=-0.05: give a positive"),
        ({"e0": 100.0}, r"e0=100 eV lies outside the energies, 8780 to"),
        ({"e0": 20000.0}, "lies outside"),
    ],
)
def test_bad_parameters_say_what_to_do(edge, change, message):
    energy, *_ = edge
    with pytest.raises(ValueError, match=message):
        background_matrices(energy, change.pop("e0", 8980.0), **change)


def test_bad_grids_are_refused(edge):
    energy, smooth, _ = edge
    with pytest.raises(
        ValueError, match="energy does not increase: 8790 eV at index 2"
    ):
        background_matrices(np.insert(energy, 2, 8790.0), 8980.0)
    with pytest.raises(ValueError, match=r"mu has shape \(5,\), but the grid has"):
        background_matrices(energy, 8980.0).chi(np.ones(5), 1.0)
    with pytest.raises(ValueError, match="3 points above e0 are too few"):
        background_matrices([8900.0, 8970, 8980, 8990, 9100], 8980.0)
    sparse = np.concatenate([np.arange(8900.0, 8990.0), [9500.0, 9900.0]])
    with pytest.raises(ValueError, match="too far apart, for"):
        background_matrices(sparse, 8980.0, rbkg=2.0)
