"""Shells of measured and simulated spectra, with one configuration for all."""

import numpy as np
import pytest

from sparsedecomp.xas import (
    ArrayBasis,
    FeffBasis,
    FourierBasis,
    ShellPrior,
    SparseEXAFS,
)
from sparsedecomp.xas.shells.pixel_moments import PixelMoments

K = np.arange(0, 14.01, 0.05)


def measured(file):
    """Measured chi on an even grid of k."""
    k, chi = np.loadtxt(file, comments="#", usecols=(0, 1)).T
    even = np.arange(0, k[-1], 0.05)
    return even, np.interp(even, k, chi)


def test_parameters_are_stored_unchanged_as_in_scikit_learn(nickel):
    from sklearn.base import clone

    prior = ShellPrior(density=3.0)
    fit = SparseEXAFS(nickel, method="lasso", penalty=0.1, prior=prior, kmax=12)
    copy = clone(fit)
    assert copy.get_params().keys() == fit.get_params().keys()
    assert copy.get_params()["penalty"] == 0.1 and copy.prior == prior
    assert fit.get_params()["basis"] is nickel
    copy.set_params(penalty=0.2, rmin=1.2)
    assert (copy.penalty, copy.rmin, fit.penalty) == (0.2, 1.2, 0.1)
    assert repr(fit).startswith("SparseEXAFS(basis=FeffBasis(")
    with pytest.raises(ValueError, match="Invalid parameter 'k_range'"):
        copy.set_params(k_range=(3, 12))


def test_former_names_of_parameters_warn(nickel):
    with pytest.warns(FutureWarning) as warned:
        fit = SparseEXAFS(nickel, k_range=(4, 12), polish=False, population=False)
    assert len(warned) == 3 and {w.filename for w in warned} == {__file__}
    assert (fit.kmin, fit.kmax, fit.refine, fit.hierarchical) == (4, 12, False, False)


def found(fit, chi):
    """(label, R, N, std of N) of each shell that is no leakage."""
    pixel, shells = fit.predict(chi), fit.shells_
    return [
        (shells.labels[i], shells.r[i], pixel.n[0, i], pixel.n_std[0, i])
        for i in np.flatnonzero(~shells.is_leakage)
    ]


@pytest.fixture(scope="module")
def nickel():
    return FeffBasis.from_composition("Ni", ["O", "Ni"])


@pytest.fixture(scope="module")
def image(nickel):
    """chi of 300 pixels of O6, Ni12 in parts, noise, and the numbers of atoms."""
    rng = np.random.default_rng(0)
    atoms = np.zeros((2, len(K)))
    for row, r, sigma2 in ((0, 2.0886, 0.006), (1, 2.9537, 0.0065)):
        atoms[row, 1:] = nickel.channels[row].columns(
            K[1:], r, e0=1.0, sigma2=sigma2, third=1.4 * sigma2**2
        )[0, 0]
    n = np.array([6, 12]) * rng.uniform(0.5, 1, (300, 2))
    return n @ atoms, n, atoms


@pytest.mark.parametrize("file", ["cu10k.chi"])
def test_copper_foil_without_a_structure(data_dir, file):
    # Handbook: 2.5478, 3.6032, 4.413, 5.0957 with 12, 6, 24, 12 atoms. A fit that is
    # given the structure finds 27 and 15 in the outer two.
    k, chi = measured(data_dir / "xas" / file)
    fit = SparseEXAFS(FeffBasis.from_composition("Cu", ["Cu"])).fit(chi, k)
    shells = found(fit, chi)
    assert [label for label, *_ in shells] == ["Cu", "Cu", "Cu", "Cu via Cu"]
    error = np.array([r for _, r, *_ in shells]) - [2.5478, 3.6032, 4.413, 5.0957]
    assert np.all(np.abs(error) <= [0.005, 0.010, 0.012, 0.012])
    n = np.array([n for _, _, n, _ in shells]) - [12, 6, 24, 12]
    assert np.all(np.abs(n) <= [0.6, 0.7, 4, 8])


def test_a_bond_that_two_shells_explain_is_found(data_dir):
    # Oxygen of copper oxide at 1.951 and 1.961: alone it explains too little.
    import hyperspy.api as hs

    file = data_dir / "xas/library/CuO_tenorite_13K_01.xdi"
    if not file.exists():
        pytest.skip("the scan of copper oxide is not there")
    chi = hs.load(file).autobk()
    k = chi.axes_manager.signal_axes[0].axis
    fit = SparseEXAFS(FeffBasis.from_composition("Cu", ["O", "Cu"])).fit(chi.data, k)
    label, r, n, std = found(fit, chi.data)[0]
    assert label == "O" and abs(r - 1.955) < 0.02
    assert abs(n - 4) < 2 * std < 2


@pytest.mark.parametrize("cut", [6.5, 9.0])
def test_short_ranges_of_k_give_the_bond_or_nothing(data_dir, cut):
    import hyperspy.api as hs

    file = data_dir / "xas/library/Se_ZnSe_rt_01.xdi"
    if not file.exists():
        pytest.skip("the scan of zinc selenide is not there")
    chi = hs.load(file).autobk()
    k = chi.axes_manager.signal_axes[0].axis
    basis = FeffBasis.from_composition("Se", ["Zn", "Se"])
    fit = SparseEXAFS(basis, kmax=cut).fit(chi.data, k)
    label, r, n, std = found(fit, chi.data)[0]
    assert label == "Zn" and abs(r - 2.4547) < 2 * fit.shells_.r_std[0] < 0.1
    assert abs(n - 4) < 2 * std


@pytest.mark.parametrize(
    ("file", "absorber", "edge", "octahedral"),
    [("NiO.chik", "Ni", "K", True), ("UO2.chik", "U", "L3", False)],
)
def test_sites_of_oxygen(data_dir, file, absorber, edge, octahedral):
    k, chi = measured(data_dir / "xas" / file)
    basis = FeffBasis.from_composition(absorber, ["O", absorber], edge=edge)
    fit = SparseEXAFS(basis).fit(chi, k)
    (light, r_light, *_), (heavy, r_heavy, *_) = found(fit, chi)[:2]
    assert (light, heavy) == ("O", absorber)
    # sqrt(2) for octahedra, sqrt(8/3) for tetrahedra; 1.52 lies between.
    assert (r_heavy / r_light < 1.52) == octahedral


def test_methods_agree_on_copper(data_dir):
    k, chi = measured(data_dir / "xas/cu10k.chi")
    basis = FeffBasis.from_composition("Cu", ["Cu"])
    for options in (
        {"method": "lasso"},
        {"support": "pixel"},
        {"method": "mcmc", "random_state": 0, "n_sweeps": 5000},
    ):
        fit = SparseEXAFS(basis, **options).fit(chi, k)
        pixel, shells = fit.predict(chi), fit.shells_
        for r, n, tolerance in ((2.5478, 12, 1.2), (3.6032, 6, 1.5), (4.413, 24, 6)):
            of = (np.abs(shells.r - r) < 0.08) & (shells.labels == "Cu")
            assert abs(pixel.n[0, of].sum() - n) < tolerance, options
    assert fit.path_ is None
    np.testing.assert_allclose(
        fit.predict(chi).inclusion, pixel.inclusion, err_msg="same seed, same chain"
    )


def test_joint_support_of_noisy_pixels(nickel, image):
    clean, n, atoms = image
    rng = np.random.default_rng(1)
    noise = 0.08
    chi = clean + noise * rng.normal(size=clean.shape)
    # Of the range of k that is fitted, no fit without a bias can do better than this;
    # one that knows how the other pixels are can.
    part = atoms[:, 60:271]
    bound = noise * np.sqrt(np.diag(np.linalg.inv(part @ part.T)))
    for hierarchical, part_of_bound in ((False, 1.25), (True, 0.7)):
        fit = SparseEXAFS(nickel, hierarchical=hierarchical).fit(chi, K)
        assert list(fit.shells_.labels) == ["O", "Ni"]
        np.testing.assert_allclose(fit.shells_.r, [2.0886, 2.9537], atol=0.015)
        assert fit.noise_ == pytest.approx(noise, rel=0.05)
        pixel = fit.predict(chi)
        error = np.sqrt(np.mean((pixel.n - n) ** 2, axis=0))
        assert np.all(error < part_of_bound * bound)
        inside = np.abs(pixel.n - n) < 2 * pixel.n_std
        assert np.all(inside.mean(axis=0) > 0.9)
        left = (chi[:, fit.coordinates_.inside] - fit.chi_of(pixel.n)).mean(axis=0)
        assert np.std(left[20:-20]) < 2 * noise / np.sqrt(len(chi))


def test_fixed_parameters_are_kept(nickel, image):
    fit = SparseEXAFS(nickel, e0=1.0, sigma2=0.006).fit(image[0][:1], K)
    np.testing.assert_allclose(fit.shells_.e0, 1.0, atol=0.01)
    np.testing.assert_allclose(fit.shells_.sigma2, 0.006, rtol=0.01)


def test_moments_of_blocks_add_up(nickel, image, rng):
    chi = image[0] + 0.01 * rng.normal(size=image[0].shape)
    parts = PixelMoments.of(chi[:100]) + PixelMoments.of(chi[100:])
    whole = SparseEXAFS(nickel).fit(chi, K)
    split = SparseEXAFS(nickel).fit_moments(parts, K)
    np.testing.assert_allclose(split.shells_.r, whole.shells_.r, rtol=1e-6)
    np.testing.assert_allclose(split.predict(chi).n, whole.predict(chi).n, rtol=1e-4)


def test_pixels_with_nan_are_left_out(nickel, image):
    chi = image[0][:20].copy()
    chi[3, 100] = np.nan
    fit = SparseEXAFS(nickel).fit(chi, K)
    pixel = fit.predict(chi)
    assert np.all(np.isnan(pixel.n[3])) and np.isnan(pixel.noise[3])
    assert np.all(np.isfinite(np.delete(pixel.n, 3, axis=0)))
    with pytest.raises(ValueError, match="Every spectrum holds NaN"):
        SparseEXAFS(nickel).fit(np.full((2, len(K)), np.nan), K)


def test_more_expected_shells_never_lose_the_strong_ones(nickel, image):
    prior = ShellPrior(shells_per_angstrom=3.0)
    fit = SparseEXAFS(nickel, prior=prior).fit(image[0][:50], K)
    assert {"O", "Ni"} <= set(fit.shells_.labels)


@pytest.mark.parametrize("kind", ["plain", "windowed", "advanced"])
def test_fourier_bases_need_no_theory(kind):
    # One shell without phase shift shows at its own distance.
    k = np.maximum(K, 0.05)
    chi = 8 * np.exp(-2 * 0.005 * k**2 - 0.5) * np.sin(2 * 2.5 * k) / (k * 2.5**2)
    basis = FourierBasis(kind=kind)
    fit = SparseEXAFS(basis, support="pixel", noise=0.002).fit(chi, K)
    pixel = fit.predict(chi)
    amplitude = np.zeros(len(basis.r) // 4)
    for r, n in zip(fit.shells_.r, pixel.n[0], strict=True):
        amplitude[round((r - basis.rmin) / basis.rstep)] += n**2
    assert basis.r[amplitude.argmax()] == pytest.approx(2.5)
    with pytest.raises(ValueError, match="kind='wavelet', expected one of 'plain'"):
        FourierBasis(kind="wavelet")


def test_columns_of_ones_own(nickel, image):
    channel = nickel.channels[0]
    k, r = np.linspace(1, 15, 200), np.arange(1.7, 4.0, 0.05)
    gamma = channel.columns(k, r, sigma2=0.006, e0=1.0)[0]
    basis = ArrayBasis(gamma, k, r, ("O",) * len(r))
    chi = np.zeros(len(K))
    chi[1:] = 4 * channel.columns(K[1:], 2.1, sigma2=0.006, e0=1.0)[0, 0]
    fit = SparseEXAFS(basis, rmin=1, rmax=3.5).fit(chi, K)
    assert fit.shells_.r == pytest.approx([2.1])
    assert fit.predict(chi).n[0] == pytest.approx([4], rel=0.01)
    with pytest.raises(ValueError, match="covers k = 1.00 to 15.00 .* needs"):
        basis.columns(np.array([2.0, 16.0]))
    with pytest.raises(ValueError, match=r"it must be \(46, 200\)"):
        ArrayBasis(gamma[1:], k, r, ("O",) * len(r))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "music"}, "method='music', expected one of 'evidence', 'lasso'"),
        ({"support": "all"}, "support='all', expected one of 'joint', 'pixel'"),
        ({"kmin": 3, "kmax": 30}, "leaves the data"),
        ({"rmin": 4, "rmax": 2}, "two increasing distances"),
        (
            {"method": "lasso", "penalty": "aic"},
            "give a fraction of the largest penalty",
        ),
    ],
)
def test_bad_options_are_refused(nickel, image, options, message):
    with pytest.raises(ValueError, match=message):
        SparseEXAFS(nickel, **options).fit(image[0][:3], K)


def test_bad_spectra_are_refused(nickel):
    with pytest.raises(ValueError, match="Every spectrum is zero"):
        SparseEXAFS(nickel).fit(np.zeros((1, len(K))), K)
    with pytest.raises(ValueError, match="have 10 channels, k has 281"):
        SparseEXAFS(nickel).fit(np.ones((1, 10)), K)
