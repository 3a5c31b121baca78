"""Pixels as one population: against least squares, the formula, and odd pixels."""

import numpy as np
import pytest

from sparsedecomp.xas.shells.hierarchical_prior import HierarchicalPrior

N_COORDINATES = 20


def population_of(Y, columns, theory=0.0):
    eye = np.eye(Y.shape[1])
    return HierarchicalPrior.of(
        columns,
        eye,
        theory * eye,
        lambda W: (0.05 * W) ** 2,
        Y.T @ Y / len(Y),
        Y.mean(axis=0),
        len(Y),
    )


def spectra(rng, columns, W, noise):
    return W @ columns + noise * rng.normal(size=(len(W), columns.shape[1]))


def mean_square(E):
    return np.mean(E**2, axis=0)


@pytest.fixture
def columns(rng):
    """Two shells whose spectra overlap."""
    both = rng.normal(size=(2, N_COORDINATES))
    both[1] += 0.7 * both[0]
    return both


def test_weights_are_those_of_efron_and_morris(rng, columns):
    W = [3, 5] + rng.normal(size=(40, 2))
    Y = spectra(rng, columns, W, 0.5)
    found, _ = population_of(Y, columns).posterior(Y)
    solve = np.linalg.pinv(columns)
    least = Y @ solve
    centred = least - least.mean(axis=0)
    left = Y - Y.mean(axis=0) - centred @ columns
    noise = np.sum(left**2) / (39 * (N_COORDINATES - 2))
    E = noise * solve.T @ solve
    drawn = (40 - 2 - 2) * centred @ np.linalg.inv(centred.T @ centred) @ E
    np.testing.assert_allclose(found, least - drawn, rtol=1e-9)


@pytest.mark.parametrize("n_pixels", [6, 400])
@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("kind", ["normal", "two phases"])
def test_errors_are_no_larger_than_those_of_least_squares(
    rng, columns, n_pixels, spread, kind
):
    """For any population and combination of shells; intervals cover what they say."""
    errors, plain, inside = [], [], []
    for _ in range(4000 // n_pixels):
        one = rng.normal(size=(n_pixels, 1))
        if kind == "two phases":
            one = 2.0 * (rng.random((n_pixels, 1)) < 0.3)
        W = 5 + spread * one * [1, -0.5]
        Y = spectra(rng, columns, W, 1.0)
        found, deviation = population_of(Y, columns).posterior(Y)
        errors.append(found - W)
        plain.append(Y @ np.linalg.pinv(columns) - W)
        inside.append(np.abs(found - W) < 2 * deviation)
    errors, plain = np.concatenate(errors), np.concatenate(plain)
    for combination in ([1, 0], [0, 1], [1, 1], [1, -1]):
        ours, theirs = (
            mean_square(errors @ combination),
            mean_square(plain @ combination),
        )
        assert ours < 1.02 * theirs
        if n_pixels == 400 and spread < 1:
            assert ours < 0.7 * theirs
    assert np.all(np.mean(np.concatenate(inside), axis=0) > 0.92)


def test_intervals_are_no_wider_than_errors(rng, columns):
    W = 5 + 0.4 * rng.normal(size=(2000, 2))
    Y = spectra(rng, columns, W, 1.0)
    found, deviation = population_of(Y, columns).posterior(Y)
    np.testing.assert_allclose(
        np.sqrt(mean_square(found - W)), deviation.mean(axis=0), rtol=0.1
    )


def test_without_noise_nothing_is_drawn(rng, columns):
    W = 5 + rng.normal(size=(50, 2))
    for noise in (1e-4, 0.0):
        Y = spectra(rng, columns, W, noise)
        found, deviation = population_of(Y, columns).posterior(Y)
        np.testing.assert_allclose(found, W, atol=5e-4)
        assert np.all(deviation < 1e-3)
    found, _ = population_of(Y[:1].repeat(50, axis=0), columns).posterior(Y[:1])
    np.testing.assert_allclose(found, W[:1])


def test_an_odd_pixel_is_drawn_and_its_interval_says_so(rng, columns):
    W = np.full((30, 2), 5.0)
    W[0] = [12, 0]
    Y = spectra(rng, columns, W, 4.0)
    found, deviation = population_of(Y, columns).posterior(Y)
    assert found[0, 0] < 11
    assert np.all(deviation[0] > 1.2 * np.median(deviation, axis=0))


def test_the_error_of_the_theory_does_not_average_out(rng, columns):
    Y = spectra(rng, columns, np.full((400, 2), [4.0, 8.0]), 1.0)
    _, deviation = population_of(Y, columns, theory=0.25).posterior(Y)
    theory = 0.5 * np.sqrt(np.diag(np.linalg.inv(columns @ columns.T)))
    np.testing.assert_allclose(deviation, theory[None].repeat(400, axis=0), rtol=0.2)


@pytest.mark.parametrize(("n_pixels", "n_columns"), [(4, 2), (9, 0), (90, 20)])
def test_too_few_pixels_are_no_population(rng, n_pixels, n_columns):
    columns = rng.normal(size=(n_columns, N_COORDINATES))
    assert population_of(rng.normal(size=(n_pixels, N_COORDINATES)), columns) is None


def test_columns_that_depend_on_each_other_are_none(rng, columns):
    Y = rng.normal(size=(50, N_COORDINATES))
    assert population_of(Y, columns[[0, 1, 1]]) is None
