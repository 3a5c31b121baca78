"""Which site, which elements: answers from distances and from the evidence."""

import numpy as np
import pytest

from sparsedecomp.xas import (
    Debye,
    FeffBasis,
    FourierBasis,
    ShellPrior,
    SparseEXAFS,
    basis_evidence,
    site_evidence,
    site_probabilities,
)

K = np.arange(0, 14.01, 0.05)
SHORT = {"rmin": 1.0, "rmax": 3.6, "kmin": 3, "kmax": 13}


@pytest.fixture(scope="module")
def nickel():
    return FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)


def spectrum(basis, shells):
    """chi of shells (channel, R, N) that all have one displacement."""
    chi = np.zeros(len(K))
    for channel, r, n in shells:
        chi[1:] += n * basis.channels[channel].columns(K[1:], r, sigma2=0.006)[0, 0]
    return chi


@pytest.mark.parametrize(
    ("near", "far", "site"),
    [
        (2.074, 2.954, "octahedral"),
        (2.317, 3.310, "octahedral"),
        (2.456, 4.016, "tetrahedral"),
        (2.281, 3.863, "tetrahedral"),
    ],
)
def test_sites_of_known_crystals(near, far, site):
    p = site_probabilities((near, 0.012), (far, 0.01))
    assert p[site] > 0.99 and sum(p.values()) == pytest.approx(1)


def test_uncertain_distances_decide_nothing():
    p = site_probabilities((2.3, 0.5), (3.5, 0.5))
    assert 0.3 < p["octahedral"] < 0.7
    p = site_probabilities((2.0, 0.01), (2.0, 0.01), {"a": 1.0, "b": 2.0})
    assert p["a"] > 0.99


@pytest.mark.parametrize(
    ("ratio", "site"), [(np.sqrt(2), "octahedral"), (1.66, "tetrahedral")]
)
def test_evidence_tells_sites_where_the_search_sees_one_shell(nickel, rng, ratio, site):
    chi = spectrum(nickel, [(0, 2.0, 6), (1, ratio * 2.0, 8)])
    chi += 0.8 * np.sqrt(np.mean(chi[60:260] ** 2)) * rng.normal(size=len(chi))
    p = site_evidence(SparseEXAFS(nickel, **SHORT).fit(chi, K), "O", "Ni")
    assert p[site] > 0.75 and sum(p.values()) == pytest.approx(1)


OXIDES = {
    "octahedral": ("NiO.chik", "Ni", "K"),
    "tetrahedral": ("UO2.chik", "U", "L3"),
}


def noisy_oxide(data_dir, site):
    """A measured spectrum and 40 times its noise, of half the signal; basis and k."""
    file, absorber, edge = OXIDES[site]
    k, chi = np.loadtxt(data_dir / "xas" / file, comments="#", usecols=(0, 1)).T
    even = np.arange(0, k[-1], 0.05)
    chi = np.interp(even, k, chi)
    level = 0.5 * np.sqrt(np.mean(chi[(even > 3) & (even < 13)] ** 2))
    noise = [np.random.default_rng(i).normal(size=len(chi)) for i in range(40)]
    basis = FeffBasis.from_composition(absorber, ["O", absorber], edge=edge)
    return even, chi, level * np.array(noise), level, basis


@pytest.mark.study
@pytest.mark.parametrize(("site", "decided"), [("octahedral", 40), ("tetrahedral", 37)])
def test_sites_of_oxygen_in_noise(data_dir, site, decided):
    # Odds of ten to one decide: nothing wrongly, and all but three of the spectra of
    # particles of UO2, whose uranium is faint.
    k, chi, noise, _, basis = noisy_oxide(data_dir, site)
    p = []
    for row in noise:
        fit = SparseEXAFS(basis).fit(chi + row, k)
        p.append(site_evidence(fit, *basis.labels[:2])[site])
    assert np.min(p) > 1 / 11
    assert np.sum(np.array(p) > 10 / 11) >= decided


@pytest.mark.study
@pytest.mark.parametrize("site", OXIDES)
def test_sites_that_noise_leaves_to_be_seen(data_dir, site):
    # Distances, displacements, energy zeros and noise known, only N unknown: the data
    # decide all that the evidence decides, and the rest.
    k, chi, noise, level, basis = noisy_oxide(data_dir, site)
    known = SparseEXAFS(basis).fit(chi, k).shells_
    near, far = (np.flatnonzero(known.labels == x)[0] for x in basis.labels[:2])
    of = (k >= 3) & (k <= 16)
    other = np.sqrt(2 if site == "tetrahedral" else 8 / 3) * known.r[near]
    log = []
    for distance in (known.r[far], other):
        columns = [
            r**2
            * basis.channels[kind].columns(
                k[of], r, e0=known.e0[j], sigma2=known.sigma2[j], third=known.third[j]
            )[0, 0]
            for kind, r, j in ((0, known.r[near], near), (1, distance, far))
        ]
        prior = ShellPrior().density ** 2
        C = level**2 * np.eye(of.sum()) + prior * np.transpose(columns) @ columns
        Y = (chi + noise)[:, of]
        chi_square = np.sum(np.linalg.solve(C, Y.T) * Y.T, axis=0)
        log.append(-0.5 * (chi_square + np.linalg.slogdet(C)[1]))
    assert np.all(log[0] - log[1] > np.log(10))


def test_a_lattice_has_room_for_so_many_atoms(nickel, rng):
    chi = spectrum(nickel, [(0, 2.0, 6), (1, np.sqrt(2) * 2.0, 12)])
    chi += 0.3 * np.sqrt(np.mean(chi[60:260] ** 2)) * rng.normal(size=len(chi))
    fit = SparseEXAFS(nickel, **SHORT).fit(chi, K)
    sites = {"close packed": np.sqrt(2), "chain": np.sqrt(2)}
    p = site_evidence(fit, "O", "Ni", sites)
    assert p["chain"] == pytest.approx(0.5)
    p = site_evidence(fit, "O", "Ni", sites, places={"chain": (6, 2)})
    assert p["chain"] < 0.05


def test_no_far_shell_decides_nothing(nickel, rng):
    chi = spectrum(nickel, [(0, 2.0, 6)])
    chi += 0.1 * np.sqrt(np.mean(chi[60:260] ** 2)) * rng.normal(size=len(chi))
    p = site_evidence(SparseEXAFS(nickel, **SHORT).fit(chi, K), "O", "Ni")
    assert 0.1 < p["octahedral"] < 0.9


def test_sites_need_atoms_of_a_basis(nickel):
    chi = spectrum(nickel, [(0, 2.0, 6)])
    fit = SparseEXAFS(nickel, e0=0.0, **SHORT).fit(chi, K)
    with pytest.raises(ValueError, match=r"'S' is no channel of the basis \(O, Ni\)"):
        site_evidence(fit, "S", "Ni")
    linear = SparseEXAFS(FourierBasis(), support="pixel", **SHORT).fit(chi, K)
    with pytest.raises(ValueError, match="fit with a FeffBasis"):
        site_evidence(linear, "O", "Ni")


def test_elements_that_are_there_have_the_evidence(nickel):
    chi = spectrum(nickel, [(0, 2.09, 6), (1, 2.95, 12)])
    bases = {"O": nickel.only("O"), "Ni": nickel.only("Ni"), "both": nickel}
    found = basis_evidence(chi, K, bases, e0=0.0, **SHORT)
    assert next(iter(found)) == "both" and found["both"][1] > 0.99
    logs = [log for log, _ in found.values()]
    assert logs == sorted(logs, reverse=True)
    with pytest.raises(ValueError, match=r"bases\['sine'\] is a FourierBasis"):
        basis_evidence(chi, K, {"sine": FourierBasis()})


def test_debye_displacements_are_kept_or_deviated_from():
    copper = FeffBasis.from_composition("Cu", ["Cu"], focusing=False)
    debye = Debye(temperature=300, theta=315, mass=63.546, density=0.0847)
    r = np.array([2.556, 3.615, 4.427])
    atoms = copper.channels[0].columns(K[1:], r, sigma2=debye(r))[0]
    chi = np.insert(np.array([12, 6, 24]) @ atoms, 0, 0)
    options = {"e0": 0.0, "rmin": 1.4, "rmax": 4.6}
    fit = SparseEXAFS(copper, sigma2=debye, **options).fit(chi, K)
    np.testing.assert_allclose(fit.shells_.r, r, atol=0.01)
    np.testing.assert_allclose(fit.shells_.sigma2, debye(fit.shells_.r), rtol=0.01)
    np.testing.assert_allclose(fit.predict(chi).n[0], [12, 6, 24], rtol=0.1)
    # A wrong temperature is made up for where it is only expected.
    cold = Debye(temperature=10, theta=315, mass=63.546, density=0.0847)
    fit = SparseEXAFS(copper, prior=ShellPrior(sigma2=cold), **options).fit(chi, K)
    np.testing.assert_allclose(fit.shells_.sigma2, debye(r), rtol=0.15)
    pixel = SparseEXAFS(copper, sigma2=debye, support="pixel", **options).fit(chi, K)
    assert pixel.predict(chi).n[0, np.abs(pixel.shells_.r - 2.556) < 0.05].sum() > 10


def test_the_expected_displacement_is_in_the_derivatives():
    copper = FeffBasis.from_composition("Cu", ["Cu"], focusing=False)
    debye = Debye(temperature=300, theta=315, mass=63.546, density=0.0847)
    prior = ShellPrior(sigma2=debye)
    fit = SparseEXAFS(copper, prior=prior, max_shells=1, rmin=1.4, rmax=3.0)
    chi = np.insert(copper.channels[0].columns(K[1:], 2.55, sigma2=0.009)[0, 0], 0, 0)
    model = fit.fit(12 * chi, K).model_
    p = np.array([0.5, 0.1, 1.4, 2.55, 1.9, 0.05, -0.3])
    channel_index = np.zeros(1, dtype=int)
    _, jacobian = model.predict(p, channel_index)
    for i in range(len(p)):
        step = 1e-4 * np.eye(len(p))[i]
        up, down = (
            model.predict(p + sign * step, channel_index)[0] for sign in (1, -1)
        )
        slope = (up - down) / 2e-4
        scale = np.abs(slope).max()
        np.testing.assert_allclose(jacobian[:, i], slope, atol=2e-3 * scale)
