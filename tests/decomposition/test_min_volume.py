"""Minimum volume on scenes without pure pixels, their truth known."""

import warnings

import dask.array as da
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import VCA, MinimumVolume
from sparsedecomp.metrics import abundance_rmse, match_components


def scene(k=4, n=3000, n_channels=60, purest=0.8, seed=0):
    """Shares of at most ``purest``, with pixels on every facet, and smooth spectra."""
    rng = np.random.default_rng(seed)
    centres = np.linspace(8, n_channels - 8, k)[:, None]
    spectra = np.exp(-0.5 * ((np.arange(n_channels) - centres) / 6) ** 2) + 0.2
    shares = rng.dirichlet(np.ones(k), 4 * n)
    # Some pixels lack a component, so that facets are touched.
    shares[np.arange(n), rng.integers(k, size=n)] = 0
    shares /= shares.sum(axis=1, keepdims=True)
    return shares[shares.max(axis=1) < purest][:n], spectra


def noisy(X, decibels, seed=0):
    sigma = np.sqrt(np.mean(X**2) / 10 ** (decibels / 10))
    return X + np.random.default_rng(seed).normal(0, sigma, X.shape)


def score(model, X, shares, spectra):
    W = model.fit_transform(X)
    _, found, angles = match_components(spectra, model.components_)
    return angles, abundance_rmse(shares, W[:, found])


# A simplex needs touching facets and a subspace, which random numbers do not have.
@parametrize_with_checks([MinimumVolume(n_components=1, random_state=0)])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("thickness", ["even", "varying"])
def test_exact_without_noise_and_without_pure_pixels(rng, k, thickness):
    shares, spectra = scene(k)
    X = shares @ spectra
    if thickness == "varying":
        X *= rng.uniform(0.3, 3, (len(X), 1))
    model = MinimumVolume(k, random_state=0)
    angles, rmse = score(model, X, shares, spectra)
    assert angles.max() < 0.05
    assert model.converged_
    if thickness == "even":
        assert rmse < 2e-3
        assert model.normalisation_ == "none"
        assert model.constraint_ == "fully_constrained"
    else:
        assert model.normalisation_ == "projective"
        assert model.constraint_ == "nonnegative"
        np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1.0)
    assert match_components(spectra, VCA(k).fit(X).components_)[2].max() > 1


@pytest.mark.parametrize("decibels", [40, 30])
def test_noise_is_told_from_mixtures(rng, decibels):
    shares, spectra = scene(4)
    X = noisy(shares @ spectra * rng.uniform(0.5, 2, (len(shares), 1)), decibels)
    model = MinimumVolume(4, random_state=0)
    angles, _ = score(model, X, shares, spectra)
    assert angles.mean() < (0.6 if decibels == 40 else 1.5)
    assert (
        angles.mean() < match_components(spectra, VCA(4).fit(X).components_)[2].mean()
    )
    sigma = np.sqrt(np.mean((shares @ spectra) ** 2) / 10 ** (decibels / 10))
    assert 0.5 * sigma**2 < model.noise_variance_ < 3 * sigma**2


def counted(n_counts, seed=0):
    """Counts of mixtures whose spectra fall steeply, with their true spectra."""
    shares, spectra = scene(3)
    spectra = spectra * np.exp(-np.arange(60) / 12)
    spectra /= spectra.sum(axis=1, keepdims=True)
    return np.random.default_rng(seed).poisson(n_counts * shares @ spectra), spectra


def test_noise_of_counts_is_made_equal_in_all_channels():
    X, spectra = counted(3000)
    of_counts, of_numbers = (
        match_components(
            spectra, MinimumVolume(3, random_state=0).fit(data).components_
        )[2].max()
        for data in (X, X + 1e-3)
    )
    assert of_counts < 0.75 * of_numbers
    assert of_counts < 2.5


@pytest.mark.parametrize("n_counts, warns", [(200, True), (100_000, False)])
def test_too_few_counts_are_told(n_counts, warns):
    X, spectra = counted(n_counts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = MinimumVolume(3, random_state=0).fit(X)
    told = [str(each.message) for each in caught if "too few" in str(each.message)]
    assert bool(told) == warns
    # Either way the uncertainty is about what the spectra are off by.
    worst = match_components(spectra, model.components_)[2].max()
    assert 0.3 < worst / model.uncertainty_.max() < 3


@pytest.mark.parametrize("name", ["sim1", "sim2"])
def test_published_scenes_without_pure_pixels(data_dir, name):
    with np.load(data_dir / "unmixing" / f"{name}_clean.npz") as scene:
        X = scene["cube"].reshape(-1, 224).astype(float)
        shares, spectra = scene["abundances"].reshape(-1, 6), scene["endmembers"].T
    model = MinimumVolume(6, random_state=0)
    angles, rmse = score(model, noisy(X, 30), shares, spectra)
    assert angles.mean() < 0.5 and rmse < 0.015


def test_published_scene_with_shadows(data_dir):
    with np.load(data_dir / "unmixing" / "samson.npz") as scene:
        X = scene["cube"].reshape(-1, 156)
        shares, spectra = scene["abundances"].reshape(-1, 3), scene["endmembers"].T
    model = MinimumVolume(3, random_state=0)
    angles, rmse = score(model, X, shares, spectra)
    assert angles.mean() < 1.9 and rmse < 0.045
    assert model.flatness_ > 10


@pytest.mark.parametrize("normalisation", ["none", "projective"])
def test_units_do_not_matter(normalisation):
    shares, spectra = scene(3)
    X = noisy(shares @ spectra, 35)
    one, million = (
        MinimumVolume(3, normalisation=normalisation, random_state=0).fit(unit * X)
        for unit in (1, 1e6)
    )
    angles = match_components(one.components_, million.components_)[2]
    assert angles.max() < 1e-3
    np.testing.assert_allclose(one.flatness_, million.flatness_, rtol=1e-6)


def test_lazy_agrees_with_eager():
    shares, spectra = scene(3)
    X = noisy(shares @ spectra, 35).astype(np.float32)
    eager, lazy = (MinimumVolume(3, random_state=0) for _ in range(2))
    W = eager.fit_transform(X)
    blocks = as_blocks(da.from_array(X.reshape(30, -1, 60), chunks=(11, -1, -1)))
    V = lazy.fit_transform(blocks)
    np.testing.assert_allclose(V, W, atol=1e-3)
    assert match_components(eager.components_, lazy.components_)[2].max() < 1e-2
    assert lazy.passes_ == blocks.passes == 6
    np.testing.assert_allclose(lazy.transform(blocks), V, atol=1e-6)


def test_same_seed_same_bits():
    shares, spectra = scene(3)
    X = noisy(shares @ spectra, 35)
    first, again = (MinimumVolume(3, random_state=1).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.components_, again.components_)


def test_a_heavier_price_makes_a_larger_simplex():
    shares, spectra = scene(3)
    X = noisy(shares @ spectra, 30)
    volumes = [
        MinimumVolume(3, regularisation=weight, random_state=0)
        .fit(X)
        .objective_history_[-1]
        for weight in (5.0, 50.0, 500.0)
    ]
    assert volumes[0] < 0.9 * volumes[1] and volumes[1] < volumes[2]


def test_too_few_iterations_are_told():
    shares, spectra = scene(3)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2"):
        model = MinimumVolume(3, max_iter=2).fit(noisy(shares @ spectra, 30))
    assert not model.converged_ and model.n_iter_ == 2


def test_callback_ends_the_search_and_interrupts_lose_nothing():
    shares, spectra = scene(3)
    X = noisy(shares @ spectra, 30)
    model = MinimumVolume(3, callback=lambda progress: True).fit(X)
    assert model.n_iter_ == 1

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 1 iterations"):
        model = MinimumVolume(3, callback=stop).fit(X)
    assert model.interrupted_ and np.isfinite(model.components_).all()


def test_bad_input_is_refused():
    shares, spectra = scene(3)
    X = shares @ spectra
    with pytest.raises(ValueError, match="5 components .* span 3 dimensions"):
        MinimumVolume(5).fit(X)
    X[17, 3] = np.inf
    with pytest.raises(ValueError, match=r"first at pixel \(17\), channel 3"):
        MinimumVolume(3).fit(X)
