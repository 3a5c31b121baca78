"""Supports on a grid of distances: greedy, joint, sampled, Lasso."""

import numpy as np
import pytest
from sklearn.linear_model import lasso_path as sklearn_path

from sparsedecomp.xas import FeffBasis
from sparsedecomp.xas.shells.coordinates import window_coordinates
from sparsedecomp.xas.shells.lasso import (
    choose_penalty,
    cross_validate_blocks,
    cross_validate_scans,
    debias,
    lambda_ratios,
    lasso_path,
)
from sparsedecomp.xas.shells.mcmc import sample_supports
from sparsedecomp.xas.shells.spike_and_slab import SpikeAndSlab
from tests.naive import exafs as naive

K = np.arange(0, 14.01, 0.05)
AT = {"e0": 1.0, "sigma2": 0.006}


@pytest.fixture(scope="module")
def nickel_oxide():
    """Problem of oxygen and nickel on a grid, and the spectrum of (O6, Ni12)."""
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False, rmax=4.5)
    coordinates = window_coordinates(K, (3, 13), (1.0, 4.2), noise=1, model_error=1e-3)
    atoms = basis.columns(coordinates.k, **AT)
    problem = SpikeAndSlab.from_columns(
        atoms @ coordinates.matrix.T,
        basis.r,
        basis.channel_index,
        density=2.0,
        intensity=[0.5, 0.5],
        resolution=0.15,
    )
    true = [
        int(np.argmin(np.abs(basis.r - r) + 9 * (basis.channel_index != kind)))
        for kind, r in ((0, 2.08), (1, 2.96))
    ]
    chi = np.zeros((2, len(K)))
    chi[:, 1:] = basis.columns(K[1:], **AT)[true]
    return problem, coordinates, atoms, true, np.array([6.0, 12.0]) @ chi


def pixels(nickel_oxide, rng, noise, count=60):
    problem, coordinates, _, true, chi = nickel_oxide
    share = rng.uniform(0.5, 1, (count, 1))
    chi = share * chi + noise * rng.normal(size=(count, len(chi)))
    return coordinates.project(chi), share[:, 0]


def test_coordinates_have_unit_noise(rng):
    coordinates = window_coordinates(
        K, (3, 13), (1.0, 4.2), kweight=2, noise=0.01, model_error=0.3
    )
    spread = np.hypot(0.01, 0.3 / np.maximum(K, 0.05) ** 2)
    Y = coordinates.project(spread * rng.normal(size=(4000, len(K))))
    np.testing.assert_allclose(np.cov(Y.T), np.eye(Y.shape[1]), atol=0.1)
    # As many as there are degrees of freedom, and blind outside of the window.
    assert abs(Y.shape[1] - 2 * 10 * 3.2 / np.pi) < 4
    weights = np.where(K > 0, np.maximum(K, 1) ** -2.0, 0)
    inside, outside = (
        np.linalg.norm(coordinates.project(weights * np.sin(2 * r * K + 0.3)))
        for r in (2.5, 9.0)
    )
    assert outside < 0.05 * inside


def test_noise_models_compare_by_their_volume(rng):
    chi = 0.01 * rng.normal(size=len(K))

    def likelihood(**noise):
        coordinates = window_coordinates(K, (3, 13), (1.0, 4.2), **noise)
        y = coordinates.project(chi)
        return -0.5 * y @ y - coordinates.log_volume

    right = likelihood(noise=0.01, model_error=1e-6)
    assert right > likelihood(noise=0.02, model_error=1e-6) + 3
    assert right > likelihood(noise=1e-6, model_error=3.0, kweight=3) + 3


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (((3, 20), (1, 4)), "leaves the data"),
        (((3, 13), (4, 1)), "two increasing distances"),
        (((3, 4), (1, 2)), "0.6 degrees of freedom"),
    ],
)
def test_windows_outside_of_the_data_are_refused(ranges, message):
    with pytest.raises(ValueError, match=message):
        window_coordinates(K, *ranges)


def test_every_search_finds_the_two_shells(nickel_oxide, rng):
    problem, coordinates, _, true, chi = nickel_oxide
    noise = 0.002
    y = coordinates.project(chi + noise * rng.normal(size=len(chi)))
    W, D, evidence, variance = problem.greedy(y[None], [[noise**2]])
    assert list(np.flatnonzero(W[0])) == true and variance == noise**2
    n = W[0, true] * problem.r[true] ** 2
    error = D[0, true] * problem.r[true] ** 2
    assert np.all(np.abs(n - [6, 12]) < 3 * error) and np.all(error < 0.5)
    support, joint, _ = problem.joint(np.outer(y, y), y, 1, [noise**2])
    assert list(support) == true
    np.testing.assert_allclose(joint, evidence[0], rtol=1e-6)
    every = naive.posterior(
        y, problem.columns, problem.prior, problem.log_odds, noise**2, 2
    )
    assert max(every, key=every.get) == tuple(true)
    sample = sample_supports(problem, y, [noise**2], n_sweeps=20000, random_state=1)
    near = [np.abs(problem.r - problem.r[j]) < 0.07 for j in true]
    for kind, where in enumerate(near):
        of = where & (problem.channel_index == kind)
        assert 0.95 < sample.inclusion[of].sum() < 1.1
    assert sample.inclusion[~near[0] & ~near[1]].max() < 0.2
    again = sample_supports(problem, y, [noise**2], n_sweeps=20000, random_state=1)
    np.testing.assert_array_equal(sample.inclusion, again.inclusion)


def test_joint_support_is_exact_where_single_pixels_fail(nickel_oxide, rng):
    problem, _, _, true, chi = nickel_oxide
    noise = 2.5 * np.sqrt(np.mean(chi[60:] ** 2))
    Y, share = pixels(nickel_oxide, rng, noise, count=400)
    support, _, variance = problem.joint(
        Y.T @ Y, Y.mean(axis=0), len(Y), noise**2 * np.array([0.25, 1, 4])
    )
    assert variance == noise**2
    assert np.all(problem.channel_index[support] == [0, 1])
    np.testing.assert_allclose(problem.r[support], problem.r[true], atol=0.05)
    W, *_ = problem.greedy(Y, np.full((len(Y), 1), noise**2))
    assert np.mean((W[:, problem.channel_index == 1] > 0).any(axis=1)) < 0.5


def test_joint_search_leaves_a_column_that_takes_of_two_shells():
    # Two phases in noise: oxygen between the shells explains more than either alone,
    # and what it leaves of them is below zero in the mean.
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False, rmax=4.0)
    coordinates = window_coordinates(
        K, (3, 13.5), (1, 3.4), noise=0.08, model_error=0.3
    )
    at = {"e0": 3.0, "sigma2": 0.006}
    problem = SpikeAndSlab.from_columns(
        basis.columns(coordinates.k, **at) @ coordinates.matrix.T,
        basis.r,
        basis.channel_index,
        density=2.0,
        intensity=[0.5, 0.5],
        resolution=0.15,
    )
    n = np.array([[6.0, 12.0]] * 160 + [[3.0, 5.0]] * 240)
    atoms = np.array(
        [
            channel.columns(coordinates.k, r, **at)[0, 0]
            for channel, r in zip(basis.channels, (2.1, 2.96), strict=True)
        ]
    )
    Y = n @ atoms @ coordinates.matrix.T
    moment = Y.T @ Y + len(Y) * np.eye(coordinates.size)
    support, _, _ = problem.joint(moment, Y.mean(axis=0), len(Y), [1.0])
    assert basis.channel_index[support].tolist() == [0, 1]
    np.testing.assert_allclose(basis.r[support], [2.1, 2.96], atol=0.021)


def test_a_chain_of_three_sweeps_is_refused(nickel_oxide):
    with pytest.raises(ValueError, match="ten sweeps and one replica"):
        sample_supports(nickel_oxide[0], np.zeros(3), [1.0], n_sweeps=3)


def test_lasso_path_is_that_of_scikit_learn(nickel_oxide, rng):
    problem = nickel_oxide[0]
    Y, _ = pixels(nickel_oxide, rng, 0.003, count=3)
    ratios = lambda_ratios(6, 0.1)
    weights, lambdas = lasso_path(problem, Y, ratios, tol=1e-10)
    X = problem.columns.T
    for i, y in enumerate(Y):
        _, coefficients, _ = sklearn_path(
            X, y, alphas=lambdas[i] / len(y), positive=True, max_iter=20000, tol=1e-8
        )

        def objective(w, y=y, lambdas=lambdas[i]):
            left = y[:, None] - X @ w
            return 0.5 * np.sum(left**2, axis=0) + lambdas * w.sum(axis=0)

        ours, theirs = objective(weights[:, i].T), objective(coefficients)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    (last,), _ = lasso_path(problem, Y, ratios, store=5, tol=1e-10)
    np.testing.assert_array_equal(last, weights[-1])
    assert not lasso_path(problem, Y, ratios, floor=2 * lambdas.max())[0].any()


def test_debiased_lasso_counts_the_atoms(nickel_oxide, rng):
    problem, coordinates, atoms, true, chi = nickel_oxide
    chi = chi + 0.002 * rng.normal(size=len(chi))
    y = coordinates.project(chi)[None]
    ratios = lambda_ratios(20)
    check = cross_validate_blocks(problem, coordinates, chi, atoms, ratios)
    limit = check.mean.min() + check.standard_error[check.mean.argmin()]
    assert check.mean[check.chosen] <= limit
    assert np.all(check.mean[: check.chosen] > limit)
    weights, _ = lasso_path(problem, y, ratios, store=check.chosen)
    w = debias(problem, y, weights[0])[0]
    # One stick for each shell, and the numbers are not shrunk.
    n = w * problem.r**2
    near = [np.abs(problem.r - problem.r[j]) < 0.07 for j in true]
    found = [
        n[of & (problem.channel_index == kind)].sum() for kind, of in enumerate(near)
    ]
    np.testing.assert_allclose(found, [6, 12], rtol=0.15)
    assert not debias(problem, y, 0 * weights[0]).any()


def test_scans_are_left_out_in_turn(nickel_oxide, rng):
    problem, coordinates, atoms, _, chi = nickel_oxide
    scans = chi + 0.005 * rng.normal(size=(4, len(chi)))
    ratios = lambda_ratios(10)
    check = cross_validate_scans(problem, coordinates.project(scans), ratios)
    assert check.errors.shape == (4, 10)
    assert check.mean[check.chosen] < check.mean[0]
    chosen, again = choose_penalty(problem, coordinates, scans, atoms, ratios, "scans")
    assert chosen == check.chosen
    np.testing.assert_array_equal(again.errors, check.errors)
    chosen, none = choose_penalty(problem, coordinates, chi, atoms, ratios, ratios[3])
    assert (chosen, none) == (3, None)


def test_what_cross_validation_refuses(nickel_oxide):
    problem, coordinates, atoms, _, chi = nickel_oxide
    with pytest.raises(ValueError, match="needs two or more"):
        cross_validate_scans(problem, np.zeros((1, coordinates.size)), [0.1])
    with pytest.raises(ValueError, match="holds 2 blocks of 5 .* needs 3"):
        cross_validate_blocks(problem, coordinates, chi, atoms, [0.1], width=5)
    for penalty in ("aic", -1.0):
        with pytest.raises(ValueError, match="give a fraction of the largest penalty"):
            choose_penalty(problem, coordinates, chi, atoms, np.ones(1), penalty)
