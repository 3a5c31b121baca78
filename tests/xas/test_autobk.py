"""``autobk`` on arrays, and the spellings that parameters had before larch's."""

import numpy as np
import pytest

from sparsedecomp import xas
from sparsedecomp.xas import Background, Normalisation, autobk, background_matrices

ENERGY = np.arange(8780.0, 9900.0, 1.0)
E0 = 8980.0


@pytest.fixture(scope="module")
def mu():
    k = xas.wavenumber(ENERGY, E0)
    chi = 0.3 * np.sin(2 * 2.4 * k) * np.exp(-0.01 * k**2) / (1 + k)
    edge = np.arctan((ENERGY - E0) / 2) / np.pi + 0.5
    return 0.2 - 1e-4 * (ENERGY - E0) + 1.5 * edge * (1 + np.where(k > 0, chi, 0))


def test_autobk_returns_the_quantities_of_larch(mu):
    result = autobk(ENERGY, mu, kmax=14)
    background = background_matrices(ENERGY, result.e0, kmax=14)
    step = Normalisation(ENERGY, result.e0).edge_step(mu)
    assert abs(result.e0 - E0) <= 1
    np.testing.assert_allclose(result.edge_step, step)
    np.testing.assert_array_equal(result.k, background.k)
    np.testing.assert_array_equal(result.chi, background.chi(mu, step))
    np.testing.assert_array_equal(result.bkg, background.bkg(mu))


def test_autobk_takes_many_spectra_of_one_threshold(mu):
    image = np.array([[1.0], [3.0]]) * mu
    result = autobk(ENERGY, image, e0=E0)
    assert result.chi.shape == (2, len(result.k)) and result.bkg.shape == image.shape
    np.testing.assert_allclose(result.chi[1], result.chi[0], atol=1e-12)
    halved = autobk(ENERGY, image, e0=E0, edge_step=2 * result.edge_step)
    np.testing.assert_allclose(halved.chi, result.chi / 2)


def test_matrices_in_the_old_form_warn():
    with pytest.warns(FutureWarning, match="use background_matrices"):
        old = autobk(ENERGY, E0)
    assert isinstance(old, Background)
    with pytest.warns(FutureWarning) as warned:
        old = autobk(ENERGY, e0=E0, r_bkg=1.2, k_weight=1)
    new = background_matrices(ENERGY, E0, rbkg=1.2, kweight=1)
    assert {w.filename for w in warned} == {__file__}
    np.testing.assert_array_equal(old.matrix, new.matrix)


@pytest.mark.parametrize(
    ("function", "args", "old", "new"),
    [
        (
            xas.chi_noise,
            (np.arange(0, 16, 0.05), np.ones(320)),
            {"k_min": 3.0, "k_max": 12.0, "taper": 2.0, "r_max": 25},
            {"kmin": 3.0, "kmax": 12.0, "dk": 2.0, "rmax": 25},
        ),
        (
            xas.transform_matrix,
            (np.arange(0, 16, 0.05), np.arange(3.0)),
            {"k_min": 3.0, "k_max": 12.0, "k_weight": 1},
            {"kmin": 3.0, "kmax": 12.0, "kweight": 1},
        ),
        (xas.three_regions, (ENERGY, E0), {"k_step": 0.1}, {"kstep": 0.1}),
        (
            lambda *args, **kwargs: Normalisation(*args, **kwargs).normalise(ENERGY),
            (ENERGY, E0),
            {"pre": (-150, None), "post": (50, 400), "post_degree": 1},
            {"pre1": -150, "norm1": 50, "norm2": 400, "nnorm": 1},
        ),
        (
            lambda **kwargs: xas.FourierBasis(**kwargs).r,
            (),
            {"r_min": 1.5, "r_step": 0.1},
            {"rmin": 1.5, "rstep": 0.1},
        ),
    ],
)
def test_old_spellings_give_the_same_result(function, args, old, new):
    with pytest.warns(FutureWarning):
        before = function(*args, **old)
    np.testing.assert_array_equal(before, function(*args, **new))


def test_common_k_max_warns():
    with pytest.warns(FutureWarning, match="use common_kmax"):
        assert xas.common_k_max is xas.common_kmax
