"""The published update rules: step by step, and the fixed points of the authors."""

import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import NMFSO, NMFSOARD
from sparsedecomp.decomposition.nmf import published as ours
from sparsedecomp.decomposition.nmf.model import CompressedMatrix

from ..naive import published as naive

# Results of the authors' script: the factors' name, its objective, its parameters.
PLAIN = {"nmf_K2": 0.0, "nmfso_K2_wo005": 0.05, "nmfso_K2_wo05": 0.5}
RELEVANT = {"ard_K10_wo0": 0.0, "ardso_K10_wo005": 0.05}


@pytest.fixture
def authors(mn3o4):
    """Return the data as the authors scale them and factors of theirs."""
    X = mn3o4.noisy / mn3o4.noisy.mean()

    def factors(name, axis):
        C = mn3o4.reference[f"{name}_C"] / mn3o4.noisy.mean()
        S = mn3o4.reference[f"{name}_S"]
        # One of the two has columns of unit norm.
        norm = np.linalg.norm(C if axis == "maps" else S, axis=0)
        C, S = (C / norm, S * norm) if axis == "maps" else (C * norm, S / norm)
        return X, C, S, float(mn3o4.reference[f"{name}_obj"])

    return factors


@pytest.mark.parametrize(("name", "orthogonality"), PLAIN.items())
def test_oracle_stands_still_where_the_authors_stopped(authors, name, orthogonality):
    X, C, S, objective = authors(name, "maps")
    assert np.mean((X - C @ S.T) ** 2) == pytest.approx(objective, abs=1e-9)
    after = naive.nmf_so_step(X, C, S, orthogonality)
    np.testing.assert_allclose(after[0], C, atol=1e-5 * C.max())
    np.testing.assert_allclose(after[1], S, atol=1e-5 * S.max())


@pytest.mark.parametrize(("name", "orthogonality"), RELEVANT.items())
def test_oracle_with_relevance_stands_still_too(authors, name, orthogonality):
    X, C, S, _ = authors(name, "spectra")
    noise = np.mean((X - C @ S.T) ** 2)
    relevance = C.sum(axis=0) / (len(C) + 2)
    after = naive.nmf_ard_so_step(X, C, S, relevance, noise, orthogonality)
    np.testing.assert_allclose(after[0], C, atol=1e-6 * C.max())
    np.testing.assert_allclose(after[1], S, atol=1e-6 * S.max())


@pytest.fixture
def start(rng):
    """Return random data of low noise, maps and spectra to start from."""
    X = rng.random((30, 3)) @ rng.random((3, 20)) + 0.1 * rng.random((30, 20))
    return X, rng.random((30, 3)), rng.random((20, 3))


def matrix_of(X):
    return CompressedMatrix(as_blocks(X), None, np.square(X).sum())


@pytest.mark.parametrize("orthogonality", [0.0, 0.1, 1.0])
def test_plain_updates_agree_with_the_oracle(start, orthogonality):
    X, C, S = start
    C /= np.linalg.norm(C, axis=0)
    method = ours.PublishedNMFSO(matrix_of(X), orthogonality, 0.0)
    state = ours.PublishedState(C.copy(), S.T.copy(), 0.0)
    for _ in range(20):
        C, S = naive.nmf_so_step(X, C, S, orthogonality)
        state, objective = method.step(state)
        np.testing.assert_allclose(state.C, C, atol=1e-10)
        np.testing.assert_allclose(state.S, S.T, atol=1e-9)
        assert objective == pytest.approx(np.mean((X - C @ S.T) ** 2), rel=1e-8)


@pytest.mark.parametrize("orthogonality", [0.0, 0.1, 0.5])
def test_updates_with_relevance_agree_with_the_oracle(start, orthogonality):
    X, C, S = start
    S /= np.linalg.norm(S, axis=0)
    relevance = C.sum(axis=0) / (len(C) + 2)
    noise = np.mean((X - C @ S.T) ** 2)
    method = ours.PublishedNMFARDSO(matrix_of(X), orthogonality, 0.0)
    state = ours.PublishedState(C.copy(), S.T.copy(), noise, relevance)
    before = None
    for _ in range(20):
        state.iteration = 0  # alike components merge only after the third iteration
        C, S, relevance, noise = naive.nmf_ard_so_step(
            X, C, S, relevance, noise, orthogonality
        )
        state, objective = method.step(state)
        np.testing.assert_allclose(state.C, C, atol=1e-10)
        np.testing.assert_allclose(state.S, S.T, atol=1e-10)
        np.testing.assert_allclose(state.relevance, relevance, rtol=1e-10)
        assert state.noise_variance == pytest.approx(noise, rel=1e-8)
        # While all components live both objectives differ by the unit of the
        # relevances only, which ours measures by the noise (correction 3).
        theirs = naive.negative_log_likelihood(X, C, relevance, noise)
        theirs -= len(C) * 3 * np.log(noise) / 2 + 2 * np.log(relevance).sum()
        if before is not None:
            assert objective - before[0] == pytest.approx(theirs - before[1], abs=1e-6)
        before = objective, theirs


def fitted(cls, mn3o4, **parameters):
    model = cls(
        updates="published", n_init=1, max_iter=5000, tol=1e-9, **parameters
    ).fit(mn3o4.noisy)
    return model, mn3o4.angles(model.components_)


compressions = pytest.mark.parametrize("compression", [None, "auto"])


@compressions
@pytest.mark.parametrize("name", ["nmfso_K2_wo005", "nmfso_K2_wo05"])
def test_fixed_points_of_nmf_so(mn3o4, name, compression):
    for seed in range(2):
        model, angles = fitted(
            NMFSO,
            mn3o4,
            n_components=2,
            orthogonality=PLAIN[name],
            compression=compression,
            random_state=seed,
        )
        theirs = mn3o4.angles(mn3o4.reference[f"{name}_S"].T)
        np.testing.assert_allclose(angles, theirs, atol=0.05)
        assert model.converged_


def test_plain_nmf_fits_as_well_as_the_authors(mn3o4):
    model = NMFSO(
        2,
        updates="published",
        orthogonality=0,
        compression=None,
        n_init=1,
        tol=1e-5,
        max_iter=1200,
        random_state=0,
    ).fit(mn3o4.noisy)
    mean_square = np.square(mn3o4.noisy / mn3o4.noisy.mean()).mean()
    # Along a flat valley: two optima 3e-8 apart, and 15 degrees.
    objective = model.relative_residual_**2 * mean_square
    assert objective < 0.308516


@compressions
def test_fixed_point_of_relevance_determination(mn3o4, compression):
    for seed in range(2):
        model, angles = fitted(
            NMFSOARD,
            mn3o4,
            n_components=10,
            orthogonality=0.0,
            compression=compression,
            random_state=seed,
        )
        assert model.n_components_ == 2
        np.testing.assert_allclose(angles, (-40.937, 9.033), atol=0.05)


@pytest.mark.parametrize(("compression", "seed"), [(None, 0), ("auto", 1)])
def test_fixed_point_of_relevance_with_soft_orthogonality(mn3o4, compression, seed):
    # One start in six ends with two components, as the authors' script does.
    model, angles = fitted(
        NMFSOARD,
        mn3o4,
        n_components=10,
        orthogonality=0.05,
        compression=compression,
        random_state=seed,
    )
    theirs = mn3o4.angles(mn3o4.reference["ardso_K10_wo005_S"].T)
    np.testing.assert_allclose(angles, theirs, atol=0.05)
    # In their units the noise variance is that of the reference's residual.
    X, C, S = mn3o4.noisy, *(mn3o4.reference[f"ardso_K10_wo005_{x}"] for x in "CS")
    assert model.noise_variance_ == pytest.approx(np.mean((X - C @ S.T) ** 2), rel=1e-3)


@pytest.mark.parametrize("cls", [NMFSO, NMFSOARD])
def test_unit_of_the_data_does_not_matter(mn3o4, cls):
    results = [
        cls(
            4,
            updates="published",
            orthogonality=0.05,
            n_init=2,
            max_iter=60,
            tol=0,
            random_state=3,
        )
        for _ in range(2)
    ]
    with pytest.warns(UserWarning, match="Maximum number of iterations 60"):
        maps = [
            model.fit_transform(unit * mn3o4.noisy)
            for model, unit in zip(results, (1.0, 1e6), strict=True)
        ]
    small, large = results
    assert small.n_components_ == large.n_components_
    np.testing.assert_allclose(large.components_, small.components_, atol=1e-9)
    np.testing.assert_allclose(maps[1], 1e6 * maps[0], atol=1e-9 * maps[1].max())


def test_spectra_on_a_common_background_are_not_one(rng):
    # Their cosine is 0.994: the scripts merge them, although noise cannot explain
    # their difference (correction 5).
    spectra = 1 + 0.12 * np.array([[1.0] * 20 + [0.0] * 20, [0.0] * 20 + [1.0] * 20])
    maps = rng.dirichlet((0.2, 0.2), 500)
    X = maps @ spectra + rng.normal(0, 0.01, (500, 40))
    model = NMFSOARD(
        2, updates="published", orthogonality=0.0, random_state=0, n_init=1, tol=1e-4
    ).fit(X)
    assert model.n_components_ == 2


def test_two_halves_of_one_component_are_one(rng):
    X = np.outer(rng.random(200) + 0.5, rng.random(60)) + rng.normal(0, 0.01, (200, 60))
    model = NMFSOARD(
        5,
        updates="published",
        orthogonality=0.05,
        random_state=0,
        n_init=1,
        tol=1e-5,
    ).fit(np.abs(X))
    assert model.n_components_ == 1
