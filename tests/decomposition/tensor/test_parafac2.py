"""PARAFAC2 recovers peaks that move along a series."""

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import CPD, PARAFAC2
from sparsedecomp.decomposition.tensor.algebra import congruence


@pytest.fixture
def moving(rng):
    """Three peaks that move along a series of ten steps; amounts, maps, peaks."""
    energy, step = np.arange(120.0), np.arange(10)[:, None]
    maps, amounts = rng.dirichlet([0.4] * 3, 300), rng.random((10, 3)) + 0.3
    peaks = np.stack(
        [
            np.exp(-0.5 * ((energy - centre - speed * step) / 4) ** 2)
            for centre, speed in ((25, 1.2), (60, 1.0), (100, -1.0))
        ],
        axis=-1,
    )
    X = np.einsum("kr,ir,ker->kie", amounts, maps, peaks)
    X += 0.1 * np.sqrt(np.mean(X**2)) * rng.standard_normal(X.shape)
    return X, amounts, maps, peaks


def test_amounts_maps_and_moving_spectra_are_found(moving):
    X, amounts, maps, peaks = moving
    model = PARAFAC2(3, random_state=0)
    W = model.fit_transform(X)
    assert congruence([amounts, maps], model.factors_) > 0.999
    assert (
        congruence([amounts, maps], CPD(3, random_state=0).fit(X).factors_[:2]) < 0.999
    )
    D, A = model.factors_
    found = np.einsum("kr,ir,ker->kie", D, A, model.evolving_)
    left = np.linalg.norm(found - X) / np.linalg.norm(X)
    assert model.relative_residual_ == pytest.approx(left, rel=1e-3)
    np.testing.assert_allclose(W.reshape(10, 300, 3), D[:, None] * A)
    # The inner products of the spectra are those of every step.
    grams = np.einsum("ker,kes->krs", model.evolving_, model.evolving_)
    assert np.abs(grams - grams[0]).max() < 1e-6 * grams.max()
    for factor in model.factors_:
        assert factor.min() >= 0


def test_either_mode_can_be_the_series(moving):
    X, *_ = moving
    one = PARAFAC2(3, tol=1e-7, random_state=0).fit(X)
    lazy = da.from_array(X.swapaxes(0, 1), chunks=(100, 4, 120))
    other = PARAFAC2(3, series=1, tol=1e-7, random_state=0).fit(lazy)
    assert congruence(one.factors_, other.factors_[::-1]) > 0.9999


def test_bad_input(moving):
    X, *_ = moving
    with pytest.raises(ValueError, match="two modes besides the channels"):
        PARAFAC2(2).fit(X[0])
    with pytest.raises(ValueError, match="expected at most 120"):
        PARAFAC2(121).fit(X)
    mask = np.zeros((10, 300), bool)
    mask[0, 0] = True
    with pytest.raises(ValueError, match="needs all positions"):
        PARAFAC2(2).fit(as_blocks(X, navigation_mask=mask))
