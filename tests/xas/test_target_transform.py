"""Principal components and target transforms: number, noise, matching references."""

import numpy as np
import pytest

from sparsedecomp.xas import principal_components, target_test

ENERGY = np.arange(7090.0, 7180.0)


def edge(e0, width, height):
    rise = np.arctan((ENERGY - e0) / 1.5) / np.pi + 0.5
    return rise + height * np.exp(-(((ENERGY - e0 - 6) / width) ** 2))


PURE = np.array([edge(7112, 4, 0.2), edge(7118, 3, 0.5), edge(7123, 6, 0.3)])


def series(n, k, sigma, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.ones(k), n)
    return w @ PURE[:k] + rng.normal(0, sigma, (n, len(ENERGY)))


@pytest.mark.parametrize("n", [20, 60, 500])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.002, 0.01])
def test_indicator_finds_number_and_noise(n, k, sigma):
    D = series(n, k, sigma)
    found = principal_components(D.T @ D, n)
    assert len(found.components) == k
    assert found.real_error == pytest.approx(sigma, rel=0.1)
    np.testing.assert_allclose(
        found.components @ found.components.T, np.eye(k), atol=1e-9
    )
    singular = np.linalg.svd(D, compute_uv=False)
    np.testing.assert_allclose(found.singular_values[:k], singular[:k], rtol=1e-6)


@pytest.mark.parametrize("n", [20, 500])
def test_components_of_the_series_are_told_from_others(n):
    D = series(n, 2, 0.005)
    found = principal_components(D.T @ D, n)
    rng = np.random.default_rng(5)
    noisy = PURE + rng.normal(0, 0.005, PURE.shape)
    tests = [target_test(found, one) for one in noisy]
    assert max(test.reduced_chi2 for test in tests[:2]) < 1.6
    assert tests[2].reduced_chi2 > 20 and tests[2].r_factor > 100 * tests[0].r_factor
    if n == 20:
        assert max(test.spoil for test in tests[:2]) < 4.5 < 6 < tests[2].spoil
    np.testing.assert_allclose(tests[0].transform, PURE[0], atol=0.02)
    given = target_test(found, noisy[0], noise=0.05)
    assert given.reduced_chi2 < 0.1


def test_few_spectra_and_bad_references_are_refused():
    D = series(20, 2, 0.01)
    products = D.T @ D
    with pytest.raises(ValueError, match="2 spectra and products of the shape"):
        principal_components(D[:2].T @ D[:2], 2)
    with pytest.raises(ValueError, match="n_components=20: give a number from 1 to 19"):
        principal_components(products, 20, 20)
    found = principal_components(products, 20, 4)
    assert len(found.components) == 4
    with pytest.raises(ValueError, match="expected \\(90,\\) finite numbers"):
        target_test(found, np.ones(3))
    with pytest.raises(ValueError, match="finite numbers"):
        target_test(found, np.full(90, np.nan))
    with pytest.raises(ValueError, match="is zero at all energies"):
        target_test(found, np.zeros(90))
