"""The amplitude reduction factor of a standard, and what it is good for."""

import numpy as np
import pytest

from sparsedecomp.xas import FeffBasis, SparseEXAFS, estimate_s02

K = np.arange(0, 14.01, 0.05)


@pytest.fixture(scope="module")
def basis():
    return FeffBasis.from_composition("Ni", ["Ni"], focusing=False, s02=0.9)


def spectrum(basis, n, s02, seed):
    chi = np.zeros(len(K))
    atom = basis.channels[0].columns(K[1:], 2.492, e0=4.0, sigma2=0.006)[0, 0]
    chi[1:] = n * s02 / 0.9 * atom
    return chi + 5e-4 * np.random.default_rng(seed).normal(size=len(K))


def test_factor_of_a_foil_serves_a_sample(basis):
    estimate = estimate_s02(spectrum(basis, 12, 0.75, 0), K, basis, 12, 2.49)
    assert abs(estimate.s02 - 0.75) < 2 * estimate.std
    assert all(c.s02 == estimate.s02 for c in estimate.basis.channels)
    assert 0.05 < estimate.prior.amplitude_error < 0.3
    sample = spectrum(basis, 6, 0.75, 1)
    fit = SparseEXAFS(estimate.basis, prior=estimate.prior).fit(sample, K)
    found = fit.predict(sample)
    assert abs(found.n[0, 0] - 6) < 0.5
    # With the guessed factor it would have five atoms.
    guessed = SparseEXAFS(basis).fit(sample, K).predict(sample)
    assert guessed.n[0, 0] < 5.5


def test_bad_standards_are_refused(basis):
    foil = spectrum(basis, 12, 0.9, 0)
    with pytest.raises(ValueError, match="n=0: give the number of atoms"):
        estimate_s02(foil, K, basis, 0, 2.49)
    with pytest.raises(ValueError, match=r"r=3.6 angstrom \(found: Ni 2.49"):
        estimate_s02(foil, K, basis, 6, 3.6)
    with pytest.raises(ValueError, match="No shell was found"):
        estimate_s02(foil, K, basis, 12, 2.49, element="O")
