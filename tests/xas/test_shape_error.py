"""Errors of shapes in the atoms of spectra: against the fit's own, and drawn ones."""

import numpy as np
import pytest

from sparsedecomp.xas import FeffBasis, ShellPrior
from sparsedecomp.xas.shells.coordinates import window_coordinates
from sparsedecomp.xas.shells.map_refinement import refine
from sparsedecomp.xas.shells.model import GLOBALS, ShellModel
from sparsedecomp.xas.shells.shape_error import SharedError

K = np.arange(0, 14.01, 0.05)


@pytest.fixture(scope="module")
def fitted():
    """Model and fit of O6 and Ni12, in an order that is not that of distance."""
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)
    coordinates = window_coordinates(K, (3, 13.5), (1, 3.4), noise=0.005)
    exact = ShellPrior(shape_error=0.0, missing_paths=0.0)
    model = ShellModel(basis.channels, coordinates, 4.0, exact)
    channel_index = np.array([1, 0])
    r, n = np.array([2.954, 2.089]), np.array([12, 6])
    p = np.concatenate([[0, 0, 1.0], r, n / r**2, np.zeros(4)])
    y = model.predict(p, channel_index)[0]
    noise = np.random.default_rng(0).normal(size=len(y))
    return model, refine(model, y + noise, p, channel_index)


def places_of_atoms():
    return GLOBALS + 2 + np.arange(2)


def test_of_its_own_weights_a_fit_knows_what_it_knows_less(fitted):
    model, fit = fitted
    of = places_of_atoms()
    alone = np.linalg.inv(np.linalg.inv(fit.covariance)[np.ix_(of, of)])
    lost = (np.diag(fit.covariance)[of] - np.diag(alone))[::-1]
    error = SharedError.of(model, fit)
    own = (error.amplitude * fit.p[of][::-1]) ** 2
    np.testing.assert_allclose(error.variance(fit.p[of][::-1]) - own, lost, rtol=0.02)


def test_atoms_spread_as_shapes_are_drawn(fitted):
    """A pixel without nickel errs by its oxygen alone, and not in proportion to N."""
    model, fit = fitted
    of = places_of_atoms()
    rng = np.random.default_rng(1)
    w = np.array([1.4, 0.0])
    columns = model.predict(fit.p, fit.channel_index)[1][:, of[::-1]]
    shapes = np.delete(np.arange(len(fit.p)), of)
    covariance = 1e-2 * fit.covariance[np.ix_(shapes, shapes)]
    found = []
    for shift in rng.multivariate_normal(np.zeros(len(shapes)), covariance, 1000):
        p = fit.p.copy()
        p[shapes] += shift
        p[of] = w[::-1]
        found.append(np.linalg.pinv(columns) @ model.predict(p, fit.channel_index)[0])
    expected = SharedError(0.0, SharedError.of(model, fit).shapes).variance(w)
    np.testing.assert_allclose(10 * np.std(found, axis=0), np.sqrt(expected), rtol=0.1)
    assert expected[1] > 0


def test_without_a_fit_the_amplitude_is_all(fitted):
    W = np.array([[1.0, 2.0], [0.0, 4.0]])
    np.testing.assert_allclose(SharedError(0.05).variance(W), (0.05 * W) ** 2)


def test_no_shells_have_no_error(fitted):
    model, _ = fitted
    y = np.zeros(model.coordinates.size)
    fit = refine(model, y + 1e-3, model.prior_of(0)[0], np.zeros(0, dtype=int))
    assert SharedError.of(model, fit).variance(np.zeros((3, 0))).shape == (3, 0)


def test_errors_of_the_theory_are_in_the_atoms(fitted):
    exact, fit = fitted
    model = ShellModel(exact.channels, exact.coordinates, 4.0)
    of = places_of_atoms()
    fit = refine(model, fit.prediction, fit.p, fit.channel_index)
    w = fit.p[of][::-1]
    # With the whole covariance a fit knows its own errors.
    alone = np.linalg.inv(np.linalg.inv(fit.covariance)[np.ix_(of, of)])
    lost = (np.diag(fit.covariance)[of] - np.diag(alone))[::-1]
    own = SharedError(0.0, SharedError.of(model, fit, fit.noise_covariance).shapes)
    np.testing.assert_allclose(own.variance(w), lost, rtol=0.02)
    # Least squares errs as theories drawn at random do.
    rng = np.random.default_rng(2)
    columns = model.predict(fit.p, fit.channel_index)[1][:, of[::-1]]
    T = model.theory_covariance(fit.p, fit.channel_index)
    errors = (
        rng.multivariate_normal(np.zeros(len(T)), T, 4000) @ np.linalg.pinv(columns).T
    )
    shapes = SharedError.of(exact, fit).shapes
    theory = SharedError(0.0, SharedError.of(model, fit).shapes - shapes)
    np.testing.assert_allclose(theory.variance(w), np.var(errors, axis=0), rtol=0.15)


def test_theory_errors_grow_with_the_shells(fitted):
    exact, fit = fitted
    prior = ShellPrior(missing_paths=0.0)
    model = ShellModel(exact.channels, exact.coordinates, 4.0, prior)
    T = model.theory_covariance(fit.p, fit.channel_index)
    assert np.all(np.linalg.eigvalsh(T) > -1e-9 * np.trace(T))
    more = fit.p.copy()
    more[places_of_atoms()] *= 2
    np.testing.assert_allclose(
        model.theory_covariance(more, fit.channel_index), 4 * T, rtol=1e-9, atol=1e-12
    )
    # The relative error of the spectrum is that of the prior.
    relative = np.trace(T) / np.sum(fit.prediction**2)
    assert 0.5 < np.sqrt(relative) / model.prior.shape_error < 2.5


def test_missing_paths_are_made_by_pairs_of_neighbours(fitted):
    exact, fit = fitted
    model = ShellModel(exact.channels, exact.coordinates, 4.0)
    r, u = model.split(fit.p)[1][:2]
    once = model.theory.missing(r, u, fit.channel_index)
    twice = model.theory.missing(r, 2 * u, fit.channel_index)
    np.testing.assert_allclose(twice, 16 * once)
    assert np.trace(once) > 0


def test_no_more_atoms_than_fit_into_a_shell(fitted):
    model, fit = fitted
    largest = model.limits.of(np.array([2.089, 2.954]), np.array([0, 1]))
    # Oxygens touch at 2 angstrom, nickels are no closer than to the absorber.
    np.testing.assert_allclose(
        largest, 14.51 / np.array([2.0, 0.95 * 2.954]) ** 2, 1e-3
    )
    value, slope, curvature = model.limits.penalty(1.15 * largest, largest)
    assert value == pytest.approx(1.0) and np.all(slope > 0) and np.all(curvature > 0)
    assert model.limits.penalty(0.99 * largest, largest)[0] == 0
