"""Coupled tensors have the same factors in shared modes, better than those of one."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import fit_coupled
from sparsedecomp.decomposition.tensor.algebra import congruence


def blocks_of(*data):
    return [as_blocks(X) for X in data]


@pytest.fixture
def scan(rng):
    """Maps without pure pixels, two sets of spectra."""
    x = np.arange(60)[:, None]
    spectra = [
        np.exp(-0.5 * ((x - c) / 4) ** 2) + 0.05
        for c in (np.array([12, 30, 45]), np.array([18, 24, 50]))
    ]
    return rng.dirichlet(np.full(3, 0.5), 400), spectra


PAIR = [("maps", "first"), ("maps", "second")]


def test_shared_maps_of_counts_are_better_than_those_of_one_tensor(scan, rng):
    maps, spectra = scan
    data = [
        rng.poisson(n * maps @ S.T / S.sum(0).mean())
        for n, S in zip((30, 60), spectra, strict=True)
    ]
    fit = fit_coupled(blocks_of(*data), PAIR, 3, random_state=0)
    assert fit.likelihood and fit.converged
    for factor in fit.factors.values():
        np.testing.assert_allclose(factor.sum(axis=0), 1)
        assert factor.min() >= 0
    for X, weights in zip(data, fit.weights, strict=True):
        assert weights.sum() == pytest.approx(X.sum(), rel=1e-4)

    def score(fit):
        return congruence([maps], [fit.factors["maps"]])

    alone = [
        score(fit_coupled(blocks_of(X), [("maps", "own")], 3, random_state=0))
        for X in data
    ]
    assert score(fit) > max(alone)


def test_likelihood_never_falls(scan, rng):
    maps, spectra = scan
    data = [rng.poisson(20 * maps @ S.T / S.sum(0).mean()) for S in spectra]
    fit = fit_coupled(blocks_of(*data), PAIR, 3, random_state=0)
    assert len(fit.nats) > 2
    assert np.all(np.diff(fit.nats) <= 1e-9 * fit.nats[0])


def test_other_data_are_weighted_by_their_noise(scan, rng):
    maps, spectra = scan
    first = maps @ spectra[0].T
    second = 1000 * maps @ spectra[1].T
    first = first + 0.01 * rng.standard_normal(first.shape)
    second = second + 500 * rng.standard_normal(second.shape)
    fit = fit_coupled(blocks_of(first, second), PAIR, 3, random_state=0)
    assert not fit.likelihood
    assert congruence([maps], [fit.factors["maps"]]) > 0.97
    # The model of a tensor is the product with its weights.
    model = fit.loadings(0, ["maps"], [np.arange(400)]) @ fit.factors["first"].T
    assert np.linalg.norm(model - first) < 0.05 * np.linalg.norm(first)


def test_series_and_single_scan_share_maps(scan, rng):
    maps, spectra = scan
    profiles = rng.random((6, 3)) + 0.2
    series = np.einsum("tr,pr,er->tpe", profiles, maps, spectra[0])
    image = maps @ spectra[1].T
    labels = [("time", "maps", "first"), ("maps", "second")]
    fit = fit_coupled(
        blocks_of(series, image), labels, 3, noise="uniform", random_state=0
    )
    found = [fit.factors[name] for name in ("time", "maps", "second")]
    assert congruence([profiles, maps, spectra[1]], found) > 0.999


def test_pixels_missing_in_one_tensor_are_determined_by_the_other(scan):
    maps, spectra = scan
    data = [maps @ S.T for S in spectra]
    mask = np.zeros(400, bool)
    mask[:40] = True
    blocks = [as_blocks(data[0], navigation_mask=mask), as_blocks(data[1])]
    fit = fit_coupled(blocks, PAIR, 3, noise="uniform", tol=1e-10, random_state=0)
    model = fit.loadings(0, ["maps"], [np.arange(40)]) @ fit.factors["first"].T
    left = model - data[0][:40]
    assert np.linalg.norm(left) < 0.05 * np.linalg.norm(data[0][:40])


def test_bad_input(scan):
    maps, spectra = scan
    X = maps @ spectra[0].T
    with pytest.raises(ValueError, match="has 400 entries in one tensor and 399"):
        fit_coupled(blocks_of(X, X[:-1]), PAIR, 3)
    with pytest.raises(ValueError, match="Tensor 0 shares all its modes"):
        fit_coupled(blocks_of(X, X), [("a", "b"), ("a", "b")], 3)


def test_callback_ends_the_fit(scan):
    maps, spectra = scan
    received = []

    def callback(progress):
        received.append(progress)
        return True

    blocks = blocks_of(*(maps @ S.T for S in spectra))
    fit = fit_coupled(blocks, PAIR, 3, n_init=2, callback=callback)
    assert len(received) == 1 and not fit.converged
    assert received[0].maps().shape == (400, 3)
    # Maps and spectra are in the units of the first tensor.
    model = fit.loadings(0, ["maps"], [np.arange(400)]) @ fit.factors["first"].T
    np.testing.assert_allclose(received[0].maps() @ received[0].spectra(), model)


def test_fit_that_has_not_converged_warns(scan):
    maps, spectra = scan
    blocks = blocks_of(*(maps @ S.T for S in spectra))
    with pytest.warns(ConvergenceWarning, match="iterations 3 reached"):
        fit = fit_coupled(blocks, PAIR, 3, n_init=1, max_iter=3, tol=0)
    assert not fit.converged


def test_watch_is_deprecated(scan):
    maps, spectra = scan
    objectives = []
    with pytest.warns(FutureWarning, match="fit_coupled: watch is deprecated"):
        fit = fit_coupled(
            blocks_of(*(maps @ S.T for S in spectra)),
            PAIR,
            3,
            n_init=1,
            max_iter=2,
            watch=objectives.append,
        )
    np.testing.assert_array_equal(objectives, fit.history)
